//! `erlmcp doctor`: what stands in the way of a run.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::encrypted::{certify, flags};
use crate::finished::{Finished, erlmcp, erlmcp_after, erlmcp_with_descriptors};
use crate::serving::Serving;
use crate::targets::{Target, Vice};

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.output).unwrap_or_else(|error| panic!("{error}:\n{}", finished.said()))
}

/// The finding of a topic: its weight and its id.
fn found<'v>(diagnosis: &'v Value, topic: &str) -> (&'v str, Option<&'v str>) {
    let lists = ["machine", "target"].map(|part| diagnosis[part].as_array().expect("a list"));
    let finding = lists.into_iter().flatten().find(|finding| finding["topic"] == topic);
    let finding = finding.unwrap_or_else(|| panic!("nothing is said of {topic}:\n{diagnosis:#}"));
    (finding["weight"].as_str().expect("a word"), finding["id"].as_str())
}

#[test]
fn a_machine_with_too_few_descriptors_is_told_to_raise_them() {
    let finished = erlmcp_with_descriptors(600, &["doctor", "-c", "1000"]).end();
    assert_eq!(finished.code, 4, "{}", finished.said());
    let line = finished.output.lines().find(|line| line.contains("[low-descriptors]")).unwrap_or_default();
    assert!(line.starts_with("  stops    descriptors: "), "{}", finished.said());
    assert!(finished.output.contains("           $ sudo prlimit --pid $$ --nofile="), "{}", finished.said());
    assert!(!finished.output.contains('\u{1b}'), "no colour where nobody looks");
}

#[test]
fn the_way_to_a_target_is_told_step_by_step() {
    let serving = Serving::start(&[]);
    let finished = erlmcp(&["doctor", &serving.url, "-c", "50", "--load", "0s", "--json"]).end();
    let diagnosis = json(&finished);
    for topic in ["name", "connect", "HTTP", "MCP", "/health", "/metrics", "connections of the target", "descriptors"] {
        assert_eq!(found(&diagnosis, topic), ("ok", None), "{topic}:\n{diagnosis:#}");
    }
    assert!(matches!(finished.code, 0 | 1), "nothing stops a run: {}", finished.said());
}

#[test]
fn figures_behind_tls_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    certify(folder.path());
    let flags = flags(folder.path());
    let flags = flags.each_ref().map(String::as_str);
    let here = format!("export XDG_RUNTIME_DIR={}", folder.path().display());
    let listen = ["--tied", "--listen", "127.0.0.1:0"];
    let (serve, cluster) = (["serve"], ["cluster", "--replicas", "1"]);
    for (words, source) in [(&serve[..], "/metrics"), (&cluster[..], "erlmcp cluster (")] {
        let serving = Serving::of(erlmcp_after(&here, &[words, &listen, &flags].concat()));
        let url = serving.url.replacen("http://", "https://", 1);
        let wanted = ["doctor", &url, "--cacert", flags[1], "-c", "10", "--load", "0s", "--json"];
        let finished = erlmcp_after(&here, &wanted).end();
        assert_eq!(found(&json(&finished), "/metrics"), ("ok", None), "{}", finished.said());
        let observed = erlmcp_after(&here, &["observe", &url, "--once"]).end();
        assert!(observed.code == 0 && observed.output.contains(source), "{}", observed.said());
        let trusted = erlmcp_after(&here, &["observe", &url, "--once", "--cacert", flags[1]]).end();
        assert!(trusted.code == 0 && trusted.output.contains(source), "{}", trusted.said());
    }
}

#[test]
fn a_way_that_ends_early_says_where() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let (page, plain) = (Target::start(Vice::NotMcp), Target::start(Vice::None));
    let cases = [
        (format!("http://{closed}"), "connect", "not-reachable"),
        (page.url(), "MCP", "not-mcp"),
        (format!("https://{}/mcp", plain.address), "TLS", "tls-refused"),
    ];
    for (url, topic, id) in cases {
        let finished = erlmcp(&["doctor", &url, "-c", "10", "--json"]).end();
        assert_eq!(finished.code, 4, "{}", finished.said());
        assert_eq!(found(&json(&finished), topic), ("stops", Some(id)), "{}", finished.said());
    }
    for wrong in [&["ftp://localhost"][..], &["http://localhost:1", "--target-pid", "4294967295"]] {
        let finished = erlmcp(&[&["doctor"][..], wrong].concat()).end();
        assert_eq!((finished.code, finished.errors.lines().count()), (2, 1), "{}", finished.said());
    }
}

#[test]
fn a_target_that_never_answers_is_not_waited_for_after_ctrl_c() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let started = erlmcp(&["doctor", &format!("http://{}", silent.local_addr().expect("bound"))]);
    // The first connections ask nothing.
    let asks = |stream: &mut TcpStream| stream.read(&mut [0; 1]).is_ok_and(|count| count > 0);
    let kept = silent.incoming().flatten().find_map(|mut stream| asks(&mut stream).then_some(stream));
    let began = Instant::now();
    let pid = Pid::from_raw(started.pid() as i32).expect("a process has a number");
    kill_process(pid, Signal::INT).expect("it is there and ours");
    let finished = started.end();
    assert_eq!(finished.code, 105, "{}", finished.said());
    // Each of its questions would have waited for ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    drop(kept);
}

#[test]
fn a_slow_target_is_told_to_be_slow() {
    let target = Target::start(Vice::Slow(Duration::from_millis(150)));
    let finished = erlmcp(&["doctor", &target.url(), "-c", "20", "-r", "40", "--load", "5s", "--json"]).end();
    let diagnosis = json(&finished);
    assert_eq!(found(&diagnosis, "latency"), ("warning", Some("high-latency")), "{diagnosis:#}");
    assert_eq!(found(&diagnosis, "/metrics").0, "note", "{diagnosis:#}");
}
