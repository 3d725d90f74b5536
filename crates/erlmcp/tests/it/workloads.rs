//! Workloads, with the binary: what ships, a file of one's own, a recorded trace. What is checked is what was sent and that it
//! adds up, never how fast.

use std::fs;

use serde_json::Value;

use crate::finished::{Finished, erlmcp};
use crate::targets::{Target, Vice};

const PHASES: [&str; 5] = ["--phases", "2,3,6", "--seed", "5", "--operations=0"];

fn run(arguments: &[&str]) -> Finished {
    let finished = erlmcp(&[&["stress"], arguments, &PHASES].concat()).end();
    assert!(finished.report.is_some(), "{}", finished.said());
    for id in ["run.ledger_difference_count", "sustained.held_percent", "sustained.sweep_percent"] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
    finished
}

/// Planned and ok requests of the sustained load, by class from 1 on.
fn classes(finished: &Finished) -> Vec<(u64, u64)> {
    let journal = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows = journal.lines().map(|line| serde_json::from_str::<Value>(line).expect("rows are JSON"));
    let is_load = |row: &Value| row["row"] == "interval" && row["kind"] == "load" && row["phase"] == 3;
    let mut found = Vec::new();
    for row in rows.filter(is_load) {
        let class = row["class"].as_u64().expect("all load is of a class") as usize;
        found.resize(found.len().max(class), (0, 0));
        found[class - 1].0 += row["planned"].as_u64().unwrap_or(0);
        found[class - 1].1 += row["fates"]["ok"].as_u64().unwrap_or(0);
    }
    found
}

fn all_ok(finished: &Finished, names: usize) {
    let classes = classes(finished);
    assert_eq!(classes.len(), names, "{classes:?}");
    assert!(classes.iter().all(|(planned, ok)| planned == ok && *planned > 0), "{classes:?}\n{}", finished.said());
    assert!(finished.output.contains("Workload Metrics"), "{}", finished.output);
}

#[test]
fn agents_think_and_call_in_bursts() {
    let finished = run(&["--workload", "agent", "--replicas", "2", "-c", "400", "-d", "6s"]);
    all_ok(&finished, 4);
    assert!(finished.output.contains("2 kinds of session"), "{}", finished.output);
    // As the think times give: 10.6 requests of 400 clients in 89.4 s.
    let rate = finished.report()["configuration"]["rate"].as_f64().expect("a rate");
    assert!((47.0..48.0).contains(&rate), "{rate}");
    let calls = classes(&finished)[2].0;
    assert!(calls > classes(&finished)[0].0, "most of it is calls: {:?}", classes(&finished));
}

#[test]
fn a_chat_fleet_has_sessions_and_streams_of_the_older_era() {
    let finished = run(&["--workload", "chat-fleet", "--replicas", "2", "-c", "100", "-d", "6s"]);
    all_ok(&finished, 4);
    assert_eq!(finished.report()["configuration"]["era"], "legacy");
    assert_eq!((finished.number("Streams Asked For"), finished.number("Streams Held")), (50.0, 50.0));
}

#[test]
fn idle_streams_are_told_of_changes() {
    let small = ["-c", "20", "--streams", "60", "-d", "6s", "-r", "40"];
    let finished = run(&[&["--workload", "notifications", "--replicas", "2"], &small[..]].concat());
    all_ok(&finished, 2);
    assert_eq!((finished.number("Streams Asked For"), finished.number("Streams Held")), (60.0, 60.0));
    assert!(finished.number("Changes Made") >= 1.0 && finished.number("Events") >= 60.0, "{}", finished.output);
}

const OWN: &str = r#"
about = "a small mix"
[arrival]
kind = "sine"
period = "2s"
poisson = true
[values]
text = { letters = [1, 3000] }
who = { number = true, per = "session" }
[[session]]
steps = [
    { method = "server/discover", name = "hello" },
    { tool = "echo", arguments = { text = "${who} ${text}" }, think = "50ms..100ms", times = 3, expect = ["p50<10s", "errors<50%"] },
]
[[request]]
weight = 2
usual = true
expect = ["p99.9<1ms"]
"#;

/// One client beside the load for each way of being wrong.
fn misbehaving() -> String {
    let ways = [
        "cut_in_request",
        "half_request",
        "never_reads",
        "abandons_call",
        "unknown_method",
        "bad_json",
        "wrong_session",
        "no_delete",
    ];
    ways.map(|way| format!("[[misbehaving]]\nway = \"{way}\"\nshare = 0.02\nevery = \"20ms..50ms\"\n")).concat()
}

#[test]
fn a_file_of_ones_own_is_judged_by_what_it_expects_in_both_eras() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    fs::write(&path, OWN.to_string() + &misbehaving()).expect("written");
    let path = path.to_str().expect("a path");
    for era in ["modern", "legacy"] {
        let finished = run(&["--workload", path, "--replicas", "2", "-c", "50", "-r", "200", "-d", "9s", "--era", era]);
        all_ok(&finished, 3);
        assert_eq!(finished.verdict("workload.tools_call_echo_p50_ms"), "pass");
        assert_eq!(finished.verdict("workload.tools_call_echo_errors_percent"), "pass");
        let few = finished.check("workload.usual_call_p99_9_ms");
        assert_ne!(finished.verdict("workload.usual_call_p99_9_ms"), "pass", "too few for a P99.9: {few}");
        assert!(finished.output.contains("a small mix"), "{}", finished.output);
        assert!(finished.output.contains("1 cut_in_request, 1 half_request"), "{}", finished.output);
        for way in ["unknown_method", "bad_json", "wrong_session"] {
            assert!(finished.number(&format!("{way}: Answered with an Error")) >= 1.0, "{way}: {}", finished.output);
        }
        for way in ["cut_in_request", "abandons_call", "half_request", "never_reads"] {
            assert!(finished.number(&format!("{way}: Done")) >= 1.0, "{way}: {}", finished.output);
        }
        assert!(finished.number("no_delete: Answered as a Good One") >= 1.0, "{}", finished.output);
    }
}

#[test]
fn what_cannot_be_run_is_one_sentence_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("own.toml");
    fs::write(&path, "\n[[request]]\ntool = \"sell_everything\"\nthink = \"soon\"\n").expect("written");
    let path = path.to_str().expect("a path");
    let refused = |arguments: &[&str], words: &[&str]| {
        let finished = erlmcp(&[&["stress", "-c", "10", "-d", "2s"], arguments].concat()).end();
        assert_eq!(finished.code, 2, "{}", finished.said());
        assert_eq!(finished.errors.trim().lines().count(), 1, "{}", finished.errors);
        assert!(words.iter().all(|word| finished.errors.contains(word)), "{}", finished.errors);
        assert!(finished.report.is_none());
    };
    refused(&["--workload", path], &["own.toml, line 2:", "500ms"]);
    refused(&["--workload", "agnet"], &["agent, chat-fleet, notifications"]);
    refused(&["--workload", "agent", "-r", "500"], &["10 clients of the workload agent", "more connections"]);
    fs::write(path, "[[request]]\ntool = \"sell_everything\"\n").expect("written");
    let target = Target::start(Vice::None);
    refused(&[&target.url(), "--workload", path], &["own.toml, line 1:", "has no tool \"sell_everything\""]);
    let own = ["--replicas", "1", "--agents", "1"];
    let absent = |text: &str, words: &[&str]| {
        fs::write(path, text).expect("written");
        refused(&[&own[..], &["--workload", path]].concat(), words);
    };
    absent("[[request]]\ntool = \"ehco\"\n", &["own.toml, line 1:", "did you mean \"echo\"?"]);
    absent("\n[[request]]\nmethod = \"tools/lst\"\n", &["own.toml, line 2:", "did you mean \"tools/list\"?"]);
    absent("[[request]]\nprompt = \"hello\"\n", &["own.toml, line 1:", "has no prompt \"hello\""]);
    absent("[[request]]\nresource = \"a://b\"\n", &["own.toml, line 1:", "has no resource \"a://b\""]);
}

#[test]
fn a_log_is_recorded_and_played_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_string();
    let line = |n: u32| match n % 4 {
        0 => format!("{{\"ts\":{},\"method\":\"tools/list\"}}\n", f64::from(n) / 50.0),
        _ => format!("{{\"ts\":{},\"tool\":\"echo\",\"size\":{}}}\n", f64::from(n) / 50.0, 10 + n % 3),
    };
    let handshake = "{\"ts\":0,\"method\":\"initialize\",\"params\":{}}\n".to_string();
    let log: String = std::iter::once(handshake).chain((0..100).map(line)).collect();
    fs::write(path("log.jsonl"), log).expect("written");
    fs::write(path("own.toml"), "[arrival]\nkind = \"trace\"\nfile = \"t.jsonl\"\n").expect("written");
    let made = erlmcp(&["record", "--from-log", &path("log.jsonl"), "-o", &path("t.jsonl")]).end();
    assert_eq!(made.code, 0, "{}", made.said());
    assert!(made.output.contains("100 requests") && made.output.contains("1 line left out"), "{}", made.output);
    let finished = run(&["--workload", &path("own.toml"), "--replicas", "2", "-c", "30", "-d", "6s"]);
    all_ok(&finished, 2);
    assert_eq!(classes(&finished), [(75, 75), (225, 225)], "three times the trace of two seconds");
    assert_eq!(finished.report()["configuration"]["arrivals"], "recorded");
    let again = erlmcp(&["record", "--from-log", &path("log.jsonl"), "-o", &path("t.jsonl")]).end();
    assert_eq!(again.code, 2, "what is there is not written over: {}", again.said());
}
