use std::collections::BTreeSet;

use erlmcp_record::{Fate, FateCounts};
use erlmcp_report::{AgentView, QueueView, ReplicaView};

use super::super::command::tests::{assert_may_be_pasted, far};
use super::super::finding::OF_LOAD;
use super::*;

const OURS: Held = Held { cluster: Some((12, 8080)), is_colocated: true };
const FOREIGN: Held = Held { cluster: None, is_colocated: true };

/// A load that was carried, with nobody at a limit.
fn well() -> Usage {
    Usage {
        seconds: 3,
        offered_rps: 10_000.0,
        answered_rps: 10_000.0,
        p50_ms: Some(2.5),
        p95_ms: Some(8.0),
        unsent: 0,
        agent_cpu_percent: Some(40.0),
        agent_waited_percent: Some(1.0),
        replica_cpu_percent: Some(30.0),
        machine_percent: Some(60.0),
        queue: Some((10, Some(100))),
        refused: Some(0),
        memory: Some((80_000_000, 80_500_000)),
        retransmitted: Some((0, 50_000)),
        way_ms: Some(0.05),
    }
}

fn findings(change: impl FnOnce(&mut Usage)) -> Vec<Finding> {
    let mut usage = well();
    change(&mut usage);
    diagnose(&usage, OURS, &far())
}

fn ids(found: &[Finding]) -> Vec<&'static str> {
    found.iter().filter_map(|finding| Some(finding.complaint.as_ref()?.id)).collect()
}

/// The last value at which all is well, and the first at which it is not.
type Edge = (&'static str, fn(&mut Usage), fn(&mut Usage));

const EDGES: &[Edge] = &[
    ("low-throughput", |u| u.answered_rps = 9_900.0, |u| u.answered_rps = 9_899.0),
    ("high-latency", |u| u.p95_ms = Some(99.9), |u| u.p95_ms = Some(100.0)),
    ("generator-limit", |_| {}, |u| u.unsent = 1),
    ("generator-limit", |u| u.agent_cpu_percent = Some(89.9), |u| u.agent_cpu_percent = Some(90.0)),
    ("generator-limit", |u| u.agent_waited_percent = Some(9.9), |u| u.agent_waited_percent = Some(10.0)),
    ("machine-limit", |u| u.machine_percent = Some(94.9), |u| u.machine_percent = Some(95.0)),
    ("target-cpu", |u| u.replica_cpu_percent = Some(89.9), |u| u.replica_cpu_percent = Some(90.0)),
    ("workers-busy", |u| u.queue = Some((49, Some(100))), |u| u.queue = Some((50, Some(100)))),
    ("queue-overflow", |u| u.refused = None, |u| u.refused = Some(1)),
    (
        "network-loss",
        |u| (u.p95_ms, u.retransmitted) = (Some(900.0), Some((49, 50_000))),
        |u| (u.p95_ms, u.retransmitted) = (Some(900.0), Some((50, 50_000))),
    ),
    (
        "network-loss",
        |u| (u.p95_ms, u.retransmitted) = (Some(99.9), Some((5_000, 50_000))),
        |u| (u.p95_ms, u.retransmitted) = (Some(100.0), Some((5_000, 50_000))),
    ),
    ("long-way", |u| (u.way_ms, u.p50_ms) = (Some(2.4), Some(5.0)), |u| (u.way_ms, u.p50_ms) = (Some(2.5), Some(5.0))),
    ("long-way", |u| (u.way_ms, u.p50_ms) = (Some(0.9), Some(1.0)), |u| (u.way_ms, u.p50_ms) = (Some(1.0), Some(1.1))),
    (
        "memory-grows",
        |u| u.memory = Some((80_000_000, 80_000_000 + (4 << 20) - 1)),
        |u| u.memory = Some((80_000_000, 80_000_000 + (4 << 20))),
    ),
];

#[test]
fn every_complaint_begins_at_its_edge() {
    assert_eq!(ids(&findings(|_| {})), Vec::<&str>::new());
    for (id, last_good, first_bad) in EDGES {
        assert!(!ids(&findings(last_good)).contains(id), "{id} comes too early");
        let found = findings(first_bad);
        assert!(ids(&found).contains(id), "no {id}: {found:#?}");
        for complaint in found.iter().filter_map(|finding| finding.complaint.as_ref()) {
            assert!(!complaint.effect.is_empty() && !complaint.mend.is_empty(), "{id}: {complaint:?}");
        }
    }
    let reproduced: BTreeSet<&str> = EDGES.iter().map(|(id, ..)| *id).collect();
    assert_eq!(reproduced, OF_LOAD.iter().copied().collect());
}

#[test]
fn a_slow_target_names_who_was_at_the_limit() {
    let found = findings(|usage| {
        (usage.answered_rps, usage.p95_ms) = (6_000.0, Some(900.0));
        (usage.replica_cpu_percent, usage.queue) = (Some(97.0), Some((100, Some(100))));
    });
    for topic in ["throughput", "latency"] {
        let finding = found.iter().find(|finding| finding.topic == topic).expect("it is judged");
        let effect = &finding.complaint.as_ref().expect("it is slow").effect;
        assert_eq!(effect, "at the limit: CPU of the target, workers of the target");
    }
    let found = findings(|usage| usage.p95_ms = Some(900.0));
    assert!(found[1].complaint.as_ref().expect("it is slow").effect.contains("waits for something"), "{found:?}");
}

#[test]
fn of_a_target_that_was_not_measured_nothing_is_said() {
    let found = findings(|usage| {
        (usage.answered_rps, usage.p95_ms) = (6_000.0, Some(900.0));
        (usage.replica_cpu_percent, usage.machine_percent, usage.queue, usage.refused) = (None, None, None, None);
    });
    for finding in &found[..2] {
        let effect = &finding.complaint.as_ref().expect("it is slow").effect;
        assert!(effect.contains("were not measured") && !effect.contains("waits"), "{effect}");
    }
}

#[test]
fn a_cluster_is_scaled_and_another_server_by_its_own_means() {
    let mend = |held: Held| {
        let usage = Usage { replica_cpu_percent: Some(99.0), ..well() };
        let found = diagnose(&usage, held, &far());
        let cpu = found.into_iter().find(|finding| finding.topic == "CPU of the target").expect("it is busy");
        cpu.complaint.expect("a complaint").mend
    };
    assert_eq!(mend(OURS), ["erlmcp cluster scale 24 --port 8080"]);
    assert_eq!(mend(FOREIGN), ["docker service scale SERVICE=16"]);
}

#[test]
fn another_run_asks_for_no_more_than_the_one_that_was_thought_of() {
    let mut proposed = 0;
    for (_, _, first_bad) in EDGES {
        let mut usage = well();
        (usage.offered_rps, usage.answered_rps) = (500.0, 500.0);
        first_bad(&mut usage);
        let found = diagnose(&usage, FOREIGN, &far());
        for command in found.iter().filter_map(|finding| finding.complaint.as_ref()).flat_map(|found| &found.mend) {
            if command.starts_with("erlmcp stress") {
                assert!(command.contains(" -c 200 "), "{command}");
                assert_may_be_pasted(command, &far());
                proposed += 1;
            }
        }
    }
    assert!(proposed > 5, "{proposed}");
}

#[test]
fn without_a_second_nothing_is_known() {
    let found = diagnose(&Usage::default(), FOREIGN, &far());
    assert!(matches!(found[..], [Finding { weight: Weight::Unknown, .. }]), "{found:?}");
    let unmeasured = Usage { seconds: 3, offered_rps: 10.0, answered_rps: 10.0, ..Usage::default() };
    let found = diagnose(&unmeasured, FOREIGN, &far());
    assert!(found.iter().any(|finding| finding.weight == Weight::Unknown), "no latency was measured: {found:?}");
    assert_eq!(ids(&found), Vec::<&str>::new());
}

fn second(answered_rps: f64, cpu: Option<f64>, refused: u64, memory: u64) -> SecondView {
    let mut fates = FateCounts::default();
    fates.add(Fate::UnsentNoTime, 2);
    fates.add(Fate::UnsentBusy, 5);
    let replica = |replica: u16, cpu_percent: Option<f64>| ReplicaView {
        replica,
        ready: true,
        connections: None,
        memory_bytes: None,
        rss_bytes: None,
        cpu_percent,
        queue_depth: None,
        answered_rps: None,
        streams: None,
        tools: None,
        sessions: None,
        sessions_held: None,
        restarts: None,
        longest_stall_ms: None,
    };
    SecondView {
        offered_rps: 100.0,
        answered_rps,
        p50_ms: Some(1.0),
        p95_ms: Some(answered_rps / 10.0),
        fates,
        memory_bytes: Some(memory),
        queue: Some(QueueView { depth: refused, limit: Some(50), refused_total: Some(refused) }),
        replicas: vec![replica(1, cpu), replica(2, Some(20.0))],
        agents: vec![AgentView {
            agent: 0,
            cpu_percent: 30.0,
            run_delay_percent: 2.0,
            rss_bytes: 0,
            descriptors: 0,
            longest_stall_ms: 0.0,
        }],
        ..SecondView::default()
    }
}

#[test]
fn seconds_become_usage() {
    let seconds =
        [second(90.0, Some(40.0), 7, 1_000), second(110.0, Some(60.0), 9, 2_000), second(100.0, Some(50.0), 12, 3_000)];
    let usage = Usage::of(&seconds, 2, true);
    assert_eq!((usage.seconds, usage.offered_rps, usage.answered_rps), (3, 100.0, 100.0));
    assert_eq!((usage.p50_ms, usage.p95_ms, usage.unsent), (Some(1.0), Some(10.0), 6));
    assert_eq!((usage.agent_cpu_percent, usage.agent_waited_percent), (Some(30.0), Some(2.0)));
    assert_eq!((usage.replica_cpu_percent, usage.machine_percent), (Some(50.0), Some(50.0)));
    assert_eq!((usage.queue, usage.refused), (Some((12, Some(50))), Some(5)));
    assert_eq!(usage.memory, Some((1_000, 3_000)));
    assert_eq!(Usage::of(&seconds, 2, false).machine_percent, Some(15.0), "the target is elsewhere");
    let silent = [second(90.0, None, 0, 0)];
    assert_eq!(Usage::of(&silent, 2, true).machine_percent, None, "a replica did not say");
    let unknown = [SecondView { replicas: Vec::new(), ..second(90.0, None, 0, 0) }];
    assert_eq!(Usage::of(&unknown, 2, true).machine_percent, None, "there are none that could say");
    assert_eq!(Usage::of(&[], 2, true).replica_cpu_percent, None);
}
