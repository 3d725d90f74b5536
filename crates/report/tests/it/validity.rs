//! Runs that show nothing, or not all: lost agents, ledgers, interruptions, exit codes.

use erlmcp_record::names::{finding, scenario};
use erlmcp_record::{EndRow, Ended, Entry, Expected, Fate, FateCounts, FaultRow, FindingRow, Kind};
use erlmcp_report::slo::Slo;
use erlmcp_report::verdict::Verdict;
use erlmcp_report::watch::{Asked, Check, Outcome};
use erlmcp_report::{ExitCode, Finish, exit_code};

use crate::story::{LOAD_FROM, Story, analysis};
use crate::{check, reason, verdict};

const LEDGER: &str = "run.ledger_difference_count";

#[test]
fn all_good_is_ready_for_production_where_tools_call_was_measured() {
    let mut rows = Story::whole().rows();
    let summary = analysis(&rows).summary();
    let not_passed: Vec<&str> =
        summary.checks.iter().filter(|check| check.verdict != Verdict::Pass).map(|check| check.id.as_str()).collect();
    assert_eq!(not_passed, Vec::<&str>::new());
    assert_eq!(summary.readiness.verdict, Verdict::Pass);
    assert_eq!(exit_code(&summary), ExitCode::Pass);

    let config = rows.iter_mut().find_map(|row| if let Entry::Config(row) = row { Some(row) } else { None });
    config.expect("a story has a configuration").calls = "ping".into();
    let summary = analysis(&rows).summary();
    assert!(matches!(summary.readiness.verdict, Verdict::Skipped { .. }), "its label goes with its exit code");
    assert_eq!(summary.readiness.against, ["tools/call was not measured"]);
    assert_eq!(exit_code(&summary), ExitCode::Pass);
}

#[test]
fn skipped_phases_forbid_ready_and_change_the_code_only_when_asked() {
    // What a minute of slots can show.
    let mut story = Story::short().with_threshold("sla.availability_percent", 99.0);
    let summary = story.summary();
    assert_eq!(verdict(&summary, "recovery.node_ms"), "SKIPPED");
    assert_eq!(reason(&summary, "recovery.node_ms"), "left out by --phases");
    assert!(matches!(summary.readiness.verdict, Verdict::Skipped { .. }));
    assert_eq!(exit_code(&summary), ExitCode::Pass);
    let console = erlmcp_report::render::console(&summary);
    assert!(console.contains("[ - SKIPPED ] OVERALL") && console.contains("NOT PRODUCTION READY"), "{console}");
    story.config.require_all = true;
    let summary = story.summary();
    assert!(matches!(summary.readiness.verdict, Verdict::Inconclusive { .. }));
    assert_eq!(exit_code(&summary), ExitCode::Inconclusive);
}

#[test]
fn a_skipped_fault_forbids_ready_as_a_skipped_check_does() {
    let summary = |require_all: bool| {
        let mut story = Story::whole();
        story.config.require_all = require_all;
        let mut rows = story.rows();
        let mut faults = Vec::new();
        for row in &mut rows {
            if let Entry::Fault(row) = row
                && row.scenario == scenario::NETWORK_PARTITION
            {
                row.expected = Expected { detected: true, healed: true, progress: true, ..Expected::default() };
                let listed = FaultRow { id: row.id + 1, scenario: scenario::FAULTS.into(), ..row.clone() };
                let skipped = Some("there is no nft command".to_string());
                faults.push(FaultRow { id: row.id + 2, skipped, effect_us: None, ..listed.clone() });
                faults.push(listed);
            }
        }
        let end = rows.pop().expect("a run has an end");
        rows.extend(faults.into_iter().map(Entry::Fault).chain([end]));
        analysis(&rows).summary()
    };
    let found = summary(false);
    assert_eq!(found.readiness.against, ["1 fault was skipped"]);
    assert!(matches!(found.readiness.verdict, Verdict::Skipped { .. }));
    assert_eq!(exit_code(&found), ExitCode::Pass);
    let found = summary(true);
    assert!(matches!(found.readiness.verdict, Verdict::Inconclusive { .. }));
    assert_eq!(exit_code(&found), ExitCode::Inconclusive);
}

#[test]
fn the_exit_code_is_the_first_that_applies() {
    let failing = || Story::short().with_load(|_, load| load.slow.push((200_000, 5_000)));
    assert_eq!(exit_code(&Story::short().summary()), ExitCode::Inconclusive, "a minute is short for availability");
    assert_eq!(exit_code(&failing().summary()), ExitCode::SlaFailed);
    let mut interrupted = failing();
    interrupted.interrupted_after = Some(40);
    assert_eq!(exit_code(&interrupted.summary()), ExitCode::Interrupted);
    let mut rows = failing().rows();
    rows.retain(|row| !matches!(row, Entry::End(_)));
    assert_eq!(exit_code(&analysis(&rows).summary()), ExitCode::Error);
    assert_eq!(ExitCode::Interrupted as i32, 105);
    assert_eq!(ExitCode::SlaFailed as i32, 99);
}

#[test]
fn an_interrupted_run_judges_what_it_has() {
    let mut story = Story::short();
    story.interrupted_after = Some(40);
    let summary = story.summary();
    assert_eq!(summary.finish, Finish::Interrupted);
    // 30 seconds after the warm-up; the last one may not be a whole one, so it is not counted.
    assert_eq!(check(&summary, "sla.throughput_rps").samples, 29);
    assert_eq!(check(&summary, "sla.throughput_rps").estimate, Some(12_000.0));
    assert_eq!(verdict(&summary, "sla.p95_ms"), "PASS");
    assert_eq!(verdict(&summary, "sustained.sweep_percent"), "INCONCLUSIVE");
    assert_eq!(verdict(&summary, "performance.ramp_cps"), "SKIPPED");
    assert!(matches!(summary.readiness.verdict, Verdict::Inconclusive { .. }));
}

/// Ended by the user in the ramp's last second: a third of the openings was not begun.
fn cut_in_the_ramp() -> Vec<Entry> {
    let mut rows = Story::short().rows();
    let cut_us = 6_300_000;
    rows.retain(|row| match row {
        Entry::Interval(row) => row.second < 6,
        Entry::Connections(row) => row.second < 6,
        Entry::Cluster(row) => row.second < 7,
        Entry::Block(row) => row.phase < 3,
        Entry::Phase(row) => row.phase < 3,
        Entry::Finding(row) => row.phase < 2,
        _ => true,
    });
    for row in &mut rows {
        match row {
            Entry::Block(row) if row.phase == 2 => row.planned = 1_000,
            Entry::Phase(row) if row.phase == 2 => row.at_us = row.at_us.min(cut_us),
            Entry::End(row) => *row = EndRow { at_us: cut_us, ended: Ended::Interrupted },
            _ => {}
        }
    }
    rows
}

#[test]
fn what_a_ramp_that_was_cut_did_not_come_to_is_no_failure() {
    let mut rows = cut_in_the_ramp();
    let summary = analysis(&rows).summary();
    assert_eq!(check(&summary, "ramp.success_percent").estimate, Some(100.0));
    assert_eq!(check(&summary, "ramp.success_percent").samples, 2_000);
    let mut numbers = summary.numbers.iter().flat_map(|section| &section.figures);
    let failed = numbers.find(|figure| figure.name == "Connection Failure Rate").expect("the figure is there");
    assert_eq!(failed.value, erlmcp_report::Value::Share { part: 0, whole: 2_000 });
    for id in ["ramp.success_percent", "ramp.starts_percent", "ramp.late_p99_ms", "ramp.spread_difference_count"] {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, id).contains("cut short: 2,000 of 3,000 openings were begun"), "{id}");
    }
    assert_eq!(verdict(&summary, LEDGER), "PASS");
    assert_eq!(exit_code(&summary), ExitCode::Interrupted);
    // What was tried and failed is a failure all the same.
    for row in &mut rows {
        if let Entry::Connections(row) = row
            && row.opened > 0
        {
            (row.opened, row.failed) = (row.opened - 50, [("connection refused".to_string(), 50)].into());
        }
    }
    assert_eq!(verdict(&analysis(&rows).summary(), "ramp.success_percent"), "FAIL");
}

#[test]
fn a_sweep_that_was_cut_is_no_failure() {
    let sweep = "sustained.sweep_percent";
    let mut rows = Story::short().rows();
    rows.retain(|row| !matches!(row, Entry::Interval(row) if row.kind == Kind::Sweep && row.agent == 2));
    rows.retain(|row| !matches!(row, Entry::Block(row) if row.kind == Kind::Sweep && row.agent == 2));
    assert_eq!(verdict(&analysis(&rows).summary(), sweep), "FAIL");
    let Some(Entry::End(end)) = rows.last_mut() else { panic!("a story has an end") };
    end.ended = Ended::Interrupted;
    assert_eq!(reason(&analysis(&rows).summary(), sweep), "the phase was cut short");
}

/// Requests of a kind by phase, as the ledger has them.
fn in_ledger(summary: &erlmcp_report::Summary, kind: Kind) -> Vec<(u8, u64)> {
    summary.ledger.iter().filter(|line| line.kind == kind).map(|line| (line.phase, line.planned)).collect()
}

#[test]
fn requests_without_a_block_stand_in_the_phase_that_they_belong_to() {
    let mut rows = Story::short().rows();
    let end = rows.pop().expect("a story has an end");
    for (phase, second, count) in [(3, 20, 7), (3, 21, 4), (6, 83, 2)] {
        let block = crate::story::rows::Block { agent: 1, phase, block: 0, kind: Kind::Probe };
        rows.push(Entry::Interval(block.interval(second, crate::story::rows::fates(&[(Fate::Ok, count)]))));
    }
    rows.push(end);
    let summary = analysis(&rows).summary();
    assert_eq!(in_ledger(&summary, Kind::Probe), [(2, 3_000), (3, 11), (6, 2)]);
    assert_eq!(summary.ledger.iter().map(|line| line.planned).sum::<u64>(), of_every_kind(&summary));
}

/// "Requests of Every Kind" of the whole run.
fn of_every_kind(summary: &erlmcp_report::Summary) -> u64 {
    whole_run(summary, "Requests of Every Kind").parse().expect("it is a count")
}

fn whole_run(summary: &erlmcp_report::Summary, name: &str) -> String {
    let section = summary.numbers.iter().find(|section| section.title.starts_with("Whole Run")).expect("it is there");
    section.figures.iter().find(|figure| figure.name == name).expect("the figure is there").value.plain()
}

#[test]
fn all_views_count_what_a_dead_agent_left_open() {
    let mut rows = an_agent_dies();
    // Due in its last moment, and in no row that came.
    let in_rows: u64 = rows.iter().filter_map(load_of_agent_2).sum();
    for row in &mut rows {
        if let Entry::Block(row) = row
            && row.lost
        {
            row.planned = in_rows + 700;
        }
    }
    let summary = analysis(&rows).summary();
    let planned: u64 = summary.ledger.iter().map(|line| line.planned).sum();
    assert_eq!(planned, of_every_kind(&summary));
    let load: u64 = in_ledger(&summary, Kind::Load).iter().map(|line| line.1).sum();
    assert_eq!(whole_run(&summary, "Load Planned"), load.to_string());
    assert_eq!(load, in_rows + 700 + 70 * 6_000);
    assert!(whole_run(&summary, "Errors by Cause").contains("its agent died: 800"));
    let line = summary.ledger.iter().find(|line| line.kind == Kind::Load).expect("it has load");
    assert_eq!((line.fates.get(Fate::Unknown), line.planned), (800, line.fates.total()));
    // The run ended with it: 30 s after the warm-up are judged, and all that it left open was due in them.
    let errors = check(&summary, "sla.error_rate_percent");
    assert_eq!((errors.samples, errors.estimate), (30 * 12_000 + 700, Some(80_000.0 / 360_700.0)));
}

fn load_of_agent_2(row: &Entry) -> Option<u64> {
    match row {
        Entry::Interval(row) if row.agent == 2 && row.kind == Kind::Load => Some(row.planned),
        _ => None,
    }
}

/// Agent 2 dies 40 s into the load: its rows end, and what it had planned has no fate.
fn an_agent_dies() -> Vec<Entry> {
    let died_at = LOAD_FROM + 40;
    let mut rows = Story::short().rows();
    rows.retain(|row| match row {
        Entry::Interval(row) => row.agent != 2 || row.second < died_at,
        Entry::Connections(row) => row.agent != 2 || row.second < died_at,
        Entry::Block(row) => row.agent != 2 || row.kind != Kind::Sweep,
        _ => true,
    });
    for row in &mut rows {
        match row {
            Entry::Block(row) if row.agent == 2 && row.kind == Kind::Load => row.lost = true,
            // Some of its last second are still without a fate.
            Entry::Interval(row) if row.agent == 2 && row.second == died_at - 1 => {
                row.fates = FateCounts::default();
                row.fates.add(Fate::Ok, row.planned - 100);
            }
            _ => {}
        }
    }
    let (note, agent) = (Some("agent 2 died: signal 9".to_string()), Some(2));
    let at_us = u64::from(died_at) * 1_000_000;
    let lost = FindingRow { phase: 3, at_us, name: finding::AGENT_LOST.into(), value: Some(1.0), note, agent };
    let end = rows.pop().expect("a story has an end");
    assert!(matches!(end, Entry::End(_)));
    rows.push(Entry::Finding(lost));
    rows.push(Entry::End(EndRow { at_us, ended: Ended::Aborted { reason: "agent 2 died".into() } }));
    rows
}

#[test]
fn an_agent_that_died_leaves_unknown_fates_and_no_verdict_on_its_phase() {
    let summary = analysis(&an_agent_dies()).summary();
    for id in ["sla.p95_ms", "sla.error_rate_percent", "sustained.held_percent", "sla.memory_per_connection_bytes"] {
        assert_eq!(verdict(&summary, id), "INCONCLUSIVE", "{id}");
        assert!(reason(&summary, id).contains("agent 2 died: signal 9"), "{id}: {}", reason(&summary, id));
    }
    assert_eq!(verdict(&summary, "ramp.success_percent"), "PASS", "that was before");
    assert_eq!(verdict(&summary, LEDGER), "PASS");
    let load = summary.ledger.iter().find(|line| line.phase == 3 && line.kind == Kind::Load).expect("it has load");
    assert_eq!(load.fates.get(Fate::Unknown), 30 * 6_000 + 100);
    assert_eq!(load.planned, load.fates.total());
    assert_eq!(verdict(&summary, "cooldown.agents_open_count"), "PASS", "its connections died with it");
    assert!(erlmcp_report::render::console(&summary).contains("TEST EXECUTION ENDED EARLY: INCONCLUSIVE"));
    assert_eq!(exit_code(&summary), ExitCode::Inconclusive);
}

#[test]
fn a_check_of_a_watch_says_nothing_where_an_agent_died_or_the_ledger_does_not_balance() {
    let slo: Slo = "p99<1s".parse().expect("an objective");
    let check = |rows: &[Entry]| Check::of(&analysis(rows), String::new(), Asked::default(), &slo);
    assert_eq!(check(&Story::short().rows()).outcome, Outcome::Kept);
    let dead = check(&an_agent_dies());
    assert_eq!((dead.outcome, dead.reasons), (Outcome::Inconclusive, vec!["agent 2 died: signal 9".to_string()]));
    let mut rows = Story::short().rows();
    let is_it = |row: &&mut Entry| matches!(row, Entry::Interval(row) if row.second == 50 && row.agent == 1);
    let Some(Entry::Interval(row)) = rows.iter_mut().find(is_it) else { panic!("there is load") };
    row.fates = crate::story::rows::fates(&[(Fate::Ok, 5_999)]);
    let invalid = check(&rows);
    assert_eq!(invalid.outcome, Outcome::Inconclusive);
    assert!(invalid.reasons[0].contains("the run is invalid"), "{:?}", invalid.reasons);
}

#[test]
fn what_a_dead_agent_had_begun_without_a_block_is_unknown_too() {
    let mut rows = an_agent_dies();
    let of_agent = |row: &&Entry| matches!(row, Entry::Interval(row) if row.agent == 2 && row.kind == Kind::Load);
    let Some(Entry::Interval(row)) = rows.iter().find(of_agent) else { panic!("agent 2 sent load") };
    let mut probe = row.clone();
    (probe.block, probe.kind, probe.planned) = (0, Kind::Probe, 5);
    probe.fates = FateCounts::default();
    rows.insert(rows.len() - 2, Entry::Interval(probe));
    let summary = analysis(&rows).summary();
    assert_eq!(verdict(&summary, LEDGER), "PASS");
    assert_eq!(summary.invalid, None);
}

#[test]
fn one_request_without_a_fate_makes_the_run_invalid() {
    for (fates, expected) in [(5_999, "1 requests without a fate"), (6_001, "1 fates without a request")] {
        let mut rows = Story::short().rows();
        let is_it = |row: &&mut Entry| matches!(row, Entry::Interval(row) if row.second == 50 && row.agent == 1);
        let Some(Entry::Interval(row)) = rows.iter_mut().find(is_it) else { panic!("there is load") };
        assert_eq!(row.planned, 6_000);
        row.fates = crate::story::rows::fates(&[(Fate::Ok, fates)]);
        let summary = analysis(&rows).summary();
        assert_eq!(check(&summary, LEDGER).estimate, Some(1.0));
        assert_eq!(verdict(&summary, LEDGER), "FAIL");
        assert!(summary.invalid.as_ref().is_some_and(|why| why.contains(expected)), "{:?}", summary.invalid);
        assert_eq!(verdict(&summary, "sla.p95_ms"), "INCONCLUSIVE");
        assert!(reason(&summary, "baseline.latency_ms").contains("the run is invalid"));
        assert_eq!(summary.readiness.verdict, Verdict::Fail);
        assert_eq!(exit_code(&summary), ExitCode::Error);
        assert!(erlmcp_report::render::console(&summary).contains("TEST EXECUTION INVALID"));
    }
}

#[test]
fn a_block_that_planned_more_than_its_rows_tell_is_invalid() {
    let mut rows = Story::short().rows();
    for row in &mut rows {
        if let Entry::Block(row) = row
            && row.kind == Kind::Load
            && row.agent == 1
        {
            row.planned += 7;
        }
    }
    let summary = analysis(&rows).summary();
    assert_eq!(check(&summary, LEDGER).estimate, Some(7.0));
    assert!(check(&summary, LEDGER).source.contains("agent 1, block 30000"));
}

#[test]
fn answers_that_are_wrong_or_too_many_fail() {
    let with = |change: fn(&mut erlmcp_record::IntervalRow)| {
        let mut rows = Story::short().rows();
        let is_it = |row: &&mut Entry| matches!(row, Entry::Interval(row) if row.second == 50 && row.agent == 1);
        let Some(Entry::Interval(row)) = rows.iter_mut().find(is_it) else { panic!("there is load") };
        change(row);
        analysis(&rows).summary()
    };
    let twice = with(|row| row.surplus_answers = 1);
    assert_eq!(verdict(&twice, "run.surplus_answers_count"), "FAIL");
    let wrong = with(|row| row.causes.extend([(erlmcp_record::names::cause::ANOTHER_ID.to_string(), 1)]));
    assert_eq!(verdict(&wrong, "run.wrong_id_answers_count"), "FAIL");
}
