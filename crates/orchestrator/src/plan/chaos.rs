use std::time::Duration;

use erlmcp_record::names::{phase, scenario};

use super::block::{Block, Faults, Streams};
use super::stress::{baseline, cool_down, line_every, operate, phase_of, ramp_up, sweep, window};
use super::{Found, Plan, Step};
use crate::fault::{self, FaultList, Field, Kind};
use crate::{StressConfig, StressError};

/// After the faults the target is changed for so long at least, where streams are held.
const CHANGES: Duration = Duration::from_secs(8);

/// Baseline, ramp-up, faults under load, and the end: four phases of the same blocks as `stress`.
///
/// # Errors
/// Where no fault of the list can be made here.
pub fn chaos(config: &StressConfig, found: &Found) -> Result<Plan, StressError> {
    let usual = FaultList::usual();
    let list = config.faults.as_ref().unwrap_or(&usual);
    let duration = list.ends().map_or(config.duration(), |ends| ends.max(config.duration()));
    let mut faults = faults(list, config, found, duration);
    if let [first, ..] = faults.planned.as_slice()
        && faults.planned.iter().all(|planned| planned.skip.is_some())
    {
        let why = first.skip.clone().unwrap_or_default();
        return Err(StressError::usage(format!("no fault of the list can be made here: {why}")));
    }
    let about = format!("{} planned, under load", erlmcp_report::plural(faults.planned.len() as u64, "fault"));
    let streams = config.streams;
    if streams > 0 {
        faults.changes = Some(found.changes.clone());
        faults.window = faults.window.max(CHANGES);
    }
    let opening = Step::new("opening the streams", Block::Streams(Streams { streams, rate: config.ramp_rate }));
    let closing = Step::quiet("closing the streams", Block::EndStreams { streams });
    let mut steps = Vec::from_iter((streams > 0).then_some(opening));
    steps.push(Step::scenario(scenario::FAULTS, "faults under load", Block::Faults(faults)));
    steps.push(Step::new("closing sweep", Block::Probe(sweep(config, found))));
    steps.extend((streams > 0).then_some(closing));
    let mut chaos = phase_of("Chaos", about, steps);
    operate(&mut chaos, phase::CHAOS, (config, found), &mut false);
    let phases = [
        (phase::BASELINE, baseline(config, found)),
        (phase::RAMP_UP, ramp_up(config, found)),
        (phase::CHAOS, chaos),
        (phase::COOL_DOWN, cool_down(config, found)),
    ];
    Ok(Plan::numbered("chaos", phases))
}

/// The faults of a list, for `duration`.
pub(super) fn faults(list: &FaultList, config: &StressConfig, found: &Found, duration: Duration) -> Faults {
    Faults {
        scenario: scenario::FAULTS.into(),
        ends_with_last: false,
        spread_over: Vec::new(),
        rate: config.rate(),
        duration,
        window: window(config).max(Duration::from_secs(3)),
        planned: fault::draw(list, &field(config, found), duration, found.seed),
        at_once: list.at_once,
        replicas: found.replicas,
        line_every: Some(line_every(duration)),
        changes: None,
    }
}

/// Where no operations are sent, nothing would show what becomes of their store.
pub(super) fn field(config: &StressConfig, found: &Found) -> Field {
    let mut field = found.field.clone();
    let none = match &found.operations {
        None => Some("no operations are sent: the target has no tool for them"),
        Some(_) if config.operations() <= 0.0 => Some("no operations are sent (--operations 0)"),
        Some(_) => None,
    };
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_of_store()) {
        if let Some(none) = none {
            field.lacks.entry(kind).or_insert_with(|| none.into());
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::super::stress::tests::own_cluster;
    use super::*;
    use crate::config::tests::plain;
    use crate::plan::ChangeBy;

    #[test]
    fn the_plan_is_the_same_for_the_same_seed() {
        let config = StressConfig { duration: Some(Duration::from_secs(600)), ..plain() };
        let plan = chaos(&config, &own_cluster()).expect("a plan");
        assert_eq!(plan, chaos(&config, &own_cluster()).expect("a plan"));
        assert_ne!(plan, chaos(&config, &Found { seed: 8, ..own_cluster() }).expect("a plan"));
        let names: Vec<&str> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["baseline", "ramp_up", "chaos", "cool_down"]);
        assert!(plan.estimate() > Duration::from_secs(600), "{:?}", plan.estimate());
    }

    #[test]
    fn streams_are_held_over_the_faults_and_told_of_changes_after_them() {
        let found = Found { changes: Ok(ChangeBy::ControlSocket), ..own_cluster() };
        let blocks = |streams: u64| {
            let plan = chaos(&StressConfig { streams, ..plain() }, &found).expect("a plan");
            plan.phases[2].steps.iter().map(|step| step.block.clone()).collect::<Vec<Block>>()
        };
        let [Block::Faults(without), Block::Probe(_), ..] = &blocks(0)[..] else { panic!("{:?}", blocks(0)) };
        assert_eq!(without.changes, None);
        let all = blocks(500);
        let [Block::Streams(opening), Block::Faults(faults), Block::Probe(_), Block::EndStreams { streams: 500 }, ..] =
            &all[..]
        else {
            panic!("{all:?}")
        };
        assert_eq!((opening.streams, &faults.changes), (500, &Some(Ok(ChangeBy::ControlSocket))));
        assert!(faults.window >= CHANGES);
    }

    #[test]
    fn without_operations_their_store_is_left_alone() {
        let list = FaultList::parse("[[fault]]\nkind = \"store_full\"\n[[fault]]\nkind = \"pause\"\n").expect("a list");
        let skips = |config: &StressConfig, found: &Found| {
            let planned = faults(&list, config, found, Duration::from_secs(600)).planned;
            let skip =
                |kind| planned.iter().find(|planned| planned.fault.kind == kind).and_then(|one| one.skip.clone());
            assert_eq!(skip(Kind::Pause), None);
            skip(Kind::StoreFull)
        };
        let found = Found { operations: Some("append".into()), ..own_cluster() };
        assert_eq!(skips(&plain(), &found), None);
        let none = StressConfig { operations: Some(0.0), ..plain() };
        assert_eq!(skips(&none, &found).as_deref(), Some("no operations are sent (--operations 0)"));
        let found = Found { operations: None, ..found };
        assert!(skips(&plain(), &found).expect("nobody sends any").contains("has no tool for them"));
    }

    #[test]
    fn a_target_that_cannot_be_broken_is_refused() {
        let mut found = own_cluster();
        found.field.lacks = Kind::ALL.map(|kind| (kind, "no fault driver".to_string())).into();
        let error = chaos(&plain(), &found).expect_err("there is nothing to do");
        assert_eq!(error.to_string(), "no fault of the list can be made here: no fault driver");
        assert_eq!(error.exit_code(), 2);
    }
}
