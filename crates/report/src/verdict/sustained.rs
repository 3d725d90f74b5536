use erlmcp_record::Fate;
use erlmcp_record::names::phase;

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::requests::{self, Seconds};
use super::sla;
use crate::facts::{Held, Sustained};
use crate::format;
use crate::stats::slope;

/// Memory growth needs this many samples.
const GROWTH_SAMPLES_MIN: u64 = 60;

pub(crate) fn enter(judge: &mut Judge<'_>) {
    let seed = judge.analysis.seed();
    let warmup_s = judge.analysis.warmup_us().div_ceil(1_000_000);
    let config = judge.analysis.config.as_ref();
    let has_gauge = config.is_some_and(|config| config.own_cluster || config.attached);
    let colocated = config.is_some_and(|config| config.colocated);
    let facts = judge.facts;
    let cut = doubt::cut(judge.analysis, phase::SUSTAINED_LOAD);
    let mut with = |id: &str, of: &dyn Fn(&Sustained<'_>, f64) -> Evidence| {
        let limit = judge.limit(id).value;
        let none = || Evidence::none("no sustained load was run");
        judge.enter(id, facts.sustained.as_ref().map_or_else(none, |sustained| of(sustained, limit)));
    };
    with("sustained.held_percent", &|sustained, _| held(&sustained.held, has_gauge));
    with("sustained.sweep_percent", &|sustained, _| sweep(sustained).excused(cut.clone()));
    with("sustained.p95_ms", &|sustained, limit| requests::sustained_p95(sustained, limit, seed));
    with("sustained.throughput_rps", &|sustained, limit| requests::throughput(Seconds::of(sustained), limit, seed));
    with("sustained.offered_percent", &offered);
    with("sustained.error_rate_percent", &sla::error_rate);
    let rate = |fates: &'static [Fate], source: &'static str| {
        move |sustained: &Sustained<'_>, limit: f64| error_kind(sustained, fates, source, limit)
    };
    with(
        "sustained.connection_errors_percent",
        &rate(CONNECTION_ERRORS, "reset, or unsent since the connection was lost"),
    );
    with(
        "sustained.timeouts_percent",
        &rate(TIMEOUTS, "timed out, or unsent since the connection was busy past the timeout"),
    );
    with("sustained.server_errors_percent", &rate(SERVER_ERRORS, "tool, rpc and http errors and refusals"));
    with("sustained.memory_growth_mb_per_minute", &|sustained, _| memory_growth(sustained, warmup_s, seed));
    with("sustained.longest_stall_ms", &|sustained, limit| longest_stall(sustained, limit, colocated));
}

pub(crate) const CONNECTION_ERRORS: &[Fate] = &[Fate::Reset, Fate::UnsentConnection];
pub(crate) const TIMEOUTS: &[Fate] = &[Fate::TimedOut, Fate::UnsentBusy];
pub(crate) const SERVER_ERRORS: &[Fate] = &[Fate::ToolError, Fate::RpcError, Fate::HttpError, Fate::Refused];

/// N in every second, by the agents and by the server's own gauge.
fn held(held: &Held, has_gauge: bool) -> Evidence {
    let Some(agents_min) = held.agents_min else { return Evidence::none("no second has the agents' counts") };
    let has_counts = held.server_min.is_some();
    let source = match (has_counts, held.others) {
        (true, 0) => "the agents' counts and the server's gauge",
        (true, _) => "the agents' counts and the server's gauge, which has others of the run's in it",
        (false, _) => "the agents' counts alone",
    };
    let source = match held.renewing {
        0 => source.to_string(),
        count => format!(
            "{source}; the target closes connections in order: up to {} at a time were being renewed",
            format::count(count)
        ),
    };
    let least = held.server_min.map_or(agents_min, |server| agents_min.min(server));
    let unknown = (held.agents_unknown > 0).then(|| format!("agents were silent in {} seconds", held.agents_unknown));
    let no_gauge = (!has_counts && has_gauge).then(|| "the server's gauge was not read".to_string());
    let gaps = (has_counts && held.server_unknown > 0)
        .then(|| format!("the server's gauge was not read in {} seconds", held.server_unknown));
    Evidence::of(Estimate::percent(least, held.target), held.seconds, "seconds", &source)
        .spoiled(disagreement(held, agents_min))
        .spoiled(unknown)
        .spoiled(no_gauge)
        .spoiled(gaps)
        .advised("see the connections lost by cause")
}

/// Where one side says that all were held and the other does not, or the server has more than there can be.
fn disagreement(held: &Held, agents_min: u64) -> Option<String> {
    let (server_min, server_max) = held.server_min.zip(held.server_max)?;
    // Of those beside them nobody knows how many the gauge had in it when it was read.
    let server_low = server_min.saturating_sub(held.others);
    let is_low = (agents_min >= held.target) && server_min < held.target;
    let is_high = (agents_min < held.target) && server_low >= held.target;
    let is_contradiction = is_low || is_high || server_max > held.target + held.others;
    is_contradiction.then(|| {
        format!(
            "counts disagree: at least {} by the agents, {} to {} by the server's gauge",
            format::count(agents_min),
            format::count(server_min),
            format::count(server_max)
        )
    })
}

fn sweep(sustained: &Sustained<'_>) -> Evidence {
    let part = &sustained.sweep;
    let of = part.planned.max(sustained.held.target);
    Evidence::of(Estimate::percent(part.ok(), of), of, "connections", "one request on every connection, after the load")
        .spoiled((part.planned == 0).then_some("no closing sweep was made"))
        .spoiled(doubt::unsent(part))
}

fn offered(sustained: &Sustained<'_>, limit: f64) -> Evidence {
    let part = &sustained.judged;
    requests::share_over(part.ok(), part.countable(), limit, "requests", "ok answers, of the requests planned")
        .paced(sustained.planned_a_second())
        .spoiled(doubt::load(sustained))
}

fn error_kind(sustained: &Sustained<'_>, fates: &[Fate], source: &str, limit: f64) -> Evidence {
    let part = &sustained.judged;
    requests::share_under(part.of(fates), part.countable(), limit, "requests", source)
        .paced(sustained.planned_a_second())
        .spoiled(doubt::load(sustained))
}

fn memory_growth(sustained: &Sustained<'_>, warmup_s: u64, seed: u64) -> Evidence {
    let server = &sustained.server;
    let samples = server.memory.len() as u64;
    let per_minute = |per_second: f64| per_second * 60.0 / 1e6;
    let Some(slope) = slope(&server.memory, seed) else {
        let missing = server.missing.clone().unwrap_or_else(|| "the target gives no memory figures".into());
        return Evidence::none(if samples == 0 { missing } else { few_samples(samples, warmup_s) });
    };
    let few = (samples < GROWTH_SAMPLES_MIN).then(|| few_samples(samples, warmup_s));
    let source = format!("slope of the {} of all replicas", sla::memory_source(server.memory_source));
    Evidence::of(Some(Estimate::Number(per_minute(slope.per_second))), samples, "samples", &source)
        .bounded(Some(per_minute(slope.upper)))
        .spoiled(few)
        .advised("let it run longer, and see /status for the memory by part")
}

/// The collector takes one sample a second, and may miss one at either end of the window.
pub(crate) fn few_samples(samples: u64, warmup_s: u64) -> String {
    let duration_s = warmup_s + GROWTH_SAMPLES_MIN + 2;
    format!(
        "{samples} samples of a second are too few to tell growth from noise: needs {GROWTH_SAMPLES_MIN}, \
         so a duration of {duration_s} s or more"
    )
}

/// Each sample tells of the last whole second of a loop. A second that ends between two samples that are further apart is
/// not seen, so the longest of all may be one that was longer than this. A loop that waited for a core of a machine that
/// it shares with the load, and never worked so long itself, does not tell what it does on a machine of its own.
fn longest_stall(sustained: &Sustained<'_>, limit_ms: f64, colocated: bool) -> Evidence {
    let server = &sustained.server;
    let Some(us) = server.longest_stall_us else { return Evidence::none("the target does not report its stalls") };
    let (seen, seconds) = (server.stall_samples, sustained.seconds());
    let gaps = (seen * 10 < seconds * 9).then(|| format!("reported in {seen} of {seconds} seconds only"));
    let worked_ms = server.longest_turn_cpu_us.map(|us| us as f64 / 1e3);
    let waited = worked_ms.filter(|worked_ms| colocated && *worked_ms < limit_ms).map(|worked_ms| {
        let worked = format::ms(worked_ms);
        format!("no turn of a loop used more than {worked} of CPU: it waited for a core, which the load uses, too")
    });
    let source = "the longest time that a shard's loop did not poll, sampled once a second";
    Evidence::of(Some(Estimate::ms(us)), seen, "seconds", source)
        .doubted(gaps)
        .excused(waited)
        .advised("a shard had no core or ran something long: see the CPU, and move slow tools to the queue")
}
