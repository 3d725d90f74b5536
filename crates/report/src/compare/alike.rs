use std::collections::BTreeMap;

use erlmcp_record::names::phase;
use erlmcp_record::{ConfigRow, FaultRow, RunHeader};

use crate::Analysis;
use crate::format;

/// Machines sold alike differ by some pages.
const GIB: u64 = 1 << 30;

/// What stands against comparing two runs, each as a few words: other machine, other plan, other load, other
/// faults under it.
pub(super) fn differences(one: &Analysis, other: &Analysis) -> Vec<String> {
    let mut found = Vec::new();
    let mut differ = |what: &str, one: String, other: String| {
        if one != other {
            found.push(format!("{what} {one} against {other}"));
        }
    };
    if let (Some(one), Some(other)) = (&one.header, &other.header) {
        differ("a run of", one.command.clone(), other.command.clone());
        differ("machine", machine(one), machine(other));
    }
    if let (Some(one), Some(other)) = (&one.config, &other.config) {
        for (what, of) in FIELDS {
            differ(what, of(one), of(other));
        }
    }
    differ("faults", faults(one), faults(other));
    found
}

/// Those under which the compared load was: "3 kill of 1 replica, 1 partition of 2 replicas".
fn faults(analysis: &Analysis) -> String {
    let Some((number, _)) = analysis.phase_named(phase::CHAOS) else { return "none".into() };
    let mut counts: BTreeMap<(&str, usize), u64> = BTreeMap::new();
    for row in analysis.faults.values().filter(|row| row.phase == number && row.effect_us.is_some()) {
        *counts.entry((kind(row), row.replicas.len().max(usize::from(row.replica.is_some())))).or_default() += 1;
    }
    let said = |((kind, targets), count): (&(&str, usize), &u64)| match targets {
        0 => format!("{count} {kind}"),
        _ => format!("{count} {kind} of {}", format::plural(*targets as u64, "replica")),
    };
    if counts.is_empty() { "none".into() } else { counts.iter().map(said).collect::<Vec<_>>().join(", ") }
}

fn kind(row: &FaultRow) -> &str {
    if row.kind.is_empty() { &row.scenario } else { &row.kind }
}

fn machine(header: &RunHeader) -> String {
    let machine = &header.machine;
    let memory = (machine.memory_bytes + GIB / 2) / GIB;
    format!("\"{}, {} cores, {memory} GiB, {}\"", machine.cpu, machine.cores, machine.kernel)
}

type Field = (&'static str, fn(&ConfigRow) -> String);

/// What the plan and the load are. Target and replicas are not among them: they are what people compare.
const FIELDS: [Field; 9] = [
    ("connections", |config| format::count(config.connections)),
    ("streams", |config| format::count(config.streams)),
    ("req/s", |config| format::rate(config.rate)),
    ("arrivals", |config| config.arrivals.clone()),
    ("calls", |config| config.calls.clone()),
    ("workload", |config| config.workload.as_ref().map_or("none", |workload| workload.name.as_str()).to_string()),
    ("era", |config| config.era.clone()),
    ("timeout", |config| format::duration_ms(config.timeout_ms)),
    ("load and target on one machine", |config| config.colocated.to_string()),
];
