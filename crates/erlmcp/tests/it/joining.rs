//! Agents that are started by hand and join a run: with three of them, and when one falls silent, ends or is a stranger.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use erlmcp_record::{Entry, Hist, JournalReader, Kind, RunHeader};
use rcgen::generate_simple_self_signed;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::finished::{Finished, Started, erlmcp};
use crate::serving::PATIENCE;
use crate::targets::{Target, Vice};

const TOKEN: &str = "a-token-that-nobody-may-see";

/// What run and agents share: a token, and certificates that they know each other by.
struct Shared(TempDir);

impl Shared {
    fn new() -> Self {
        let shared = Self(tempfile::tempdir().expect("a folder"));
        let write = |name: &str, text: &str| fs::write(shared.0.path().join(name), text).expect("written");
        for of in ["run", "agent"] {
            let made = generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate can be made");
            write(&format!("{of}.pem"), &made.cert.pem());
            write(&format!("{of}.key"), &made.signing_key.serialize_pem());
        }
        write("token", &format!("{TOKEN}\n"));
        write("another", "another-token-that-is-wrong\n");
        shared
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// A small run that waits for so many agents, and the address where it does.
    fn run(&self, target: &Target, agents: u32, more: &[&str]) -> (Started, String) {
        let (url, agents, token) = (target.url(), agents.to_string(), self.file("token"));
        let wanted = ["stress", &url, "-c", "30", "-r", "150", "--tool", "echo", "--phases", "1,2,3,6"];
        let joining = ["--agents", &agents, "--agents-listen", "127.0.0.1:0", "--agents-token-file", &token];
        let run = erlmcp(&[&wanted[..], &joining, more].concat());
        let waiting = "--token-file FILE";
        let line = run.says_line(waiting);
        let address = line.split(" on ").nth(1).and_then(|rest| rest.split(": ").next()).expect("where it waits");
        (run, address.replace("127.0.0.1", "localhost"))
    }

    fn agent(&self, address: &str, more: &[&str]) -> Started {
        let token = self.file("token");
        erlmcp(&[&["agent", "--join", address, "--token-file", &token], more].concat())
    }
}

fn signal(process: &Started, signal: Signal) {
    let pid = Pid::from_raw(process.pid() as i32).expect("a process has a number");
    kill_process(pid, signal).expect("it is there and ours");
}

fn rows(finished: &Finished) -> Vec<Entry> {
    JournalReader::open(&finished.results()).expect("a record").collect::<Result<_, _>>().expect("whole")
}

/// The token is in nothing that was said or written.
fn keeps_its_secret(finished: &Finished) {
    let whole = finished.said();
    assert!(!whole.contains(TOKEN), "{whole}");
    let Some(files) = fs::read_dir(finished.folder().join("test-results")).ok() else { return };
    for file in files.flatten().flat_map(|run| fs::read_dir(run.path()).expect("a folder").flatten()) {
        let text = String::from_utf8_lossy(&fs::read(file.path()).expect("a file")).into_owned();
        assert!(!text.contains(TOKEN), "{}", file.path().display());
    }
}

#[test]
fn three_that_join_share_a_run_and_their_histograms_merge_exactly() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let (certificate, key, ca) = (shared.file("run.pem"), shared.file("run.key"), shared.file("agent.pem"));
    let tls = ["--agents-cert", &certificate, "--agents-key", &key, "--agents-ca", &ca];
    let (run, address) = shared.run(&target, 3, &[&["-d", "3s", "--raw-latencies"][..], &tls].concat());
    let own = [shared.file("run.pem"), shared.file("agent.pem"), shared.file("agent.key")];
    let tls = ["--tls-ca", &own[0], "--tls-cert", &own[1], "--tls-key", &own[2]];
    // A handshake that the run ends says nothing of why.
    for (lacking, hint) in [(&tls[..0], "--tls-ca"), (&tls[..2], "--tls-cert")] {
        let refused = shared.agent(&address, lacking).end();
        assert!(refused.code == 1 && refused.errors.contains(hint), "{}", refused.said());
    }
    let agents: Vec<Started> = (0..3).map(|_| shared.agent(&address, &tls)).collect();
    let finished = run.end();
    // The target is in a process that is busy with other tests: it may be slow.
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    for agent in agents {
        let agent = agent.end();
        assert_eq!(agent.code, 0, "{}", agent.said());
        assert!(agent.errors.contains("of 3") && agent.errors.contains("the run is over"), "{}", agent.errors);
    }
    assert!(finished.output.contains("Agent 3 of 3 joined"), "{}", finished.output);
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
    assert_eq!(finished.verdict("cooldown.agents_open_count"), "pass");
    keeps_its_secret(&finished);

    let rows = rows(&finished);
    assert_eq!(rows.iter().filter(|row| matches!(row, Entry::Joined(_))).count(), 3);
    let compared: BTreeSet<u32> =
        rows.iter().filter_map(|row| if let Entry::Clock(row) = row { Some(row.agent) } else { None }).collect();
    assert_eq!(compared.len(), 3, "each clock was compared again");
    let (mut merged, mut rebuilt, mut senders) = (Hist::new(), Hist::new(), BTreeSet::new());
    for row in &rows {
        let Entry::Interval(row) = row else { continue };
        let own = row.raw_latencies_us.iter().fold(Hist::new(), |mut hist, us| {
            hist.record_us(*us);
            hist
        });
        assert_eq!(row.latency.as_ref().unwrap_or(&Hist::new()), &own, "{row:?}");
        if row.kind == Kind::Load {
            row.latency.iter().for_each(|hist| merged.merge(hist));
            row.raw_latencies_us.iter().for_each(|us| rebuilt.record_us(*us));
            senders.insert(row.agent);
        }
    }
    assert_eq!(senders, BTreeSet::from([0, 1, 2]), "all of them send");
    assert!(merged.count() >= 400, "150 a second for 3 s: {merged:?}");
    assert_eq!(merged, rebuilt);
}

#[test]
fn one_that_falls_silent_is_noticed_and_its_requests_are_unknown() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let (run, address) = shared.run(&target, 2, &["-d", "60s"]);
    let agents = [shared.agent(&address, &[]), shared.agent(&address, &[])];
    run.says("[5s] Latency");
    let stopped_ns = erlmcp_load::clock::monotonic_ns();
    // Its machine is there, and so are all its connections: only it says nothing any more.
    signal(&agents[0], Signal::STOP);
    let finished = run.end();
    signal(&agents[0], Signal::CONT);
    assert_eq!(finished.code, 3, "{}", finished.said());
    assert!(finished.output.contains("nothing was heard of it"), "{}", finished.output);
    assert_eq!(finished.verdict("sla.p95_ms"), "inconclusive");
    assert_eq!(finished.verdict("run.ledger_difference_count"), "pass");
    let ledger = finished.report()["ledger"].as_array().expect("a report has a ledger").clone();
    let unknown: u64 = ledger.iter().map(|line| line["fates"]["unknown"].as_u64().unwrap_or(0)).sum();
    assert!(unknown > 0, "{ledger:?}");
    let base_ns = rows(&finished).iter().find_map(|row| match row {
        Entry::Run(RunHeader { monotonic_base_ns, .. }) => Some(*monotonic_base_ns),
        _ => None,
    });
    let lost_us = rows(&finished).iter().find_map(|row| match row {
        Entry::Finding(row) if row.name == erlmcp_record::names::finding::AGENT_LOST => Some(row.at_us),
        _ => None,
    });
    let noticed_ns = base_ns.expect("a header") + lost_us.expect("it was found lost") * 1_000;
    assert!(noticed_ns > stopped_ns, "it was there until it was stopped");
    let [slept, other] = agents.map(Started::end);
    assert_eq!((slept.code, other.code), (1, 0), "{}\n{}", slept.said(), other.said());
}

#[test]
fn one_that_is_told_to_end_says_so_and_the_run_ends_in_order() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let (run, address) = shared.run(&target, 1, &["-d", "60s"]);
    let agent = shared.agent(&address, &[]);
    run.says("PHASE 3");
    signal(&agent, Signal::TERM);
    let (agent, finished) = (agent.end(), run.end());
    assert_eq!((agent.code, finished.code), (105, 3), "{}\n{}", agent.said(), finished.said());
    assert!(finished.output.contains("told to end while its run went on"), "{}", finished.output);
}

#[test]
fn a_stranger_stays_outside_and_the_wait_can_be_ended() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let (run, address) = shared.run(&target, 2, &["-d", "1s"]);
    let friend = shared.agent(&address, &[]);
    run.says("Agent 1 of 2 joined");
    let another = shared.file("another");
    let stranger = erlmcp(&["agent", "--join", &address, "--token-file", &another]).end();
    assert_eq!(stranger.code, 1, "{}", stranger.said());
    assert!(stranger.errors.contains("its token is not this run's"), "{}", stranger.errors);
    signal(&run, Signal::INT);
    let (finished, friend) = (run.end(), friend.end());
    assert_eq!((finished.code, friend.code), (105, 0), "{}\n{}", finished.said(), friend.said());
    assert!(finished.errors.contains("was not let in"), "{}", finished.errors);
    keeps_its_secret(&finished);
    keeps_its_secret(&friend);
}

#[test]
fn who_does_not_come_is_not_waited_for_for_ever() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let (run, _) = shared.run(&target, 2, &["-d", "1s", "--agents-wait", "500ms"]);
    let finished = run.end();
    assert_eq!(finished.code, 1, "{}", finished.said());
    assert!(finished.errors.contains("0 of 2 agents joined"), "{}", finished.errors);
}

/// Waits until standard error has this text behind that one.
fn complains(agent: &Started, (first, then): (&str, &str)) {
    let began = Instant::now();
    while !agent.errors().split_once(first).is_some_and(|(_, rest)| rest.contains(then)) {
        assert!(began.elapsed() < PATIENCE, "never said {then:?}:\n{}", agent.errors());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_that_waits_says_why_and_reads_its_files_again() {
    let (shared, target) = (Shared::new(), Target::start(Vice::None));
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let alone = shared.agent(&nobody.to_string(), &["--wait", "2s"]).end();
    assert!(alone.code == 1 && alone.errors.contains("nobody listens yet"), "{}", alone.said());
    let (certificate, key, ca) = (shared.file("run.pem"), shared.file("run.key"), shared.file("ca.pem"));
    fs::copy(shared.file("agent.pem"), &ca).expect("copied");
    let (run, address) = shared.run(&target, 1, &["-d", "1s", "--agents-cert", &certificate, "--agents-key", &key]);
    let agent = shared.agent(&address, &["--keep", "--tls-ca", &ca]);
    let why = "invalid peer certificate";
    complains(&agent, ("waiting for an orchestrator", why));
    fs::copy(&certificate, &ca).expect("copied");
    let finished = run.end();
    assert!([0, 3, 99].contains(&finished.code), "{}", finished.said());
    complains(&agent, ("the run is over", "waiting for an orchestrator"));
    signal(&agent, Signal::TERM);
    let agent = agent.end();
    let told = agent.errors.lines().filter(|line| line.contains(why)).count();
    assert_eq!((agent.code, told), (105, 1), "{}", agent.said());
    keeps_its_secret(&agent);
}
