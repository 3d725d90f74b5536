//! When the generator, or the lack of data, is to blame.

use erlmcp_record::{Fate, Hist};

use super::evidence::joined;
use crate::analysis::{Analysis, Part};
use crate::facts::{NO_WINDOW, Sustained};
use crate::format;
use crate::stats::Percentile;

/// What helps a generator that cannot keep up.
const RELIEF: &str = "use more --agents, or a lower --rate";

/// One process with one thread: beyond this share of a core it holds up what passes.
const PROXY_BUSY_PERCENT: f64 = 90.0;

/// Fewer seconds than this cannot be drawn from.
const SECONDS_MIN: u64 = 5;

/// Arrivals that the generator itself did not send make every verdict that rests on them inconclusive.
pub(crate) fn unsent(part: &Part) -> Option<String> {
    let count = part.unsent_by_generator();
    (count > 0).then(|| format!("the generator itself did not send {} requests: {RELIEF}", format::count(count)))
}

/// Lag of the generator that can be why a latency is past its limit: more than a tenth of the limit at P99.
pub(crate) fn lag(part: &Part, limit_ms: f64) -> Option<String> {
    let over = |name: &str, hist: &Option<Hist>| {
        let us = hist.as_ref()?.quantile_us(0.99)?;
        // A tenth of the limit in milliseconds is a hundred times it in microseconds.
        (us as f64 > limit_ms * 100.0).then(|| {
            format!("the generator's {name} lag was {} at P99, over a tenth of the limit", format::ms(us as f64 / 1e3))
        })
    };
    let found: Vec<String> =
        [over("send", &part.send_lag), over("receive", &part.receive_lag)].into_iter().flatten().collect();
    (!found.is_empty()).then(|| format!("{}: {RELIEF}", found.join("; ")))
}

/// Lag of the generator that can be why a latency is what it is: more than a tenth of its P95.
pub(crate) fn lag_of_p95(part: &Part) -> Option<String> {
    let p95_ms = part.latency.as_ref()?.quantile_us(0.95)? as f64 / 1e3;
    lag(part, p95_ms).map(|why| why.replace("the limit", "the P95 latency"))
}

/// A phase that was cut short: what it did not come to was not tried.
pub(crate) fn cut(analysis: &Analysis, name: &str) -> Option<String> {
    let (number, _) = analysis.phase_named(name)?;
    analysis.is_cut(number).then(|| "the phase was cut short".into())
}

/// The agents that died in a phase or before it.
pub(crate) fn lost(analysis: &Analysis, number: u8) -> Option<String> {
    let earlier = analysis.losses.iter().filter(|(lost_in, _)| *lost_in <= number);
    let said: Vec<String> = earlier.map(|(_, what)| what.clone()).collect();
    (!said.is_empty()).then(|| joined(&said))
}

/// The fault proxy was at its own limit: what passed it was slow for its sake.
pub(crate) fn proxy(analysis: &Analysis) -> Option<String> {
    let percent = analysis.proxy_cpu_percent().filter(|percent| *percent >= PROXY_BUSY_PERCENT)?;
    Some(format!(
        "the fault proxy itself used up to {percent:.0} % of a core: use a lower --rate, or faults that need no proxy"
    ))
}

/// Requests whose agent died: nobody knows how they would have ended.
fn unknown(part: &Part) -> Option<String> {
    let count = part.fates.get(Fate::Unknown);
    (count > 0).then(|| format!("{} requests ended as unknown, since their agent died", format::count(count)))
}

/// Too few samples beyond a percentile.
pub(crate) fn too_few_beyond(count: u64, percentile: Percentile) -> Option<String> {
    percentile
        .is_short_of(count)
        .then(|| format!("{} samples are too few: needs {}", format::count(count), format::count(percentile.needed())))
}

/// A window of few seconds has no bound to be trusted.
pub(crate) fn short_window(seconds: u64) -> Option<String> {
    (seconds < SECONDS_MIN).then(|| {
        format!("{seconds} s are too few to tell chance from the target: needs {SECONDS_MIN} s after the warm-up")
    })
}

/// The window is missing, or nothing was planned in it, or the generator did not send all of it or lost its fates.
pub(crate) fn load(sustained: &Sustained<'_>) -> Option<String> {
    match sustained.window {
        None => Some(NO_WINDOW.into()),
        Some(_) => requests(&sustained.judged),
    }
}

/// Nothing was planned, or the generator did not send all of it or lost its fates.
pub(crate) fn requests(part: &Part) -> Option<String> {
    match part.planned {
        0 => Some("no request was planned in the window".into()),
        _ => unsent(part).or_else(|| unknown(part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_samples_must_lie_beyond() {
        assert!(too_few_beyond(199, Percentile::P95).is_some());
        assert!(too_few_beyond(200, Percentile::P95).is_none());
        assert!(too_few_beyond(9_999, Percentile::P99_9).is_some_and(|why| why.contains("needs 10,000")));
        assert!(too_few_beyond(10_000, Percentile::P99_9).is_none());
        assert!(too_few_beyond(0, Percentile::P99).is_some());
    }

    #[test]
    fn lag_counts_from_over_a_tenth_of_the_limit() {
        let mut part = Part::default();
        assert_eq!(lag(&part, 100.0), None);
        part.send_lag.get_or_insert_default().record_us(9_900);
        assert_eq!(lag(&part, 100.0), None);
        part.receive_lag.get_or_insert_default().record_us(12_000);
        assert!(lag(&part, 100.0).is_some_and(|why| why.contains("receive lag") && !why.contains("send lag")));
    }
}
