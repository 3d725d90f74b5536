use serde::Serialize;

use super::{Analysis, Window, generators_own, sum_of};
use crate::stats::Sparse;

/// Figures of some seconds of load, for the line that is printed every 30 s.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Span {
    pub planned: u64,
    pub ok: u64,
    /// Planned and not ok, without what the generator itself did not send.
    pub errors: u64,
    /// None where nothing was answered.
    pub mean_ms: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
    pub offered_rps: f64,
    pub answered_rps: f64,
    /// Open at its end.
    pub connections: u64,
    /// Of all replicas at its end; None: not measured.
    pub memory_bytes: Option<u64>,
    /// Waiting in all replicas' queues at its end; None: not measured.
    pub queue_depth: Option<u64>,
    /// Of all replicas, in percent of one core; None: not measured.
    pub cluster_cpu_percent: Option<f64>,
    /// Of all agents, in percent of one core; None: not measured.
    pub agents_cpu_percent: Option<f64>,
}

impl Analysis {
    /// The load of the seconds `from..to`, in whatever phase.
    pub fn span(&self, from: u32, to: u32) -> Span {
        let window = Window { from, to: to.max(from) };
        let mut span = Span { connections: self.open_at(to), ..Span::default() };
        let mut latency = Sparse::default();
        let (mut sum_us, mut count) = (0.0, 0);
        let mut generators = 0;
        let mut max_us = None;
        for load in self.load_seconds(window).into_iter().flatten() {
            span.planned += load.planned;
            span.ok += load.ok();
            generators += generators_own(&load.fates);
            sum_us += load.latency_sum_us;
            count += load.latency_count;
            max_us = max_us.max(load.latency_max_us);
            latency.merge(&load.latency);
        }
        let seconds = window.seconds().max(1) as f64;
        let ms = |us: Option<u64>| us.map(|us| us as f64 / 1_000.0);
        span.errors = span.planned.saturating_sub(generators).saturating_sub(span.ok);
        span.mean_ms = (count > 0).then(|| sum_us / count as f64 / 1_000.0);
        // Kept in coarse steps that are rounded up, which must not lie above the largest.
        let quantile = |quantile| latency.quantile_us(quantile).zip(max_us).map(|(us, max)| us.min(max));
        span.p50_ms = ms(quantile(0.5));
        span.p95_ms = ms(quantile(0.95));
        span.p99_ms = ms(quantile(0.99));
        span.max_ms = ms(max_us);
        span.offered_rps = span.planned as f64 / seconds;
        span.answered_rps = span.ok as f64 / seconds;
        self.add_resources(window, &mut span);
        span
    }

    fn add_resources(&self, window: Window, span: &mut Span) {
        let server = self.server_window(window);
        span.memory_bytes = server.memory.last().map(|point| point.1 as u64);
        span.cluster_cpu_percent = server.cpu_percent_total();
        if let Some(sample) = self.seconds_in(window).filter_map(|(_, second)| second.cluster.as_ref()).last() {
            span.queue_depth = sum_of(&sample.replicas, |replica| replica.queue_depth);
        }
        let cpu: u64 = self.seconds_in(window).flat_map(|(_, second)| &second.agents).map(|agent| agent.cpu_us).sum();
        let seen = self.seconds_in(window).filter(|(_, second)| !second.agents.is_empty()).count();
        span.agents_cpu_percent = (seen > 0).then(|| cpu as f64 / seen as f64 / 10_000.0);
    }

    /// Open connections at the end of the second before `to`.
    fn open_at(&self, to: u32) -> u64 {
        let mut last = std::collections::BTreeMap::new();
        // An agent sends a row a second: what it had is found among the last few.
        for (_, second) in self.seconds.range(to.saturating_sub(5)..to) {
            last.extend(second.open.iter().copied());
        }
        last.values().sum()
    }
}
