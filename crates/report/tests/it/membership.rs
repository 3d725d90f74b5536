//! Replicas that their cluster gave up without a reason.

use erlmcp_record::names::{phase, scenario};
use erlmcp_record::{Entry, FaultRow, MembershipRow};
use erlmcp_report::{Summary, Value};

use crate::story::{Story, analysis};

fn whole() -> Vec<Entry> {
    let mut story = Story::whole();
    story.seconds = 20;
    story.rows()
}

fn killed(rows: &[Entry]) -> FaultRow {
    let of = |row: &Entry| match row {
        Entry::Fault(row) if row.scenario == scenario::NODE_FAILURE => Some(row.clone()),
        _ => None,
    };
    rows.iter().find_map(of).expect("the story has one")
}

fn count(summary: &Summary) -> Value {
    let phase = summary.phases.iter().find(|found| found.name == phase::FAILURE_RECOVERY).expect("it was run");
    let figure = phase.figures.iter().find(|figure| figure.name == "replicas_lost_without_fault");
    figure.expect("it is told of every cluster").value.clone()
}

/// Of a story in which these, too, happened to replicas.
fn lost(more: &[(u16, u64, bool)]) -> Value {
    let mut rows = whole();
    let row = |(replica, at_us, member): &(u16, u64, bool)| MembershipRow {
        replica: *replica,
        at_us: *at_us,
        member: *member,
    };
    let at = rows.len() - 1;
    rows.splice(at..at, more.iter().map(row).map(Entry::Membership));
    count(&analysis(&rows).summary())
}

#[test]
fn a_replica_that_is_lost_without_a_fault_of_its_own_is_counted() {
    let fault = killed(&whole());
    let (replica, other) = (fault.replica.expect("it has a target"), fault.replica.expect("it has a target") + 7);
    let (detected_us, ready_us) = (fault.cluster_detected_us.expect("seen"), fault.ready_us.expect("seen"));
    assert_eq!(lost(&[]), Value::Count(0));
    assert_eq!(lost(&[(replica, detected_us, false), (replica, ready_us, true)]), Value::Count(0));
    assert_eq!(lost(&[(replica, detected_us, false), (other, detected_us, false)]), Value::Count(1));
    assert_eq!(lost(&[(other, detected_us, true)]), Value::Count(0), "it came");
    assert_eq!(lost(&[(replica, fault.injected_us - 1, false)]), Value::Count(1), "nothing was done to it yet");
    let aftermath_us = 2_000_000;
    assert_eq!(lost(&[(replica, ready_us + aftermath_us, false)]), Value::Count(0));
    assert_eq!(lost(&[(replica, ready_us + aftermath_us + 1, false)]), Value::Count(1), "that was long over");
}

#[test]
fn a_record_that_tells_nothing_of_it_is_not_taken_for_none() {
    let mut rows = whole();
    for row in &mut rows {
        if let Entry::Run(header) = row {
            header.record_version = 2;
        }
    }
    assert!(matches!(count(&analysis(&rows).summary()), Value::NotMeasured(_)));
}
