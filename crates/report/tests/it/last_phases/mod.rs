//! Phases 5 to 8 of the comprehensive suite, on records of runs that never were.

mod failover;
mod failures;
mod integration;
mod limits;

use erlmcp_record::names::phase;
use erlmcp_record::{Detail, Entry, EpisodeRow, Expected, Fate, FaultRow, Kind, PhaseEvent, ScenarioRow};
use erlmcp_report::Summary;
use erlmcp_report::verdict::{suite_thresholds, threshold};

use crate::story::rows::{self, Block, SECOND_US, fates, hist};
use crate::story::{AGENTS, Story, analysis};

const NAMES: [&str; 4] = [phase::FAILURE_SCENARIOS, phase::RESOURCE_LIMITS, phase::FAILOVER, phase::INTEGRATION];
const FAILURES: u8 = 7;
const LIMITS: u8 = 8;
const FAILOVER: u8 = 9;
const INTEGRATION: u8 = 10;
/// Each of the four phases lasts so long, from the second 200 on.
const LASTS_S: u32 = 60;

fn begins_s(number: u8) -> u32 {
    200 + u32::from(number - FAILURES) * LASTS_S
}

/// What a scenario found out.
fn figures(of: &[(&str, f64)]) -> Detail {
    of.iter().map(|(name, value)| ((*name).to_string(), *value)).collect()
}

/// A scenario of `seconds`, so long after its phase began.
fn scene(number: u8, name: &str, (after_s, seconds): (u32, u32), found: &[(&str, f64)]) -> ScenarioRow {
    let from = begins_s(number) + after_s;
    ScenarioRow { detail: figures(found), ..rows::scenario(number, name, (from, from + seconds), &[block(number)]) }
}

fn block(number: u8) -> u32 {
    u32::from(number) * 10_000
}

/// Load of a whole phase; `latency_us` and resets from a second of it on, for some seconds.
fn load(number: u8, bad: Option<(u32, u32, u64, u64)>) -> Vec<Entry> {
    const RATE: u64 = 1_000;
    let from = begins_s(number);
    let mut entries = Vec::new();
    for agent in AGENTS {
        let block = Block { agent, phase: number, block: block(number), kind: Kind::Load };
        entries.push(block.row(RATE * u64::from(LASTS_S), from, LASTS_S));
        for second in 0..LASTS_S {
            let bad = bad.filter(|(from, seconds, ..)| (*from..from + seconds).contains(&second));
            let (us, lost) = bad.map_or((5_000, 0), |(_, _, us, lost)| (us, lost));
            let mut row = block.interval(from + second, fates(&[(Fate::Ok, RATE - lost), (Fate::Reset, lost)]));
            row.latency = Some(hist(&[(us, RATE)]));
            entries.push(Entry::Interval(row));
        }
    }
    entries
}

/// A run of the suite in which these rows are what the last four phases wrote.
fn suite(own: impl Fn() -> Vec<Entry>) -> Summary {
    let mut entries = Story::short().rows();
    let end = entries.pop();
    for entry in &mut entries {
        match entry {
            Entry::Run(header) => header.command = "comprehensive".into(),
            Entry::Config(config) => config.phases.extend(NAMES.map(String::from)),
            _ => {}
        }
    }
    for (number, name) in (FAILURES..).zip(NAMES) {
        let at = |second: u32| u64::from(second) * SECOND_US;
        entries.push(rows::phase(number, name, PhaseEvent::Started, at(begins_s(number)), 0));
        if number != FAILURES {
            continue;
        }
        entries.extend(own());
    }
    for (number, name) in (FAILURES..).zip(NAMES) {
        entries.push(rows::phase(
            number,
            name,
            PhaseEvent::Ended,
            u64::from(begins_s(number) + LASTS_S) * SECOND_US,
            0,
        ));
    }
    if let Some(Entry::End(mut end)) = end {
        end.at_us = u64::from(begins_s(INTEGRATION) + LASTS_S) * SECOND_US;
        entries.push(Entry::End(end));
    }
    analysis(&entries).summary()
}

/// A replica killed in a second of its phase, with 100 connections lost by each agent.
fn kill(number: u8, scenario: &str, (id, replica, after_s): (u32, u16, u32), served: u64) -> Vec<Entry> {
    let at_us = u64::from(begins_s(number) + after_s) * SECOND_US;
    let fault = FaultRow {
        id,
        phase: number,
        scenario: scenario.into(),
        kind: "kill".into(),
        method: "SIGKILL of the process".into(),
        replica: Some(replica),
        injected_us: at_us,
        effect_us: Some(at_us + 10_000),
        cluster_detected_us: Some(at_us + 20_000),
        ready_us: Some(at_us + 900_000),
        expected: Expected { detected: true, progress: true, ..Expected::default() },
        ..FaultRow::default()
    };
    let mut entries = vec![Entry::Fault(fault)];
    entries.extend(AGENTS.map(|agent| {
        Entry::Episode(EpisodeRow {
            agent,
            phase: number,
            episode: id,
            replica,
            detected_us: at_us + 15_000,
            how: "reset".into(),
            affected: 100,
            served_again: served,
            last_served_us: Some(at_us + 510_000),
        })
    }));
    entries
}

#[test]
fn the_last_four_phases_have_their_limits_in_the_table() {
    for group in ["failures.", "limits.", "failover.", "integration."] {
        let ids: Vec<&str> = suite_thresholds().map(|one| one.id).filter(|id| id.starts_with(group)).collect();
        assert!(ids.len() >= 6, "{group}: {ids:?}");
        assert!(ids.iter().all(|id| threshold(id).is_some()));
    }
}
