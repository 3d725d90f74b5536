//! The examples, run and called as their users would.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use erlmcp_server::{Limits, Server};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::asker::{Asker, text};
use crate::client::{Client, Texts, eventually, stop};

#[expect(dead_code, reason = "an example has a main of its own")]
#[path = "../../examples/hello.rs"]
mod hello;
#[expect(dead_code, reason = "an example has a main of its own")]
#[path = "../../examples/jobs.rs"]
mod jobs;
#[expect(dead_code, reason = "an example has a main of its own")]
#[path = "../../examples/notes.rs"]
mod notes;

type Started = Result<Server, Box<dyn std::error::Error>>;

fn run(start: impl Fn(SocketAddr) -> Started) -> (Server, SocketAddr) {
    let server = start("127.0.0.1:0".parse().expect("an address")).expect("the example starts");
    let address = server.addresses()[0];
    (server, address)
}

#[test]
fn hello_adds() {
    let (server, address) = run(hello::start);
    let mut asker = Asker::connect(address, json!({}));
    assert_eq!(text(&asker.call("sum", &json!({"arguments": {"a": 40, "b": 2}}))), "42");
    let listed = Client::connect(address).ask(Texts(address).request("tools/list", "")).json();
    let a = &listed["result"]["tools"][0]["inputSchema"]["properties"]["a"];
    assert_eq!(a["description"], "The first number.", "{listed}");
    stop(server);
}

#[test]
fn jobs_tell_how_far_they_are() {
    let (server, address) = run(|address| jobs::start_with(address, Limits::default()));
    let mut asker = Asker::connect(address, json!({}));
    asker.send("tools/call", "paint", &json!({"arguments": {"pictures": 3}, "_meta": {"progressToken": "p"}}));
    let messages = asker.messages();
    let progress: Vec<&Value> = messages.iter().filter_map(|message| message["params"].get("progress")).collect();
    assert_eq!(progress, [&json!(1), &json!(2), &json!(3)]);
    let result = &messages.last().expect("a result")["result"];
    assert_eq!(result["structuredContent"], json!({"pictures": 3, "all": true}));
    stop(server);
}

#[test]
fn jobs_ask_before_they_do_much_and_end_in_time() {
    let (server, address) = run(jobs::start);
    let mut asker = Asker::connect(address, json!({"elicitation": {}}));
    let arguments = json!({"pictures": 1_000_000});
    let asked = asker.call("paint", &json!({"arguments": arguments}));
    assert_eq!(asked["result"]["inputRequests"]["go_on"]["params"]["message"], "1000000 pictures take a while. Go on?");
    let answer = |go_on: bool| {
        let answer = json!({"action": "accept", "content": {"go_on": go_on}});
        json!({"arguments": arguments, "inputResponses": {"go_on": answer}})
    };
    assert_eq!(asker.call("paint", &answer(false))["result"]["isError"], true);
    let painted = asker.call("paint", &answer(true))["result"]["structuredContent"].clone();
    assert_eq!(painted["all"], false, "{painted}");
    assert!(painted["pictures"].as_u64().is_some_and(|pictures| pictures > 0), "{painted}");
    stop(server);
}

#[test]
fn jobs_end_when_their_caller_has_gone() {
    let (server, address) = run(|address| jobs::start_with(address, Limits::default()));
    let mut asker = Asker::connect(address, json!({"elicitation": {}}));
    let answer = json!({"action": "accept", "content": {"go_on": true}});
    asker.send(
        "tools/call",
        "paint",
        &json!({"arguments": {"pictures": 1_000_000}, "inputResponses": {"go_on": answer}}),
    );
    let workers_active = || server.snapshot().queue.workers_active;
    eventually("the job runs", || workers_active() == 1);
    drop(asker);
    eventually("the job has ended, long before its time", || workers_active() == 0);
    stop(server);
}

#[test]
fn notes_are_read_and_watched() {
    let (server, address) = run(notes::start);
    let mut asker = Asker::connect(address, json!({}));
    let missing = asker.ask("resources/read", "notes://by-id/7", &json!({}));
    assert_eq!(missing.code(), -32_602);
    assert_eq!(asker.ask("resources/read", "notes://by-id/seven", &json!({})).code(), -32_602, "no number");

    let mut watcher = Client::connect(address);
    let filter = json!({"resourceSubscriptions": ["notes://by-id/7", "notes://index"]});
    watcher.send(Texts(address).request("subscriptions/listen", &format!("\"notifications\":{filter},")));
    watcher.head();
    assert!(watcher.chunk().contains("subscriptions/acknowledged"));

    let written = asker.call("write", &json!({"arguments": {"id": 7, "text": "Measure first."}}));
    assert_eq!(text(&written), "Written: notes://by-id/7.");
    let told = [watcher.chunk(), watcher.chunk()].join("");
    assert!(told.contains("\"uri\":\"notes://by-id/7\"") && told.contains("\"uri\":\"notes://index\""), "{told}");

    let mut read =
        |uri: &str| asker.ask("resources/read", uri, &json!({})).json()["result"]["contents"][0]["text"].clone();
    assert_eq!(read("notes://by-id/7"), "Measure first.");
    assert_eq!(read("notes://index"), "notes://by-id/7");
    let prompt = asker.ask("prompts/get", "shorten", &json!({"arguments": {"id": "7"}})).json();
    let resource = &prompt["result"]["messages"][1]["content"]["resource"];
    assert_eq!(resource["text"], "Measure first.", "{prompt}");
    stop(server);
}

/// An example as a process of its own, which ends with the test.
struct Process(Child);

impl Process {
    /// Starts it on a free port; where it listens.
    fn start(example: &str, folder: &Path) -> (Self, SocketAddr) {
        // Cargo builds the examples with the tests, but not where it is told `--test it`.
        let program = std::env::current_exe().expect("a path").with_file_name("../examples").join(example);
        let mut command = Command::new(program);
        // A cluster's control socket is there.
        command.arg("127.0.0.1:0").env("XDG_RUNTIME_DIR", folder).stdin(Stdio::null()).stdout(Stdio::piped());
        let started = command.spawn();
        let child = started.unwrap_or_else(|error| panic!("{error}: cargo build -p erlmcp-server --example {example}"));
        let mut process = Self(child);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says where it is");
        let address = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok());
        (process, address.unwrap_or_else(|| panic!("no address: {line:?}")))
    }

    fn ends_in_order(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it is ours");
        let mut ended = None;
        eventually("it ends", || {
            ended = self.0.try_wait().expect("it is ours");
            ended.is_some()
        });
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn hello_ends_when_it_is_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hello, address) = Process::start("hello", folder.path());
    let mut asker = Asker::connect(address, json!({}));
    assert_eq!(text(&asker.call("sum", &json!({"arguments": {"a": 40, "b": 2}}))), "42");
    hello.ends_in_order();
}

#[test]
fn a_cluster_is_one_program_in_three_modes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (cluster, address) = Process::start("cluster", folder.path());
    let mut asker = Asker::connect(address, json!({}));
    let said = asker.call("whereabouts", &json!({"arguments": {}}));
    assert!(["replica 1", "replica 2"].contains(&text(&said)), "{said}");
    cluster.ends_in_order();
}
