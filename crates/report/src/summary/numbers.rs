//! "Real performance numbers", by the names that guide.md gives them.

use std::collections::BTreeMap;

use erlmcp_record::Kind;
use erlmcp_record::names::phase;

use super::{Figure, Section, Value, misbehaving, phases, streams, workload};
use crate::analysis::{Analysis, KindSecond, Part};
use crate::facts::{Facts, NO_WINDOW, Sustained};
use crate::format;
use crate::stats::slope;
use crate::verdict::{CONNECTION_ERRORS, SERVER_ERRORS, TIMEOUTS, memory_source};

pub(super) fn sections(analysis: &Analysis, facts: &Facts<'_>) -> Vec<Section> {
    let mut sections = Vec::new();
    sections.extend(Some(connections(facts)).filter(|section| !section.figures.is_empty()));
    if let Some(found) = &facts.sustained {
        sections.push(Section { title: "Latency Metrics".into(), figures: latency(found) });
        sections.push(Section { title: "Throughput Metrics".into(), figures: throughput(analysis, found) });
        sections.push(Section { title: "Error Metrics".into(), figures: errors(&found.judged) });
        sections.push(Section { title: "Resource Metrics".into(), figures: resources(analysis, facts, found) });
    }
    sections.extend(workload::section(analysis, facts));
    sections.extend(misbehaving::section(analysis));
    sections.extend(streams::section(analysis, facts));
    sections.push(Section { title: "Whole Run, Faults Included".into(), figures: whole_run(analysis) });
    sections
}

fn connections(facts: &Facts<'_>) -> Section {
    let mut figures = Vec::new();
    if let Some(ramp) = &facts.ramp {
        let of = ramp.tried;
        figures.push(Figure::new(
            "Connection Establishment Rate",
            Value::or(ramp.rate(), Value::Rate, "no connection was opened"),
        ));
        figures
            .push(Figure::new("Connection Failure Rate", Value::Share { part: of - ramp.opened.min(of), whole: of }));
    }
    if let Some(found) = &facts.sustained {
        let why = if found.window.is_none() { NO_WINDOW } else { "the agents did not report" };
        let held = Value::or(found.held.agents_min, Value::Count, why);
        figures.push(Figure::new("Connections Sustained", held));
    }
    Section { title: "Connection Metrics".into(), figures }
}

fn latency(found: &Sustained<'_>) -> Vec<Figure> {
    let empty = Part::default();
    let (part, none) = phases::in_window(found, &empty);
    let no_headers = if part.latency.is_some() { "the heads of answers were not timed" } else { none };
    let no_stream = if part.latency.is_some() { "no answer was a stream" } else { none };
    let quantile = |quantile: f64| phases::quantile(&part.latency, quantile, none);
    vec![
        Figure::new("Min Latency", quantile(0.0)),
        Figure::new("P50 Latency", quantile(0.5)),
        Figure::new("P95 Latency", quantile(0.95)),
        Figure::new("P99 Latency", quantile(0.99)),
        Figure::new("Max Latency", quantile(1.0)),
        Figure::new("Mean Latency", phases::mean(&part.latency, none)),
        Figure::new("P95 Service Time", phases::quantile(&part.service, 0.95, none)),
        Figure::new("P95 Time to Headers", phases::quantile(&part.headers, 0.95, no_headers)),
        Figure::new("P95 Time to First Event", phases::quantile(&part.first_event, 0.95, no_stream)),
    ]
}

fn throughput(analysis: &Analysis, found: &Sustained<'_>) -> Vec<Figure> {
    let answered = analysis.seconds.values().filter_map(|second| second.kind(Kind::Load)).map(|load| load.ok());
    let peak = answered.max().filter(|peak| *peak > 0);
    let seconds = found.seconds();
    let sustained = (seconds > 0).then(|| found.judged.ok() as f64 / seconds.max(1) as f64);
    let by_replica = found.answered_by_replica();
    let extremes = by_replica.values().copied().reduce(f64::min).zip(by_replica.values().copied().reduce(f64::max));
    let per_replica = extremes.map(|(least, most)| {
        Value::Text(format!(
            "{} to {} a second ({})",
            format::rate(least),
            format::rate(most),
            format::plural(by_replica.len() as u64, "replica")
        ))
    });
    let none = NO_WINDOW;
    let no_count = match &found.server.missing {
        _ if found.window.is_none() => none,
        Some(missing) => missing,
        None if found.server.samples < 2 => "the server was not sampled twice in the window",
        None => "the target does not count its requests",
    };
    vec![
        Figure::new(
            "Peak Throughput (any second of the whole run)",
            Value::or(peak.map(|peak| peak as f64), Value::Rate, "nothing was answered"),
        ),
        Figure::new("Sustained Throughput", Value::or(sustained, Value::Rate, none)),
        Figure::new(
            "Per-Replica Throughput",
            per_replica.unwrap_or_else(|| Value::NotMeasured("requests are not told apart by replica".into())),
        ),
        Figure::new(TOTAL, Value::or(cluster_rate(analysis, found), Value::Rate, no_count)),
    ]
}

/// A replica's count may be half a second older than its sample, so that this differs a little from what was answered.
const TOTAL: &str = "Total Cluster Throughput (about, by the server's own counts)";

/// Requests that a replica had answered, since its start, at a time.
#[derive(Clone, Copy)]
struct Answered {
    at_us: u64,
    total: u64,
}

/// What the server itself counted over the window, all replicas, a second.
fn cluster_rate(analysis: &Analysis, found: &Sustained<'_>) -> Option<f64> {
    let mut ends: BTreeMap<u16, (Answered, Answered)> = BTreeMap::new();
    for sample in analysis.seconds_in(found.window?).filter_map(|(_, second)| second.cluster.as_ref()) {
        for replica in &sample.replicas {
            let answered = Answered { at_us: sample.at_us, total: replica.requests_total? };
            ends.entry(replica.replica).or_insert((answered, answered)).1 = answered;
        }
    }
    let rate = |(first, last): &(Answered, Answered)| {
        let elapsed_us = last.at_us.checked_sub(first.at_us).filter(|us| *us > 0)?;
        Some(last.total.checked_sub(first.total)? as f64 * 1e6 / elapsed_us as f64)
    };
    if ends.is_empty() { None } else { ends.values().map(rate).sum() }
}

fn errors(part: &Part) -> Vec<Figure> {
    let share = |count: u64| Value::Share { part: count, whole: part.countable() };
    vec![
        Figure::new("Overall Error Rate", share(part.errors())),
        Figure::new("Connection Errors", share(part.of(CONNECTION_ERRORS))),
        Figure::new("Timeout Errors", share(part.of(TIMEOUTS))),
        Figure::new("Server Errors", share(part.of(SERVER_ERRORS))),
        Figure::new("Errors by Cause", phases::causes(&part.causes)),
    ]
}

fn resources(analysis: &Analysis, facts: &Facts<'_>, found: &Sustained<'_>) -> Vec<Figure> {
    let server = &found.server;
    let missing = match &server.missing {
        _ if found.window.is_none() => NO_WINDOW.into(),
        Some(missing) => missing.clone(),
        None if server.samples == 0 => "no sample of the server came in the window".into(),
        None => "the target gives no such figures".into(),
    };
    let no_slope = if server.memory.is_empty() { missing.as_str() } else { "there are too few samples" };
    let total = server.memory_mean();
    let per_connection = match (found.memory_each(&facts.memory), &facts.memory.used_before) {
        (Ok(each), None) => Value::Bytes(each.bytes()),
        (Ok(_), Some(why)) => Value::NotMeasured(why.clone()),
        (Err(why), _) => Value::NotMeasured(why),
    };
    let growth = slope(&server.memory, analysis.seed()).map(|slope| slope.per_second * 60.0);
    let cpu = |of: fn(f64, f64) -> f64| server.cpu_percent.values().copied().reduce(of);
    let per_replica =
        cpu(f64::min).zip(cpu(f64::max)).map(|(least, most)| Value::Text(format!("{least:.1}% to {most:.1}%")));
    let source = memory_source(server.memory_source);
    let stall = server.longest_stall_us.map(|us| us as f64 / 1e3);
    vec![
        Figure::new("Memory per Connection", per_connection),
        Figure::new("Total Memory", Value::or(total, Value::Bytes, &missing)),
        Figure::new("Memory Source", Value::or(total, |_| Value::Text(source.into()), &missing)),
        Figure::new("Kernel Memory per Connection (machine-wide difference)", kernel_per_connection(analysis, found)),
        Figure::new("Memory Growth Rate", Value::or(growth, Value::Growth, no_slope)),
        Figure::new("CPU per Replica", per_replica.unwrap_or_else(|| Value::NotMeasured(missing.clone()))),
        Figure::new("Total Cluster CPU", Value::or(server.cpu_percent_total(), Value::Percent, &missing)),
        Figure::new("Longest Stall", Value::or(stall, Value::Ms, &missing)),
        Figure::new("Connections by Replica", phases::spread(&server.by_replica)),
    ]
}

/// Socket memory and slabs of the generator's machine, both ends of the connections where they share it, less what
/// there was before the ramp.
fn kernel_per_connection(analysis: &Analysis, found: &Sustained<'_>) -> Value {
    let bytes = |second: &crate::analysis::Second| {
        let kernel = &second.cluster.as_ref()?.kernel;
        kernel.socket_slab_bytes.zip(kernel.tcp_memory_bytes).map(|(slabs, buffers)| slabs + buffers)
    };
    let why = "slabs and sockstat could not be read";
    let Some(window) = found.window else { return Value::NotMeasured(NO_WINDOW.into()) };
    let ramp = [phase::RAMP_UP, phase::LOAD_SCALING].into_iter().find_map(|name| analysis.phase_named(name));
    let ramp = ramp.and_then(|(_, times)| times.started_us);
    let ramp = ramp.map_or(window.from, |us| u32::try_from(us / 1_000_000).unwrap_or(u32::MAX));
    let before = analysis.seconds.range(..ramp).rev().find_map(|(_, second)| bytes(second));
    let at_n = analysis.seconds.range(window.from..window.to).rev().find_map(|(_, second)| bytes(second));
    let open = found.held.agents_min.filter(|open| *open > 0);
    let Some(((before, at_n), open)) = before.zip(at_n).zip(open) else { return Value::NotMeasured(why.into()) };
    match at_n.checked_sub(before).filter(|grown| *grown > 0) {
        Some(grown) => Value::Bytes(grown as f64 / open as f64),
        None => Value::NotMeasured("the machine's kernel memory did not grow with the connections".into()),
    }
}

fn whole_run(analysis: &Analysis) -> Vec<Figure> {
    let load = analysis.part(false, |key| key.kind == Kind::Load);
    let all = analysis.part(false, |_| true);
    let slots = analysis.seconds.values().filter_map(|second| second.kind(Kind::Load)).map(KindSecond::available_slots);
    let (slots, available) = slots.fold((0, 0), |sum, second| (sum.0 + second.0, sum.1 + second.1));
    let none = "nothing was answered";
    vec![
        Figure::new("Availability Through the Faults", Value::Share { part: available, whole: slots }),
        Figure::new("Load Planned", Value::Count(load.planned)),
        Figure::new("Load Error Rate", Value::Share { part: load.errors(), whole: load.countable() }),
        Figure::new("Load P95 Latency", phases::quantile(&load.latency, 0.95, none)),
        Figure::new("Load P99 Latency", phases::quantile(&load.latency, 0.99, none)),
        Figure::new("Load Max Latency", phases::quantile(&load.latency, 1.0, none)),
        Figure::new("Requests of Every Kind", Value::Count(all.planned)),
        Figure::new("Refused Attempts, Tried Again", Value::Count(all.refusals)),
        Figure::new("Errors by Cause", phases::causes(&all.causes)),
    ]
}
