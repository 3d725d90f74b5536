//! What the pages say is there, and what is there is on the pages.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cluster::{Cluster, get, socket, until};
use crate::finished::{erlmcp, unconfigured};
use crate::lacking::lacking;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_complaint_and_every_failing_check_has_its_entry() {
    let text = page("doctor.md");
    let entries: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let written: BTreeSet<&str> = entries.iter().copied().collect();
    assert_eq!(written.len(), entries.len(), "an entry is there twice");
    let named: BTreeSet<&str> = erlmcp_orchestrator::complaints().chain(erlmcp_report::verdict::entries()).collect();
    assert_eq!(written, named, "entries of docs/doctor.md, and ids that lead there");
    for link in text.split("](#").skip(1).filter_map(|rest| rest.split_once(')')) {
        assert!(written.contains(link.0), "docs/doctor.md links to #{}, which is not there", link.0);
    }
}

#[test]
fn the_reference_is_what_the_code_makes() {
    let made = erlmcp(&["reference"]).end();
    assert_eq!(made.code, 0, "{}", made.said());
    let written = page("reference.md");
    if made.output != written {
        let first = made.output.lines().zip(written.lines()).find(|(made, written)| made != written);
        panic!(
            "docs/reference.md is not what the code makes: cargo run -p erlmcp -- reference > docs/reference.md mends it. \
             The first lines that differ (made, written): {first:?}"
        );
    }
    for heading in
        ["### `erlmcp stress`", "### `erlmcp cluster scale`", "## Exit codes", "| `sla.p95_ms` |", "| `interval` |"]
    {
        assert!(written.contains(heading), "no {heading}");
    }
    assert!(!written.contains("fault-proxy"), "nobody types that");
}

/// The commands of the page's first shell block.
fn commands(text: &str) -> Vec<&str> {
    let block = text.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("a block of commands").0;
    block.lines().collect()
}

#[test]
fn the_greps_of_the_guide_work_as_typed() {
    let text = page("guide-commands.md");
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &[]);
    // One request, for the latency and the counts.
    let all_ready = || {
        let status = cluster.status();
        status["replicas"].as_array().is_some_and(|all| all.iter().all(|one| one["state"] == "ready"))
    };
    until("both replicas are ready", all_ready);
    let discovered = erlmcp(&["discover", &format!("http://{}", cluster.shared), "--keep-alive-wait", "0s"]).end();
    assert_eq!(discovered.code, 0, "{}", discovered.said());
    let commands = commands(&text);
    assert!(commands.len() >= 10, "{commands:?}");
    let (control, has_curl) = (socket(folder.path()), has_curl());
    for command in commands {
        let mut said = String::new();
        // The shared address tells of the replicas what they said up to a second ago.
        until(command, || {
            said = shell(&typed(command, &cluster, folder.path(), has_curl), &control);
            is_an_answer(command, &said)
        });
    }
}

fn has_curl() -> bool {
    let asked = Command::new("curl").arg("--version").output();
    asked.map_err(|why| lacking("curl", &format!("pages are fetched without it: {why}"))).is_ok()
}

/// A command for the cluster of the test. Where there is no curl its page is fetched here; what follows is typed all the
/// same.
fn typed(command: &str, cluster: &Cluster, folder: &Path, has_curl: bool) -> String {
    let command = command.replace("erlmcp cluster status", "\"$0\" cluster status --control \"$1\"");
    let Some((asked, rest)) = command.split_once(" | ").filter(|(asked, _)| asked.starts_with("curl")) else {
        return command;
    };
    let (before, path) = asked.split_once("localhost:8080").expect("it asks the cluster");
    if has_curl {
        return format!("{before}localhost:{}{path} | {rest}", cluster.shared.port());
    }
    let page = folder.join("page");
    fs::write(&page, get(cluster.shared, path).expect("it listens").1).expect("written");
    format!("cat '{}' | {rest}", page.display())
}

/// What a shell prints that is given this line; $0 is erlmcp and $1 the cluster's control socket.
fn shell(line: &str, control: &Path) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-c", line, env!("CARGO_BIN_EXE_erlmcp")]).arg(control).env("no_proxy", "*");
    unconfigured(&mut shell);
    String::from_utf8_lossy(&shell.output().expect("there is a shell").stdout).into_owned()
}

/// A count must be that of both replicas; anything else a line with a figure.
fn is_an_answer(command: &str, said: &str) -> bool {
    match command.contains("grep -c") {
        true => said.trim() == "2",
        false => said.lines().any(|line| !line.starts_with('#') && line.bytes().any(|byte| byte.is_ascii_digit())),
    }
}
