//! What is missing is not passed over, and what is damaged is found.

use std::fs;
use std::path::Path;

use erlmcp_record::operations::{Event, OperationRecord, RECORD_BYTES, agent_journal, store_journal};
use erlmcp_report::audit::{Audit, AuditVerdict, audit, text};

use super::history::{BASE_NS, History, Plan};
use super::{audited, invariant, unknown, violated};

fn history() -> History {
    History::of(Plan { operations: 100, lost: 20, ..Plan::new(21) })
}

/// The audit of a folder in which something was done to the journals.
fn after(history: &History, change: impl FnOnce(&Path)) -> Audit {
    let folder = tempfile::tempdir().expect("a folder");
    history.write(folder.path());
    change(folder.path());
    audit(folder.path()).expect("it can be audited")
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("a journal");
    change(&mut bytes);
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_run_without_operations() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut history = history();
    history.write(folder.path());
    for agent in 0..3 {
        fs::remove_file(agent_journal(folder.path(), agent)).expect("removed");
    }
    fs::remove_file(store_journal(folder.path())).expect("removed");
    let found = audit(folder.path()).expect("it can be audited");
    assert_eq!(found.verdict, AuditVerdict::Unknown);
    insta::assert_snapshot!(text(&found));
    history.agents.clear();
    history.killed.clear();
    assert_eq!(audited(&history).verdict, AuditVerdict::Unknown);
}

#[test]
fn without_the_stores_journal_only_the_clients_side_is_known() {
    let found = after(&history(), |folder| fs::remove_file(store_journal(folder)).expect("removed"));
    assert_eq!(found.verdict, AuditVerdict::Unknown, "{}", text(&found));
    for id in ["J", "I2", "I3", "I4", "I6"] {
        assert!(unknown(&found, id).contains("no journal of the store"), "{}", text(&found));
    }
    insta::assert_snapshot!(text(&found));
}

#[test]
fn a_journal_of_the_store_without_its_end_is_not_whole() {
    let found = after(&history(), |folder| {
        edit(&store_journal(folder), |bytes| bytes.truncate(bytes.len() - 20 * RECORD_BYTES));
    });
    assert_eq!(found.verdict, AuditVerdict::Unknown, "{}", text(&found));
    assert!(unknown(&found, "I3").contains("not whole"), "{}", text(&found));
}

#[test]
fn without_an_agents_journal_its_operations_are_not_invented() {
    let found = after(&history(), |folder| fs::remove_file(agent_journal(folder, 1)).expect("removed"));
    assert_eq!(found.verdict, AuditVerdict::Unknown, "{}", text(&found));
    assert!(unknown(&found, "I1").contains("no journal of agent 1"), "{}", text(&found));
    assert!(found.operations.of_others > 0);
}

/// Refusals of other clients, and of an agent whose journal is missing or damaged, are counted by the server as well.
#[test]
fn refusals_that_nobody_is_known_to_have_seen_are_no_mistake() {
    let mut history = history();
    history.refused_by_server = 10_000;
    let removed = |folder: &Path| fs::remove_file(agent_journal(folder, 1)).expect("removed");
    let damaged = |folder: &Path| edit(&agent_journal(folder, 1), |bytes| bytes[5 * RECORD_BYTES + 33] ^= 4);
    assert_eq!(violated(&audited(&history)), ["I7"]);
    let (missing, damaged) = (after(&history, removed), after(&history, damaged));
    history.config.own_cluster = false;
    let shared = audited(&history);
    for found in [missing, damaged, shared] {
        assert!(!violated(&found).contains(&"I7"), "{}", text(&found));
        let why = text(&found);
        assert!(unknown(&found, "I7").contains("10,000 requests refused by the server"), "{why}");
    }
}

/// What was under way as its agent died may have been refused.
#[test]
fn an_attempt_without_an_end_may_have_been_refused() {
    let mut history = history();
    let (agent, at) = history.told(Event::Info)[0];
    let unknown = history.told(Event::Info).len() + history.told(Event::Fail).len();
    history.refused_by_server = unknown as u64;
    assert!(!violated(&audited(&history)).contains(&"I7"));
    history.agents[agent].remove(at);
    assert!(!violated(&audited(&history)).contains(&"I7"));
}

#[test]
fn operations_of_others_in_a_cluster_that_is_not_the_runs_own() {
    let mut history = history();
    history.config.own_cluster = false;
    let of = history.agents[1][0].operation;
    history.agents[1].retain(|record| record.operation != of);
    let found = audited(&history);
    assert_eq!(found.operations.of_others, 1);
    assert!(unknown(&found, "I1").contains("1 operation"), "{}", text(&found));
}

#[test]
fn a_torn_end_of_an_agents_journal_is_dropped_and_told() {
    let history = History::of(Plan { operations: 100, kills_agent: true, ..Plan::new(22) });
    let found = after(&history, |folder| edit(&agent_journal(folder, 2), |bytes| bytes.extend([7; 21])));
    assert_ne!(found.verdict, AuditVerdict::Invalid, "{}", text(&found));
    assert_eq!(invariant(&found, "J").notes, ["torn end of agent 2: 21 bytes dropped"]);
}

/// (h) A good record is cut, or changed, in the middle of a journal.
#[test]
fn a_damaged_journal_is_found() {
    let cut: fn(&mut Vec<u8>) = |bytes| drop(bytes.drain(5 * RECORD_BYTES + 10..5 * RECORD_BYTES + 20));
    let flipped: fn(&mut Vec<u8>) = |bytes| bytes[5 * RECORD_BYTES + 33] ^= 4;
    let missing: fn(&mut Vec<u8>) = |bytes| drop(bytes.drain(5 * RECORD_BYTES..6 * RECORD_BYTES));
    for change in [cut, flipped, missing] {
        for path in [store_journal as fn(&Path) -> _, |folder| agent_journal(folder, 0)] {
            let found = after(&history(), |folder| edit(&path(folder), change));
            assert_eq!(found.verdict, AuditVerdict::Invalid, "{}", text(&found));
            assert!(violated(&found).contains(&"J"), "{}", text(&found));
            assert!(text(&found).contains("is damaged at record 4"), "{}", text(&found));
        }
    }
}

#[test]
fn a_damaged_header_hides_no_violation_of_others() {
    let mut history = history();
    let ok = history.agents[0].iter().position(|record| record.event == Event::Ok).expect("there is one");
    history.agents[0][ok].nonce ^= 1;
    let found = after(&history, |folder| edit(&agent_journal(folder, 1), |bytes| bytes[0] ^= 4));
    assert_eq!(violated(&found), ["J", "I2"], "{}", text(&found));
    assert!(!found.witnesses.is_empty());
}

#[test]
fn a_journal_under_another_name_is_found() {
    let found = after(&history(), |folder| {
        let (one, other) = (agent_journal(folder, 0), agent_journal(folder, 1));
        fs::copy(one, other).expect("copied");
    });
    assert!(violated(&found).contains(&"J"), "{}", text(&found));
}

#[test]
fn without_a_fault_nothing_was_put_to_the_test() {
    let mut history = history();
    history.faults.clear();
    let found = audited(&history);
    assert_eq!(found.verdict, AuditVerdict::Unknown);
    assert!(unknown(&found, "I8").contains("no fault was observed"), "{}", text(&found));
}

#[test]
fn a_fault_that_met_no_operation_shows_nothing() {
    let mut history = history();
    for fault in &mut history.faults {
        for time in [&mut fault.injected_us].into_iter().chain(&mut fault.effect_us).chain(&mut fault.ready_us) {
            *time += 40_000_000;
        }
    }
    let found = audited(&history);
    assert_eq!(found.verdict, AuditVerdict::Unknown);
    assert!(unknown(&found, "I8").contains("no operation was in flight when fault 1 began"), "{}", text(&found));
    assert_eq!(invariant(&found, "I8").notes, ["3 faults show too little"]);
}

/// Enough of what was sent must meet the beginning of a fault.
#[test]
fn a_fault_that_met_one_operation_of_many_shows_too_little() {
    let mut history =
        History::of(Plan { operations: 3_000, refused: 0, lost: 0, unanswered: 0, kills: 1, ..Plan::new(21) });
    // Where only the last three are left.
    let is_end = |record: &&OperationRecord| [Event::Ok, Event::Fail, Event::Info].contains(&record.event);
    let mut ends: Vec<u64> = history.agents.iter().flatten().filter(is_end).map(|record| record.at_ns).collect();
    ends.sort_unstable();
    let fault = &mut history.faults[0];
    let at_us = (ends[ends.len() - 3] - BASE_NS) / 1_000;
    (fault.injected_us, fault.effect_us, fault.ready_us) = (at_us, Some(at_us), Some(at_us + 500_000));
    let found = audited(&history);
    let why = unknown(&found, "I8");
    assert!(why.contains("in flight when fault 1 began") && why.contains("fewer than "), "{why}");
}

/// A SIGTERM that is handled in milliseconds: an operation falls in it by chance only.
#[test]
fn a_fault_that_is_over_at_once_is_asked_for_nothing() {
    let lasting = |us: u64, faults: usize| {
        let mut history = history();
        // Where no operation was.
        for fault in history.faults.iter_mut().take(faults) {
            let at_us = 60_000_000;
            (fault.injected_us, fault.effect_us, fault.ready_us) = (at_us, Some(at_us), Some(at_us + us));
        }
        audited(&history)
    };
    let found = lasting(99_999, 1);
    assert_eq!(found.verdict, AuditVerdict::Valid, "{}", text(&found));
    let not_vacuous = invariant(&found, "I8");
    assert_eq!(
        (not_vacuous.checked, &not_vacuous.notes[..]),
        (2, &["1 fault over within 100 ms: not asked for".into()][..])
    );
    let found = lasting(100_000, 1);
    assert!(unknown(&found, "I8").contains("no operation was in flight when fault 1 began"), "{}", text(&found));
    let found = lasting(99_999, 3);
    assert_eq!(unknown(&found, "I8"), "every fault was over within 100 ms: nothing was put to the test");
}

#[test]
fn a_fault_without_an_observed_effect_does_not_count() {
    let mut history = history();
    history.faults.iter_mut().for_each(|fault| fault.effect_us = None);
    assert_eq!(audited(&history).faults, 0);
}

#[test]
fn no_streams_are_no_pass() {
    let found = audited(&history());
    assert!(text(&found).contains("I10  streams         not applicable"), "{}", text(&found));
}
