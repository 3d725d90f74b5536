//! What a search for a target's capacity has found: an answer, or why there is none.

use erlmcp_record::{Axis, Ended, LimitBy, LimitRow, SearchBounds};

use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use crate::capacity::{Rows, sought, told};

const RATE: &str = "capacity.rate_rps";
const CONNECTIONS: &str = "capacity.connections_count";

pub(super) fn enter(judge: &mut Judge<'_>) {
    let analysis = judge.analysis;
    let Rows { asked, limits, .. } = &analysis.capacity;
    let bounds = asked.as_ref().and_then(|asked| asked.bounds);
    let is_whole = analysis.end.as_ref().is_some_and(|end| end.ended == Ended::Completed);
    for (id, axis) in [(RATE, Axis::Rate), (CONNECTIONS, Axis::Connections)] {
        let most = |bounds: SearchBounds| match axis {
            Axis::Rate => bounds.most_rate,
            Axis::Connections => bounds.most_connections,
        };
        // Records of earlier builds do not say what was sought.
        let is_sought = bounds.map_or(!is_whole, |bounds| most(bounds).is_some());
        match limits.iter().find(|limit| limit.axis == axis) {
            Some(limit) => {
                let evidence = evidence(limit, judge.limit(id).changed);
                judge.enter(id, evidence);
            }
            None if is_sought => judge.enter(id, Evidence::none(not_begun(limits.last().filter(|_| is_whole)))),
            None => judge.enter_skipped(id, "not sought"),
        }
    }
}

/// Why a search was not begun that was asked for; `last` has ended the one before it.
fn not_begun(last: Option<&LimitRow>) -> String {
    last.map_or_else(
        || "the search did not come to it".into(),
        |last| format!("the search of {} ended before it: {}", sought(last.axis), told(last)),
    )
}

/// Where there is no estimate, the lower end is what was shown. Where a limit is the user's, a lower bound past it is
/// enough.
fn evidence(limit: &LimitRow, is_users: bool) -> Evidence {
    let (trials, low) = (u64::from(limit.trials), limit.low.floor());
    let estimate = Estimate::Number(limit.estimate.unwrap_or(low));
    let evidence =
        Evidence::of(Some(estimate), trials, "trials", "repeated trials of load").bounded(limit.estimate.map(|_| low));
    let why = |text: &str| if limit.why.is_empty() { text.to_string() } else { limit.why.clone() };
    match limit.by {
        LimitBy::Target => evidence,
        LimitBy::Least => {
            evidence.advised("not even the least load kept the objective: look at a run of `erlmcp stress`")
        }
        LimitBy::Generator => {
            bounded(evidence, "the generator's limit, not the target's: use more --agents, or more machines", is_users)
        }
        LimitBy::Most => {
            bounded(evidence, "the most that was to be tried held: raise --max-rate and --max-connections", is_users)
        }
        LimitBy::Noise => bounded(
            evidence,
            "the edge is too noisy for so narrow an answer: use a longer --trial, more --trials or a wider --precision",
            is_users,
        ),
        LimitBy::Unsettled => evidence.spoiled(Some(why("the target did not come back"))),
        LimitBy::Cut => evidence.spoiled(Some(why("ended early"))),
    }
}

/// Only a bound of the answer is known.
fn bounded(evidence: Evidence, why: &str, is_users: bool) -> Evidence {
    if is_users {
        // What held past the user's limit is enough; what did not says nothing.
        return evidence.excused(Some(why.into()));
    }
    evidence.spoiled(Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Comparison, Limit, Verdict};

    #[test]
    fn a_limit_within_the_interval_of_the_answer_is_inconclusive() {
        let answer = LimitRow {
            search: 1,
            axis: Axis::Rate,
            fixed: 100.0,
            by: LimitBy::Target,
            estimate: Some(5_050.0),
            low: 4_950.4,
            high: Some(5_150.0),
            trials: 17,
            why: String::new(),
        };
        let verdict = |answer: &LimitRow, value: f64| {
            let limit = Limit { value, unit: "req/s".into(), comparison: Comparison::Above, changed: true };
            evidence(answer, true).verdict(&limit)
        };
        assert_eq!(verdict(&answer, 4_949.0), Verdict::Pass);
        let reason = "its 95 % bound of 4,950 req/s is past the limit".to_string();
        assert_eq!(verdict(&answer, 5_000.0), Verdict::Inconclusive { reason });
        assert_eq!(verdict(&answer, 5_100.0), Verdict::Fail);
        let at_least = LimitRow { by: LimitBy::Most, estimate: None, high: None, ..answer };
        assert_eq!(verdict(&at_least, 4_949.0), Verdict::Pass);
        assert!(matches!(verdict(&at_least, 5_000.0), Verdict::Inconclusive { .. }));
    }
}
