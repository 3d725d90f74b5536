use std::time::Duration;

use erlmcp_load::proto::Request;
use erlmcp_record::names::scenario;

use super::{Body, Stand};
use crate::plan::block::{Block, Load, RATES_MAX, RateSweep, Variant};
use crate::plan::stress::phase_of;
use crate::plan::{Found, Step};
use crate::{Era, StressConfig};

/// The rates of the sweep, as multiples of the run's own.
const RATES: [f64; RATES_MAX] = [0.125, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0];
/// Latencies that the far percentiles want: ten of them lie beyond P99.99 of so many.
const CURVE_REQUESTS: f64 = 110_000.0;
/// Sizes of answers, bytes.
const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Bytes of answers a second at most: the sizes are compared, not the machine's memory.
const BYTES_A_SECOND: f64 = 10e6;
/// Queued calls a second at most, where an answer in JSON is compared with a stream.
const QUEUED_RATE: f64 = 500.0;

const SETTLING: Duration = Duration::from_secs(2);

const NOT_OURS: &str = "the target has no tool whose answer is known to be of any size, or to come as a stream";

pub(super) fn body(config: &StressConfig, found: &Found) -> Body {
    let third = config.duration() / 3;
    let each = Duration::from_secs(third.as_secs().clamp(1, 4));
    let rate = config.rate();
    let sweep = RateSweep { rates: RATES.iter().map(|part| rate * part).collect(), each };
    let longest = third.as_secs_f64().clamp(2.0, 20.0);
    // A percentile has no bound in less than five whole seconds.
    let curve = Duration::from_secs_f64((CURVE_REQUESTS / rate).clamp(longest.min(6.0), longest).ceil());
    let curve = Load { rate, duration: curve, line_every: None, shaped: false };
    let mut steps = vec![
        Step::scenario(scenario::RATE_SWEEP, "rate sweep to the knee", Block::RateSweep(sweep)),
        // The last rate was more than the target could do.
        Step::quiet("settling", Block::Hold(SETTLING)),
        Step::scenario(scenario::PERCENTILES, "full percentile curve", Block::Load(curve)),
    ];
    steps.extend(methods(found, (rate / 4.0, each)));
    steps.extend(kinds_of_answer(found, (rate / 4.0, each)));
    steps.extend(eras(config, found, (rate / 4.0, each)));
    // Large answers last: nothing comes after them that they could hold up.
    steps.extend(sizes(found, (rate / 4.0, each)));
    let about = "Rates to the knee, percentiles, methods, sizes, eras".to_string();
    let plan = phase_of("Throughput & Latency Distribution", about, steps);
    Body { plan, begins: Stand::Full, ends: Stand::Full }
}

fn varied(name: &str, words: &str, variant: Variant, (rate, duration): (f64, Duration)) -> Step {
    let load = Load { rate: rate.max(1.0), duration, line_every: None, shaped: false };
    Step::scenario(name, words, Block::Varied { variant, load })
}

fn calling(call: Request) -> Variant {
    Variant { call: Some(call), era: None }
}

/// `with_progress` asks to be told of its progress, which makes the answer a stream where the server tells.
fn tool(name: &str, arguments: String, with_progress: bool) -> Request {
    Request { method: "tools/call".into(), name: name.into(), arguments, with_progress }
}

/// What the run calls, and what any server of its era can be asked without harm.
fn methods(found: &Found, pace: (f64, Duration)) -> Vec<Step> {
    let usual = Variant { call: None, era: None };
    let mut steps =
        vec![varied(&format!("{}usual", scenario::METHOD), "latency by method: the run's own", usual, pace)];
    let none = (!found.offers.has_tools).then(|| "the target lists no tools".to_string());
    let greeting = if found.offers.is_legacy { "ping" } else { "server/discover" };
    let listing = |method: &str| Request { method: method.into(), ..Request::default() };
    let naming = |method: &str, name: &String| Request { name: name.clone(), ..listing(method) };
    let offers = &found.offers;
    let mut calls = vec![(listing(greeting), None), (listing("tools/list"), none)];
    // What a target does not offer is no method of its.
    calls.extend(offers.lists.iter().map(|method| (listing(method), None)));
    calls.extend(offers.resource.iter().map(|uri| (naming("resources/read", uri), None)));
    calls.extend(offers.prompt.iter().map(|name| (naming("prompts/get", name), None)));
    steps.extend(calls.into_iter().map(|(call, skip)| {
        let name = format!("{}{}", scenario::METHOD, call.method.replace('/', "_"));
        let words = format!("latency by method: {}", call.method);
        varied(&name, &words, calling(call), pace).skipped(skip)
    }));
    steps
}

fn sizes(found: &Found, (rate, each): (f64, Duration)) -> Vec<Step> {
    let skip = (!found.offers.is_ours).then(|| NOT_OURS.to_string());
    let step = |size: u64| {
        let call = tool("echo", format!(r#"{{"text":"","bytes":{size}}}"#), false);
        let pace = (rate.min(BYTES_A_SECOND / size as f64), each);
        let words = format!("latency by size: answers of {size} bytes");
        varied(&format!("{}{size}", scenario::ANSWER), &words, calling(call), pace).skipped(skip.clone())
    };
    SIZES.into_iter().map(step).collect()
}

/// The same call with and without a progress token, which alone makes the answer a stream.
fn kinds_of_answer(found: &Found, (rate, each): (f64, Duration)) -> Vec<Step> {
    let not_ours = (!found.offers.is_ours).then(|| NOT_OURS.to_string());
    let skip = not_ours.or(found.queue.as_ref().err().cloned());
    let step = |name: &str, words: &str, with_progress| {
        let call = tool("work", r#"{"ms":0}"#.into(), with_progress);
        varied(name, words, calling(call), (rate.min(QUEUED_RATE), each)).skipped(skip.clone())
    };
    vec![
        step(scenario::AS_JSON, "a queued call answered in JSON", false),
        step(scenario::AS_SSE, "the same call answered as a stream", true),
    ]
}

/// The run's own call, in its own era and in the other one.
fn eras(config: &StressConfig, found: &Found, pace: (f64, Duration)) -> Vec<Step> {
    let unnamed = found.offers.other_era.is_none().then(|| "the target names no version of the other era".to_string());
    let own = config.own_sessions.then(|| "each connection has a session of its own".to_string());
    let skip = own.or(unnamed);
    let step = |era: Era| {
        let variant = Variant { call: None, era: Some(era) };
        let (name, words) = (format!("{}{}", scenario::ERA, era.name()), format!("the run's call, {} era", era.name()));
        varied(&name, &words, variant, pace).skipped(skip.clone())
    };
    [Era::Modern, Era::Legacy].into_iter().map(step).collect()
}
