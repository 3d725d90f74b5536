//! Phase 5: faults, one after another.

use erlmcp_record::names::{phase, scenario};
use erlmcp_record::{Entry, Fate, FaultRow};
use erlmcp_report::{Summary, Value};

use super::{FAILURES, begins_s, kill, load, scene, suite};
use crate::story::rows::fates;
use crate::{check, verdict};

fn failures(bad: Option<(u32, u32, u64, u64)>) -> Summary {
    failures_of(load(FAILURES, bad))
}

fn failures_with(change: impl Fn(&mut erlmcp_record::IntervalRow)) -> Summary {
    let mut load = load(FAILURES, None);
    for row in &mut load {
        if let Entry::Interval(row) = row {
            change(row);
        }
    }
    failures_of(load)
}

fn failures_of(load: Vec<Entry>) -> Summary {
    suite(move || {
        let mut entries = load.clone();
        entries.extend(kill(FAILURES, scenario::FAULTS, (1, 1, 10), 100));
        entries.push(Entry::Scenario(scene(FAILURES, scenario::FAULTS, (2, 40), &[])));
        entries
    })
}

#[test]
fn a_fault_of_the_suite_has_its_dip() {
    let summary = failures(None);
    for id in ["effect_count", "unhealed_count", "undetected_count", "unrecovered_count", "longest_dip_ms"] {
        assert_eq!(verdict(&summary, &format!("failures.{id}")), "PASS", "{id}");
    }
    // It was over within a second, in which requests went on to succeed.
    assert_eq!(check(&summary, "failures.stalled_seconds_count").samples, 1);
    assert_eq!(verdict(&summary, "failures.stalled_seconds_count"), "PASS");
    assert_eq!(check(&summary, "failures.longest_dip_ms").estimate, Some(0.0));
    // Half of a second's requests are lost, which the first slots have.
    let dipped = failures(Some((10, 1, 5_000, 500)));
    assert_eq!(check(&dipped, "failures.longest_dip_ms").estimate, Some(500.0));
    let unsent = failures_with(|row| {
        if row.second == begins_s(FAILURES) + 10 {
            row.slots.iter_mut().for_each(|slot| slot.fates = fates(&[(Fate::UnsentNoTime, slot.planned)]));
            row.fates = fates(&[(Fate::UnsentNoTime, row.planned)]);
        }
    });
    assert_eq!(check(&unsent, "failures.longest_dip_ms").estimate, Some(0.0), "that is the generator's");
    let depth = dipped.figure(phase::FAILURE_SCENARIOS, "kill_dip_depth_percent").expect("a figure");
    assert_eq!(depth.plain(), "100.0");
}

#[test]
fn what_nobody_has_to_notice_is_not_looked_for() {
    let mut entries = load(FAILURES, None);
    let injected_us = u64::from(begins_s(FAILURES) + 15) * 1_000_000;
    entries.push(Entry::Fault(FaultRow {
        id: 2,
        phase: FAILURES,
        scenario: scenario::FAULTS.to_string(),
        kind: "loss".into(),
        injected_us,
        effect_us: Some(injected_us + 1_000),
        ..FaultRow::default()
    }));
    let summary = failures_of(entries);
    let none = Value::NotMeasured("not looked for".into());
    for name in ["loss_detected_ms", "loss_ready_again_ms"] {
        assert_eq!(summary.figure(phase::FAILURE_SCENARIOS, name), Some(&none), "{name}");
    }
}

#[test]
fn a_skipped_fault_does_not_end_the_dip_of_another_one() {
    let mut entries = load(FAILURES, Some((10, 1, 5_000, 500)));
    let injected_us = u64::from(begins_s(FAILURES) + 10) * 1_000_000 + 200_000;
    let skipped = Some("there is no nft command".to_string());
    let scenario = scenario::FAULTS.to_string();
    entries.push(Entry::Fault(FaultRow {
        id: 2,
        phase: FAILURES,
        scenario,
        injected_us,
        skipped,
        ..FaultRow::default()
    }));
    assert_eq!(check(&failures_of(entries), "failures.longest_dip_ms").estimate, Some(500.0));
}
