use std::collections::BTreeMap;

use erlmcp_report::board::{BoardPhase, Progress};
use erlmcp_report::{ActiveFault, AgentView, ReplicaView, SecondView};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;

fn second(number: u32) -> SecondView {
    let replica = |replica: u16| ReplicaView {
        replica,
        ready: replica != 2,
        connections: (replica != 2).then_some(500),
        memory_bytes: Some(12_340_000),
        rss_bytes: None,
        cpu_percent: Some(41.0),
        queue_depth: Some(u64::from(replica)),
        answered_rps: Some(1_000.0),
        streams: Some(7),
        tools: (replica != 2).then_some(9),
        sessions: (replica != 2).then_some(3),
        sessions_held: (replica != 2).then_some(2),
        restarts: None,
        longest_stall_ms: Some(1.25),
    };
    SecondView {
        second: number,
        connections: 1_000,
        connections_server: Some(999),
        offered_rps: 2_000.0,
        answered_rps: if number < 20 { 2_000.0 } else { 1_500.0 },
        p50_ms: Some(1.0),
        p95_ms: Some(2.0 + f64::from(number) / 10.0),
        p99_ms: Some(8.0),
        errors: BTreeMap::from([("connection reset".to_string(), 3), ("HTTP 503".to_string(), 1)]),
        replicas: vec![replica(1), replica(2)],
        agents: vec![AgentView {
            agent: 0,
            cpu_percent: 31.0,
            run_delay_percent: 2.0,
            rss_bytes: 1,
            descriptors: 1,
            longest_stall_ms: 0.5,
        }],
        faults: vec![ActiveFault {
            id: 1,
            scenario: "node_failure".into(),
            replica: Some(2),
            method: "SIGKILL of the process".into(),
        }],
        ..SecondView::default()
    }
}

fn phase(number: u8, title: &str, progress: Progress) -> BoardPhase {
    BoardPhase { number, title: title.into(), estimated_ms: Some(60_000), progress }
}

fn board() -> Board {
    let mut board = Board::default();
    board.target = "http://localhost:8080/mcp".into();
    board.calls = "tools/call echo".into();
    board.phases = vec![
        phase(1, "Baseline", Progress::Done { took_ms: 4_000 }),
        phase(2, "Ramp Up", Progress::Skipped),
        phase(4, "Failure Recovery", Progress::Running { since_ms: 10_000 }),
        phase(6, "Cool Down", Progress::Waiting),
    ];
    board.scenario = Some("1/3 node failure".into());
    (0..40).for_each(|number| board.push(&Event::Second(Box::new(second(number))), 0));
    board.push(&Event::Note { text: "  [1.2s] detected by the cluster".into() }, 0);
    board
}

fn drawn(board: &Board, width: u16, height: u16, now_ms: u64) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal in memory");
    terminal.draw(|frame| draw::draw(frame, board, (now_ms, "q: stop in order"))).expect("drawn");
    terminal.backend().to_string()
}

#[test]
fn a_wide_screen_has_everything() {
    insta::assert_snapshot!(drawn(&board(), 120, 36, 35_000));
}

#[test]
fn a_usual_screen_has_what_matters() {
    insta::assert_snapshot!(drawn(&board(), 80, 24, 35_000));
}

/// A run of chaos has four phases, one of capacity three, and a server that is only looked at none.
#[test]
fn however_few_phases_there_are_faults_and_errors_are_shown() {
    let mut board = board();
    while board.phases.pop().is_some() {
        for (width, height) in [(80, 24), (120, 36)] {
            let text = drawn(&board, width, height, 35_000);
            assert!(text.contains("errors       4 in this second"), "{text}");
            assert!(text.contains("faults       node failure on replica 2"), "{text}");
        }
    }
}

#[test]
fn before_anything_is_known_nothing_is_made_up() {
    let text = drawn(&Board::default(), 80, 24, 0);
    assert!(
        text.contains("starting") && text.contains("nothing measured yet") && text.contains("no figures"),
        "{text}"
    );
    assert!(text.contains("none so far"), "{text}");
}

#[test]
fn tools_and_sessions_are_told_where_all_replicas_tell_them() {
    let told = |sessions: Option<u64>| {
        let mut now = second(1);
        now.replicas[1] = ReplicaView { tools: Some(8), sessions, ..now.replicas[0].clone() };
        let mut board = Board::default();
        board.push(&Event::Second(Box::new(now)), 0);
        drawn(&board, 120, 36, 0)
    };
    let text = told(Some(4));
    assert!(text.contains("Replicas  tools 8 to 9  sessions 7 streaming, 2 held─"), "{text}");
    let text = told(None);
    assert!(text.contains("Replicas  tools 8 to 9─"), "{text}");
}

/// A server that is only looked at.
#[test]
fn what_no_load_measured_is_the_servers_word_or_a_dash() {
    let unloaded = SecondView { connections: 0, offered_rps: 0.0, answered_rps: 0.0, agents: vec![], ..second(1) };
    let silent = SecondView { replicas: vec![], connections_server: None, ..unloaded.clone() };
    for (second, connections, requests) in
        [(unloaded, "connections  999 ", "requests/s   2000 "), (silent, "connections  - ", "requests/s   - ")]
    {
        let mut board = Board::default();
        board.push(&Event::Second(Box::new(second)), 0);
        let text = drawn(&board, 120, 36, 0);
        assert!(text.contains(connections) && text.contains(requests) && !text.contains("offered"), "{text}");
    }
}

#[test]
fn seconds_without_a_value_are_a_gap() {
    let blocks = |gap: std::ops::Range<u32>| {
        let mut board = Board::default();
        for number in 0..40 {
            let p99_ms = (!gap.contains(&number)).then_some(8.0);
            board.push(&Event::Second(Box::new(SecondView { p99_ms, ..second(number) })), 0);
        }
        drawn(&board, 120, 36, 0).matches('█').count()
    };
    assert!(blocks(10..30) * 4 < blocks(0..0) * 3, "{} of {}", blocks(10..30), blocks(0..0));
}

/// No size of a terminal is too small to go on.
#[test]
fn any_size_can_be_drawn() {
    for (width, height) in [(1, 1), (10, 3), (20, 5), (40, 10), (79, 12), (300, 100)] {
        drawn(&board(), width, height, 35_000);
    }
}

#[test]
fn q_and_ctrl_c_stop_and_nothing_else_does() {
    let key = |code, modifiers| KeyEvent::new(code, modifiers);
    assert!(is_stop(key(KeyCode::Char('q'), KeyModifiers::NONE)));
    assert!(is_stop(key(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert!(!is_stop(key(KeyCode::Char('c'), KeyModifiers::NONE)));
    assert!(!is_stop(key(KeyCode::Esc, KeyModifiers::NONE)));
}

#[test]
fn a_feed_without_end_is_drawn_now_and_then() {
    let fed = std::cell::Cell::new(0);
    let mut without_end = || {
        fed.set(fed.get() + 1);
        Fed::Event(Box::new(Event::Second(Box::new(second(fed.get())))), u64::from(fed.get()))
    };
    let mut board = Board::default();
    for due in [20, 40] {
        let taken = take_in(&mut board, &mut without_end, || fed.get() >= due);
        assert_eq!(taken, Some(Taken { now_ms: u64::from(due), has_more: true }));
    }
    assert_eq!(board.seconds.len(), 40);
    let taken = take_in(&mut board, &mut || Fed::Nothing { now_ms: 9, silent_s: 61 }, || true);
    assert_eq!((taken, board.silent_s), (Some(Taken { now_ms: 9, has_more: false }), 61));
}
