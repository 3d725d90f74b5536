//! Bad input and bad luck: one clear sentence that says what to do, before any load.

use std::fs::{self, File};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use crate::finished::{Finished, erlmcp, erlmcp_after, erlmcp_with_descriptors, unconfigured};
use crate::targets::{Target, Vice};

fn refused(finished: &Finished, code: i32, words: &[&str]) {
    assert_eq!(finished.code, code, "{}", finished.said());
    let sentences: Vec<&str> = finished.errors.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(sentences.len(), 1, "one sentence, not:\n{}", finished.errors);
    for word in words {
        assert!(sentences[0].contains(word), "no {word:?} in {}", sentences[0]);
    }
    assert!(finished.report.is_none(), "no load, no report");
}

#[test]
fn an_unreachable_target() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let finished = erlmcp(&["stress", &format!("http://{closed}"), "-c", "10", "-d", "2s"]).end();
    refused(&finished, 1, &[&closed.to_string()]);
}

#[test]
fn a_store_that_cannot_be_had() {
    let finished = erlmcp(&["serve", "--listen", "127.0.0.1:0", "--store", "/nowhere/at/all/operations.db"]).end();
    refused(&finished, 1, &["/nowhere/at/all/operations.db", "--store"]);
}

#[test]
fn a_collector_with_tls_where_the_system_trusts_nobody() {
    let nobody = "unset SSL_CERT_DIR; export SSL_CERT_FILE=/dev/null";
    let serve = ["serve", "--listen", "127.0.0.1:0", "--otlp", "https://127.0.0.1:4318"];
    refused(&erlmcp_after(nobody, &serve).end(), 1, &["root certificates", "SSL_CERT_FILE"]);
}

#[test]
fn a_screen_without_a_terminal() {
    refused(&erlmcp(&["stress", "--tui", "-c", "10", "-d", "2s"]).end(), 2, &["--tui", "leave it out"]);
}

#[test]
fn a_wrong_path() {
    let target = Target::start(Vice::None);
    let url = format!("http://{}/wrong", target.address);
    refused(&erlmcp(&["stress", &url, "-c", "10", "-d", "2s"]).end(), 1, &["/wrong", "404"]);
}

#[test]
fn a_server_that_is_not_mcp() {
    let target = Target::start(Vice::NotMcp);
    refused(&erlmcp(&["stress", &target.url(), "-c", "10", "-d", "2s"]).end(), 1, &["MCP"]);
}

#[test]
fn a_web_server_that_takes_no_post_is_not_waited_for() {
    let target = Target::start(Vice::TakesNoPost);
    let finished = erlmcp(&["stress", &target.url(), "-c", "10", "-d", "2s"]).end();
    refused(&finished, 1, &["501", "not an MCP server: correct the URL"]);
}

#[test]
fn the_older_era_where_only_the_newer_is_spoken() {
    let target = Target::start(Vice::None);
    let finished = erlmcp(&["stress", &target.url(), "-c", "10", "-d", "2s", "--era", "legacy"]).end();
    refused(&finished, 1, &["use --era modern"]);
}

#[test]
fn tls_where_there_is_none() {
    let target = Target::start(Vice::None);
    let url = format!("https://{}/mcp", target.address);
    refused(&erlmcp(&["stress", &url, "-c", "10", "-d", "2s"]).end(), 1, &["TLS"]);
}

#[test]
fn too_few_descriptors() {
    for (limit, connections) in [(100, "1m"), (256, "3000")] {
        let finished = erlmcp_with_descriptors(limit, &["stress", "-c", connections, "-d", "2s"]).end();
        refused(&finished, 1, &["descriptors", "ulimit -Hn"]);
    }
}

#[test]
fn too_little_memory() {
    let readings = fs::read_to_string("/proc/meminfo").expect("procfs");
    let available = readings.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.strip_suffix("kB"));
    let available_kib: u64 = available.and_then(|number| number.trim().parse().ok()).expect("a number");
    // Both ends of a connection take 10 KiB: a fifth more than there is, by connections alone.
    let connections = (available_kib / 10 * 6 / 5).to_string();
    let finished = erlmcp(&["stress", "-c", &connections, "-d", "2s"]).end();
    // So much memory may be there that one process could not look after all that it takes to fill it.
    let word = if finished.errors.contains("free some") { "memory" } else { "ulimit -Hn" };
    refused(&finished, 1, &[word]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let target = Target::start(Vice::None);
    let finished = erlmcp(&["stress", &target.url(), "-c", "10", "-d", "2s", "-o", "/proc/results"]).end();
    refused(&finished, 1, &["/proc/results", "--output"]);
}

#[test]
fn another_host_without_leave() {
    // TEST-NET-1: never routed, and never spoken to, since it is refused first.
    let finished = erlmcp(&["stress", "http://192.0.2.1:8080", "-c", "10", "-d", "2s", "-r", "10"]).end();
    refused(&finished, 2, &["192.0.2.1", "--allow-host"]);
}

#[test]
fn a_process_of_the_target_that_is_not_there() {
    let target = Target::start(Vice::None);
    let finished = erlmcp(&["stress", &target.url(), "-c", "10", "-d", "2s", "--target-pid", "4194304"]).end();
    refused(&finished, 2, &["--target-pid 4194304", "no such process"]);
    assert_eq!(target.calls.load(Ordering::SeqCst), 0, "no load");
}

#[test]
fn words_that_mean_nothing() {
    for arguments in [
        &["stress", "ftp://localhost"][..],
        &["stress", "http://localhost", "-c", "0"],
        &["stress", "http://localhost", "--threshold", "sla.p59_ms=1"],
        &["stress", "http://localhost", "--phases", "7"],
        &["stress", "--nonsense"],
        &["serve", "--listen", "127.0.0.1:0", "--workers", "0"],
        &["serve", "--listen", "127.0.0.1:0", "--shards", "0"],
        &["cluster", "--listen", "127.0.0.1:0", "--workers", "0"],
    ] {
        let finished = erlmcp(arguments).end();
        assert_eq!(finished.code, 2, "{arguments:?}: {}", finished.said());
        assert!(!finished.errors.is_empty());
    }
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("its address").to_string();
    for command in ["serve", "cluster"] {
        let finished = erlmcp(&[command, "--listen", &address]).end();
        refused(&finished, 1, &[&address, "in use"]);
    }
}

#[test]
fn what_cannot_be_written_is_told_unless_nobody_reads_it() {
    let with = |words: &[&str], output: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
        command.args(words).stdout(output).stderr(Stdio::piped());
        let child = unconfigured(&mut command).spawn().expect("the binary starts");
        child.wait_with_output().expect("it ends")
    };
    for words in [&["completions", "bash"][..], &["config", "--print", "stress"], &["doctor", "-c", "10"], &["--help"]]
    {
        let full = File::options().write(true).open("/dev/full").expect("Linux has it");
        let ended = with(words, full.into());
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(1), "{words:?}: {errors}");
        assert!(errors.contains("standard output: No space left"), "{words:?}: {errors}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = with(words, writer.into());
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert!(!errors.contains("standard output"), "{words:?}: {errors}");
    }
}
