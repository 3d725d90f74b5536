use super::estimate::Estimate;
use super::{Check, Limit, Verdict};
use crate::format;

/// What is known about one expectation.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) estimate: Option<Estimate>,
    /// The 95 % bound towards the limit; None where the figure is exact.
    pub(crate) bound: Option<f64>,
    /// How many samples it would take to be sure, where the bound is past the limit.
    pub(crate) needed: Option<Needed>,
    pub(crate) samples: u64,
    pub(crate) samples_of: &'static str,
    pub(crate) source: String,
    /// Data that are missing or contradict each other: no verdict, whatever the estimate is.
    pub(crate) spoiled: Vec<String>,
    /// What else than the target could be why it failed: a FAIL becomes INCONCLUSIVE, a PASS stays.
    pub(crate) excuses: Vec<String>,
    /// Why a PASS cannot be trusted; a FAIL stays.
    pub(crate) doubts: Vec<String>,
    pub(crate) advice: Option<&'static str>,
}

/// How many samples would do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needed {
    samples: u64,
    /// Worked out from the width of the bound, so about right only.
    is_about: bool,
    /// Samples that a second of this run gives; None where time brings no more of them.
    a_second: Option<f64>,
}

impl Needed {
    fn text(self, samples_of: &str) -> String {
        let about = if self.is_about { "about " } else { "" };
        let time = self.a_second.filter(|a_second| *a_second > 0.0).map_or_else(String::new, |a_second| {
            let ms = (self.samples as f64 / a_second).ceil() * 1e3;
            format!(", which takes {} of load after the warm-up", format::duration_ms(ms as u64))
        });
        format!("{about}{} {samples_of}{time}", format::count(self.samples))
    }
}

impl Evidence {
    pub(crate) fn of(estimate: Option<Estimate>, samples: u64, samples_of: &'static str, source: &str) -> Self {
        Self { estimate, samples, samples_of, source: source.into(), ..Self::default() }
    }

    /// Nothing to judge by.
    pub(crate) fn none(why: impl Into<String>) -> Self {
        Self { spoiled: vec![why.into()], ..Self::default() }
    }

    pub(crate) fn spoiled(mut self, why: Option<impl Into<String>>) -> Self {
        self.spoiled.extend(why.map(Into::into));
        self
    }

    pub(crate) fn excused(mut self, why: Option<String>) -> Self {
        self.excuses.extend(why);
        self
    }

    pub(crate) fn doubted(mut self, why: Option<String>) -> Self {
        self.doubts.extend(why);
        self
    }

    pub(crate) fn bounded(mut self, bound: Option<f64>) -> Self {
        self.bound = bound;
        self
    }

    pub(crate) fn needing(mut self, samples: Option<u64>) -> Self {
        self.needed = samples.map(|samples| Needed { samples, is_about: false, a_second: None });
        self
    }

    pub(crate) fn needing_about(mut self, samples: Option<u64>) -> Self {
        self.needed = samples.map(|samples| Needed { samples, is_about: true, a_second: None });
        self
    }

    /// For samples that come with time: how many a second of this run gives.
    pub(crate) fn paced(mut self, a_second: f64) -> Self {
        if let Some(needed) = &mut self.needed {
            needed.a_second = Some(a_second);
        }
        self
    }

    pub(crate) fn advised(mut self, advice: &'static str) -> Self {
        self.advice = Some(advice);
        self
    }

    /// The verdict by the rules of the method, in their order.
    pub(crate) fn verdict(&self, limit: &Limit) -> Verdict {
        let inconclusive = |reason: String| Verdict::Inconclusive { reason };
        if !self.spoiled.is_empty() {
            return inconclusive(joined(&self.spoiled));
        }
        let Some(estimate) = self.estimate else { return inconclusive("no data".into()) };
        if !limit.comparison.holds(estimate.standing(limit.value)) {
            return match self.excuses.is_empty() {
                true => Verdict::Fail,
                false => inconclusive(joined(&self.excuses)),
            };
        }
        if let Some(bound) = self.bound
            && !limit.comparison.holds(bound.total_cmp(&limit.value))
        {
            let needed = self.needed.map(|needed| format!(": needs {}", needed.text(self.samples_of)));
            let needed = needed.unwrap_or_default();
            let bound = format::grouped(bound, 4);
            let bound = bound.trim_end_matches('0').trim_end_matches('.');
            let unit = if limit.unit.is_empty() { String::new() } else { format!(" {}", limit.unit) };
            let past = format!("its 95 % bound of {bound}{unit} is past the limit{needed}");
            return inconclusive(joined(&[&[past], self.doubts.as_slice()].concat()));
        }
        match self.doubts.is_empty() {
            true => Verdict::Pass,
            false => inconclusive(joined(&self.doubts)),
        }
    }

    pub(crate) fn into_check(self, threshold: &super::Threshold, limit: Limit, verdict: Verdict) -> Check {
        Check {
            id: threshold.id.into(),
            name: threshold.name.into(),
            phase: threshold.phase.map(Into::into),
            estimate: self.estimate.map(Estimate::value),
            bound: self.bound,
            source: self.source,
            samples: self.samples,
            samples_of: self.samples_of.into(),
            advice: self.advice.filter(|_| verdict == Verdict::Fail).map(Into::into),
            threshold: limit,
            verdict,
        }
    }
}

/// All reasons but those that another one says, too.
pub(super) fn joined(reasons: &[String]) -> String {
    let is_said = |at: usize, reason: &String| {
        let others = reasons.iter().enumerate().filter(|(other, _)| *other != at);
        others.into_iter().any(|(other, text)| text.contains(reason) && (text != reason || other < at))
    };
    let mut told = reasons.iter().enumerate().filter(|(at, reason)| !is_said(*at, reason)).map(|(_, reason)| reason);
    let first = told.next().cloned().unwrap_or_default();
    told.fold(first, |all, reason| format!("{all}; {reason}"))
}

#[cfg(test)]
mod tests {
    use super::super::Comparison;
    use super::*;

    fn limit(comparison: Comparison, value: f64) -> Limit {
        Limit { value, unit: "ms".into(), comparison, changed: false }
    }

    fn at(value: f64) -> Evidence {
        Evidence::of(Some(Estimate::Number(value)), 100, "requests", "test")
    }

    fn is_inconclusive(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Inconclusive { .. })
    }

    #[test]
    fn the_estimate_at_its_limit_fails() {
        assert_eq!(at(100.0).verdict(&limit(Comparison::Below, 100.0)), Verdict::Fail);
        assert_eq!(at(99.9).verdict(&limit(Comparison::Below, 100.0)), Verdict::Pass);
        assert_eq!(at(100.0).verdict(&limit(Comparison::AtMost, 100.0)), Verdict::Pass);
        assert_eq!(at(10_000.0).verdict(&limit(Comparison::Above, 10_000.0)), Verdict::Fail);
        assert_eq!(at(450.0).verdict(&limit(Comparison::Above, 10_000.0)), Verdict::Fail);
    }

    #[test]
    fn the_bound_past_the_limit_is_inconclusive() {
        let near = || at(90.0).bounded(Some(100.0)).needing(Some(900));
        let verdict = near().verdict(&limit(Comparison::Below, 100.0));
        assert_eq!(verdict.reason(), Some("its 95 % bound of 100 ms is past the limit: needs 900 requests"));
        let verdict = near().paced(10.0).verdict(&limit(Comparison::Below, 100.0));
        assert!(
            verdict.reason().is_some_and(|why| why.ends_with("which takes 90.0 seconds of load after the warm-up"))
        );
        assert_eq!(at(90.0).bounded(Some(99.0)).verdict(&limit(Comparison::Below, 100.0)), Verdict::Pass);
        // Past the estimate's own limit the bound no longer matters.
        assert_eq!(at(120.0).bounded(Some(150.0)).verdict(&limit(Comparison::Below, 100.0)), Verdict::Fail);
    }

    #[test]
    fn excuses_soften_a_fail_and_never_spoil_a_pass() {
        let lagging = |value| at(value).excused(Some("the generator lagged".into()));
        assert!(is_inconclusive(&lagging(120.0).verdict(&limit(Comparison::Below, 100.0))));
        assert_eq!(lagging(20.0).verdict(&limit(Comparison::Below, 100.0)), Verdict::Pass);
    }

    #[test]
    fn doubts_spoil_a_pass_and_never_soften_a_fail() {
        let rss = |value| at(value).doubted(Some("RSS only".into()));
        assert!(is_inconclusive(&rss(20.0).verdict(&limit(Comparison::Below, 100.0))));
        assert_eq!(rss(120.0).verdict(&limit(Comparison::Below, 100.0)), Verdict::Fail);
        let unsure = rss(20.0).bounded(Some(130.0)).verdict(&limit(Comparison::Below, 100.0));
        assert!(unsure.reason().is_some_and(|why| why.contains("95 % bound of 130") && why.contains("RSS only")));
    }

    #[test]
    fn a_reason_is_told_once() {
        let reasons = ["not seen".into(), "not seen".into(), "not seen within 20 s".into(), "other".into()];
        assert_eq!(joined(&reasons), "not seen within 20 s; other");
        assert_eq!(joined(&reasons[..2]), "not seen");
    }

    #[test]
    fn no_data_and_contradictions_are_never_a_pass_nor_a_fail() {
        assert!(is_inconclusive(&Evidence::default().verdict(&limit(Comparison::Below, 100.0))));
        for value in [20.0, 120.0] {
            let spoiled = at(value).spoiled(Some("the counts disagree"));
            assert!(is_inconclusive(&spoiled.verdict(&limit(Comparison::Below, 100.0))));
        }
    }
}
