//! Where docs/doctor.md speaks of a check that did not pass.

use super::{Check, Verdict};

/// What the generator held up: the reason of such a verdict names it.
const GENERATOR: &str = "generator";
const GENERATOR_LIMIT: &str = "generator-limit";
/// Checks of a workload's own limits have ids of their own.
const WORKLOAD: &str = "workload.";
/// So have those of `--assert`.
const ASSERTED: &str = "assert.";

/// Every entry, and the checks that lead to it.
const ENTRIES: &[(&str, &[&str])] = &[
    (
        "high-latency",
        &[
            "sla.p95_ms",
            "baseline.latency_ms",
            "sustained.p95_ms",
            "performance.sustained_mean_ms",
            "performance.back_pressure_p95_ms",
            "connectivity.cold_ms",
            "connectivity.warm_ms",
            "scaling.p95_ms",
            "distribution.p99_ms",
            "limits.others_p95_ms",
            "integration.lookup_p95_us",
            "integration.route_p95_us",
            "integration.token_check_p95_us",
        ],
    ),
    (
        "low-throughput",
        &["sla.throughput_rps", "sustained.throughput_rps", "sustained.offered_percent", "distribution.knee_rps"],
    ),
    (
        "errors-under-load",
        &[
            "sla.error_rate_percent",
            "sla.availability_percent",
            "sustained.error_rate_percent",
            "sustained.connection_errors_percent",
            "sustained.timeouts_percent",
            "sustained.server_errors_percent",
            "scaling.error_rate_percent",
            "distribution.error_rate_percent",
            "limits.others_error_percent",
            "failover.rolling_error_percent",
            "failover.scaling_error_percent",
        ],
    ),
    ("memory-per-connection", &["sla.memory_per_connection_bytes"]),
    ("memory-grows", &["sustained.memory_growth_mb_per_minute"]),
    (
        "not-reachable",
        &["baseline.reachable_percent", "connectivity.reachable_percent", "connectivity.endpoints_percent"],
    ),
    (
        "slow-ramp",
        &[
            "ramp.success_percent",
            "ramp.starts_percent",
            "ramp.late_p99_ms",
            "performance.ramp_cps",
            "scaling.late_p99_ms",
            "scaling.success_percent",
        ],
    ),
    ("uneven-connections", &["ramp.spread_difference_count", "ramp.spread_ratio", "failover.spread_ratio"]),
    ("lost-connections", &["sustained.held_percent", "sustained.sweep_percent"]),
    ("server-stalls", &["sustained.longest_stall_ms"]),
    (
        "slow-recovery",
        &[
            "recovery.node_ms",
            "recovery.partition_detection_ms",
            "recovery.reconnect_percent",
            "recovery.streams_back_ms",
            "faults.undetected_count",
            "faults.unrecovered_count",
            "faults.stalled_seconds_count",
            "faults.streams_gone_count",
            "failures.longest_dip_ms",
            "failures.stalled_seconds_count",
            "failures.undetected_count",
            "failures.unrecovered_count",
            "failover.all_served_again_ms",
            "failover.reconnected_percent",
            "failover.scaled_ms",
            "failover.served_again_ms",
        ],
    ),
    (
        "faults-not-seen",
        &["faults.effect_count", "faults.unhealed_count", "failures.effect_count", "failures.unhealed_count"],
    ),
    (
        "lost-operations",
        &[
            "recovery.overflow_lost_count",
            "recovery.operations_lost_count",
            "faults.operations_lost_count",
            "failures.operations_lost_count",
        ],
    ),
    ("queue-overflow", &["recovery.overflow_recovered_ms", "performance.burst_recovered_ms"]),
    ("retry-storm", &["faults.retry_amplification_ratio"]),
    ("replica-crashed", &["performance.crashes_count", "limits.crashes_count"]),
    (
        "left-open",
        &[
            "performance.cooldown_open_count",
            "cooldown.agents_open_count",
            "cooldown.server_open_count",
            "cooldown.leftovers_count",
        ],
    ),
    ("no-capacity", &["capacity.rate_rps", "capacity.connections_count"]),
    ("wrong-answers", &["run.wrong_id_answers_count", "run.surplus_answers_count"]),
    ("ledger-difference", &["run.ledger_difference_count"]),
    ("drift", &["drift.latency_ms_per_minute", "drift.descriptors_per_minute", "drift.threads_per_minute"]),
    ("grows-too-fast", &["scaling.latency_exponent", "scaling.memory_exponent"]),
    ("bad-refusals", &["limits.back_ms", "limits.no_retry_after_count", "limits.unanswered_count"]),
    (
        "parts-disagree",
        &[
            "integration.batches_difference_count",
            "integration.notifications_difference_count",
            "integration.queue_filled_percent",
            "integration.refusals_difference_count",
            "integration.requests_difference_count",
            "integration.tokens_difference_count",
            "integration.workers_used_percent",
        ],
    ),
    ("workload-expectation", &[]),
    ("assertion", &[]),
];

/// The names of all entries that checks lead to.
pub fn entries() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(name, _)| *name).chain([GENERATOR_LIMIT])
}

/// The entry that a check leads to, by its id.
pub fn entry(id: &str) -> Option<&'static str> {
    if id.starts_with(WORKLOAD) {
        return Some("workload-expectation");
    }
    if id.starts_with(ASSERTED) {
        return Some("assertion");
    }
    ENTRIES.iter().find(|(_, checks)| checks.contains(&id)).map(|(name, _)| *name)
}

impl Check {
    /// Where a FAIL or an INCONCLUSIVE is explained: "docs/doctor.md#high-latency".
    pub fn see(&self) -> Option<String> {
        let entry = match &self.verdict {
            Verdict::Pass | Verdict::Skipped { .. } => return None,
            Verdict::Inconclusive { reason } if reason.contains(GENERATOR) => GENERATOR_LIMIT,
            Verdict::Fail | Verdict::Inconclusive { .. } => entry(&self.id)?,
        };
        Some(format!("docs/doctor.md#{entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, thresholds};
    use super::*;
    use crate::verdict::Limit;

    #[test]
    fn every_check_leads_to_one_entry() {
        for threshold in thresholds() {
            let leading = ENTRIES.iter().filter(|(_, checks)| checks.contains(&threshold.id)).count();
            assert_eq!(leading, 1, "{} leads to {leading} entries", threshold.id);
        }
        for id in ENTRIES.iter().flat_map(|(_, checks)| *checks) {
            assert!(thresholds().iter().any(|threshold| threshold.id == *id), "there is no check {id}");
        }
        assert_eq!(entry("workload.search_p95_ms"), Some("workload-expectation"));
        assert_eq!(entry("assert.p99_9_ms"), Some("assertion"));
        assert_eq!(entry("nothing.at_all"), None);
    }

    #[test]
    fn only_what_did_not_pass_is_explained() {
        let table = crate::threshold("sla.p95_ms").expect("it is there");
        let limit = Limit { value: 100.0, unit: "ms".into(), comparison: table.comparison, changed: false };
        let see = |verdict: Verdict| Evidence::default().into_check(table, limit.clone(), verdict).see();
        let inconclusive = |reason: &str| see(Verdict::Inconclusive { reason: reason.into() });
        assert_eq!((see(Verdict::Pass), see(Verdict::Skipped { reason: "left out".into() })), (None, None));
        assert_eq!(see(Verdict::Fail).as_deref(), Some("docs/doctor.md#high-latency"));
        assert_eq!(inconclusive("100 samples are too few").as_deref(), Some("docs/doctor.md#high-latency"));
        let blamed = inconclusive("the generator's send lag was 20 ms at P99, over a tenth of the limit");
        assert_eq!(blamed.as_deref(), Some("docs/doctor.md#generator-limit"));
    }
}
