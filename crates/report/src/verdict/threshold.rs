//! The one table of all limits. Each can be changed by its name.

use std::sync::LazyLock;

use erlmcp_record::names::phase;

use super::Comparison::{self, Above, AtLeast, AtMost, Below};

use crate::suite;

/// One entry of the table.
#[derive(Debug, Clone, Copy)]
pub struct Threshold {
    /// "sla.p95_ms".
    pub id: &'static str,
    pub name: &'static str,
    /// As in the record; None: the whole run.
    pub phase: Option<&'static str>,
    pub comparison: Comparison,
    pub default: f64,
    pub unit: &'static str,
}

/// A row of this table, or of a phase's of the comprehensive suite.
pub(crate) const fn row(
    id: &'static str,
    name: &'static str,
    phase: &'static str,
    comparison: Comparison,
    default: f64,
    unit: &'static str,
) -> Threshold {
    Threshold { id, name, phase: Some(phase), comparison, default, unit }
}

/// Of faults from a list, in whichever phase they were.
const fn of_list(
    id: &'static str,
    name: &'static str,
    comparison: Comparison,
    default: f64,
    unit: &'static str,
) -> Threshold {
    Threshold { id, name, phase: None, comparison, default, unit }
}

const BASE: &str = phase::BASELINE;
const RAMP: &str = phase::RAMP_UP;
const LOAD: &str = phase::SUSTAINED_LOAD;
const FAIL: &str = phase::FAILURE_RECOVERY;
const PERF: &str = phase::PERFORMANCE_SCENARIOS;
const COOL: &str = phase::COOL_DOWN;
const CAPACITY: &str = phase::CAPACITY;

static THRESHOLDS: &[Threshold] = &[
    // The five SLAs, over the sustained window after the warm-up.
    row("sla.p95_ms", "P95 Latency", LOAD, Below, 100.0, "ms"),
    row("sla.error_rate_percent", "Error Rate", LOAD, Below, 0.05, "%"),
    row("sla.throughput_rps", "Throughput", LOAD, Above, 10_000.0, "req/s"),
    row("sla.availability_percent", "Availability", LOAD, Above, 99.95, "%"),
    row("sla.memory_per_connection_bytes", "Memory per Conn", LOAD, Below, 2_048.0, "bytes"),
    row("baseline.reachable_percent", "Reachable", BASE, AtLeast, 100.0, "%"),
    row("baseline.latency_ms", "Baseline latency (median)", BASE, Below, 50.0, "ms"),
    row("ramp.success_percent", "Openings that succeeded", RAMP, Above, 99.0, "%"),
    row("ramp.starts_percent", "Planned openings begun", RAMP, AtLeast, 99.9, "%"),
    row("ramp.late_p99_ms", "P99 of opened - planned", RAMP, AtMost, 1_000.0, "ms"),
    // One of these two, by the way that connections were spread.
    row("ramp.spread_difference_count", "Connections by replica, max - min an agent", RAMP, AtMost, 1.0, "connections"),
    row("ramp.spread_ratio", "Connections by replica, max / min", RAMP, AtMost, 1.5, ""),
    row("sustained.held_percent", "Connections held", LOAD, AtLeast, 100.0, "%"),
    row("sustained.sweep_percent", "Connections that answered the closing sweep", LOAD, AtLeast, 100.0, "%"),
    row("sustained.p95_ms", "P95 latency", LOAD, Below, 100.0, "ms"),
    row("sustained.throughput_rps", "Throughput", LOAD, Above, 400.0, "req/s"),
    row("sustained.offered_percent", "Answered of the offered rate", LOAD, AtLeast, 99.0, "%"),
    row("sustained.error_rate_percent", "Error rate", LOAD, Below, 0.1, "%"),
    row("sustained.connection_errors_percent", "Connection errors", LOAD, Below, 0.1, "%"),
    row("sustained.timeouts_percent", "Timeouts", LOAD, Below, 0.02, "%"),
    row("sustained.server_errors_percent", "Server errors", LOAD, Below, 0.02, "%"),
    row("sustained.memory_growth_mb_per_minute", "Memory growth", LOAD, Below, 5.0, "MB/min"),
    row("sustained.longest_stall_ms", "Longest stall of the server", LOAD, Below, 50.0, "ms"),
    row("recovery.node_ms", "Node failure recovered", FAIL, Below, 5_000.0, "ms"),
    row("recovery.partition_detection_ms", "Partition detected", FAIL, Below, 3_000.0, "ms"),
    row("recovery.reconnect_percent", "Connections re-established", FAIL, Above, 95.0, "%"),
    row("recovery.streams_back_ms", "Lost streams acknowledged again", FAIL, AtMost, 2_000.0, "ms"),
    row("recovery.overflow_lost_count", "Operations lost in the overflow", FAIL, AtMost, 0.0, "operations"),
    row("recovery.overflow_recovered_ms", "Queue overflow recovered", FAIL, Below, 30_000.0, "ms"),
    row(
        "recovery.operations_lost_count",
        "Operations lost, doubled, invented or mixed up",
        FAIL,
        AtMost,
        0.0,
        "operations",
    ),
    of_list("faults.effect_count", "Faults with an effect that was seen", AtLeast, 1.0, "faults"),
    of_list("faults.unhealed_count", "Faults not seen to be undone", AtMost, 0.0, "faults"),
    of_list("faults.undetected_count", "Lost replicas that the cluster did not notice", AtMost, 0.0, "faults"),
    of_list("faults.unrecovered_count", "Faults that were not recovered from", AtMost, 0.0, "faults"),
    of_list("faults.stalled_seconds_count", "Seconds without progress", AtMost, 0.0, "seconds"),
    of_list("faults.streams_gone_count", "Lost streams that did not come back", AtMost, 0.0, "streams"),
    of_list(
        "faults.retry_amplification_ratio",
        "Attempts of the run's own clients over their first ones in a retry storm",
        AtMost,
        1.1,
        "x",
    ),
    of_list("faults.operations_lost_count", "Operations lost in chaos", AtMost, 0.0, "operations"),
    row("performance.ramp_cps", "Unpaced ramp", PERF, AtLeast, 5_000.0, "conn/s"),
    row("performance.sustained_mean_ms", "Mean latency, sustained", PERF, Below, 50.0, "ms"),
    row("performance.back_pressure_p95_ms", "P95 of accepted requests under back-pressure", PERF, Below, 100.0, "ms"),
    row("performance.burst_recovered_ms", "Steady again after the burst", PERF, Below, 30_000.0, "ms"),
    row("performance.crashes_count", "Replicas crashed", PERF, AtMost, 0.0, "crashes"),
    row("performance.cooldown_open_count", "Open after the graceful cool-down", PERF, AtMost, 0.0, "connections"),
    row("capacity.rate_rps", "Requests/s that keep the objective", CAPACITY, Above, 0.0, "req/s"),
    row("capacity.connections_count", "Connections that keep the objective", CAPACITY, Above, 0.0, "connections"),
    row("cooldown.agents_open_count", "Open at the end, by the agents", COOL, AtMost, 0.0, "connections"),
    row("cooldown.server_open_count", "Open at the end, by the server", COOL, AtMost, 0.0, "connections"),
    row("cooldown.leftovers_count", "Processes and faults left over", COOL, AtMost, 0.0, "leftovers"),
    Threshold {
        id: "run.wrong_id_answers_count",
        name: "Answers with another id",
        phase: None,
        comparison: AtMost,
        default: 0.0,
        unit: "answers",
    },
    Threshold {
        id: "run.surplus_answers_count",
        name: "Answers that nothing had asked for",
        phase: None,
        comparison: AtMost,
        default: 0.0,
        unit: "answers",
    },
    // Not to be argued with: a ledger that does not balance makes the run invalid.
    Threshold {
        id: "run.ledger_difference_count",
        name: "Requests without exactly one fate",
        phase: None,
        comparison: AtMost,
        default: 0.0,
        unit: "requests",
    },
];

/// The names, default limits and meanings of all thresholds, in the order of the report.
pub fn thresholds() -> &'static [Threshold] {
    static ALL: LazyLock<Vec<Threshold>> = LazyLock::new(|| {
        let suite = suite::PHASES.iter().flat_map(|phase| phase.thresholds);
        THRESHOLDS.iter().chain(suite).copied().collect()
    });
    &ALL
}

/// Those of the comprehensive suite, phase by phase, the ones that it shares with `stress` left out.
pub fn suite_thresholds() -> impl Iterator<Item = &'static Threshold> {
    suite::PHASES.iter().flat_map(|phase| phase.thresholds)
}

/// The entry with this name.
pub fn threshold(id: &str) -> Option<&'static Threshold> {
    thresholds().iter().find(|threshold| threshold.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_end_with_their_unit() {
        for (at, threshold) in thresholds().iter().enumerate() {
            assert!(thresholds()[..at].iter().all(|other| other.id != threshold.id), "{} is there twice", threshold.id);
            assert!(threshold.id.contains('.'), "{} has no group", threshold.id);
        }
        assert!(threshold("sla.p95_ms").is_some());
        assert!(threshold("sla.p96_ms").is_none());
    }
}
