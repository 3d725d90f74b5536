use std::collections::BTreeMap;

use erlmcp_record::{Hist, IntervalRow};

use super::Slo;
use crate::analysis::Part;
use crate::verdict;

/// Some seconds of load, all agents together.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    part: Part,
}

/// What they come to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// What is past its limit, each as a few words; empty where the objective is kept.
    pub violations: Vec<String>,
    /// Why the generator, and not the target, may be to blame: nothing is shown of the target then.
    pub generator: Option<String>,
    /// Why that the objective is kept cannot be trusted: no requests, or too few of them for a percentile.
    pub few: Option<String>,
    pub planned: u64,
    /// Planned, sent if it was for the generator, and not ok.
    pub errors: u64,
    /// Milliseconds by name: "p50_ms", "p95_ms", "p99_ms", "max_ms", and the objective's own percentiles.
    pub latency: BTreeMap<String, f64>,
}

impl Tally {
    pub(crate) fn of(part: Part) -> Self {
        Self { part }
    }

    /// Adds the requests of one row.
    pub fn push(&mut self, row: &IntervalRow) {
        self.part.push(row);
    }

    /// Milliseconds; None where nothing was answered.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        Some(self.part.latency.as_ref()?.quantile_us(quantile)? as f64 / 1e3)
    }

    /// True where the generator's own lag can be why a latency is past this limit.
    pub fn is_lagging(&self, limit_ms: f64) -> bool {
        verdict::lag(&self.part, limit_ms).is_some()
    }

    /// By the rules of the method: the point estimates at or past their limits are violations; a violation of a latency
    /// that the generator's own lag may have made is none of the target's, and requests that it did not send spoil all.
    pub fn judge(&self, slo: &Slo) -> Judged {
        let part = &self.part;
        let mut judged = Judged {
            planned: part.planned,
            errors: part.errors(),
            latency: self.latency(slo),
            generator: verdict::unsent(part),
            ..Judged::default()
        };
        let mut excuses = Vec::new();
        for objective in slo.objectives() {
            if objective.limit_ms().is_some() && part.latency.as_ref().is_none_or(Hist::is_empty) {
                judged.few = Some("no latency was recorded".into());
            }
            let Some(violation) = objective.violation(part) else { continue };
            excuses.push(objective.limit_ms().and_then(|limit| verdict::lag(part, limit)));
            judged.violations.push(violation);
        }
        if judged.generator.is_none() && !excuses.is_empty() && excuses.iter().all(Option::is_some) {
            judged.generator = excuses.into_iter().flatten().next();
        }
        // What was refused has no latency.
        let counted = part.latency.as_ref().map_or(0, Hist::count);
        let few = slo.percentiles().find_map(|percentile| verdict::too_few_beyond(counted, percentile));
        judged.few = few.or(judged.few);
        if part.planned == 0 {
            judged.few = Some("no request was planned".into());
        }
        judged
    }

    fn latency(&self, slo: &Slo) -> BTreeMap<String, f64> {
        let usual = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)].map(|(name, at)| (name.to_string(), at));
        let own = slo.percentiles().map(|percentile| (format!("p{percentile}"), percentile.quantile()));
        let named = usual.into_iter().chain(own);
        named.filter_map(|(name, at)| Some((format!("{name}_ms"), self.quantile_ms(at)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_record::{Fate, Kind};

    use super::*;

    fn row(ok: u64, timed_out: u64, us: u64) -> IntervalRow {
        let mut row = IntervalRow::empty(1, 2, 3, Kind::Load, 4);
        row.planned = ok + timed_out;
        row.fates.add(Fate::Ok, ok);
        row.fates.add(Fate::TimedOut, timed_out);
        let mut latency = Hist::new();
        (0..ok + timed_out).for_each(|_| latency.record_us(us));
        row.latency = Some(latency);
        row
    }

    fn judged(rows: &[IntervalRow], slo: &str) -> Judged {
        let mut tally = Tally::default();
        rows.iter().for_each(|row| tally.push(row));
        tally.judge(&slo.parse().expect("an objective"))
    }

    #[test]
    fn exactly_at_the_limit_is_past_it_unless_that_is_allowed() {
        let rows = [row(999, 1, 1_000)];
        assert_eq!(judged(&rows, "errors<=0.1%").violations, [""; 0]);
        let found = judged(&rows, "errors<0.1%").violations;
        assert_eq!(found, ["errors 0.100% (1 of 1,000) is not under 0.1%"]);
        assert_eq!(judged(&rows, "p99<2ms,errors<0.11%").violations, [""; 0]);
        assert_eq!(judged(&rows, "p99<1ms").violations.len(), 1);
    }

    #[test]
    fn what_the_generator_did_not_send_shows_nothing_of_the_target() {
        let mut unsent = row(10, 0, 1_000);
        unsent.planned += 5;
        unsent.fates.add(Fate::UnsentNoTime, 5);
        assert!(judged(&[unsent], "errors<1%").generator.is_some());
    }

    #[test]
    fn lag_excuses_latencies_and_no_errors() {
        let mut lagging = row(990, 10, 300_000);
        lagging.send_lag.get_or_insert_default().record_us(50_000);
        assert!(judged(std::slice::from_ref(&lagging), "p99<100ms").generator.is_some());
        assert_eq!(judged(std::slice::from_ref(&lagging), "p99<100ms,errors<0.1%").generator, None);
        assert_eq!(judged(&[lagging], "p99<1s").generator, None, "nothing needs an excuse");
    }

    #[test]
    fn few_requests_are_said_to_be_few() {
        assert!(judged(&[row(999, 0, 1_000)], "p99<1s").few.is_some());
        assert_eq!(judged(&[row(1_000, 0, 1_000)], "p99<1s").few, None);
        assert_eq!(judged(&[], "errors<1%").few.as_deref(), Some("no request was planned"));
        let silent = IntervalRow { latency: None, ..row(20, 0, 1_000) };
        assert_eq!(judged(&[silent], "max<1s").few.as_deref(), Some("no latency was recorded"));
    }
}
