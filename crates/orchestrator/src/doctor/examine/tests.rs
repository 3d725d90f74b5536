use std::collections::BTreeSet;

use super::super::command::tests::{assert_may_be_pasted, far};
use super::super::finding::{Complaint, OF_MACHINE, Weight};
use super::super::group::Group;
use super::super::quiet::Quiet;
use super::*;
use crate::config::tests::plain;

/// A machine that has nothing to complain of.
fn well() -> Readings {
    Readings {
        descriptors: Some((1_048_576, 1_048_576)),
        descriptors_most: Some(1_048_576),
        target_descriptors: None,
        files: Some((2_000, 2_000_000)),
        somaxconn: Some(65_535),
        syn_backlog: Some(65_535),
        syn_cookies: Some(true),
        ports: Some((32_768, 60_999)),
        tcp_pages_used: Some(10),
        tcp_pages: Some([300_000, 400_000, 600_000]),
        conntrack: None,
        time_waits: Some(3),
        memory: Some(32_000_000_000),
        group: Group { cpu: None, memory_left: None, tasks_left: Some(90_000) },
        cores: Some(8),
        allowed: vec![0..=3, 4..=7],
        processors: Some(8),
        clock_source: Some("tsc".into()),
        container: None,
        user_namespaces: true,
        docker: Some(Ok(())),
        firewall: Some(Ok(())),
        quiet: Some(still()),
    }
}

fn still() -> Quiet {
    Quiet {
        watched_us: 1_000_000,
        used_us: Some(200_000),
        waited_us: Some(1_000),
        cores: 8,
        busy_us: Some(300_000),
        steal_us: Some(0),
        overslept_us: 100,
        shift_us: 3,
    }
}

const NEAR: Leads = Leads { is_colocated: true, is_loopback: true, addresses: 1 };
const FAR: Leads = Leads { is_colocated: false, is_loopback: false, addresses: 1 };

fn findings(leads: Option<Leads>, change: impl FnOnce(&mut Readings)) -> Vec<Finding> {
    let (mut readings, config) = (well(), plain());
    change(&mut readings);
    examine(&readings, &Need { config: &config, leads })
}

/// The complaints, each with its weight.
fn complaints(leads: Option<Leads>, change: impl FnOnce(&mut Readings)) -> Vec<(&'static str, Weight)> {
    let found = findings(leads, change);
    found.iter().filter_map(|finding| Some((finding.complaint.as_ref()?.id, finding.weight))).collect()
}

fn quiet(change: impl FnOnce(&mut Quiet)) -> Option<Quiet> {
    let mut quiet = still();
    change(&mut quiet);
    Some(quiet)
}

#[test]
fn a_machine_that_is_well_is_left_in_peace() {
    for leads in [None, Some(NEAR), Some(Leads { addresses: 12, ..FAR })] {
        let found = findings(leads, |_| {});
        assert!(found.iter().all(|finding| finding.weight == Weight::Ok), "{found:#?}");
        assert!(found.len() >= 15, "{found:#?}");
    }
}

/// The last reading at which all is well, and the first at which it is not.
type Edge = (&'static str, Weight, Option<Leads>, fn(&mut Readings), fn(&mut Readings));

/// 100,000 connections, 5,000 a second, 12 replicas and 2 agents, where nothing else is said.
const EDGES: &[Edge] = &[
    // 12 replicas and more are started, each with 512 descriptors for itself.
    (
        "low-descriptors",
        Weight::Stops,
        None,
        |r| r.descriptors = Some((1_024, 20_000)),
        |r| r.descriptors = Some((639, 639)),
    ),
    (
        "low-descriptors",
        Weight::Warning,
        Some(NEAR),
        |r| r.target_descriptors = Some(100_001),
        |r| r.target_descriptors = Some(100_000),
    ),
    (
        "soft-descriptors",
        Weight::Note,
        Some(NEAR),
        |r| r.descriptors = Some((100_000, 1_048_576)),
        |r| r.descriptors = Some((99_999, 1_048_576)),
    ),
    (
        "low-file-max",
        Weight::Stops,
        None,
        |r| r.files = Some((1_000, 1_000 + 200_000 + 4_096)),
        |r| r.files = Some((1_000, 1_000 + 200_000 + 4_095)),
    ),
    ("low-somaxconn", Weight::Warning, None, |r| r.somaxconn = Some(1_250), |r| r.somaxconn = Some(1_249)),
    ("low-syn-backlog", Weight::Note, Some(NEAR), |r| r.syn_backlog = Some(1_250), |r| r.syn_backlog = Some(1_249)),
    (
        "low-syn-backlog",
        Weight::Warning,
        None,
        |r| (r.syn_backlog, r.syn_cookies) = (Some(1_250), Some(false)),
        |r| (r.syn_backlog, r.syn_cookies) = (Some(1_249), Some(false)),
    ),
    // Two agents with 254 source addresses each: 197 ports at each are enough.
    ("few-ports", Weight::Stops, None, |r| r.ports = Some((32_768, 32_964)), |r| r.ports = Some((32_768, 32_963))),
    ("many-time-waits", Weight::Warning, None, |r| r.time_waits = Some(14_115), |r| r.time_waits = Some(14_116)),
    ("tcp-memory", Weight::Warning, None, |r| r.tcp_pages_used = Some(399_999), |r| r.tcp_pages_used = Some(400_000)),
    (
        "tcp-memory",
        Weight::Note,
        None,
        |r| r.tcp_pages = Some([100, 200_000, 200_010]),
        |r| r.tcp_pages = Some([100, 200_000, 200_009]),
    ),
    ("conntrack-full", Weight::Stops, None, |r| r.conntrack = Some((1, 100_001)), |r| r.conntrack = Some((1, 100_000))),
    ("conntrack-full", Weight::Note, None, |r| r.conntrack = Some((0, 100_000)), |r| r.conntrack = Some((0, 99_999))),
    // 10 KiB a connection, 24 MiB for each of 14 processes, and 256 MiB.
    (
        "little-memory",
        Weight::Stops,
        None,
        |r| r.memory = Some(100_000 * (10 << 10) + (14 * 24 + 256) * (1 << 20)),
        |r| r.memory = Some(100_000 * (10 << 10) + (14 * 24 + 256) * (1 << 20) - 1),
    ),
    (
        "little-memory",
        Weight::Stops,
        None,
        |r| r.group.memory_left = Some(1_700_000_000),
        |r| r.group.memory_left = Some(1_600_000_000),
    ),
    ("few-cores", Weight::Note, None, |r| r.cores = Some(4), |r| r.cores = Some(3)),
    // The cores of another machine are not counted: 12 addresses have ports for all of the connections.
    (
        "few-cores",
        Weight::Warning,
        Some(Leads { addresses: 12, ..FAR }),
        |r| r.cores = Some(2),
        |r| (r.cores, r.quiet) = (Some(1), None),
    ),
    ("cpu-quota", Weight::Warning, None, |r| r.group.cpu = Some(8.0), |r| r.group.cpu = Some(7.9)),
    // 16 threads of each of 17 processes: 12 replicas, their supervisor and store, 2 agents, and this one.
    ("few-tasks", Weight::Stops, None, |r| r.group.tasks_left = Some(272), |r| r.group.tasks_left = Some(271)),
    (
        "noisy-neighbours",
        Weight::Warning,
        None,
        |r| r.quiet = quiet(|q| q.waited_us = Some(22_000)),
        |r| r.quiet = quiet(|q| q.waited_us = Some(23_000)),
    ),
    (
        "noisy-neighbours",
        Weight::Warning,
        None,
        |r| r.quiet = quiet(|q| q.busy_us = Some(2_199_000)),
        |r| r.quiet = quiet(|q| q.busy_us = Some(2_200_000)),
    ),
    (
        "stolen-cpu",
        Weight::Warning,
        None,
        |r| r.quiet = quiet(|q| q.steal_us = Some(79_999)),
        |r| r.quiet = quiet(|q| q.steal_us = Some(80_000)),
    ),
    (
        "slow-clock",
        Weight::Warning,
        None,
        |r| r.clock_source = Some("kvm-clock".into()),
        |r| r.clock_source = Some("hpet".into()),
    ),
    (
        "clock-steps",
        Weight::Warning,
        None,
        |r| r.quiet = quiet(|q| q.shift_us = -700),
        |r| r.quiet = quiet(|q| q.shift_us = -701),
    ),
    (
        "no-firewall-permission",
        Weight::Note,
        None,
        |r| r.firewall = None,
        |r| r.firewall = Some(Err("there is no nft command".into())),
    ),
    ("in-container", Weight::Note, None, |_| {}, |r| r.container = Some("Docker")),
    (
        "docker-not-reachable",
        Weight::Note,
        None,
        |r| r.docker = None,
        |r| r.docker = Some(Err("nobody listens there".into())),
    ),
];

#[test]
fn every_complaint_begins_at_its_edge() {
    for (id, weight, leads, last_good, first_bad) in EDGES {
        let good = complaints(*leads, last_good);
        assert!(good.iter().all(|found| found != &(*id, *weight)), "{id} comes too early: {good:?}");
        let bad = complaints(*leads, first_bad);
        assert!(bad.contains(&(*id, *weight)), "no {id} ({weight:?}): {bad:?}");
    }
}

#[test]
fn what_a_run_takes_is_said_where_it_fits_too() {
    let memory = findings(None, |_| {}).into_iter().find(|finding| finding.topic == "memory").expect("it is looked at");
    assert!(memory.found.contains("29.80 GiB can be had: 100,000 connections would take about 1.53 GiB"), "{memory:?}");
}

/// A run does neither before it starts; docs/doctor.md names them.
#[test]
fn some_complaints_need_a_watch_or_a_try() {
    let alone = EDGES.iter().filter(|(id, weight, leads, _, first_bad)| {
        let unwatched = complaints(*leads, |readings| {
            first_bad(readings);
            (readings.quiet, readings.firewall) = (None, None);
        });
        !unwatched.contains(&(*id, *weight))
    });
    let alone: BTreeSet<&str> = alone.map(|(id, ..)| *id).collect();
    let named = ["clock-steps", "no-firewall-permission", "noisy-neighbours", "stolen-cpu"];
    assert_eq!(alone, BTreeSet::from(named));
}

#[test]
fn every_complaint_is_reproduced() {
    let reproduced: BTreeSet<&str> = EDGES.iter().map(|(id, ..)| *id).collect();
    assert_eq!(reproduced, OF_MACHINE.iter().copied().collect());
}

#[test]
fn every_complaint_says_what_it_does_and_what_mends_it() {
    for (id, _, leads, _, first_bad) in EDGES {
        for finding in findings(*leads, first_bad) {
            let Some(Complaint { effect, mend, .. }) = &finding.complaint else { continue };
            assert!(!finding.found.is_empty() && !effect.is_empty() && !mend.is_empty(), "{id}: {finding:?}");
            assert!(mend.iter().all(|command| !command.trim().is_empty()), "{id}: {mend:?}");
            assert!(finding.sentence().contains("docs/doctor.md#"), "{}", finding.sentence());
        }
    }
}

#[test]
fn another_run_asks_for_no_more_than_the_one_that_was_thought_of() {
    let config = StressConfig { connections: Some(100_000), ..far() };
    let mut proposed = BTreeSet::new();
    let little: fn(&mut Readings) = |r| r.memory = Some(600_000_000);
    let edges = EDGES.iter().map(|(_, _, leads, _, first_bad)| (leads.unwrap_or(NEAR), *first_bad));
    for (leads, first_bad) in edges.chain([(NEAR, little)]) {
        let mut readings = well();
        first_bad(&mut readings);
        for finding in examine(&readings, &Need { config: &config, leads: Some(leads) }) {
            let Some(Complaint { id, mend, .. }) = &finding.complaint else { continue };
            for command in mend.iter().filter(|command| command.starts_with("erlmcp stress")) {
                assert_may_be_pasted(command, &config);
                proposed.insert(*id);
            }
        }
    }
    assert_eq!(proposed, BTreeSet::from(["few-cores", "few-ports", "little-memory", "low-descriptors"]));
}

#[test]
fn a_process_that_was_named_is_named_again() {
    let config = StressConfig { target_pid: Some(77), ..far() };
    let readings = Readings { target_descriptors: Some(10), ..well() };
    let found = examine(&readings, &Need { config: &config, leads: Some(NEAR) });
    let of_the_target = found.into_iter().find(|finding| finding.topic == "descriptors of the target");
    let complaint = of_the_target.and_then(|finding| finding.complaint).expect("they are too few");
    assert!(complaint.mend[0].starts_with("sudo prlimit --pid 77 --nofile="), "{complaint:?}");
}

#[test]
fn what_cannot_be_read_is_unknown_and_no_complaint() {
    let config = plain();
    let found = examine(&Readings::default(), &Need { config: &config, leads: None });
    let unknown = found.iter().filter(|finding| finding.weight == Weight::Unknown).count();
    assert!(unknown >= 7, "{found:#?}");
    assert!(found.iter().all(|finding| finding.weight <= Weight::Unknown), "{found:#?}");
}

#[test]
fn ports_run_short_by_address_of_a_target_elsewhere() {
    let with = |addresses: u64, connections: u64| {
        let config = StressConfig { target: Some("http://a".into()), connections: Some(connections), ..plain() };
        let leads = Some(Leads { addresses, ..FAR });
        let found = examine(&well(), &Need { config: &config, leads });
        let ports = found.into_iter().find(|finding| finding.topic == "local ports").expect("it is looked at");
        ports.weight
    };
    assert_eq!((with(1, 28_232), with(1, 28_233)), (Weight::Warning, Weight::Stops));
    assert_eq!((with(1, 22_586), with(1, 22_587)), (Weight::Ok, Weight::Warning));
    assert_eq!((with(4, 100_000), with(3, 100_000)), (Weight::Warning, Weight::Stops));
}

#[test]
fn what_concerns_the_target_alone_is_not_asked_of_this_machine() {
    let far = Some(Leads { addresses: 12, ..FAR });
    let found = complaints(far, |r| {
        (r.somaxconn, r.syn_backlog, r.cores) = (Some(1), Some(1), Some(3));
        r.firewall = Some(Err("no".into()));
    });
    assert_eq!(found, []);
}

#[test]
fn a_namespace_of_ones_own_is_named_where_it_may_be_made() {
    let mends = |may: bool| {
        let found = findings(None, |r| (r.firewall, r.user_namespaces) = (Some(Err("no".into())), may));
        let firewall = found.into_iter().find(|finding| finding.topic == "firewall").expect("it is looked at");
        firewall.complaint.expect("a complaint").mend.iter().any(|command| command.starts_with("unshare"))
    };
    assert!(mends(true) && !mends(false));
}
