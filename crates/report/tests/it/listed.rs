//! Faults of a list: what each has to show, and their table.

use erlmcp_record::names::scenario;
use erlmcp_record::{Entry, Expected, Fate, FaultRow, StreamRow};
use erlmcp_report::verdict::Verdict;
use erlmcp_report::{Summary, render};

use crate::story::rows::{fates, hist};
use crate::story::{AGENTS, LOAD_FROM, Story, analysis};
use crate::streams::stream_row;
use crate::{check, reason, verdict};

const EFFECT: &str = "faults.effect_count";
const HEALED: &str = "faults.unhealed_count";
const DETECTED: &str = "faults.undetected_count";
const RECOVERED: &str = "faults.unrecovered_count";
const PROGRESS: &str = "faults.stalled_seconds_count";
const ALL: [&str; 5] = [EFFECT, HEALED, DETECTED, RECOVERED, PROGRESS];

/// A run whose partition is a fault of a list.
fn listed(change: impl Fn(&mut FaultRow)) -> Vec<Entry> {
    let mut story = Story::whole();
    story.seconds = 20;
    let mut rows = story.rows();
    for row in &mut rows {
        match row {
            Entry::Fault(row) if row.scenario == scenario::NETWORK_PARTITION => {
                row.scenario = scenario::FAULTS.into();
                row.kind = "partition".into();
                row.expected = Expected { detected: true, healed: true, progress: true, ..Expected::default() };
                change(row);
            }
            Entry::Scenario(row) if row.name == scenario::NETWORK_PARTITION => row.name = scenario::FAULTS.into(),
            _ => {}
        }
    }
    rows
}

fn summary(change: impl Fn(&mut FaultRow)) -> Summary {
    analysis(&listed(change)).summary()
}

#[test]
fn a_fault_that_was_borne_passes_and_stands_in_the_table() {
    let summary = summary(|_| {});
    for id in ALL {
        assert_eq!(verdict(&summary, id), "PASS", "{id}");
    }
    let [line] = &summary.faults[..] else { panic!("one fault of a list") };
    assert_eq!((line.verdict.clone(), line.kind.as_str(), line.targets.as_str()), (Verdict::Pass, "partition", "2"));
    assert!(line.fates.total() > 0, "{line:?}");
    for text in [render::markdown(&summary), render::console(&summary)] {
        assert!(text.contains("by a client") && text.contains("partition"), "{text}");
    }
}

#[test]
fn a_run_without_a_list_has_no_such_checks() {
    let mut story = Story::whole();
    story.seconds = 20;
    let summary = analysis(&story.rows()).summary();
    assert!(summary.faults.is_empty() && summary.checks.iter().all(|check| !check.id.starts_with("faults.")));
    assert!(!render::markdown(&summary).contains("## Faults"));
}

#[test]
fn each_thing_that_was_not_seen_fails_its_check() {
    type Change = fn(&mut FaultRow);
    let unseen: [(Change, &str); 4] = [
        (|row| row.heal_verified_us = None, HEALED),
        (|row| row.cluster_detected_us = None, DETECTED),
        (|row| row.ready_us = None, RECOVERED),
        (|row| row.note = Some("not all was well again".into()), RECOVERED),
    ];
    for (change, id) in unseen {
        let summary = summary(change);
        assert_eq!(verdict(&summary, id), "FAIL", "{id}");
        assert_eq!(summary.faults[0].verdict, Verdict::Fail);
        assert!(summary.faults[0].reason.is_some());
    }
}

#[test]
fn nothing_is_expected_of_a_ready_that_could_not_be_asked() {
    let summary = summary(|row| (row.ready_us, row.ready_unknown) = (None, true));
    assert_eq!(verdict(&summary, RECOVERED), "PASS");
    assert_eq!(summary.faults[0].verdict, Verdict::Pass);
}

#[test]
fn what_is_done_in_order_loses_nothing() {
    let lost = [Fate::Refused, Fate::TimedOut, Fate::Reset, Fate::UnsentConnection];
    let of = |lossless: bool| summary(|row| row.expected.lossless = lossless).faults.remove(0);
    let count: u64 = lost.into_iter().map(|fate| of(true).fates.get(fate)).sum();
    assert!(count > 0, "the story has some: {:?}", of(true).fates);
    assert_eq!((of(false).verdict, of(true).verdict), (Verdict::Pass, Verdict::Fail));
    assert_eq!(of(true).reason, Some(format!("{count} requests were lost or refused, and none was to be")));
}

#[test]
fn a_fault_without_effect_shows_nothing() {
    let summary = summary(|row| {
        row.effect_us = None;
        row.note = Some("packets were not seen to be dropped".into());
    });
    assert_eq!(verdict(&summary, EFFECT), "INCONCLUSIVE", "that it had none is not the target's");
    assert_eq!(verdict(&summary, RECOVERED), "INCONCLUSIVE");
    assert_eq!(summary.faults[0].verdict.reason(), Some("packets were not seen to be dropped"));
}

/// The same with one more fault, whose effect was not seen.
fn with_unseen(change: impl Fn(&mut FaultRow)) -> Summary {
    let mut rows = listed(change);
    let mut unseen = rows.iter().find_map(|row| match row {
        Entry::Fault(row) if row.scenario == scenario::FAULTS => Some(row.clone()),
        _ => None,
    });
    if let Some(row) = &mut unseen {
        (row.id, row.replica, row.effect_us) = (row.id + 1, Some(3), None);
    }
    let end = rows.pop().expect("a run has an end");
    rows.extend(unseen.map(Entry::Fault).into_iter().chain([end]));
    analysis(&rows).summary()
}

#[test]
fn a_fault_without_effect_beside_others_is_no_pass_and_hides_no_failure() {
    let summary = with_unseen(|_| {});
    for id in ALL {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, id).contains("1 of 2 faults had no effect that was seen"), "{}", reason(&summary, id));
    }
    let failed = with_unseen(|row| row.cluster_detected_us = None);
    assert_eq!(verdict(&failed, DETECTED), "FAIL");
}

#[test]
fn an_agent_that_died_under_a_list_of_faults_leaves_no_verdict_on_them() {
    let mut rows = listed(|_| {});
    let (note, agent) = (Some("agent 2 died: signal 9".to_string()), Some(2));
    let (name, at_us) = (erlmcp_record::names::finding::AGENT_LOST.to_string(), 40_000_000);
    let lost = erlmcp_record::FindingRow { phase: 4, at_us, name, value: Some(1.0), note, agent };
    let end = rows.pop().expect("a run has an end");
    rows.extend([Entry::Finding(lost), end]);
    let summary = analysis(&rows).summary();
    for id in ALL {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, id).contains("agent 2 died"), "{}", reason(&summary, id));
    }
    assert_eq!(verdict(&summary, "run.wrong_id_answers_count"), "INCONCLUSIVE", "what it had read is not known");
}

#[test]
fn a_second_of_two_faults_at_once_is_one() {
    let mut rows = listed(|_| {});
    let mut twin = None;
    let mut from = 0;
    for row in &mut rows {
        if let Entry::Fault(row) = row
            && row.scenario == scenario::FAULTS
        {
            from = (row.effect_us.expect("seen") / 1_000_000) as u32;
            twin = Some(FaultRow { id: row.id + 1, replica: Some(3), ..row.clone() });
        }
    }
    for row in &mut rows {
        if let Entry::Interval(row) = row
            && (from + 1..=from + 2).contains(&row.second)
        {
            row.fates = fates(&[(Fate::TimedOut, row.planned)]);
        }
    }
    let end = rows.pop().expect("a run has an end");
    rows.extend(twin.map(Entry::Fault).into_iter().chain([end]));
    let summary = analysis(&rows).summary();
    assert_eq!(check(&summary, PROGRESS).estimate, Some(2.0));
}

#[test]
fn a_skipped_fault_is_no_fault() {
    let summary = summary(|row| {
        *row = FaultRow { skipped: Some("there is no nft command".into()), effect_us: None, ..row.clone() }
    });
    assert_eq!(verdict(&summary, EFFECT), "INCONCLUSIVE");
    assert!(reason(&summary, EFFECT).contains("there were no such faults"));
    assert_eq!(summary.faults[0].verdict.reason(), Some("there is no nft command"));
}

#[test]
fn only_a_fault_with_an_effect_is_in_force() {
    let seconds = |change: &dyn Fn(&mut FaultRow)| {
        let mut analysis = analysis(&listed(change));
        let seconds = analysis.take_rest();
        seconds.iter().filter(|second| second.faults.iter().any(|fault| fault.scenario == scenario::FAULTS)).count()
    };
    assert_eq!(seconds(&|_| {}), 6, "from the injection until it was healed");
    let not_made = |row: &mut FaultRow| (row.effect_us, row.healed_us, row.ready_us) = (None, None, None);
    assert_eq!(seconds(&not_made), 0);
    assert_eq!(seconds(&|row| (row.skipped, row.healed_us) = (Some("there is no nft command".into()), None)), 0);
}

#[test]
fn seconds_without_a_success_are_stalls_where_enough_was_left() {
    let stalled = |progress: bool| {
        let mut rows = listed(|row| row.expected.progress = progress);
        let from = rows.iter().find_map(|row| match row {
            Entry::Fault(row) if row.scenario == scenario::FAULTS => {
                Some((row.effect_us.expect("seen") / 1_000_000) as u32)
            }
            _ => None,
        });
        let from = from.expect("there is one");
        for row in &mut rows {
            if let Entry::Interval(row) = row
                && (from + 1..=from + 2).contains(&row.second)
            {
                row.fates = fates(&[(Fate::TimedOut, row.planned)]);
            }
        }
        analysis(&rows).summary()
    };
    assert_eq!(verdict(&stalled(true), PROGRESS), "FAIL");
    assert!(stalled(true).faults[0].reason.as_ref().expect("why").contains("no request succeeded in 2"));
    // Where most replicas are broken nothing is demanded.
    assert_eq!(verdict(&stalled(false), PROGRESS), "INCONCLUSIVE");
}

#[test]
fn a_retry_storm_says_what_it_made_of_each_request() {
    const AMPLIFICATION: &str = "faults.retry_amplification_ratio";
    let storm = |firsts: f64, retries: f64| {
        summary(|row| {
            row.kind = "retry_storm".into();
            row.detail = [("first_attempts_count".to_string(), firsts), ("retries_count".to_string(), retries)].into();
        })
    };
    assert_eq!(verdict(&storm(1_000.0, 100.0), AMPLIFICATION), "PASS");
    assert_eq!(verdict(&storm(1_000.0, 101.0), AMPLIFICATION), "FAIL");
    assert_eq!(verdict(&storm(50.0, 50.0), AMPLIFICATION), "INCONCLUSIVE", "of too few");
    let row = storm(1_000.0, 80.0).faults.remove(0).reason.expect("its figures");
    assert!(row.contains("retry amplification 1.08x"), "{row}");
    assert!(summary(|_| {}).checks.iter().all(|check| check.id != AMPLIFICATION), "only where there was one");
}

#[test]
fn streams_that_do_not_come_back_fail() {
    const GONE: &str = "faults.streams_gone_count";
    // Five are lost with the fault, and one more so many seconds later, which has not come back yet.
    let told = |back: u64, later: u32| {
        let mut rows = listed(|_| {});
        let mut from = 0;
        for row in &mut rows {
            match row {
                Entry::Config(config) => config.streams = 600,
                Entry::Fault(row) if row.scenario == scenario::FAULTS => from = (row.injected_us / 1_000_000) as u32,
                _ => {}
            }
        }
        let end = rows.pop().expect("a run has an end");
        let row = |second| StreamRow { phase: 4, ..stream_row(AGENTS[0], second) };
        let lost = [("connection reset".to_string(), 5)].into();
        let told = [
            StreamRow { acknowledged: 600, ..stream_row(AGENTS[0], LOAD_FROM) },
            StreamRow { lost, ..row(from) },
            StreamRow { away: Some(hist(&[(900_000, back)])), ..row(from + 1) },
            StreamRow { ended: 1, ..row(from + later) },
        ];
        rows.extend(told.map(Entry::Streams).into_iter().chain([end]));
        analysis(&rows).summary()
    };
    let summary = told(2, 7);
    assert_eq!((verdict(&summary, GONE), check(&summary, GONE).estimate), ("FAIL", Some(3.0)));
    assert_eq!(verdict(&summary, RECOVERED), "PASS", "replicas and connections are back");
    assert_eq!(verdict(&told(5, 7), GONE), "PASS", "a server may end a stream at any time");
    assert_eq!(verdict(&told(5, 2), GONE), "FAIL");
    assert!(self::summary(|_| {}).checks.iter().all(|check| check.id != GONE), "only where there were streams");
}

#[test]
fn what_clients_feel_long_after_a_fault_is_of_something_else() {
    let served_again = |late_us: Option<u64>| {
        let mut rows = listed(|_| {});
        for row in &mut rows {
            if let Entry::Scenario(row) = row {
                row.ended_us += if row.name == scenario::FAULTS { 60_000_000 } else { 0 };
            }
        }
        let fault = rows.iter().find_map(|row| match row {
            Entry::Fault(row) if row.scenario == scenario::FAULTS => Some(row.clone()),
            _ => None,
        });
        let ready_us = fault.and_then(|fault| fault.ready_us).expect("it came back");
        let mut late = rows.iter().find_map(|row| match row {
            Entry::Episode(row) if row.replica == 2 => Some(row.clone()),
            _ => None,
        });
        if let (Some(row), Some(late_us)) = (&mut late, late_us) {
            row.episode += 100;
            row.detected_us = ready_us + late_us;
            row.last_served_us = Some(row.detected_us + 100_000);
            let last = rows.pop().expect("the run's end");
            rows.extend([Entry::Episode(row.clone()), last]);
        }
        let summary = analysis(&rows).summary();
        format!("{:?}", summary.faults[0].served_again_ms)
    };
    assert_ne!(served_again(None), served_again(Some(9_000_000)), "of a client that had nothing to send before");
    assert_eq!(served_again(None), served_again(Some(11_000_000)));
}
