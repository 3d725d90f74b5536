use std::collections::BTreeMap;

use super::line::{Column, Fold, Line};
use super::{Chart, Curve, Heat, LimitLine, SERIES_VERSION, Series, marks};
use crate::analysis::Analysis;
use crate::seconds::SecondView;
use crate::stats::Sparse;
use crate::verdict::threshold;

/// More points than this are more than a screen has: two then become one.
const POINTS_MAX: usize = 2_400;
/// Lines beyond this many are left out, and the chart says so.
const LINES_MAX: usize = 1_024;
/// Causes of errors with a line of their own.
const CAUSES_MAX: usize = 24;

/// A chart, in the order of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Connections,
    ByReplica,
    Requests,
    Answered,
    Latency,
    Errors,
    Queue,
    ReplicaCpu,
    AgentCpu,
    ReplicaMemory,
    AgentMemory,
    Stalls,
}

/// One line: its place in the chart, and its name.
type Key = (Of, u32, String);

/// Takes the seconds of a run as they become whole; a series can be had at any time. Bounded: a long run's seconds
/// come together in fewer points.
#[derive(Debug, Clone)]
pub struct SeriesBuilder {
    step_s: u32,
    /// Seconds seen of each point.
    seconds: Vec<u32>,
    lines: BTreeMap<Key, Column>,
    /// Values of lines that found no room.
    left_out: u64,
    /// Why the server's figures are missing, where it was said.
    missing: Option<String>,
    only_looked_at: bool,
}

impl Default for SeriesBuilder {
    fn default() -> Self {
        Self {
            step_s: 1,
            seconds: Vec::new(),
            lines: BTreeMap::new(),
            left_out: 0,
            missing: None,
            only_looked_at: false,
        }
    }
}

impl SeriesBuilder {
    pub fn push(&mut self, view: &SecondView) {
        let at = self.point(view);
        self.push_load(at, view);
        self.push_server(at, view);
        for agent in &view.agents {
            let name = format!("agent {}", agent.agent);
            self.add(at, (Of::AgentCpu, agent.agent, name.clone()), Fold::Mean, agent.cpu_percent);
            self.add(at, (Of::AgentMemory, agent.agent, name), Fold::Last, agent.rss_bytes as f64);
        }
        let stall = view.agents.iter().map(|agent| agent.longest_stall_ms).reduce(f64::max);
        self.named(at, (Of::Stalls, 1, "agents"), Fold::Max, stall);
    }

    /// A second of a server that gets no load from here: nothing is drawn of a load then, not even a zero.
    pub fn push_looked_at(&mut self, view: &SecondView) {
        self.only_looked_at = true;
        let at = self.point(view);
        self.push_server(at, view);
        for replica in &view.replicas {
            if let Some(open) = replica.connections {
                let key = (Of::ByReplica, u32::from(replica.replica), replica_name(replica.replica));
                self.add(at, key, Fold::Last, open as f64);
            }
        }
    }

    /// Where a second stands.
    fn point(&mut self, view: &SecondView) -> usize {
        while (view.second / self.step_s) as usize >= POINTS_MAX {
            self.halve();
        }
        let at = (view.second / self.step_s) as usize;
        if self.seconds.len() <= at {
            self.seconds.resize(at + 1, 0);
        }
        self.seconds[at] += 1;
        if let Some(missing) = &view.server_missing {
            self.missing = Some(missing.clone());
        }
        at
    }

    fn push_load(&mut self, at: usize, view: &SecondView) {
        self.named(at, (Of::Connections, 0, "as the agents count"), Fold::Last, Some(view.connections as f64));
        for (replica, open) in &view.connections_by_replica {
            self.add(at, (Of::ByReplica, u32::from(*replica), replica_name(*replica)), Fold::Last, *open as f64);
        }
        self.named(at, (Of::Requests, 0, "offered"), Fold::Rate, Some(view.offered_rps));
        self.named(at, (Of::Requests, 1, "answered ok"), Fold::Rate, Some(view.answered_rps));
        for (rank, name, value) in
            [(0, "max", view.max_ms), (1, "P99", view.p99_ms), (2, "P95", view.p95_ms), (3, "P50", view.p50_ms)]
        {
            self.named(at, (Of::Latency, rank, name), Fold::Max, value);
        }
        for (cause, count) in &view.errors {
            let key = (Of::Errors, 0, cause.clone());
            let known = self.lines.range((Of::Errors, 0, String::new())..(Of::Queue, 0, String::new())).count();
            let key = match self.lines.contains_key(&key) || known < CAUSES_MAX {
                true => key,
                false => (Of::Errors, 1, "other causes".into()),
            };
            self.add(at, key, Fold::Rate, *count as f64);
        }
    }

    fn push_server(&mut self, at: usize, view: &SecondView) {
        let gauge = view.connections_server.map(|open| open as f64);
        self.named(at, (Of::Connections, 1, "by the server's gauge"), Fold::Last, gauge);
        if let Some(queue) = &view.queue {
            self.named(at, (Of::Queue, 0, "waiting"), Fold::Max, Some(queue.depth as f64));
            self.named(at, (Of::Queue, 1, "room"), Fold::Last, queue.limit.map(|limit| limit as f64));
        }
        for replica in &view.replicas {
            let key = |of: Of| (of, u32::from(replica.replica), replica_name(replica.replica));
            if let Some(rate) = replica.answered_rps {
                self.add(at, key(Of::Answered), Fold::Mean, rate);
            }
            if let Some(cpu) = replica.cpu_percent {
                self.add(at, key(Of::ReplicaCpu), Fold::Mean, cpu);
            }
            if let Some(bytes) = replica.memory_bytes.or(replica.rss_bytes) {
                self.add(at, key(Of::ReplicaMemory), Fold::Last, bytes as f64);
            }
        }
        let stall = view.replicas.iter().filter_map(|replica| replica.longest_stall_ms).reduce(f64::max);
        self.named(at, (Of::Stalls, 0, "replicas"), Fold::Max, stall);
    }

    fn named(&mut self, at: usize, (of, rank, name): (Of, u32, &str), fold: Fold, value: Option<f64>) {
        if let Some(value) = value {
            self.add(at, (of, rank, name.to_owned()), fold, value);
        }
    }

    fn add(&mut self, at: usize, key: Key, fold: Fold, value: f64) {
        if self.lines.len() >= LINES_MAX && !self.lines.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        self.lines.entry(key).or_insert_with(|| Column::new(fold)).add(at, value);
    }

    fn halve(&mut self) {
        self.step_s *= 2;
        self.seconds = self.seconds.chunks(2).map(|pair| pair.iter().sum()).collect();
        self.lines.values_mut().for_each(Column::halve);
    }

    /// What was pushed so far, with the phases, faults and latencies of the rows that it was made from.
    pub fn finish(&self, analysis: &Analysis) -> Series {
        let points = self.seconds.len();
        let last_s = f64::from(self.step_s) * points as f64;
        let charts = ALL.iter().map(|chart| self.chart(analysis, chart)).collect();
        Series {
            version: SERIES_VERSION,
            step_s: self.step_s,
            points,
            phases: marks::bands(analysis, last_s),
            judged_s: analysis.sustained_window().map(|window| (window.from, window.to)),
            faults: marks::faults(analysis, last_s),
            charts,
            heat: Heat::of(analysis, self.step_s, points),
            curve: Curve::of(analysis),
            lines_left_out: self.left_out,
        }
    }

    fn chart(&self, analysis: &Analysis, row: &ChartRow) -> Chart {
        let own = self.lines.iter().filter(|(key, _)| key.0 == row.of);
        let mut lines: Vec<Line> =
            own.map(|(key, column)| Line::new(&key.2, row.decimals, &column.values(&self.seconds))).collect();
        if row.of == Of::Latency && self.step_s > 1 {
            lines = self.merged_latency(analysis, row.decimals);
        }
        lines.retain(|line| !line.is_empty());
        let empty = lines.is_empty().then(|| match (row.nothing, &self.missing) {
            (nothing, _) if self.only_looked_at && !nothing.is_empty() => "no load is sent from here".into(),
            ("", Some(missing)) => missing.clone(),
            ("", None) => "the target gives no such figures".into(),
            (nothing, _) => nothing.to_owned(),
        });
        Chart {
            id: row.id,
            title: row.title,
            unit: row.unit,
            about: row.about,
            logarithmic: row.logarithmic,
            limit: row.limit.and_then(|id| limit(analysis, id)),
            lines,
            empty,
        }
    }

    /// Percentiles of points of several seconds: of their merged histograms, far back of those of their minutes.
    fn merged_latency(&self, analysis: &Analysis, decimals: u32) -> Vec<Line> {
        let mut merged = vec![(Sparse::default(), None); self.seconds.len()];
        for (point, load, added) in analysis.load_by_point(self.step_s) {
            let Some((latency, most)) = merged.get_mut(point) else { continue };
            added.into_iter().for_each(|added| latency.merge(added));
            *most = load.latency_max_us.max(*most);
        }
        // Kept in coarse steps that are rounded up, or of a whole minute: they must not lie above the largest.
        let line = |label: &str, quantile: f64| {
            let of = |(latency, most): &(Sparse, Option<u64>)| {
                let us = if quantile < 1.0 { latency.quantile_us(quantile)?.min((*most)?) } else { (*most)? };
                Some(us as f64 / 1e3)
            };
            Line::new(label, decimals, &merged.iter().map(of).collect::<Vec<_>>())
        };
        vec![line("max", 1.0), line("P99", 0.99), line("P95", 0.95), line("P50", 0.5)]
    }
}

fn replica_name(replica: u16) -> String {
    format!("replica {replica}")
}

/// The limit of a check, as the run was judged by it.
fn limit(analysis: &Analysis, id: &str) -> Option<LimitLine> {
    let row = threshold(id)?;
    let value = analysis.config.as_ref()?.thresholds.get(id).map_or(row.default, |limit| limit.value);
    Some(LimitLine { value, label: format!("{} {} {value} {}", row.name, row.comparison.sign(), row.unit) })
}

/// What is fixed about a chart.
struct ChartRow {
    of: Of,
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    decimals: u32,
    logarithmic: bool,
    /// The check whose limit is drawn.
    limit: Option<&'static str>,
    /// Why it may be empty; "": the server's figures are missing.
    nothing: &'static str,
}

const fn row(of: Of, id: &'static str, title: &'static str, unit: &'static str, about: &'static str) -> ChartRow {
    ChartRow { of, id, title, unit, about, decimals: 0, logarithmic: false, limit: None, nothing: "" }
}

static ALL: [ChartRow; 12] = [
    ChartRow {
        nothing: "no second of the run was seen",
        ..row(
            Of::Connections,
            "connections",
            "Open connections",
            "connections",
            "At the end of each second; open means established and answered.",
        )
    },
    ChartRow {
        nothing: "the agents did not tell replicas apart",
        ..row(
            Of::ByReplica,
            "by_replica",
            "Connections by replica",
            "connections",
            "At the end of each second, as the agents count; without a load, as each replica does.",
        )
    },
    ChartRow {
        nothing: "no second of the run was seen",
        decimals: 1,
        ..row(
            Of::Requests,
            "requests",
            "Requests",
            "requests/s",
            "Load planned for each second, and what of it was answered ok, whenever that was.",
        )
    },
    row(Of::Answered, "answered", "Requests by replica", "requests/s", "Of all clients, as each replica counts them."),
    ChartRow {
        nothing: "no load was sent",
        decimals: 3,
        logarithmic: true,
        limit: Some("sla.p95_ms"),
        ..row(
            Of::Latency,
            "latency",
            "Latency",
            "ms",
            "From the intended time of each request to the last byte of its answer.",
        )
    },
    ChartRow {
        nothing: "no request of any kind failed in any second",
        decimals: 3,
        ..row(Of::Errors, "errors", "Errors by cause", "requests/s", "Requests of every kind that did not end ok.")
    },
    row(Of::Queue, "queue", "Queue", "requests", "Waiting for a worker in all replicas, and how many may."),
    ChartRow {
        decimals: 1,
        ..row(Of::ReplicaCpu, "replica_cpu", "CPU of the replicas", "% of a core", "Of each replica's process.")
    },
    ChartRow {
        decimals: 1,
        nothing: "the agents did not report",
        ..row(Of::AgentCpu, "agent_cpu", "CPU of the agents", "% of a core", "Of each agent: the load generator.")
    },
    row(Of::ReplicaMemory, "replica_memory", "Memory of the replicas", "bytes", "Of each replica's process."),
    ChartRow {
        nothing: "the agents did not report",
        ..row(Of::AgentMemory, "agent_memory", "Memory of the agents", "bytes", "Resident memory of each agent.")
    },
    ChartRow {
        decimals: 3,
        limit: Some("sustained.longest_stall_ms"),
        ..row(
            Of::Stalls,
            "stalls",
            "Longest stall",
            "ms",
            "The longest time that a loop did not poll: of any replica, and of any agent.",
        )
    },
];
