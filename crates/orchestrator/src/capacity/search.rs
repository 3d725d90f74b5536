//! One search: the trials of it so far in, the next one or the answer out.

use erlmcp_record::LimitBy;

use super::posterior::Posterior;

/// What a search may try.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) start: u64,
    /// From 1.
    pub(super) least: u64,
    pub(super) most: u64,
    /// How wide the answer's interval may be, as a share of its lower end.
    pub(super) precision: f64,
    pub(super) trials_max: u32,
}

/// How a trial came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Held,
    Violated,
    /// It did not hold, and the generator is why.
    Generator,
}

/// A level and how it came out.
pub(super) type Tried = (u64, Came);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    Try(u64),
    Found(Found),
}

/// The answer: see [`LimitRow`](erlmcp_record::LimitRow).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) by: LimitBy,
    pub(super) estimate: Option<f64>,
    pub(super) low: f64,
    pub(super) high: Option<f64>,
}

/// One trial far from the edge may be wrong; an end of an answer is not believed before so many.
const SURE: usize = 2;
/// The middle half of the distribution is so much narrower than the answer may be, when its ends are tried.
const NEAR: f64 = 0.6;

/// Doubles or halves until one level holds and another does not; then tries where the limit most likely is, and near the
/// edge the ends of its 95 % interval, until that is narrow enough and each end of it was tried twice.
pub(super) fn next(bounds: &Bounds, tried: &[Tried]) -> Next {
    let held = tried.iter().filter(|(_, came)| *came == Came::Held).map(|(level, _)| *level).max();
    let lost = tried.iter().filter(|(_, came)| *came != Came::Held).map(|(level, _)| *level).min();
    let is_spent = tried.len() >= bounds.trials_max as usize;
    match (held, lost) {
        (None, None) => Next::Try(bounds.start.clamp(bounds.least, bounds.most)),
        (Some(held), None) if held >= bounds.most => match count(tried, held) >= SURE || is_spent {
            true => Next::Found(Found { by: LimitBy::Most, estimate: None, low: held as f64, high: None }),
            false => Next::Try(held),
        },
        (None, Some(lost)) if lost <= bounds.least => match count(tried, lost) >= SURE || is_spent {
            true => Next::Found(Found { by: least_by(tried), estimate: None, low: 0.0, high: Some(lost as f64) }),
            false => Next::Try(lost),
        },
        (Some(held), None) if !is_spent => Next::Try(held.saturating_mul(2).min(bounds.most)),
        (None, Some(lost)) if !is_spent => Next::Try((lost / 2).max(bounds.least)),
        (Some(held), Some(lost)) => narrow(bounds, tried, (held, lost), is_spent),
        _ => Next::Found(so_far(tried, LimitBy::Noise)),
    }
}

/// The most that held and the least above it that did not: what is known of a search that was ended early.
pub(super) fn so_far(tried: &[Tried], by: LimitBy) -> Found {
    let held = tried.iter().filter(|(_, came)| *came == Came::Held).map(|(level, _)| *level).max().unwrap_or(0);
    let above = tried.iter().filter(|(level, came)| *came != Came::Held && *level > held).map(|(level, _)| *level);
    Found { by, estimate: None, low: held as f64, high: above.min().map(|level| level as f64) }
}

fn least_by(tried: &[Tried]) -> LimitBy {
    if mostly_generators(tried, 0.0) { LimitBy::Generator } else { LimitBy::Least }
}

fn count(tried: &[Tried], level: u64) -> usize {
    tried.iter().filter(|(other, _)| *other == level).count()
}

/// `held`, `lost`: the most that ever held, and the least that did not. Where trials contradict each other, the limit is
/// somewhere between the two.
fn narrow(bounds: &Bounds, tried: &[Tried], (held, lost): (u64, u64), is_spent: bool) -> Next {
    let trials: Vec<(f64, bool)> = tried.iter().map(|(level, came)| (*level as f64, *came == Came::Held)).collect();
    let posterior = Posterior::of(&trials, (held.min(lost) as f64 / 2.0, held.max(lost) as f64 * 2.0));
    let (low, middle, high) = (posterior.quantile(0.025), posterior.quantile(0.5), posterior.quantile(0.975));
    let (least, most) = (bounds.least as f64, bounds.most as f64);
    let at = |level: u64, held: bool| {
        tried.iter().filter(|(other, came)| *other == level && (*came == Came::Held) == held).count()
    };
    if low >= most && at(bounds.most, true) >= SURE {
        return Next::Found(Found { by: LimitBy::Most, estimate: None, low: most, high: None });
    }
    if high <= least && at(bounds.least, false) >= SURE {
        return Next::Found(Found { by: least_by(tried), estimate: None, low: 0.0, high: Some(least) });
    }
    // There is nothing between two neighbouring levels.
    let is_narrow = high - low <= (bounds.precision * low).max(1.0);
    let near = 1.0 + bounds.precision.max(1.0 / low);
    let is_sure = |end: fn(Came) -> bool, from: f64, to: f64| {
        tried.iter().filter(|(level, came)| end(*came) && (from..=to).contains(&(*level as f64))).count() >= SURE
    };
    let holds = is_sure(|came| came == Came::Held, low / near, high);
    let fails = is_sure(|came| came != Came::Held, low, high * near);
    if is_narrow && holds && fails || is_spent {
        return Next::Found(within((least, most), found(tried, (low, middle, high), is_narrow)));
    }
    // Near the edge its further end says more than its middle: what is rarely so is then ruled out.
    let is_near = posterior.quantile(0.75) - posterior.quantile(0.25) <= (bounds.precision * NEAR * low).max(1.0);
    let level = match (is_narrow, is_near) {
        (true, _) if !holds => low.floor(),
        (true, _) => high.ceil(),
        (false, true) if middle / low > high / middle => low.floor(),
        (false, true) => high.ceil(),
        (false, false) => middle.round(),
    };
    Next::Try((level as u64).clamp(bounds.least, bounds.most))
}

fn found(tried: &[Tried], (low, middle, high): (f64, f64, f64), is_narrow: bool) -> Found {
    if mostly_generators(tried, low) {
        return Found { by: LimitBy::Generator, estimate: None, low, high: None };
    }
    let by = if is_narrow { LimitBy::Target } else { LimitBy::Noise };
    Found { by, estimate: Some(middle), low, high: Some(high) }
}

/// Nothing is said of loads that were not to be tried.
fn within((least, most): (f64, f64), found: Found) -> Found {
    let low = match found.by {
        LimitBy::Noise | LimitBy::Generator if found.low < least => 0.0,
        _ => found.low.clamp(least, most),
    };
    Found {
        estimate: found.estimate.filter(|estimate| (least..=most).contains(estimate)),
        low,
        high: found.high.map(|high| high.max(least)).filter(|high| *high <= most),
        ..found
    }
}

/// Of the trials at the edge and above it that did not hold, the generator ended most, or as many.
fn mostly_generators(tried: &[Tried], low: f64) -> bool {
    let (mut ours, mut theirs) = (0, 0);
    // Where both come to their limits, the lowest tell: far above the edge everything gives way.
    let near = |level: u64| low == 0.0 || (level as f64) <= low * 1.2;
    for (_, came) in tried.iter().filter(|(level, _)| *level as f64 >= low && near(*level)) {
        match came {
            Came::Generator => ours += 1,
            Came::Violated => theirs += 1,
            Came::Held => {}
        }
    }
    ours > 0 && ours >= theirs
}

#[cfg(test)]
mod tests;
