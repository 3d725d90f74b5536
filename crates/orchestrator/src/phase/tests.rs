use std::time::Duration;

use erlmcp_load::proto::command::Command;
use erlmcp_record::names::finding as names;
use erlmcp_record::{Entry, PhaseEvent};
use erlmcp_report::live;

use crate::action::{Action, Ask};
use crate::event::{Audited, Event, Said};
use crate::plan::{Block, Close, Connect, Load, Operations, Probe, Step};
use crate::stage::{SECOND, Sampling, Stage};

fn probe(probe: Probe) -> Step {
    Step::new("probe", Block::Probe(probe))
}

fn load(seconds: u64) -> Step {
    let line_every = Some(Duration::from_secs(5));
    Step::new(
        "load",
        Block::Load(Load { rate: 100.0, duration: Duration::from_secs(seconds), line_every, shaped: false }),
    )
}

fn close(verify: bool) -> Step {
    Step::new("closing", Block::Close(Close { connections: 1_000, rate: None, verify }))
}

fn lost_blocks(stage: &Stage) -> Vec<(u32, u64)> {
    let rows = stage.rows().filter_map(|row| match row {
        Entry::Block(row) if row.lost => Some((row.agent, row.planned)),
        _ => None,
    });
    rows.collect()
}

#[test]
fn a_baseline_finds_everything_that_the_report_names() {
    let steps = vec![
        probe(Probe::Reachability),
        probe(Probe::Sequential { count: 100 }),
        probe(Probe::Readiness),
        probe(Probe::Metrics),
    ];
    let mut stage = Stage::new(steps, 0);
    stage.run_to_end(10 * SECOND);
    assert_eq!(stage.finding(names::TARGET_REACHABLE), Some(1.0));
    assert_eq!(stage.finding(names::HEALTH_MS), Some(0.5));
    assert_eq!(stage.finding(names::WORKERS_ACTIVE), Some(32.0));
    assert_eq!(stage.finding(names::WORKERS_SIZE), Some(50.0));
    assert_eq!(stage.finding(names::AGENTS_READY), Some(2.0));
    assert_eq!(stage.finding(names::CONNECTIONS_POSSIBLE), Some(1_200.0));
    assert_eq!(stage.finding(names::COLLECTOR_SAMPLE), Some(1.0));
    let said = |wanted: &str| {
        let shown = |action: &Action| matches!(action, Action::Show(live::Event::StepOk { text }) if text == wanted);
        stage.actions.iter().any(shown)
    };
    assert!(said("Target reachable and responsive") && said("Baseline latency: 1.00 ms"), "{:?}", stage.actions);
}

#[test]
fn without_a_health_page_an_mcp_request_decides() {
    let mut stage = Stage::new(vec![probe(Probe::Reachability)], 0);
    stage.troupe.health = Err("404".into());
    stage.run_to_end(SECOND);
    assert_eq!(stage.finding(names::TARGET_REACHABLE), Some(1.0));
    assert!(stage.commands().any(|(agent, command)| agent == 0 && matches!(command, Command::Reach(_))));
}

#[test]
fn too_few_descriptors_end_the_run_with_what_to_do() {
    let mut stage = Stage::new(vec![probe(Probe::Readiness)], 0);
    stage.world.agents[0].connections_possible = 100;
    stage.run_to_end(SECOND);
    let reason = stage.abort().expect("700 are not 1,000");
    assert!(reason.contains("700") && reason.contains("descriptor"), "{reason}");
}

#[test]
fn a_collector_without_a_sample_is_no_sample() {
    let mut stage = Stage::new(vec![probe(Probe::Metrics)], 0);
    // No second passes in which the stage would send one.
    for tick in 0..60 {
        stage.troupe.now_us = 10 * SECOND + tick * 100_000;
        stage.feed(Event::Tick);
    }
    assert!(stage.is_over());
    assert_eq!(stage.finding(names::COLLECTOR_SAMPLE), Some(0.0));
}

#[test]
fn a_ramp_gives_every_agent_its_share_and_ends_when_all_have_a_fate() {
    let step = Step::new("ramp", Block::Connect(Connect { connections: 1_001, rate: Some(500.0) }));
    let mut stage = Stage::new(vec![step], 0);
    stage.run_to_end(20 * SECOND);
    let shares: Vec<(u64, f64)> = stage
        .commands()
        .filter_map(|(_, command)| match command {
            Command::Open(open) => Some((open.connections, open.rate)),
            _ => None,
        })
        .collect();
    assert_eq!(shares, [(501, 250.0), (500, 250.0)]);
    assert_eq!(stage.finding(names::RAMP_MS), Some(2_000.0));
}

#[test]
fn load_starts_at_every_agent_at_once_on_a_whole_second() {
    let mut stage = Stage::new(vec![load(10)], 500);
    stage.run_to_end(20 * SECOND);
    let loads: Vec<(u64, f64, f64)> = stage
        .commands()
        .filter_map(|(_, command)| match command {
            Command::Load(load) => Some((load.start_us, load.rate, load.offset)),
            _ => None,
        })
        .collect();
    assert_eq!(loads, [(11 * SECOND, 50.0, 0.0), (11 * SECOND, 50.0, 0.5)]);
    let lines: Vec<(u32, u32, u32)> = stage
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::ShowSpan { elapsed_s, from, to } => Some((*elapsed_s, *from, *to)),
            _ => None,
        })
        .collect();
    assert_eq!(lines, [(5, 11, 16), (10, 16, 21)]);
}

#[test]
fn a_load_that_has_nothing_left_to_send_lasts_as_long_as_it_was_to() {
    let mut stage = Stage::new(vec![load(10)], 500);
    stage.run_for(3 * SECOND);
    let blocks: Vec<(u32, u32)> = stage
        .commands()
        .filter_map(|(agent, command)| match command {
            Command::Load(load) => Some((agent, load.block)),
            _ => None,
        })
        .collect();
    for (agent, block) in blocks {
        stage.feed(Event::Agent { agent, said: Said::Done { block } });
    }
    stage.run_for(7 * SECOND);
    assert!(!stage.is_over(), "it ends at 21 s");
    stage.run_to_end(SECOND + SECOND / 2);
}

#[test]
fn a_dead_agent_loses_its_block_and_the_others_go_on() {
    let mut stage = Stage::new(vec![load(10)], 500);
    stage.run_for(3 * SECOND);
    stage.die(1);
    assert_eq!(lost_blocks(&stage), [(1, 100)]);
    stage.run_to_end(20 * SECOND);
    assert_eq!(lost_blocks(&stage).len(), 1);
}

#[test]
fn a_dead_agent_planned_what_was_due_when_it_was_seen_gone() {
    let line_every = None;
    let slow = Block::Load(Load { rate: 20.0, duration: Duration::from_secs(60), line_every, shaped: false });
    let mut stage = Stage::new(vec![Step::new("load", slow)], 500);
    // It begins at 11 s, and each of the two sends ten a second of the 100 that it told.
    stage.run_for(4 * SECOND);
    stage.die(1);
    assert_eq!(lost_blocks(&stage), [(1, 31)]);
    let mut early = Stage::new(vec![load(10)], 500);
    early.run_for(SECOND / 2);
    early.die(0);
    assert_eq!(lost_blocks(&early), [(0, 0)], "nothing was due before the start");
}

#[test]
fn when_all_agents_are_dead_the_phase_ends() {
    let mut stage = Stage::new(vec![load(10)], 500);
    stage.run_for(3 * SECOND);
    stage.die(0);
    stage.die(1);
    assert!(stage.is_over());
    assert_eq!(lost_blocks(&stage).len(), 2);
}

#[test]
fn an_interrupt_cuts_the_block_and_starts_no_other() {
    let mut stage = Stage::new(vec![load(10), probe(Probe::Readiness)], 500);
    stage.run_for(3 * SECOND);
    stage.cut("interrupted");
    let cuts = stage.commands().filter(|(_, command)| matches!(command, Command::Cut(_))).count();
    assert_eq!(cuts, 2);
    stage.run_to_end(SECOND);
    assert!(!stage.asked(&Ask::Workers));
    let Some(Entry::Phase(row)) = stage.rows().next_back() else { panic!("the phase's end is its last row") };
    assert_eq!(row.event, PhaseEvent::Ended);
}

#[test]
fn closing_is_verified_on_both_sides() {
    let mut stage = Stage::new(vec![close(true)], 500);
    stage.run_to_end(15 * SECOND);
    assert_eq!(stage.finding(names::CLOSING_GAUGE), Some(0.0));
    assert_eq!(stage.finding(names::CONNECTIONS_CLOSED), Some(1_000.0));
}

#[test]
fn a_gauge_that_was_not_read_is_told_with_the_true_reason() {
    for (sampling, reason) in [
        (Sampling::WithoutGauge, "the server has no gauge of its connections"),
        (Sampling::Failing, "the server's figures could not be read: no answer"),
        (Sampling::Never, "no figures of the server came after the last close"),
    ] {
        let mut stage = Stage::new(vec![close(true)], 500);
        stage.troupe.sampling = sampling;
        stage.run_to_end(15 * SECOND);
        let notes: Vec<_> = stage
            .rows()
            .filter_map(|row| match row {
                Entry::Finding(row) if row.name == names::CLOSING_GAUGE => row.note.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(notes, [reason]);
    }
}

#[test]
fn a_gauge_that_does_not_get_to_zero_is_told() {
    let mut stage = Stage::new(vec![close(true)], 500);
    stage.troupe.stuck = 3;
    stage.run_to_end(15 * SECOND);
    assert_eq!(stage.finding(names::CLOSING_GAUGE), Some(6.0));
}

#[test]
fn what_a_scenario_closed_is_told_in_the_cool_down_too() {
    let graceful = Close { connections: 1_000, rate: Some(1_000.0), verify: true };
    let scenario = Step::scenario("gradual_cooldown", "graceful cool-down", Block::Close(graceful));
    let mut stage = Stage::new(vec![scenario, close(true)], 500);
    stage.run_to_end(30 * SECOND);
    assert_eq!(stage.scenario().detail["connections_closed_count"], 1_000.0);
    assert_eq!(stage.scenario().detail["close_ms"], 1_000.0);
    assert_eq!(stage.finding(names::CONNECTIONS_CLOSED), Some(1_000.0));
}

#[test]
fn dismantling_tells_what_was_left() {
    let mut stage = Stage::new(vec![Step::new("dismantling", Block::Dismantle { own_cluster: true })], 0);
    stage.run_to_end(SECOND);
    assert_eq!(stage.finding(names::LEFTOVER_PROCESSES), Some(0.0));
    assert_eq!(stage.finding(names::LEFTOVER_FAULTS), Some(0.0));
}

#[test]
fn holding_and_scaling_are_blocks_too() {
    let scale = Block::Scale { replicas: 3, bound: Duration::from_secs(5) };
    let hold = Block::Hold(Duration::from_secs(2));
    let mut stage = Stage::new(vec![Step::new("hold", hold), Step::scenario("scale", "scaling", scale)], 0);
    stage.run_to_end(5 * SECOND);
    assert!(stage.asked(&Ask::Scale { replicas: 3 }));
    assert_eq!(stage.scenario().inconclusive, None);
}

/// The findings of an audit, with what was said of it.
fn audited(begun: Result<(), String>, outcome: Option<Result<Audited, String>>) -> (Stage, Option<String>) {
    let steps = vec![
        Step::quiet("operations", Block::Operations(Operations { rate: 30.0, tool: "append".into() })),
        Step::quiet("audit", Block::Audit(begun)),
    ];
    let mut stage = Stage::new(steps, 0);
    match outcome {
        Some(outcome) => stage.troupe.audited = outcome,
        None => stage.troupe.is_silent = true,
    }
    stage.run_to_end(200 * SECOND);
    let said = stage.actions.iter().find_map(|action| match action {
        Action::Show(live::Event::ScenarioLine { text }) => Some(text.clone()),
        _ => None,
    });
    (stage, said)
}

#[test]
fn operations_are_begun_on_every_agent_and_audited_when_all_are_settled() {
    let good = Audited { operations: 5_000, violations: Some(0), why: String::new() };
    let (stage, said) = audited(Ok(()), Some(Ok(good)));
    let begun = stage.actions.iter().filter_map(|action| match action {
        Action::Command { agent, command: Command::Operations(order) } => Some((*agent, order.rate, order.lanes)),
        _ => None,
    });
    assert_eq!(begun.collect::<Vec<_>>(), [(0, 15.0, 2), (1, 15.0, 2)]);
    assert!(stage.asked(&Ask::Audit { folder: "results".into(), within: Duration::from_secs(60) }));
    assert_eq!(stage.finding(names::AUDITED_OPERATIONS), Some(5_000.0));
    assert_eq!(stage.finding(names::AUDIT_VIOLATIONS), Some(0.0));
    assert_eq!(said.as_deref(), Some("Audit: 5,000 operations, each happened once and none was lost"));
}

#[test]
fn what_an_audit_finds_is_said() {
    let bad = Audited { operations: 9, violations: Some(2), why: "I4 no duplicates: twice".into() };
    let (stage, said) = audited(Ok(()), Some(Ok(bad)));
    assert_eq!(stage.finding(names::AUDIT_VIOLATIONS), Some(2.0));
    assert!(said.is_some_and(|said| said.starts_with("Audit: INVALID: I4 no duplicates: twice")));
    let (stage, said) = audited(Ok(()), Some(Err("the store's own account could not be had".into())));
    assert_eq!(stage.finding(names::AUDIT_VIOLATIONS), None);
    assert!(said.is_some_and(|said| said.contains("unknown: the store's own account")));
}

#[test]
fn operations_that_were_not_wanted_are_not_audited() {
    let (stage, said) = audited(Err("--operations 0".into()), Some(Err("nobody asks".into())));
    assert!(!stage.asked(&Ask::Audit { folder: "results".into(), within: Duration::from_secs(60) }));
    assert_eq!((stage.finding(names::AUDITED_OPERATIONS), said), (None, None));
}

#[test]
fn operations_left_under_way_are_audited_before_the_closing_and_only_those() {
    let begin = Step::quiet("operations", Block::Operations(Operations { rate: 30.0, tool: "append".into() }));
    let remaining = || Step::quiet("audit", Block::AuditRemaining);
    let hold = || Step::quiet("hold", Block::Hold(Duration::from_secs(2)));
    let asked = Ask::Audit { folder: "results".into(), within: Duration::from_secs(60) };
    for (steps, is_asked) in [
        (vec![remaining()], false),
        (vec![begin.clone(), hold(), remaining()], true),
        (vec![begin, hold(), Step::quiet("audit", Block::Audit(Ok(()))), hold(), remaining()], true),
    ] {
        let mut stage = Stage::new(steps, 0);
        stage.run_to_end(200 * SECOND);
        let times = stage.actions.iter().filter(|action| matches!(action, Action::Ask(ask) if *ask == asked)).count();
        assert_eq!(times, usize::from(is_asked), "audited once, where there is something to audit");
        assert!(!stage.operates());
    }
}
