//! How fast is an audit, and how much memory does it take? Makes the folder of a run with so many operations, audits it,
//! and prints both: `cargo run --release -p erlmcp-report --example audit_rate -- 10000000 [FOLDER]`.

#![allow(clippy::print_stdout, reason = "an example prints")]

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use erlmcp_record::operations::{Class, Event, OperationId, OperationRecord, OperationWriter, Reason};
use erlmcp_record::{EndRow, Ended, Entry, FaultRow, JournalWriter, Machine, RECORD_VERSION, RunHeader};
use erlmcp_report::audit::{AuditVerdict, audit, text};

const AGENTS: u64 = 4;
/// An operation begins each microsecond and takes five milliseconds.
const STEP_NS: u64 = 1_000;
const TAKES_NS: u64 = 5_000_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let operations: u64 = words.next().map_or(Ok(1_000_000), |word| word.parse())?;
    let folder = match words.next() {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let began = Instant::now();
    record(folder.path(), operations)?;
    agents(folder.path(), operations)?;
    store(folder.path(), operations)?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.path())? {
        let entry = entry?;
        bytes += entry.metadata()?.len();
        // A run's journals are on the disk by its end: what is still to be written would be written while it is audited.
        File::open(entry.path())?.sync_all()?;
    }
    println!("made {operations} operations, {} MB, in {:.1} s", bytes >> 20, began.elapsed().as_secs_f64());
    let before = peak_kb();
    let began = Instant::now();
    let found = audit(folder.path())?;
    let seconds = began.elapsed().as_secs_f64();
    println!("{}", text(&found));
    println!("audited in {seconds:.2} s: {:.0} operations a second", operations as f64 / seconds);
    println!("peak of memory: {} MB (before the audit: {} MB)", peak_kb() / 1_024, before / 1_024);
    assert_eq!(found.operations.attempted, operations);
    assert_eq!(found.invariants.iter().map(|invariant| invariant.violations).sum::<u64>(), 0);
    // Without plain requests beside them there is something that is not known.
    assert_ne!(found.verdict, AuditVerdict::Invalid);
    Ok(())
}

/// The most memory that this process has had, from /proc.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn record(folder: &Path, operations: u64) -> Result<(), Box<dyn std::error::Error>> {
    let header = RunHeader {
        record_version: RECORD_VERSION,
        run_id: "a run that never was".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        command: "stress".into(),
        command_line: Vec::new(),
        started_at: String::new(),
        monotonic_base_ns: 0,
        machine: Machine::default(),
    };
    let middle_us = operations * STEP_NS / 2_000;
    let fault = FaultRow {
        id: 1,
        phase: 4,
        scenario: "node_failure".into(),
        method: "SIGKILL of the process".into(),
        replica: Some(3),
        injected_us: middle_us,
        effect_us: Some(middle_us + 1_000),
        cluster_detected_us: None,
        healed_us: None,
        heal_verified_us: None,
        ready_us: Some(middle_us + 100_000),
        ..FaultRow::default()
    };
    let mut journal = JournalWriter::create(folder)?;
    for row in [Entry::Run(header), Entry::Fault(fault), Entry::End(EndRow { at_us: 0, ended: Ended::Completed })] {
        journal.append(&row)?;
    }
    Ok(journal.flush()?)
}

/// A number without a pattern, of a number (SplitMix64).
fn mixed(number: u64) -> u64 {
    let word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

fn of(event: Event, number: u64, at_ns: u64) -> OperationRecord {
    let id = OperationId(u128::from(mixed(number)) << 64 | u128::from(mixed(!number)));
    OperationRecord {
        attempt: 1,
        replica: 1 + (number % 2) as u16,
        class: Class::Transactional,
        fingerprint: mixed(number ^ 1 << 40),
        hash: mixed(number ^ 1 << 41),
        nonce: number + 1,
        epoch: 4,
        ..OperationRecord::new(event, id, at_ns)
    }
}

/// One in a hundred is not answered, tried again, and answered with its stored result.
fn is_retried(number: u64) -> bool {
    number.is_multiple_of(100)
}

fn agents(folder: &Path, operations: u64) -> Result<(), Box<dyn std::error::Error>> {
    for agent in 0..AGENTS {
        let mut writer = OperationWriter::of_agent(folder, agent as u32)?;
        let mut begun = 0;
        // Not in the order of time, which no audit needs: each operation at once.
        for number in (agent..operations).step_by(AGENTS as usize) {
            let at_ns = number * STEP_NS;
            begun += 1;
            writer.append(&of(Event::Invoke, number, at_ns))?;
            writer.append(&of(Event::SentAll, number, at_ns + 1_000))?;
            if is_retried(number) {
                let info = of(Event::Info, number, at_ns + TAKES_NS);
                writer.append(&OperationRecord { reason: Reason::Reset, hash: 0, nonce: 0, epoch: 0, ..info })?;
                let invoke = of(Event::Invoke, number, at_ns + 2 * TAKES_NS);
                writer.append(&OperationRecord { attempt: 2, ..invoke })?;
                let ok = of(Event::Ok, number, at_ns + 3 * TAKES_NS);
                writer.append(&OperationRecord { attempt: 2, replayed: true, ..ok })?;
            } else {
                writer.append(&of(Event::Ok, number, at_ns + TAKES_NS))?;
            }
        }
        writer.end(begun, begun, 0)?;
    }
    Ok(())
}

fn store(folder: &Path, operations: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer = OperationWriter::of_store(folder)?;
    for number in 0..operations {
        let at_ns = number * STEP_NS + 2_000_000;
        for event in [Event::Accepted, Event::Started, Event::Effect, Event::Done] {
            let hash = if event == Event::Done { mixed(number ^ 1 << 41) } else { 0 };
            writer.append(&OperationRecord { hash, ..of(event, number, at_ns) })?;
        }
    }
    Ok(writer.end(operations * 4, 0, 0)?)
}
