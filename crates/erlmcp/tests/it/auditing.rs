//! `erlmcp audit` on folders of runs: what it says, and its exit codes.

use std::fs;
use std::path::Path;

use erlmcp_record::operations::{Class, Event, OperationId, OperationRecord, OperationWriter};
use erlmcp_record::{EndRow, Ended, Entry, FaultRow, JournalWriter, Machine, RECORD_VERSION, RunHeader};
use serde_json::Value;

use crate::finished::{Finished, erlmcp};

fn audit(folder: &Path, more: &[&str]) -> Finished {
    let folder = folder.to_str().expect("a name that is text");
    erlmcp(&[&["audit", folder], more].concat()).end()
}

fn record(folder: &Path) {
    let header = RunHeader {
        record_version: RECORD_VERSION,
        run_id: "stress-test-20261125-120000".into(),
        version: "0.1.0".into(),
        command: "stress".into(),
        command_line: Vec::new(),
        started_at: "2026-11-25T12:00:00+01:00".into(),
        monotonic_base_ns: 0,
        machine: Machine::default(),
    };
    let fault = FaultRow {
        id: 1,
        phase: 4,
        scenario: "node_failure".into(),
        method: "SIGKILL of the process".into(),
        replica: Some(2),
        injected_us: 150_000,
        effect_us: Some(160_000),
        cluster_detected_us: None,
        healed_us: None,
        heal_verified_us: None,
        ready_us: Some(500_000),
        ..FaultRow::default()
    };
    let mut journal = JournalWriter::create(folder).expect("a journal");
    for row in [Entry::Run(header), Entry::Fault(fault), Entry::End(EndRow { at_us: 990_000, ended: Ended::Completed })]
    {
        journal.append(&row).expect("written");
    }
    journal.flush().expect("written");
}

/// Operations that were ok before, over, during and after the fault, and how often the last one took effect.
fn operations(folder: &Path, effects: u64) {
    let mut agent = OperationWriter::of_agent(folder, 0).expect("a journal");
    let mut store = OperationWriter::of_store(folder).expect("a journal");
    let mut rows = 0;
    for (number, (from_us, to_us)) in
        [(10_000, 50_000), (100_000, 200_000), (250_000, 300_000), (600_000, 650_000)].into_iter().enumerate()
    {
        let of = |event: Event, us: u64| OperationRecord {
            attempt: 1,
            replica: 1,
            class: Class::Transactional,
            fingerprint: 7,
            hash: 8,
            nonce: 9,
            epoch: 3,
            ..OperationRecord::new(event, OperationId(number as u128 + 1), us * 1_000)
        };
        agent.append(&of(Event::Invoke, from_us)).expect("written");
        agent.append(&of(Event::Ok, to_us)).expect("written");
        let again = if number == 3 { effects } else { 1 };
        let effects = (0..again).map(|_| Event::Effect);
        for event in [Event::Accepted, Event::Started].into_iter().chain(effects).chain([Event::Done]) {
            store.append(&of(event, from_us + 10_000)).expect("written");
            rows += 1;
        }
    }
    agent.end(4, 4, 900_000_000).expect("written");
    store.end(rows, 0, 900_000_000).expect("written");
}

#[test]
fn an_operation_that_took_effect_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    operations(folder.path(), 2);
    let finished = audit(folder.path(), &[]);
    assert_eq!(finished.code, 99, "{}", finished.said());
    assert!(finished.output.contains("I4   no duplicates   VIOLATED"), "{}", finished.said());
    assert!(finished.output.contains("1 x it took effect more than once"), "{}", finished.said());
    assert!(finished.output.ends_with("AUDIT: INVALID\n"), "{}", finished.said());
    let finished = audit(folder.path(), &["--json"]);
    let found: Value = serde_json::from_str(&finished.output).expect("JSON");
    assert_eq!((finished.code, &found["verdict"]), (99, &Value::from("invalid")));
    assert_eq!(found["witnesses"][0]["operation"], format!("{:032x}", 4));
}

/// What is handed on is audited as the folder is, and shown as it is.
#[test]
fn a_bundle_stands_for_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    operations(folder.path(), 2);
    let packed = folder.path().join("run.tar.zst");
    let report = |run: &Path, more: &[&str]| {
        let run = run.to_str().expect("a name that is text");
        erlmcp(&[&["report", run], more].concat()).end()
    };
    let made = report(folder.path(), &["--bundle", packed.to_str().expect("a name that is text")]);
    assert!(made.code == 0 && made.output.contains("audit invalid"), "{}", made.said());
    let observed = erlmcp(&["observe", packed.to_str().expect("a name that is text"), "--once"]).end();
    assert_eq!(observed.code, 0, "{}", observed.said());
    let both = [folder.path(), packed.as_path()].map(|run| run.to_str().expect("a name that is text"));
    let compared = erlmcp(&["compare", both[0], both[1]]).end();
    assert!(!compared.errors.contains("is not the folder of a run"), "{}", compared.said());
    let (of_folder, of_bundle) = (audit(folder.path(), &[]), audit(&packed, &[]));
    assert_eq!((of_bundle.code, &of_bundle.output), (99, &of_folder.output), "{}", of_bundle.said());
    let json = report(&packed, &["--format", "json"]);
    assert_eq!(json.output, report(folder.path(), &["--format", "json"]).output);
    let page = report(folder.path(), &["--format", "html"]);
    assert!(page.code == 0 && folder.path().join("report.html").is_file(), "{}", page.said());
}

#[test]
fn a_run_that_compare_cannot_read_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    let run = folder.path().to_str().expect("a name that is text");
    let journal = folder.path().join("journal.jsonl");
    let text = fs::read_to_string(&journal).expect("a journal");
    fs::write(&journal, text + "{}\n").expect("written");
    let unread = erlmcp(&["compare", run, run]).end();
    assert!(unread.code == 1 && unread.errors.contains("leave it out"), "{}", unread.said());
}

/// Its files are new wherever it is unpacked.
#[test]
fn a_bundle_of_a_run_that_was_killed_does_not_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    let journal = folder.path().join("journal.jsonl");
    let rows = fs::read_to_string(&journal).expect("a record");
    let (but_the_last, _) = rows.trim_end().rsplit_once('\n').expect("several rows");
    fs::write(&journal, format!("{but_the_last}\n")).expect("written");
    let packed = folder.path().join("run.tar.zst");
    let [run, packed] = [folder.path(), packed.as_path()].map(|path| path.to_str().expect("a name that is text"));
    let made = erlmcp(&["report", run, "--bundle", packed]).end();
    assert_eq!(made.code, 0, "{}", made.said());
    let observed = erlmcp(&["observe", packed, "--once"]).end();
    assert!(observed.output.contains("\nended without its last row\n"), "{}", observed.said());
}

#[test]
fn all_once_and_no_requests_beside_them() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    operations(folder.path(), 1);
    let finished = audit(folder.path(), &[]);
    // The answers to operations tell of the order of answers, too.
    assert_eq!(finished.code, 0, "{}", finished.said());
    assert!(finished.output.contains("AUDIT: VALID"), "{}", finished.said());
    assert!(finished.output.contains("I8   not vacuous     holds"), "{}", finished.said());
}

#[test]
fn a_run_without_operations_is_unknown() {
    let folder = tempfile::tempdir().expect("a folder");
    record(folder.path());
    let finished = audit(folder.path(), &[]);
    assert_eq!(finished.code, 3, "{}", finished.said());
    assert!(finished.output.contains("has no journal of operations"), "{}", finished.said());
}

#[test]
fn a_folder_that_is_no_run_and_a_record_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let finished = audit(folder.path(), &[]);
    assert_eq!(finished.code, 2, "{}", finished.said());
    assert!(finished.errors.contains("is not the folder of a run"), "{}", finished.said());
    let journal = folder.path().join("journal.jsonl");
    fs::write(&journal, "").expect("written");
    let finished = audit(folder.path(), &[]);
    assert_eq!((finished.code, finished.output.as_str()), (2, ""), "{}", finished.said());
    assert!(finished.errors.contains("is empty"), "{}", finished.said());
    fs::write(&journal, "no record\n").expect("written");
    let finished = audit(folder.path(), &[]);
    assert_eq!(finished.code, 1, "{}", finished.said());
    assert_eq!(finished.errors.lines().count(), 1, "one sentence: {}", finished.errors);
}

/// A cluster of its own, a replica killed, one cut off where that is permitted, the queue overflowed: whatever the
/// machine lets happen, nothing is lost; and what is done to the record afterwards is found.
#[test]
fn a_run_on_a_cluster_is_audited_at_its_end_and_again() {
    let run = ["stress", "-c", "40", "-d", "2s", "-r", "100", "--replicas", "2", "--agents", "1", "--phases", "3,4,6"];
    let finished = erlmcp(&run).end();
    assert!(finished.output.contains("operations a second beside the load"), "{}", finished.said());
    let verdict = finished.verdict("recovery.operations_lost_count");
    assert!(["pass", "inconclusive"].contains(&verdict), "{}", finished.said());
    let results = finished.results();
    let again = audit(&results, &["--json"]);
    let found: Value = serde_json::from_str(&again.output).expect("JSON");
    assert_eq!(again.code, if verdict == "pass" { 0 } else { 3 }, "{}", again.said());
    assert!(found["operations"]["attempted"].as_u64() > Some(100), "{}", again.said());
    assert_eq!(found["operations"]["unresolved"], 0, "{}", again.said());
    let store = results.join("operations-store.journal");
    let mut bytes = fs::read(&store).expect("a journal");
    bytes[64 * 20 + 40] ^= 1;
    fs::write(&store, bytes).expect("written");
    let damaged = audit(&results, &[]);
    assert_eq!(damaged.code, 99, "{}", damaged.said());
    assert!(damaged.output.contains("is damaged at record 19"), "{}", damaged.said());
}
