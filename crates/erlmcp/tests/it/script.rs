//! `scripts/orchestrate-stress-test.sh`, with a stand-in for the binary: what it is called with, what is gathered, and the code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

fn script(folder: &TempDir, arguments: &[&str], stress: &str, suite: &str) -> Command {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("bash");
    command
        .arg(own.join("../../scripts/orchestrate-stress-test.sh"))
        .args(arguments)
        .current_dir(folder.path())
        .env("ERLMCP", own.join("tests/stand-in.sh"))
        .env("STRESS", stress)
        .env("SUITE", suite);
    command
}

fn results(folder: &TempDir) -> PathBuf {
    let results = fs::read_dir(folder.path().join("test-results")).ok().and_then(|mut runs| runs.next()?.ok());
    results.map(|run| run.path()).unwrap_or_default()
}

/// The folder that it ran in, its code, and the folder of the results.
fn run(arguments: &[&str], (stress, suite): (i32, i32)) -> (TempDir, i32, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = script(&folder, arguments, &stress.to_string(), &suite.to_string()).output().expect("bash is there");
    let results = results(&folder);
    (folder, output.status.code().unwrap_or(-1), results)
}

fn calls(folder: &TempDir) -> Vec<String> {
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
    calls.lines().map(|line| line.split(" --output").next().unwrap_or_default().to_string()).collect()
}

#[test]
fn everything_is_gathered_in_one_folder() {
    let (folder, code, results) = run(&["http://localhost:1", "50", "0.1", "--comprehensive"], (0, 0));
    assert_eq!(code, 0);
    let with = "http://localhost:1 --connections 50 --duration 0.1m";
    assert_eq!(calls(&folder), [format!("stress {with}"), format!("comprehensive {with}")]);
    for name in
        ["compile.log", "metrics.log", "FINAL_REPORT.md", "phase-1.log", "phase-2.log", "comprehensive/phase-2.log"]
    {
        assert!(results.join(name).is_file(), "{name}");
    }
    assert_eq!(fs::read_to_string(results.join("phase-2.log")).expect("a log"), "=== PHASE 2: B ===\ntwo\n");
    let name = results.file_name().and_then(|name| name.to_str()).expect("a name");
    assert!(name.starts_with("stress-test-20") && name.len() == "stress-test-YYYYMMDD-HHMMSS".len(), "{name}");
}

#[test]
fn a_cluster_of_its_own_takes_no_url() {
    for arguments in [&[][..], &["local"]] {
        let (folder, code, _) = run(arguments, (3, 0));
        assert_eq!((code, calls(&folder)), (3, vec!["stress".to_string()]));
    }
    let (folder, _, _) = run(&["local", "100"], (0, 0));
    assert_eq!(calls(&folder), ["stress --connections 100"]);
}

#[test]
fn of_two_codes_the_graver_one_is_kept() {
    for (codes, expected) in
        [((3, 99), 99), ((99, 3), 99), ((0, 3), 3), ((3, 0), 3), ((1, 99), 1), ((0, 105), 105), ((0, 0), 0)]
    {
        let (folder, code, _) = run(&["--comprehensive"], codes);
        assert_eq!((code, calls(&folder).len()), (expected, 2), "{codes:?}");
    }
    for stops in [105, 2] {
        let (folder, code, _) = run(&["--comprehensive"], (stops, 0));
        assert_eq!((code, calls(&folder).len()), (stops, 1), "nothing follows");
    }
    let (folder, code, _) = run(&["--comprhensive"], (0, 0));
    assert_eq!((code, calls(&folder).len()), (2, 0), "an option that is none");
}

#[test]
fn the_word_to_end_reaches_the_run_and_its_code_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = script(&folder, &["--comprehensive"], "waits", "0").spawn().expect("bash is there");
    let began = Instant::now();
    while !folder.path().join("waits").exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "the stand-in was not started");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_raw(running.id() as i32).expect("a number"), Signal::TERM).expect("it runs");
    assert_eq!(running.wait().expect("it ends").code(), Some(105));
    assert_eq!(calls(&folder), ["stress"], "nothing follows");
    assert!(results(&folder).join("phase-2.log").is_file());
}
