use erlmcp_record::MemorySource;

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::requests::{self, Seconds};
use crate::facts::{Memory, MemoryEach, Sustained};
use crate::format;
use crate::stats::{Side, mean_bound};

/// The five SLAs, over the sustained window after the warm-up.
pub(super) fn enter(judge: &mut Judge<'_>) {
    let facts = judge.facts;
    let seed = judge.analysis.seed();
    let none = || Evidence::none("no sustained load was run");
    let with = |judge: &Judge<'_>, id: &str, of: &dyn Fn(&Sustained<'_>, f64) -> Evidence| {
        let limit = judge.limit(id).value;
        facts.sustained.as_ref().map_or_else(none, |sustained| of(sustained, limit))
    };
    let p95 = with(judge, "sla.p95_ms", &|sustained, limit| requests::sustained_p95(sustained, limit, seed));
    judge.enter("sla.p95_ms", p95);
    let errors = with(judge, "sla.error_rate_percent", &error_rate);
    judge.enter("sla.error_rate_percent", errors);
    let throughput = with(judge, "sla.throughput_rps", &|sustained, limit| {
        requests::throughput(Seconds::of(sustained), limit, seed)
    });
    judge.enter("sla.throughput_rps", throughput);
    let availability = with(judge, "sla.availability_percent", &|sustained, limit| {
        requests::availability(Seconds::of(sustained), limit, seed)
    });
    judge.enter("sla.availability_percent", availability);
    let memory = with(judge, "sla.memory_per_connection_bytes", &|sustained, _| memory(&facts.memory, sustained, seed));
    judge.enter("sla.memory_per_connection_bytes", memory);
}

/// Everything planned that is not ok, over planned, less the generator's own unsent.
pub(super) fn error_rate(sustained: &Sustained<'_>, limit: f64) -> Evidence {
    let part = &sustained.judged;
    let source = "planned and not ok, over planned, sustained window";
    requests::share_under(part.errors(), part.countable(), limit, "requests", source)
        .paced(sustained.planned_a_second())
        .spoiled(doubt::load(sustained))
        .advised("see the errors by cause")
}

fn memory(memory: &Memory, sustained: &Sustained<'_>, seed: u64) -> Evidence {
    let each = match sustained.memory_each(memory) {
        Ok(each) => each,
        Err(why) => return Evidence::none(why),
    };
    let server = &sustained.server;
    let values: Vec<f64> = server.memory.iter().map(|point| point.1).collect();
    let weak = matches!(server.memory_source, MemorySource::Rss | MemorySource::Reported | MemorySource::None);
    let source = format!(
        "{} of all replicas, less {} before the ramp{}",
        memory_source(server.memory_source),
        format::bytes(each.reference),
        if sustained.held.streams_min > 0 { ", streams and their connections among them" } else { "" }
    );
    Evidence::of(Some(Estimate::Number(each.bytes())), server.memory.len() as u64, "samples", &source)
        .bounded(mean_bound(&values, Side::Upper, seed).map(|bytes| each.of(bytes)))
        .excused(swing(&values, each))
        .doubted(memory.used_before.clone())
        .doubted(memory.unknown_before.clone())
        .doubted(weak.then(|| "resident memory is all that is known; it does not tell a connection's own".into()))
}

/// What replicas take and give back between samples has nothing to do with their connections; beside few of them it is more.
fn swing(values: &[f64], each: MemoryEach) -> Option<String> {
    let (least, most) =
        values.iter().fold((f64::MAX, 0.0f64), |(least, most), bytes| (least.min(*bytes), most.max(*bytes)));
    let swing = most - least;
    (swing > each.taken() / 2.0).then(|| {
        format!(
            "the memory of the replicas swings by {} between samples: too few connections to tell what theirs is",
            format::bytes(swing)
        )
    })
}

/// In words.
pub(crate) fn memory_source(source: MemorySource) -> &'static str {
    match source {
        MemorySource::Anonymous => "anonymous memory (smaps_rollup)",
        MemorySource::Cgroup => "anonymous memory (cgroup)",
        MemorySource::Rss => "resident memory",
        MemorySource::Reported => "resident memory, as the target reports it",
        MemorySource::None => "memory of unknown source",
    }
}
