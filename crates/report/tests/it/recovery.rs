//! The edges of the recovery and performance phases.

use erlmcp_record::names::{detail, scenario};
use erlmcp_record::{Entry, Fate, Kind, ScenarioRow, StreamRow};
use erlmcp_report::{ScenarioOutcome, Summary};

use crate::story::rows::{fates, hist};
use crate::story::{AGENTS, Story, analysis};
use crate::streams::stream_row;
use crate::{check, reason, verdict};

const NODE: &str = "recovery.node_ms";
const PARTITION: &str = "recovery.partition_detection_ms";
const RECONNECT: &str = "recovery.reconnect_percent";
const OVERFLOW: &str = "recovery.overflow_lost_count";
const BACK: &str = "recovery.overflow_recovered_ms";
const BACK_PRESSURE: &str = "performance.back_pressure_p95_ms";

/// All phases, with a shorter load.
fn story() -> Story {
    let mut story = Story::whole();
    story.seconds = 20;
    story
}

fn changed(change: impl Fn(&mut Entry)) -> Summary {
    let mut rows = story().rows();
    rows.iter_mut().for_each(change);
    analysis(&rows).summary()
}

fn outcome(summary: &Summary, name: &str) -> ScenarioOutcome {
    let all = summary.phases.iter().flat_map(|phase| &phase.scenarios);
    all.into_iter().find(|result| result.name == name).expect("the scenario is there").outcome
}

#[test]
fn a_node_is_recovered_when_its_clients_are_served_and_it_is_ready() {
    let ready_after = |us: u64| {
        changed(|row| {
            if let Entry::Fault(row) = row
                && row.scenario == scenario::NODE_FAILURE
            {
                row.ready_us = row.effect_us.map(|effect_us| effect_us + us);
            }
        })
    };
    assert_eq!(verdict(&ready_after(5_000_000), NODE), "FAIL");
    assert_eq!(verdict(&ready_after(4_999_999), NODE), "PASS");
    assert_eq!(check(&ready_after(4_999_999), NODE).estimate, Some(4_999.999));
    let served_after = |us: u64| {
        changed(|row| {
            if let Entry::Episode(row) = row
                && row.replica == 1
                && row.agent == 2
            {
                row.last_served_us = row.last_served_us.map(|served_us| served_us + us);
            }
        })
    };
    assert_eq!(verdict(&served_after(6_000_000), NODE), "FAIL");
}

#[test]
fn a_replica_that_never_came_back_fails() {
    let summary = changed(|row| {
        if let Entry::Fault(row) = row
            && row.scenario == scenario::NODE_FAILURE
        {
            row.ready_us = None;
        }
    });
    // Watched for 8 s after its death.
    assert_eq!(verdict(&summary, NODE), "FAIL");
    assert_eq!(outcome(&summary, scenario::NODE_FAILURE), ScenarioOutcome::Failed);
}

#[test]
fn a_fault_without_an_effect_shows_nothing() {
    let summary = changed(|row| match row {
        Entry::Fault(row) if row.scenario == scenario::NETWORK_PARTITION => row.effect_us = None,
        Entry::Scenario(row) if row.name == scenario::NETWORK_PARTITION => {
            row.inconclusive = Some("no packet was seen to be dropped".into());
        }
        _ => {}
    });
    assert_eq!(verdict(&summary, PARTITION), "INCONCLUSIVE");
    assert!(reason(&summary, PARTITION).contains("no packet was seen to be dropped"));
    assert_eq!(outcome(&summary, scenario::NETWORK_PARTITION), ScenarioOutcome::Inconclusive);
}

#[test]
fn a_partition_is_detected_by_the_cluster_and_by_the_last_agent() {
    let detected = |cluster_us: u64, agent_us: u64| {
        let effect_us = |at_us: u64| at_us / 1_000_000 * 1_000_000 + 20_000;
        changed(|row| match row {
            Entry::Fault(row) if row.scenario == scenario::NETWORK_PARTITION => {
                row.cluster_detected_us = row.effect_us.map(|us| us + cluster_us);
            }
            Entry::Episode(row) if row.replica == 2 && row.agent == 1 => {
                row.detected_us = effect_us(row.detected_us) + agent_us;
                row.last_served_us = Some(row.detected_us + 100_000);
            }
            _ => {}
        })
    };
    assert_eq!(verdict(&detected(1_000, 2_999_999), PARTITION), "PASS");
    assert_eq!(verdict(&detected(1_000, 3_000_000), PARTITION), "FAIL");
    assert_eq!(verdict(&detected(3_000_000, 1_000), PARTITION), "FAIL");
}

#[test]
fn reconnects_are_a_share_of_the_affected() {
    let served = |count: u64| {
        changed(|row| {
            if let Entry::Episode(row) = row
                && row.replica == 1
                && row.agent == 1
            {
                row.served_again = count;
            }
        })
    };
    // Of 1,000 affected, 500 of them agent 1's.
    assert_eq!(verdict(&served(450), RECONNECT), "FAIL");
    assert_eq!(verdict(&served(451), RECONNECT), "INCONCLUSIVE");
    assert_eq!(verdict(&served(480), RECONNECT), "PASS");
}

#[test]
fn affected_connections_that_the_agents_did_not_see_make_it_inconclusive() {
    let summary = changed(|row| {
        if let Entry::Episode(row) = row
            && row.replica == 1
        {
            (row.affected, row.served_again) = (400, 400);
        }
    });
    assert!(reason(&summary, RECONNECT).contains("counts disagree: 1,000 connections on replica 1"));
}

/// Changes the rows of queued work in one phase.
fn queued(phase: u8, change: impl Fn(&mut erlmcp_record::IntervalRow)) -> Summary {
    changed(|row| {
        if let Entry::Interval(row) = row
            && row.kind == Kind::Queued
            && row.phase == phase
        {
            change(row);
        }
    })
}

#[test]
fn refusals_that_are_provoked_are_no_losses_and_one_lost_operation_is() {
    assert_eq!(verdict(&story().summary(), OVERFLOW), "PASS");
    let lost = queued(4, |row| {
        if row.agent == 1 {
            row.fates = fates(&[(Fate::Ok, 149), (Fate::TimedOut, 1)]);
        }
    });
    assert_eq!(verdict(&lost, OVERFLOW), "FAIL");
    let gave_up = queued(4, |row| row.fates = fates(&[(Fate::Ok, 149), (Fate::Refused, 1)]));
    assert_eq!(verdict(&gave_up, OVERFLOW), "FAIL", "refused for good");
}

#[test]
fn refusals_in_the_sustained_load_are_errors() {
    let story = Story::short().with_load(|_, load| {
        load.ok -= 60;
        load.others.push((Fate::Refused, 60));
    });
    assert_eq!(verdict(&story.summary(), "sla.error_rate_percent"), "FAIL");
}

#[test]
fn without_a_refusal_nothing_is_known_of_the_queue() {
    let overflow = queued(4, |row| (row.refusals, row.retries) = (0, 0));
    assert_eq!(verdict(&overflow, OVERFLOW), "INCONCLUSIVE");
    assert!(reason(&overflow, OVERFLOW).contains("no refusal was seen"));
    let burst = queued(5, |row| row.fates = fates(&[(Fate::Ok, 150)]));
    assert_eq!(verdict(&burst, BACK_PRESSURE), "INCONCLUSIVE");
    assert!(reason(&burst, BACK_PRESSURE).contains("no refusal was seen"));
}

#[test]
fn back_pressure_keeps_the_latency_of_what_is_accepted() {
    assert_eq!(verdict(&story().summary(), BACK_PRESSURE), "PASS");
    let slow = changed(|row| {
        if let Entry::Interval(row) = row
            && row.block == 50_301
        {
            row.latency = row.latency.as_ref().map(|_| crate::story::rows::hist(&[(140_000, 6_000)]));
        }
    });
    assert_eq!(verdict(&slow, BACK_PRESSURE), "FAIL");
}

#[test]
fn a_queue_that_stays_full_has_not_recovered() {
    let overflow = |rows: &[Entry]| -> ScenarioRow {
        let of_it = |row: &Entry| match row {
            Entry::Scenario(row) if row.name == scenario::QUEUE_OVERFLOW => Some(row.clone()),
            _ => None,
        };
        rows.iter().find_map(of_it).expect("the story has an overflow")
    };
    let mut rows = story().with_threshold(BACK, 4_000.0).rows();
    let from = overflow(&rows).started_us / 1_000_000 + 3;
    for row in &mut rows {
        if let Entry::Cluster(sample) = row
            && u64::from(sample.second) >= from
        {
            sample.replicas[0].queue_depth = Some(900);
        }
        if let Entry::Fault(fault) = row {
            fault.heal_verified_us = fault.heal_verified_us.filter(|_| fault.scenario != scenario::QUEUE_OVERFLOW);
        }
    }
    let summary = analysis(&rows).summary();
    assert_eq!(outcome(&summary, scenario::QUEUE_OVERFLOW), ScenarioOutcome::Failed);
    assert_eq!((verdict(&summary, OVERFLOW), verdict(&summary, BACK)), ("PASS", "FAIL"), "nothing was lost");
    // Watched for less than the limit it may yet have come back.
    for row in &mut rows {
        if let Entry::Config(config) = row {
            config.thresholds.clear();
        }
    }
    assert_eq!(verdict(&analysis(&rows).summary(), BACK), "INCONCLUSIVE");
    for row in &mut rows {
        if let Entry::Cluster(sample) = row
            && u64::from(sample.second) >= from
        {
            sample.replicas[0].queue_depth = None;
        }
    }
    assert_eq!(reason(&analysis(&rows).summary(), BACK), "the queue's depth was not seen after the excess");
    assert_eq!(verdict(&story().summary(), BACK), "PASS");
    assert_eq!(verdict(&story().summary(), "performance.burst_recovered_ms"), "PASS");
}

#[test]
fn connections_that_only_the_server_can_count_to_the_end_are_counted_there() {
    let unread = changed(|row| {
        if let Entry::Scenario(row) = row {
            row.detail.remove(erlmcp_record::names::finding::CLOSING_GAUGE);
        }
    });
    assert_eq!(reason(&unread, "performance.cooldown_open_count"), "the server's gauge was not read");
}

#[test]
fn a_crash_under_the_performance_scenarios_fails() {
    let crashed = |change: fn(&mut erlmcp_record::ReplicaSample)| {
        let mut rows = story().rows();
        let last = rows
            .iter()
            .rposition(|row| matches!(row, Entry::Cluster(sample) if sample.replicas[0].connections > Some(0)));
        if let Some(Entry::Cluster(sample)) = last.map(|at| &mut rows[at]) {
            change(&mut sample.replicas[0]);
        }
        check(&analysis(&rows).summary(), "performance.crashes_count").estimate
    };
    assert_eq!(crashed(|_| {}), Some(0.0));
    assert_eq!(crashed(|replica| replica.pid = None), Some(0.0), "it was there again afterwards");
    assert_eq!(crashed(|replica| replica.restarts = Some(1)), Some(1.0));
    assert!(crashed(|replica| replica.pid = Some(9_999)) > Some(0.0));
}

const CRASHES: &str = "performance.crashes_count";

/// A foreign server by its process id; `has_figures` says in which second of the run /proc has figures of it, and
/// `was_read` in which it was read at all.
fn by_process_id(has_figures: impl Fn(u64) -> bool, was_read: impl Fn(u64) -> bool) -> Summary {
    changed(|row| {
        if let Entry::Cluster(sample) = row {
            let second = u64::from(sample.second);
            let mut known = sample.replicas[0].clone();
            (known.restarts, known.pid) = (None, Some(4_711));
            if !has_figures(second) || !was_read(second) {
                let gone = erlmcp_record::ReplicaSample { pid: Some(4_711), ready: true, ..Default::default() };
                known = erlmcp_record::ReplicaSample { replica: known.replica, ..gone };
            }
            if !was_read(second) {
                sample.kernel = Default::default();
            }
            sample.replicas = vec![known];
        }
    })
}

#[test]
fn a_process_that_is_gone_has_crashed_whenever_it_died() {
    let alive = by_process_id(|_| true, |_| true);
    assert_eq!(verdict(&alive, CRASHES), "PASS");
    // The performance scenarios start after the second 60.
    for died in [20, 75] {
        let dead = by_process_id(move |second| second < died, |_| true);
        assert_eq!(check(&dead, CRASHES).estimate, Some(1.0), "{died}");
        assert_eq!(verdict(&dead, CRASHES), "FAIL", "{died}");
    }
}

#[test]
fn a_process_that_was_not_seen_to_the_end_is_no_pass() {
    for unread_from in [20, 75] {
        let unseen = by_process_id(|_| true, move |second| second < unread_from);
        assert_eq!(verdict(&unseen, CRASHES), "INCONCLUSIVE", "{unread_from}");
    }
    let never = by_process_id(|_| false, |_| true);
    assert_eq!(verdict(&never, CRASHES), "INCONCLUSIVE", "it was never seen alive");
    let once = by_process_id(|_| true, |second| second != 75);
    assert_eq!(verdict(&once, CRASHES), "PASS");
}

#[test]
fn an_unpaced_ramp_that_opened_nothing_fails_at_0() {
    let ramp = "performance.ramp_cps";
    let with = |fate: Option<Fate>| {
        changed(|row| {
            if let Entry::Interval(row) = row
                && row.block == 50_100
            {
                row.fates = fates(&fate.map(|fate| (fate, row.planned)).into_iter().collect::<Vec<_>>());
                row.planned = row.fates.total();
            }
        })
    };
    let refused = with(Some(Fate::Reset));
    assert_eq!(check(&refused, ramp).estimate, Some(0.0));
    assert_eq!(verdict(&refused, ramp), "FAIL");
    assert_eq!(outcome(&refused, scenario::RAMP_UP), ScenarioOutcome::Failed);
    let own = with(Some(Fate::UnsentNoDescriptor));
    assert_eq!(verdict(&own, ramp), "INCONCLUSIVE", "that is the generator's");
}

#[test]
fn an_unpaced_ramp_is_judged_by_enough_openings_on_cores_of_its_own() {
    let ramp = "performance.ramp_cps";
    let in_ms = |took_ms: f64, connections: u64, waited_us: u64| {
        changed(|row| match row {
            Entry::Scenario(row) if row.name == scenario::RAMP_UP => {
                row.detail.insert(detail::RAMP_MS.into(), took_ms);
            }
            Entry::Config(row) => row.connections = connections,
            Entry::Block(row) if row.block == 50_100 => row.planned = connections / 2,
            Entry::Interval(row) if row.block == 50_100 => {
                row.planned = connections / 2;
                row.fates = fates(&[(Fate::Ok, connections / 2)]);
            }
            Entry::Agent(row) => row.run_delay_us = waited_us,
            _ => {}
        })
    };
    assert_eq!(verdict(&in_ms(590.0, 3_000, 0), ramp), "PASS");
    assert_eq!(verdict(&in_ms(610.0, 3_000, 0), ramp), "FAIL");
    assert_eq!(verdict(&in_ms(6_000.0, 3_000, 90_000), ramp), "FAIL", "so little did not make it so slow");
    let waited = in_ms(610.0, 3_000, 90_000);
    assert!(reason(&waited, ramp).contains("waited for a core"), "{}", reason(&waited, ramp));
    for took_ms in [16.0, 80.0] {
        let few = in_ms(took_ms, 200, 0);
        assert_eq!(reason(&few, ramp), "200 openings are too few: needs 2,500, half a second's at the limit");
    }
}

#[test]
fn connections_on_their_way_back_when_the_run_is_cut_are_no_failure() {
    let mut rows = story().rows();
    for row in &mut rows {
        match row {
            Entry::Episode(row) if row.replica == 1 => row.served_again = 0,
            _ => {}
        }
    }
    assert_eq!(verdict(&analysis(&rows).summary(), RECONNECT), "FAIL");
    rows.retain(|row| !matches!(row, Entry::Phase(row) if row.phase == 5));
    let Some(Entry::End(end)) = rows.last_mut() else { panic!("a story has an end") };
    end.ended = erlmcp_record::Ended::Interrupted;
    assert_eq!(reason(&analysis(&rows).summary(), RECONNECT), "the phase was cut short");
}

const OPERATIONS: &str = "recovery.operations_lost_count";

#[test]
fn what_a_foreign_server_lost_is_not_known() {
    let mut story = story();
    story.is_foreign = true;
    let summary = story.summary();
    assert_eq!(verdict(&summary, NODE), "SKIPPED", "nothing could be broken");
    assert_eq!(verdict(&summary, OPERATIONS), "INCONCLUSIVE");
    assert!(reason(&summary, OPERATIONS).starts_with("ledger only: "), "{}", reason(&summary, OPERATIONS));
    // What the user wanted left out is no doubt.
    story.has_scenarios = false;
    assert_eq!(verdict(&story.summary(), OPERATIONS), "SKIPPED");
    story.is_foreign = false;
    assert_eq!(verdict(&story.summary(), OPERATIONS), "SKIPPED");
}

#[test]
fn the_streams_of_a_dead_replica_come_back_in_time() {
    const STREAMS: &str = "recovery.streams_back_ms";
    let told = |away_us: u64, back: u64| {
        let mut rows = story().rows();
        let mut died = 0;
        for row in &mut rows {
            match row {
                Entry::Config(config) => config.streams = 600,
                Entry::Fault(row) if row.scenario == scenario::NODE_FAILURE => {
                    died = (row.injected_us / 1_000_000) as u32;
                }
                _ => {}
            }
        }
        let end = rows.pop().expect("a run has an end");
        let row = |second| StreamRow { phase: 4, ..stream_row(AGENTS[0], second) };
        let lost = [("connection reset".to_string(), 30)].into();
        rows.push(Entry::Streams(StreamRow { lost, ..row(died) }));
        rows.push(Entry::Streams(StreamRow { away: Some(hist(&[(away_us, back)])), ..row(died + 1) }));
        rows.push(end);
        analysis(&rows).summary()
    };
    assert_eq!(verdict(&told(1_900_000, 30), STREAMS), "PASS");
    assert_eq!(verdict(&told(2_100_000, 30), STREAMS), "FAIL");
    assert_eq!(verdict(&told(100_000, 29), STREAMS), "FAIL", "one has not come back");
    let summary = told(1_900_000, 30);
    let figures = summary.phases.iter().flat_map(|phase| &phase.scenarios).flat_map(|scenario| &scenario.figures);
    let back: Vec<_> = figures.filter(|figure| figure.name == "streams_back_percent").collect();
    assert_eq!(back.len(), 1, "of that fault alone");
    assert!(changed(|_| {}).checks.iter().all(|check| check.id != STREAMS), "only where there were streams");
}
