//! A record folded as it comes, from its folder, and second by second.

use erlmcp_record::{Entry, Fate, FateCounts, JournalWriter, ScenarioRow};
use erlmcp_report::board::{Board, BoardPhase, Progress, table};
use erlmcp_report::live::{self, Event};
use erlmcp_report::retelling::Retelling;
use erlmcp_report::{Analysis, SecondView, render};

use crate::story::rows::scenario;
use crate::story::{LOAD_FROM, Story, analysis};

#[test]
fn the_folder_says_what_the_rows_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = Story::short().rows();
    let mut journal = JournalWriter::create(folder.path()).expect("a new journal");
    rows.iter().for_each(|row| journal.append(row).expect("written"));
    journal.flush().expect("flushed");
    let again = Analysis::from_folder(folder.path()).expect("a journal");
    assert_eq!(render::json(&again.summary()), render::json(&analysis(&rows).summary()));
}

/// Planned first, fates and all else a second later: an agent sends what changed since its last row.
fn in_pieces(rows: &[Entry]) -> Vec<Entry> {
    let mut late = Vec::new();
    let mut pieces = Vec::new();
    for row in rows {
        let Entry::Interval(whole) = row else {
            if matches!(row, Entry::End(_)) {
                pieces.append(&mut late);
            }
            pieces.push(row.clone());
            continue;
        };
        pieces.append(&mut late);
        let mut planned = whole.clone();
        planned.fates = FateCounts::default();
        planned.slots.iter_mut().for_each(|slot| slot.fates = FateCounts::default());
        planned.by_replica.iter_mut().for_each(|replica| replica.fates = FateCounts::default());
        planned.causes.clear();
        (planned.latency, planned.service, planned.send_lag, planned.receive_lag) = (None, None, None, None);
        (planned.operation, planned.refusals, planned.retries) = (None, 0, 0);
        let mut fates = whole.clone();
        fates.planned = 0;
        fates.slots.iter_mut().for_each(|slot| slot.planned = 0);
        fates.by_replica.iter_mut().for_each(|replica| replica.planned = 0);
        pieces.push(Entry::Interval(planned));
        late.push(Entry::Interval(fates));
    }
    pieces
}

#[test]
fn rows_of_the_same_second_add_up() {
    let rows = Story::short().rows();
    assert_eq!(render::json(&analysis(&in_pieces(&rows)).summary()), render::json(&analysis(&rows).summary()));
}

fn second_of(row: &Entry) -> Option<u32> {
    match row {
        Entry::Interval(row) => Some(row.second),
        Entry::Cluster(row) => Some(row.second),
        _ => None,
    }
}

#[test]
fn each_second_is_handed_out_once_and_in_order() {
    let rows = in_pieces(&Story::short().rows());
    let mut analysis = Analysis::new();
    let mut taken: Vec<SecondView> = Vec::new();
    for row in &rows {
        analysis.push(row);
        if let Some(second) = second_of(row) {
            taken.extend(analysis.take_complete(second, 9));
        }
    }
    let while_it_ran = taken.len();
    taken.extend(analysis.take_rest());
    assert!(while_it_ran > 60, "{while_it_ran} seconds were handed out while it ran");
    let numbers: Vec<u32> = taken.iter().map(|view| view.second).collect();
    assert_eq!(numbers, (0..taken.len() as u32).collect::<Vec<_>>());
    let load = &taken[LOAD_FROM as usize + 20];
    assert_eq!((load.offered_rps, load.answered_rps, load.connections), (12_000.0, 12_000.0, 3_000));
}

#[test]
fn a_second_waits_for_its_fates_as_long_as_it_may() {
    let mut rows = in_pieces(&Story::short().rows());
    let from = LOAD_FROM + 20;
    // The fates of one second never come.
    rows.retain(|row| !matches!(row, Entry::Interval(row) if row.second == from && row.planned == 0));
    let mut analysis = Analysis::new();
    rows.iter()
        .filter(|row| second_of(row).is_none_or(|second| second <= from + 30))
        .for_each(|row| analysis.push(row));
    let last = |taken: Vec<SecondView>| taken.last().map(|view| view.second);
    assert_eq!(last(analysis.take_complete(from + 8, 9)), Some(from - 1));
    assert_eq!(last(analysis.take_complete(from + 9, 9)), Some(from + 7));
}

#[test]
fn a_row_of_a_far_second_does_not_stop_the_views() {
    let mut rows = Story::short().rows();
    let Some(Entry::Cluster(sample)) = rows.iter().find(|row| matches!(row, Entry::Cluster(_))) else {
        panic!("a story has samples")
    };
    let mut far = sample.clone();
    far.second = u32::MAX;
    rows.insert(rows.len() - 1, Entry::Cluster(far));
    let mut analysis = analysis(&rows);
    assert!(analysis.take_rest().len() < 200);
    let summary = analysis.summary();
    assert!(crate::reason(&summary, "sla.p95_ms").contains("too large to judge"));
}

#[test]
fn what_the_generator_did_not_send_is_no_error_of_a_second() {
    let story = Story::short().with_load(|_, load| {
        load.ok -= 100;
        load.others.extend([(Fate::UnsentNoTime, 60), (Fate::HttpError, 40)]);
    });
    let mut analysis = analysis(&story.rows());
    let line = analysis.span(LOAD_FROM, LOAD_FROM + 30).log_line(LOAD_FROM + 30, "sustained_load");
    assert!(line.contains("Errors: 0.335%"), "{line}");
    let second = analysis.take_rest().swap_remove(LOAD_FROM as usize + 20);
    assert_eq!((second.load_errors, second.load_countable, second.error_share().as_str()), (40, 11_940, "0.335%"));
}

/// Seconds of the load that lie hours back are kept in less room, and say the same.
#[test]
fn what_lies_far_back_is_judged_as_before() {
    let story = Story::short().with_load(|second, load| {
        if second.is_multiple_of(7) {
            load.ok -= 700;
            load.others.push((Fate::HttpError, 700));
        }
    });
    let mut rows = story
        .with_sample(|second, sample| {
            for replica in &mut sample.replicas {
                replica.longest_stall_us = Some(1_000 + u64::from(second % 50) * 100);
                replica.memory_bytes = replica.memory_bytes.map(|bytes| bytes + u64::from(second) * 1_000);
            }
        })
        .rows();
    let before = analysis(&rows).summary();
    let last = rows.iter().rev().find_map(|row| if let Entry::Cluster(sample) = row { Some(sample) } else { None });
    let mut hours_later = last.expect("a story has samples").clone();
    hours_later.second += 20_000;
    hours_later.at_us += 20_000_000_000;
    rows.insert(rows.len() - 1, Entry::Cluster(hours_later));
    let after = analysis(&rows).summary();
    assert_eq!(before.checks.len(), after.checks.len());
    for (before, after) in before.checks.iter().zip(&after.checks) {
        assert_eq!(before, after, "{}", before.id);
    }
    assert_eq!(crate::check(&after, "sustained.longest_stall_ms").estimate, Some(5.9));
    assert_eq!(crate::verdict(&after, "sla.availability_percent"), "FAIL");
    for (before, after) in before
        .numbers
        .iter()
        .flat_map(|section| &section.figures)
        .zip(after.numbers.iter().flat_map(|section| &section.figures))
    {
        assert_eq!(before, after);
    }
}

#[test]
fn events_are_lines_of_json_with_their_names() {
    let summary = Story::short().summary();
    let events = [
        (Event::StepOk { text: "reachable".into() }, r#"{"event":"step_ok","text":"reachable"}"#),
        (
            Event::RampProgress { elapsed_s: 5, established: 10, target: 20 },
            r#"{"event":"ramp_progress","elapsed_s":5,"established":10,"target":20}"#,
        ),
    ];
    for (event, line) in events {
        assert_eq!(live::json(&event), format!("{line}\n"));
    }
    let end: serde_json::Value = serde_json::from_str(&live::json(&Event::Final(Box::new(summary)))).expect("JSON");
    assert_eq!((&end["event"], end["report_version"].is_u64()), (&"final".into(), true));
    assert!(end["checks"].as_array().is_some_and(|checks| checks.len() > 10));
    // A second is a line of JSON, and none for people.
    let second = SecondView { second: 7, connections_by_replica: [(1, 3)].into(), ..SecondView::default() };
    let second = Event::Second(Box::new(second));
    let line: serde_json::Value = serde_json::from_str(&live::json(&second)).expect("JSON");
    assert_eq!((line["event"].as_str(), line["second"].as_u64()), (Some("second"), Some(7)));
    assert_eq!(line["connections_by_replica"]["1"], 3);
    assert_eq!((live::console(&second), live::quiet(&second)), (String::new(), String::new()));
}

#[test]
fn quietly_only_the_verdict_is_said() {
    assert_eq!(live::quiet(&Event::Note { text: "x".into() }), "");
    let summary = Story::short().with_load(|_, load| load.slow.push((200_000, 6_000))).summary();
    let said = live::quiet(&Event::Final(Box::new(summary)));
    assert!(said.contains("✗ FAIL ] P95 Latency < 100ms"), "{said}");
    assert!(said.ends_with("TEST EXECUTION COMPLETED: FAILED\n") && !said.contains("✓ PASS"), "{said}");
}

#[test]
fn a_scenario_is_retold_as_it_ended() {
    let retold = |inconclusive: Option<&str>| {
        let row = ScenarioRow { inconclusive: inconclusive.map(Into::into), ..scenario(4, "ramp_up", (2, 9), &[]) };
        let told = Retelling::default().push(&Entry::Scenario(row));
        told.iter().map(|(event, _)| live::json(event)).collect::<String>()
    };
    let line = |rest: &str| format!("{{\"event\":\"scenario_ended\",\"name\":\"ramp_up\",{rest}}}\n");
    assert_eq!(retold(None), line(r#""outcome":"complete","text":"ended""#));
    assert_eq!(retold(Some("too few")), line(r#""outcome":"inconclusive","text":"too few""#));
}

/// What a record is turned back into is what was shown while the run went on.
#[test]
fn a_record_is_replayed_on_a_board() {
    let rows = in_pieces(&Story::short().rows());
    let (mut board, mut replay) = (Board::default(), Retelling::default());
    for (event, at_ms) in rows.iter().flat_map(|row| replay.push(row)) {
        board.push(&event, at_ms);
    }
    assert!(board.verdict.is_some() && board.left_ms(replay.now_ms()) == Some(0));
    let done = |phase: &BoardPhase| matches!(phase.progress, Progress::Done { .. } | Progress::Skipped);
    assert!(board.phases.len() == 6 && board.phases.iter().all(done), "{:?}", board.phases);
    let load = board.seconds.iter().find(|second| second.second == LOAD_FROM + 20).expect("a second of load");
    assert_eq!((load.offered_rps, load.connections), (12_000.0, 3_000));
    let text = table(&board, replay.now_ms());
    assert!(text.contains("3. Sustained Load: ") && text.contains("requests/s"), "{text}");
}
