//! A server that is watched, turns slow, and is told of: on the terminal, in the history, and to a webhook.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::finished::erlmcp;
use crate::targets::{Target, Vice};

/// Takes what is posted; the first time it says that it cannot.
fn webhook() -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/hooks/s3cret", listener.local_addr().expect("bound"));
    let (posted, received) = sync_channel(8);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.expect("a connection");
            let mut bytes = Vec::new();
            let body = loop {
                let mut more = [0; 4096];
                let count = stream.read(&mut more).expect("a request");
                bytes.extend_from_slice(&more[..count]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                if let Ok(body) = serde_json::from_str::<Value>(body) {
                    break (head.to_string(), body);
                }
            };
            let status = if number == 0 { "503 Busy" } else { "204 Done" };
            stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes()).expect("written");
            if number > 0 && posted.send(body).is_err() {
                return;
            }
        }
    });
    (url, received)
}

fn history(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("history.jsonl")).expect("a history");
    text.lines().map(|line| serde_json::from_str(line).expect("a check")).collect()
}

/// The one check that was made, as if there had been six of it, and two after the server turned slow.
fn go_back_in_time(folder: &Path) {
    let made = history(folder).remove(0);
    let at = |minute: u32, factor: f64, level: Option<f64>| {
        let mut check = made.clone();
        check["at"] = json!(format!("2026-01-02T14:{minute:02}:00+00:00"));
        for (_, ms) in check["latency"].as_object_mut().expect("latencies") {
            *ms = json!(level.or(ms.as_f64()).expect("a number") * factor);
        }
        check.to_string() + "\n"
    };
    let steady = (0..6).map(|n| at(10 + n, 0.97 + 0.01 * f64::from(n), None));
    let slow = (0..2).map(|n| at(30 + n, 1.0 + 0.1 * f64::from(n), Some(900.0)));
    let text: String = steady.chain(slow).collect();
    std::fs::write(folder.join("history.jsonl"), text).expect("written");
}

#[test]
fn a_server_that_turns_slow_is_told_of() {
    let target = Target::start(Vice::None);
    let folder = tempfile::tempdir().expect("a folder");
    let (url, history_dir) = (target.url(), folder.path().to_str().expect("text"));
    let watch = |more: &[&str]| {
        let mut arguments = vec!["watch", &url, "--slo", "p50<400ms,errors<50%", "--history", history_dir];
        arguments.extend(["-c", "10", "-r", "20", "--for", "1s"]);
        arguments.extend(more);
        erlmcp(&arguments)
    };
    let good = watch(&["--once"]).end();
    assert_eq!(good.code, 0, "{}", good.said());
    assert!(good.output.contains("(0 checks known)") && good.output.contains("  kept "), "{}", good.said());
    assert!(good.output.contains("1 check of this load, and it takes 6"), "{}", good.said());
    assert_eq!(history(folder.path())[0]["planned"], 20);

    go_back_in_time(folder.path());
    target.turns_slow(Duration::from_millis(800));
    let (hook, posted) = webhook();
    let file = folder.path().join("watch.toml");
    std::fs::write(&file, format!("webhook = {hook:?}\n")).expect("written");
    let started = watch(&["--every", "1h", "--config", file.to_str().expect("text")]);
    let (head, told) = posted.recv_timeout(Duration::from_secs(120)).expect("the second try is taken");
    let pid = Pid::from_raw(started.pid() as i32).expect("a process has a number");
    kill_process(pid, Signal::INT).expect("it runs");
    let stopped = started.end();
    assert_eq!(stopped.code, 105, "{}", stopped.said());
    assert!(stopped.output.contains("(8 checks known)") && stopped.output.contains("VIOLATED"), "{}", stopped.said());
    assert!(stopped.output.contains("P50 rose "), "{}", stopped.said());
    assert!(stopped.output.contains(" on 2026-01-02 at 14:30 (from "), "{}", stopped.said());
    assert!(stopped.output.contains("1 check: 0 kept the objective, 1 violated it"), "{}", stopped.said());
    assert!(head.starts_with("POST /hooks/s3cret HTTP/1.1"), "{head}");
    assert_eq!((&told["event"], &told["check"]["outcome"]), (&json!("violation"), &json!("violated")), "{told}");
    assert!(told["text"].as_str().is_some_and(|text| text.contains("is not under 400ms")), "{told}");

    let checks = history(folder.path());
    assert_eq!(checks.len(), 9);
    let record = folder.path().join(checks[8]["run"].as_str().expect("the record of a violation is kept"));
    let observed = erlmcp(&["observe", record.to_str().expect("text"), "--once"]).end();
    assert_eq!(observed.code, 0, "{}", observed.said());
    assert!(observed.output.contains("3. Sustained Load: "), "{}", observed.said());
    let journal = std::fs::read_to_string(record.join("journal.jsonl")).expect("a record");
    assert!(journal.contains("--webhook=<hidden>"), "what the file said is in the record: {journal}");
    assert!(!journal.contains("s3cret") && !stopped.said().contains("s3cret"), "the webhook's key is nowhere");
}

#[test]
fn a_tool_that_is_lost_is_a_violation_and_the_watch_goes_on() {
    let target = Target::start(Vice::None);
    let folder = tempfile::tempdir().expect("a folder");
    let url = target.url();
    let (hook, posted) = webhook();
    let watch = |folder: &Path, count: &str| {
        let mut arguments = vec!["watch", &url, "--slo", "p50<5s", "--tool", "echo", "--webhook", &hook];
        arguments.extend(["-c", "4", "-r", "20", "--for", "1s", "--every", "1s", "--count", count]);
        arguments.extend(["--history", folder.to_str().expect("text")]);
        erlmcp(&arguments)
    };
    let started = watch(folder.path(), "4");
    started.says("  kept ");
    target.loses_its_tool();
    let (_, told) = posted.recv_timeout(Duration::from_secs(120)).expect("it is told");
    assert!(told["event"] == "violation" && told["text"].to_string().contains("no tool"), "{told}");
    let finished = started.end();
    assert_eq!(finished.code, 99, "{}", finished.said());
    let checks = history(folder.path());
    assert_eq!((checks.len(), &checks[0]["outcome"], &checks[3]["outcome"]), (4, &json!("kept"), &json!("violated")));

    let empty = tempfile::tempdir().expect("a folder");
    let never = watch(empty.path(), "4").end();
    assert_eq!(never.code, 2, "the first check of all: {}", never.said());
}
