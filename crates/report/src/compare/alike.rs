use erlmcp_record::{ConfigRow, RunHeader};

use crate::Analysis;
use crate::format;

/// Machines sold alike differ by some pages.
const GIB: u64 = 1 << 30;

/// What stands against comparing two runs, each as a few words: other machine, other plan, other load.
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
    found
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
