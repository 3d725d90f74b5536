//! Phase 5: one fault of each kind that can be made here, one after another under load.

use std::time::Duration;

use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::StressConfig;
use crate::fault::{self, FaultList};
use crate::plan::stress::{line_every, phase_of, window};
use crate::plan::{Block, Faults, Found, Step};

/// Quiet between two faults.
const GAP: Duration = Duration::from_secs(1);
/// What a fault and its recovery take beyond its hold: only for the time after which no more begin.
const EACH: Duration = Duration::from_secs(20);

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let usual = FaultList::usual();
    let list = config.faults.as_ref().unwrap_or(&usual);
    let planned = fault::one_of_each(list, &found.field, GAP, found.seed);
    let to_do: Vec<&fault::Planned> = planned.iter().filter(|planned| planned.skip.is_none()).collect();
    let no_faults = config.no_faults.then(|| "--no-faults".to_string());
    let none = planned.first().and_then(|first| first.skip.clone()).filter(|_| to_do.is_empty());
    let duration = to_do.iter().map(|planned| planned.fault.hold + EACH).sum();
    let about = format!("{} of different kinds, one after another", erlmcp_report::plural(to_do.len() as u64, "fault"));
    let faults = Faults {
        scenario: scenario::FAULTS.into(),
        ends_with_last: true,
        spread_over: Vec::new(),
        rate: config.rate(),
        duration,
        window: window(config).max(Duration::from_secs(3)),
        planned,
        at_once: 1,
        replicas: found.replicas,
        line_every: Some(line_every(duration)),
    };
    let step = Step::scenario(scenario::FAULTS, "faults, one of each kind", Block::Faults(faults));
    let steps = vec![step.skipped(no_faults.or(none))];
    Body { plan: phase_of("Failure Scenarios", about, steps), begins: Stand::Full, ends: Stand::Full }
}
