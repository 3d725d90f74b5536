use super::*;

fn started(number: u8, name: &str) -> Event {
    Event::PhaseStarted(Box::new(live::PhaseStart {
        number,
        name: name.into(),
        estimated_ms: 10_000,
        connections: 100,
        ramp_rate: 50.0,
        duration_ms: 5_000,
    }))
}

fn summary(number: u8) -> Event {
    Event::PhaseSummary { number, name: "x".into(), lines: vec!["a line".into()] }
}

#[test]
fn phases_have_their_times() {
    let mut board = Board::default();
    board.push(&started(1, "baseline"), 1_000);
    assert_eq!((board.elapsed_ms(4_000), board.left_ms(4_000)), (3_000, Some(7_000)));
    assert_eq!(board.left_ms(60_000), Some(0), "longer than estimated");
    board.push(&summary(1), 5_000);
    board.push(&started(2, "ramp_up"), 5_500);
    board.push(&started(3, "cool_down"), 6_000);
    let progress: Vec<&Progress> = board.phases.iter().map(|phase| &phase.progress).collect();
    assert_eq!(
        progress,
        [&Progress::Done { took_ms: 4_000 }, &Progress::Done { took_ms: 500 }, &Progress::Running { since_ms: 6_000 }]
    );
    assert_eq!(board.phases[1].title, "Ramp Up");
}

/// A record tells how long a phase was to take when the phase begins.
#[test]
fn what_is_not_known_of_a_phase_is_taken_from_its_beginning() {
    let planned = |number, name: &str| live::PlannedPhase {
        number,
        name: name.into(),
        estimated_ms: None,
        skipped: None,
        left_out: 0,
    };
    let mut board = Board {
        phases: [planned(1, "baseline"), planned(2, "ramp_up")].iter().map(super::planned).collect(),
        ..Board::default()
    };
    board.push(&started(1, "baseline"), 1_000);
    assert_eq!((board.phases[0].left_ms(4_000), board.left_ms(4_000)), (Some(7_000), None));
    board.push(&started(2, "ramp_up"), 5_000);
    assert_eq!(board.left_ms(6_000), Some(9_000));
}

#[test]
fn a_run_that_is_over_shows_its_verdict_and_the_last_figures() {
    let mut board = Board::default();
    let with_load = SecondView { second: 1, offered_rps: 10.0, connections: 7, ..SecondView::default() };
    board.push(&Event::Second(Box::new(with_load)), 0);
    board.push(&Event::Second(Box::new(SecondView { second: 2, ..SecondView::default() })), 0);
    assert_eq!(board.newest().map(|newest| newest.second), Some(2));
    board.verdict = Some("FAIL");
    assert_eq!(board.newest().map(|newest| newest.second), Some(1));
    let text = table(&board, 0);
    assert!(text.contains("over: FAIL\n") && text.contains("second 1: 7 connections"), "{text}");
}

#[test]
fn a_record_that_gets_no_rows_does_not_go_on() {
    let mut board = Board::default();
    board.push(&started(3, "sustained_load"), 0);
    board.silent_s = SILENT_S - 1;
    assert_eq!(board.stands(), None);
    board.silent_s = 82_800;
    let text = table(&board, 0);
    assert!(text.contains("\nended without its last row, or stands still: nothing for 23 hours\n"), "{text}");
    assert!(text.contains("  3. Sustained Load: 0 ms, no end recorded\n"), "{text}");
    board.silent_s = FOR_GOOD;
    let text = table(&board, 0);
    assert!(text.contains("\nended without its last row\n"), "{text}");
    board.push(&summary(3), 1);
    assert_eq!(board.stands(), None, "it stood still");
}

#[test]
fn a_replica_has_its_registry_and_its_sessions_in_the_table() {
    let of = |figures: &str| {
        let nulls = r#""connections":null,"memory_bytes":null,"rss_bytes":null,"cpu_percent":null,"queue_depth":null"#;
        let replica = format!(r#"{{"replica":1,"ready":true,{nulls},"longest_stall_ms":null{figures}}}"#);
        let replica = serde_json::from_str(&replica).expect("a replica as records have it");
        let mut board = Board::default();
        board.push(&Event::Second(Box::new(SecondView { replicas: vec![replica], ..SecondView::default() })), 0);
        let text = table(&board, 0);
        let columns = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
        let lines: Vec<Vec<String>> = text.lines().rev().take(2).map(columns).collect();
        let at = |name: &str| lines[1].iter().position(|column| column == name).expect("a column");
        ["tools", "sessions", "held"].map(|name| lines[0][at(name)].clone())
    };
    assert_eq!(of(r#","tools":9,"sessions":3,"sessions_held":2"#), ["9", "3", "2"]);
    assert_eq!(of(""), ["-", "-", "-"], "an older record has none of them");
}

#[test]
fn nothing_of_a_record_moves_the_cursor() {
    let mut board = Board { target: "http://x/\u{1b}[2J".into(), ..Board::default() };
    let server_missing = Some("no\u{9b}2J page".into());
    board.push(&Event::Second(Box::new(SecondView { server_missing, ..SecondView::default() })), 0);
    let text = table(&board, 0);
    assert!(text.starts_with("http://x/\\u{1b}[2J\n") && text.contains(r"(no\u{9b}2J page)"), "{text}");
}

#[test]
fn a_scenario_stands_there_while_it_runs() {
    let mut board = Board::default();
    board.push(&started(4, "failure_recovery"), 0);
    let event = Event::ScenarioStarted { scenario: 2, scenarios: 5, name: "queue_overflow".into(), text: "x".into() };
    board.push(&event, 1);
    assert_eq!(board.scenario.as_deref(), Some("2/5 queue overflow"));
    assert_eq!(live::scenario_name(1, 1, "faults"), "faults");
    board.push(&summary(4), 2);
    assert_eq!(board.scenario, None);
}

#[test]
fn seconds_lines_and_causes_are_bounded() {
    let mut board = Board::default();
    for second in 0..SECONDS_MAX as u32 + 10 {
        let errors = BTreeMap::from([(format!("cause {}", second % 60), 1), ("reset".into(), 2)]);
        board.push(&Event::Second(Box::new(SecondView { second, errors, ..SecondView::default() })), 0);
        board.push(&Event::Note { text: format!("line {second}") }, 0);
    }
    assert_eq!((board.seconds.len(), board.lines.len(), board.errors.len()), (SECONDS_MAX, LINES_MAX, CAUSES_MAX));
    assert_eq!(board.newest().map(|newest| newest.second), Some(SECONDS_MAX as u32 + 9));
    assert_eq!(board.lines.back().map(String::as_str), Some("line 609"));
    assert_eq!(board.errors["reset"], 2 * (SECONDS_MAX as u64 + 10));
}
