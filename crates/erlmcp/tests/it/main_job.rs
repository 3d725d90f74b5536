//! The main job, small: its own cluster, every phase, and the record of it. What is checked is that everything
//! happened and adds up, never how fast it was.

use std::fs;

use serde_json::Value;

use crate::finished::{Finished, erlmcp_named};

#[test]
#[ignore = "takes minutes and wants a release build, which ERLMCP names: .ci/run has the call"]
#[allow(clippy::print_stdout, reason = "its report is what a person who runs it wants to see")]
fn main_job() {
    let run = erlmcp_named(&["stress", "-c", "5000", "-d", "20s", "-r", "2000", "--ramp-rate", "1000", "--seed", "7"]);
    let pid = run.pid();
    let finished = run.end();
    println!("{}", finished.said());
    assert!([0, 3, 99].contains(&finished.code), "exit code {}", finished.code);
    every_phase_ran(&finished);
    the_ledger_balances(&finished);
    faults_were_real_and_undone(&finished);
    every_second_is_there(&finished);
    nothing_is_left(&finished, pid);
    operations_are_audited(&finished);
}

/// What the audit does not know depends on the machine (was anything in flight when the fault began?); that nothing is
/// violated does not.
fn operations_are_audited(finished: &Finished) {
    assert_ne!(finished.verdict("recovery.operations_lost_count"), "fail");
    let results = finished.results();
    let audit = erlmcp_named(&["audit", results.to_str().expect("text"), "--json"]).end();
    assert!([0, 3].contains(&audit.code), "{}", audit.said());
    let found: Value = serde_json::from_str(&audit.output).expect("JSON");
    assert!(found["operations"]["attempted"].as_u64() > Some(1_000), "{}", audit.said());
    let holds = |id: &str| {
        let all = found["invariants"].as_array().expect("invariants");
        all.iter().any(|invariant| invariant["id"] == id && invariant["standing"] == "holds")
    };
    for id in ["J", "I1", "I2", "I3", "I4", "I7", "I9"] {
        assert!(holds(id), "{id}: {}", audit.said());
    }
}

fn every_phase_ran(finished: &Finished) {
    let phases = finished.report()["phases"].as_array().expect("phases");
    assert_eq!(phases.len(), 6);
    for phase in phases {
        assert_eq!(phase["state"], "complete", "{}", phase["name"]);
        for scenario in phase["scenarios"].as_array().expect("scenarios") {
            let outcome = scenario["outcome"].as_str().expect("an outcome");
            assert!(!["skipped", "inconclusive"].contains(&outcome), "{scenario}");
        }
    }
    for id in ["baseline.reachable_percent", "sustained.held_percent", "sustained.sweep_percent"] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
    assert_eq!(finished.report()["finish"], "completed");
    assert!(finished.output.contains("PRODUCTION READINESS ASSESSMENT"));
}

fn the_ledger_balances(finished: &Finished) {
    for id in ["run.ledger_difference_count", "run.wrong_id_answers_count", "run.surplus_answers_count"] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
    for line in finished.report()["ledger"].as_array().expect("a ledger") {
        let fates = line["fates"].as_object().expect("fates").values().filter_map(Value::as_u64).sum::<u64>();
        assert_eq!(line["planned"].as_u64(), Some(fates), "{line}");
    }
    assert_eq!(finished.verdict("recovery.overflow_lost_count"), "pass", "no operation was lost in the overflow");
}

fn faults_were_real_and_undone(finished: &Finished) {
    let journal = fs::read_to_string(finished.results().join("journal.jsonl")).expect("a journal");
    let rows: Vec<Value> = journal.lines().map(|line| serde_json::from_str(line).expect("rows are JSON")).collect();
    let last = |scenario: &str| {
        let of_it = |row: &&Value| row["row"] == "fault" && row["scenario"] == scenario;
        rows.iter().rfind(of_it).unwrap_or_else(|| panic!("no fault of {scenario}"))
    };
    for scenario in ["node_failure", "network_partition"] {
        let fault = last(scenario);
        for time in ["effect_us", "cluster_detected_us", "ready_us"] {
            assert!(fault[time].is_u64(), "{time} of {fault}");
        }
    }
    assert!(last("network_partition")["heal_verified_us"].is_u64());
    for id in ["cooldown.leftovers_count", "cooldown.server_open_count", "cooldown.agents_open_count"] {
        assert_eq!(finished.verdict(id), "pass", "{}", finished.check(id));
    }
}

fn every_second_is_there(finished: &Finished) {
    let metrics = fs::read_to_string(finished.results().join("metrics.jsonl")).expect("metrics");
    let seconds: Vec<u64> = metrics
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["second"].as_u64().expect("a second"))
        .collect();
    let (first, last) = (seconds[0], *seconds.last().expect("seconds"));
    assert!(last > 60, "a run of every phase has more than {last} seconds");
    assert_eq!(seconds, (first..=last).collect::<Vec<u64>>(), "no gap, no second twice");
    for file in ["FINAL_REPORT.md", "metrics.log", "run.log"] {
        assert!(!fs::read_to_string(finished.results().join(file)).expect(file).is_empty());
    }
    let report = fs::read_to_string(finished.results().join("FINAL_REPORT.md")).expect("a report");
    assert!(report.contains("| SLA | Target | Actual | Status |"), "{report}");
}

/// No process of the run's is there any more: all of them work in its folder.
fn nothing_is_left(finished: &Finished, pid: u32) {
    assert!(!fs::exists(format!("/proc/{pid}")).expect("procfs"), "the run itself is gone");
    for entry in fs::read_dir("/proc").expect("procfs").flatten() {
        let is_ours = fs::read_link(entry.path().join("cwd")).is_ok_and(|folder| folder == finished.folder());
        assert!(!is_ours, "{} is left", entry.path().display());
    }
}
