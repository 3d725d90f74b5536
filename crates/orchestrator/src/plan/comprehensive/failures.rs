//! Phase 5: one fault of each kind that can be made here, one after another under load, with operations beside it. Those
//! that need the fault proxy come last: clients are moved to it for them, and back.

use std::time::Duration;

use erlmcp_record::names::{scenario, skip};

use super::{Body, Stand};
use crate::StressConfig;
use crate::fault::{self, FaultList, Needs, Planned};
use crate::plan::chaos::field;
use crate::plan::stress::{AUDIT, line_every, phase_of, window};
use crate::plan::{Block, Faults, Found, Operations, Readdress, Step};

/// Quiet between two faults.
const GAP: Duration = Duration::from_secs(1);
/// What a fault and its recovery take beyond its hold: only for the time after which no more begin.
const EACH: Duration = Duration::from_secs(20);

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let usual = FaultList::usual();
    let list = config.faults.as_ref().unwrap_or(&usual);
    let planned = fault::one_of_each(list, &field(config, found), GAP, found.seed);
    let to_do = planned.iter().filter(|planned| planned.skip.is_none()).count() as u64;
    let (proxied, direct): (Vec<Planned>, Vec<Planned>) =
        planned.into_iter().partition(|planned| planned.fault.kind.needs() == Needs::Proxy);
    let no_faults = || config.no_faults.then(|| skip::NO_FAULTS.to_string());
    let about = format!("{} of different kinds, one after another", erlmcp_report::plural(to_do, "fault"));
    let through = faults(scenario::FAULTS_THROUGH_PROXY, proxied, config, found);
    let direct = faults(scenario::FAULTS, direct, config, found);
    let skips = [no_faults().or(nothing(&direct)), no_faults().or(nothing(&through))];
    let is_proxied = skips[1].is_none();
    let mut steps = vec![
        Step::scenario(scenario::FAULTS, "faults, one of each kind", Block::Faults(direct)).skipped(skips[0].clone()),
    ];
    steps.extend(readdress(config, found, true).filter(|_| is_proxied));
    let through = Step::scenario(scenario::FAULTS_THROUGH_PROXY, "faults of the fault proxy", Block::Faults(through));
    steps.push(through.skipped(skips[1].clone()));
    steps.extend(readdress(config, found, false).filter(|_| is_proxied));
    if skips.iter().any(Option::is_none) {
        operate(&mut steps, config, found);
    }
    Body { plan: phase_of("Failure Scenarios", about, steps), begins: Stand::Full, ends: Stand::Full }
}

/// Operations beside all of it, and their audit.
fn operate(steps: &mut Vec<Step>, config: &StressConfig, found: &Found) {
    let Some(tool) = found.operations.clone() else { return };
    let rate = config.operations();
    let begun = if rate > 0.0 { Ok(()) } else { Err("--operations 0".to_string()) };
    if begun.is_ok() {
        steps.insert(0, Step::quiet("operations", Block::Operations(Operations { rate, tool })));
    }
    steps.push(Step::quiet(AUDIT, Block::Audit(begun)));
}

/// Clients are moved to the fault proxy, or back from it; None where there is none.
fn readdress(config: &StressConfig, found: &Found, to_proxy: bool) -> Option<Step> {
    let fronts = found.fronts.as_ref()?;
    let (name, endpoints) = match to_proxy {
        true => ("clients move to the fault proxy", &fronts.through),
        false => ("clients move back from the fault proxy", &fronts.direct),
    };
    let fronted = found.field.fronted.len() as u64;
    let moves = config.connections() * fronted / u64::from(found.replicas.max(1));
    let plan = Readdress { endpoints: endpoints.clone(), move_rate: config.ramp_rate / 2.0, moves };
    Some(Step::quiet(name, Block::Readdress(plan)))
}

/// Why none of them is made; None where some are.
fn nothing(faults: &Faults) -> Option<String> {
    let is_none = faults.planned.iter().all(|planned| planned.skip.is_some());
    is_none.then(|| faults.planned.first().and_then(|first| first.skip.clone()).unwrap_or("there are none".into()))
}

fn faults(scenario: &str, planned: Vec<Planned>, config: &StressConfig, found: &Found) -> Faults {
    let to_do = planned.iter().filter(|planned| planned.skip.is_none());
    let duration = to_do.map(|planned| planned.fault.hold + EACH).sum();
    Faults {
        scenario: scenario.into(),
        ends_with_last: true,
        spread_over: Vec::new(),
        rate: config.rate(),
        duration,
        window: window(config).max(Duration::from_secs(3)),
        planned,
        at_once: 1,
        replicas: found.replicas,
        line_every: Some(line_every(duration)),
        changes: None,
    }
}
