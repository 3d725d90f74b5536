//! The exporter's thread: sends spans, and now and then the figures of the server, to the collector.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use serde::Serialize;
use serde_json::Value;

use super::otlp::Resource;
use super::trace::{Outlet, SPANS_MAX, Span};
use super::{figures, otlp};
use crate::answer::ServerInfo;
use crate::clock::{monotonic_ns, unix_ns};
use crate::engine::Shared;
use crate::outgoing;

/// Spans of one request to the collector, at most.
const BATCH_MAX: usize = 512;
/// How long spans are gathered. Nobody wakes the exporter, which would cost more than a span.
const GATHER: Duration = Duration::from_millis(200);
/// Between two tellings of the figures.
const FIGURES_NS: u64 = 10_000_000_000;
/// For each step of a request to the collector.
const PATIENCE: Duration = Duration::from_secs(2);
/// A collector that took nothing is left alone for so long. Spans wait meanwhile, as many as there is room for.
const RETRY_NS: u64 = 5_000_000_000;

pub(super) struct Exporter {
    traces: Place,
    metrics: Place,
    resource: Resource,
    shared: Weak<Shared>,
    outlet: Arc<Outlet>,
    /// Times of spans, CLOCK_MONOTONIC, become times of day by these two, ns.
    base_ns: u64,
    base_unix_ns: u64,
}

impl Exporter {
    pub(super) fn new(
        collector: &str,
        info: &ServerInfo,
        shared: &Arc<Shared>,
        outlet: Arc<Outlet>,
    ) -> io::Result<Self> {
        let collector = collector.trim_end_matches('/');
        let tls = if collector.starts_with("https://") { Some(outgoing::client_config()?) } else { None };
        let place = |path| Place { address: format!("{collector}{path}"), tls: tls.clone(), retry_ns: None };
        let (traces, metrics) = (place("/v1/traces"), place("/v1/metrics"));
        let (resource, shared) = (Resource::new(info, shared.replica), Arc::downgrade(shared));
        Ok(Self { traces, metrics, resource, shared, outlet, base_ns: monotonic_ns(), base_unix_ns: unix_ns() })
    }

    /// Until nothing more is to come.
    pub(super) fn run(mut self, spans: &Receiver<Box<Span>>) {
        let mut told_ns = monotonic_ns();
        loop {
            // Looked at first: what was there when the end was said is sent.
            let ends = self.outlet.ends.load(Ordering::Acquire);
            let Some(shared) = self.shared.upgrade() else { return };
            let now_ns = monotonic_ns();
            if ends || self.traces.is_due(now_ns) {
                self.tell_spans(spans);
            }
            if ends || (now_ns.saturating_sub(told_ns) >= FIGURES_NS && self.metrics.is_due(now_ns)) {
                told_ns = now_ns;
                self.tell_figures(&shared);
            }
            drop(shared);
            if ends {
                let left = spans.try_iter().count() as u64;
                self.outlet.counts.failed.fetch_add(left, Ordering::Relaxed);
                return;
            }
            std::thread::park_timeout(GATHER);
        }
    }

    /// Sends what waits, in parts; at a part that is not taken it stops.
    fn tell_spans(&mut self, spans: &Receiver<Box<Span>>) {
        let (base_ns, base_unix_ns) = (self.base_ns, self.base_unix_ns);
        let unix = move |ns: u64| base_unix_ns.wrapping_add(ns.wrapping_sub(base_ns));
        // More may come while it sends, without end.
        for _ in 0..SPANS_MAX.div_ceil(BATCH_MAX) {
            let part: Vec<Box<Span>> = spans.try_iter().take(BATCH_MAX).collect();
            if part.is_empty() {
                return;
            }
            let answer = self.traces.post(&otlp::traces(&self.resource, &part, unix));
            let count = part.len() as u64;
            let refused = answer.as_ref().map_or(count, |answer| refused(answer).min(count));
            self.outlet.counts.exported.fetch_add(count - refused, Ordering::Relaxed);
            self.outlet.counts.failed.fetch_add(refused, Ordering::Relaxed);
            if answer.is_none() {
                return;
            }
        }
    }

    fn tell_figures(&mut self, shared: &Shared) {
        let metrics = figures::metrics(&shared.snapshot(), shared.started_unix_ns, unix_ns());
        self.metrics.post(&otlp::metrics(&self.resource, metrics));
    }
}

/// Where one kind of telemetry goes.
struct Place {
    address: String,
    /// Where the collector has TLS.
    tls: Option<Arc<ClientConfig>>,
    /// When one that took nothing is asked again.
    retry_ns: Option<u64>,
}

impl Place {
    fn is_due(&self, now_ns: u64) -> bool {
        self.retry_ns.is_none_or(|retry_ns| now_ns >= retry_ns)
    }

    /// What it answered; None where nothing was taken, which is logged once until something is again.
    fn post(&mut self, body: &impl Serialize) -> Option<String> {
        // Text and numbers, which can always be written.
        let body = serde_json::to_vec(body).unwrap_or_default();
        match outgoing::post(&self.address, "application/json", &body, PATIENCE, self.tls.as_ref()) {
            Ok(answer) => {
                if self.retry_ns.take().is_some() {
                    tracing::info!("the collector at {} takes telemetry again", self.address);
                }
                Some(answer)
            }
            Err(error) => {
                if self.retry_ns.is_none() {
                    tracing::warn!("the collector at {} takes no telemetry: {error}", self.address);
                }
                self.retry_ns = Some(monotonic_ns().saturating_add(RETRY_NS));
                None
            }
        }
    }
}

/// How many spans a collector did not take of those that it was sent, by its answer.
fn refused(answer: &str) -> u64 {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let refused = &answer["partialSuccess"]["rejectedSpans"];
    // A number of 64 bits is text in JSON, but a reader has to take both.
    refused.as_u64().or_else(|| refused.as_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_may_take_a_part() {
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"old"}}"#), 3);
        assert_eq!(refused(r#"{"partialSuccess":{"rejectedSpans":4}}"#), 4);
        assert_eq!([refused("{}"), refused(""), refused(r#"{"partialSuccess":null}"#)], [0, 0, 0]);
    }
}
