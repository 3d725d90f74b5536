use std::fmt;
use std::str::FromStr;

use crate::analysis::Part;
use crate::format;
use crate::nearest;
use crate::stats::Percentile;
use crate::verdict::{Comparison, Estimate};

/// Limits that must all be kept: "p99<100ms,errors<0.05%"; of a run also "throughput>5000req/s,availability>=99.9%".
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    objectives: Vec<Objective>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Objective {
    pub(crate) measure: Measure,
    pub(crate) comparison: Comparison,
    /// Milliseconds, percent or requests a second, by the measure.
    pub(crate) limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    Percentile(Percentile),
    Mean,
    Max,
    Errors,
    /// Ok answers a second.
    Throughput,
    /// Slots of 100 ms in which 99 % or more ended ok, in percent.
    Availability,
}

/// For who has mistyped one.
const NAMES: [&str; 10] = ["p50", "p90", "p95", "p99", "p99.9", "mean", "max", "errors", "throughput", "availability"];

impl FromStr for Slo {
    type Err = String;

    /// Of seconds of load alone: a search and a check have no throughput to keep.
    ///
    /// # Errors
    /// A sentence that says at which character of the text something else was expected, and what.
    fn from_str(text: &str) -> Result<Self, String> {
        let slo = Self::expected(text)?;
        match slo.objectives.iter().find(|one| matches!(one.measure, Measure::Throughput | Measure::Availability)) {
            Some(one) => {
                Err(format!("{} can be expected of a run alone (--assert), not here: leave it out", one.measure))
            }
            None => Ok(slo),
        }
    }
}

impl Slo {
    /// What is expected of a whole run.
    ///
    /// # Errors
    /// A sentence that says at which character of the text something else was expected, and what.
    pub fn expected(text: &str) -> Result<Self, String> {
        let mut objectives: Vec<Objective> = Vec::new();
        let mut from = 0;
        for part in text.split(',') {
            let one = objective(part).map_err(|wrong| wrong.told(text, from))?;
            if objectives.iter().any(|other| other.measure == one.measure) {
                return Err(twice(one.measure, text));
            }
            objectives.push(one);
            from += part.len() + 1;
        }
        Ok(Self { objectives })
    }
}

fn twice(measure: Measure, text: &str) -> String {
    format!("{measure} is limited twice in {text:?}: leave one out")
}

/// What is wrong with one limit, and at which of its bytes.
struct Wrong {
    at: usize,
    why: String,
}

impl Wrong {
    /// Where `rest`, the end of `part`, begins.
    fn at(part: &str, rest: &str, why: impl Into<String>) -> Self {
        Self { at: part.len() - rest.len(), why: why.into() }
    }

    /// `from` is where its part begins in the text.
    fn told(self, text: &str, from: usize) -> String {
        let (before, rest) = text.split_at(from + self.at);
        let place = match rest.trim().is_empty() {
            true => "at its end".to_string(),
            false => format!("at character {} ({:?})", before.chars().count() + 1, rest.trim()),
        };
        let examples = "p99<100ms, mean<=20ms, max<1s, errors<0.05%, throughput>5000req/s or availability>=99.9%";
        format!("{text:?} is no objective: {place} {}; write {examples}", self.why)
    }
}

fn objective(part: &str) -> Result<Objective, Wrong> {
    let wrong = |rest: &str, why: &str| Wrong::at(part, rest, why);
    let start = part.trim_start();
    let (name, rest) = start.split_at(start.find(['<', '>', '=']).unwrap_or(start.len()));
    let measure = measure(name.trim_end()).ok_or_else(|| {
        let near = if name.trim().is_empty() { String::new() } else { nearest::figure(name.trim(), NAMES) };
        let known = "a percentile (p50 to p99.9), mean, max, errors, throughput or availability is expected";
        Wrong::at(part, start, format!("{known}{near}"))
    })?;
    let (comparison, limit) = measure.comparison(rest).ok_or_else(|| {
        wrong(rest, if measure.is_better_above() { "> or >= is expected" } else { "< or <= is expected" })
    })?;
    let limit = limit.trim_start();
    let (digits, unit) =
        limit.split_at(limit.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(limit.len()));
    let value: f64 = digits.parse().map_err(|_| wrong(limit, "a number is expected"))?;
    let factor = match (measure.unit(), unit.trim()) {
        ("%", "%") | ("ms", "ms") | ("req/s", "req/s" | "rps" | "/s" | "") => 1.0,
        ("ms", "s") => 1e3,
        ("ms", _) => return Err(wrong(unit, "the unit ms or s is expected")),
        (expected, _) => return Err(Wrong::at(part, unit, format!("the unit {expected} is expected"))),
    };
    let value = value * factor;
    let is_possible = match (measure, comparison) {
        (Measure::Errors, Comparison::AtMost) | (Measure::Availability, Comparison::Above) => {
            (0.0..100.0).contains(&value)
        }
        (Measure::Errors | Measure::Availability, _) => value > 0.0 && value <= 100.0,
        _ => value > 0.0,
    };
    if !is_possible {
        return Err(wrong(limit, "a limit is expected that can be kept and can be broken"));
    }
    Ok(Objective { measure, comparison, limit: value })
}

fn measure(name: &str) -> Option<Measure> {
    match name.to_ascii_lowercase().as_str() {
        "errors" => Some(Measure::Errors),
        "throughput" => Some(Measure::Throughput),
        "availability" => Some(Measure::Availability),
        "mean" => Some(Measure::Mean),
        "max" => Some(Measure::Max),
        name => name.strip_prefix('p')?.parse().ok().map(Measure::Percentile),
    }
}

impl Measure {
    fn is_better_above(self) -> bool {
        matches!(self, Self::Throughput | Self::Availability)
    }

    /// How it stands to its limit, from the text behind its name, and the rest.
    fn comparison(self, text: &str) -> Option<(Comparison, &str)> {
        let (sign, strict, loose) = match self.is_better_above() {
            true => ('>', Comparison::Above, Comparison::AtLeast),
            false => ('<', Comparison::Below, Comparison::AtMost),
        };
        let limit = text.strip_prefix(sign)?;
        Some(limit.strip_prefix('=').map_or((strict, limit), |limit| (loose, limit)))
    }

    /// Of its limit.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Percentile(_) | Self::Mean | Self::Max => "ms",
            Self::Errors | Self::Availability => "%",
            Self::Throughput => "req/s",
        }
    }
}

impl Slo {
    /// All limits of several texts; None of none.
    ///
    /// # Errors
    /// Where two of them limit the same.
    pub fn joined(all: impl IntoIterator<Item = Slo>) -> Result<Option<Slo>, String> {
        let mut joined = Slo { objectives: Vec::new() };
        for one in all.into_iter().flat_map(|slo| slo.objectives) {
            if joined.objectives.iter().any(|other| other.measure == one.measure) {
                joined.objectives.push(one.clone());
                return Err(twice(one.measure, &joined.to_string()));
            }
            joined.objectives.push(one);
        }
        Ok((!joined.objectives.is_empty()).then_some(joined))
    }

    pub(crate) fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// Requests that a trial needs for its percentiles to have ten beyond them; 0 where there is no percentile.
    pub fn samples_needed(&self) -> u64 {
        self.percentiles().map(Percentile::needed).max().unwrap_or(0)
    }

    pub(super) fn percentiles(&self) -> impl Iterator<Item = Percentile> {
        self.objectives.iter().filter_map(|objective| match objective.measure {
            Measure::Percentile(percentile) => Some(percentile),
            _ => None,
        })
    }
}

impl Objective {
    /// Milliseconds; None where it is no latency.
    pub(super) fn limit_ms(&self) -> Option<f64> {
        (self.measure.unit() == "ms").then_some(self.limit)
    }

    /// What the load came to, where that is past the limit.
    pub(super) fn violation(&self, part: &Part) -> Option<String> {
        let estimate = self.estimate(part)?;
        if self.comparison.holds(estimate.standing(self.limit)) {
            return None;
        }
        let found = match self.measure {
            Measure::Errors => {
                let (errors, countable) = (part.errors(), part.countable());
                format!(
                    "errors {} ({} of {})",
                    format::share(errors, countable),
                    format::count(errors),
                    format::count(countable)
                )
            }
            measure => format!("{measure} {}", format::ms(estimate.value())),
        };
        let sign = if self.comparison == Comparison::AtMost { "over" } else { "not under" };
        Some(format!("{found} is {sign} {}", self.limit_text()))
    }

    fn estimate(&self, part: &Part) -> Option<Estimate> {
        let latency = part.latency.as_ref();
        match self.measure {
            Measure::Errors => Estimate::percent(part.errors(), part.countable()),
            Measure::Percentile(percentile) => latency?.quantile_us(percentile.quantile()).map(Estimate::ms),
            Measure::Max => latency?.max_us().map(Estimate::ms),
            Measure::Mean => latency?.mean_us().map(|us| Estimate::Number(us / 1e3)),
            // No objective of a trial has them.
            Measure::Throughput | Measure::Availability => None,
        }
    }

    fn limit_text(&self) -> String {
        format!("{}{}", self.limit, self.measure.unit())
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percentile) => write!(f, "p{percentile}"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Errors => f.write_str("errors"),
            Self::Throughput => f.write_str("throughput"),
            Self::Availability => f.write_str("availability"),
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, one) in self.objectives.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}{}{}", one.measure, one.comparison.sign(), one.limit_text())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_and_said_again() {
        for (text, said) in [
            ("p99<100ms,errors<0.05%", "p99<100ms,errors<0.05%"),
            ("P99.9 < 1s , mean<=2.5ms", "p99.9<1000ms,mean<=2.5ms"),
            ("errors<=0%", "errors<=0%"),
            ("max<250ms", "max<250ms"),
        ] {
            assert_eq!(text.parse::<Slo>().map(|slo| slo.to_string()), Ok(said.to_string()));
        }
    }

    #[test]
    fn what_is_no_objective_is_refused() {
        let wrong = ["", "p99", "p99<", "p99<100", "p100<1s", "p0<1s", "px<1s", "errors<0%", "errors<5ms", "p99<5%"];
        for text in
            wrong.into_iter().chain(["p99>1s", "p99<-1ms", "p99<1e3ms", "p99<1ms,p99<2ms", "p99<nans", "p99<1ms,"])
        {
            assert!(text.parse::<Slo>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn of_a_run_more_can_be_expected_than_of_a_trial() {
        for (text, said) in [
            ("throughput>5000", "throughput>5000req/s"),
            ("throughput >= 10.5 rps,availability>99.9%", "throughput>=10.5req/s,availability>99.9%"),
            ("availability>=100%", "availability>=100%"),
        ] {
            assert_eq!(Slo::expected(text).map(|slo| slo.to_string()), Ok(said.to_string()));
            assert!(text.parse::<Slo>().is_err_and(|why| why.contains("of a run alone")), "{text}");
        }
        for text in ["throughput<5", "throughput>0", "throughput>5ms", "availability>100%", "availability>99"] {
            assert!(Slo::expected(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let why = |text: &str| text.parse::<Slo>().expect_err("wrong");
        let place = |text: &str, words: &str| assert!(why(text).contains(words), "{}", why(text));
        place("p99>1s", "at character 4 (\">1s\") < or <= is expected");
        place("p99<100ms,p95<5", "at its end the unit ms or s is expected");
        place("errors<0.05% , avg<5ms", "at character 16 (\"avg<5ms\") a percentile");
        place("avg<5ms", "or availability is expected (did you mean \"mean\"?)");
        place("availabilty>99%", "did you mean \"availability\"?");
        place("throughput<5", "at character 11 (\"<5\") > or >= is expected");
        place("p95<x", "at character 5 (\"x\") a number is expected");
        place("errors<5ms", "at character 9 (\"ms\") the unit % is expected");
        place("p99<1ms,", "at its end a percentile");
    }

    #[test]
    fn several_texts_are_one_objective() {
        let slo = |text: &str| text.parse::<Slo>().expect("an objective");
        let joined = Slo::joined([slo("p95<100ms"), slo("errors<1%,max<1s")]).expect("nothing twice").expect("some");
        assert_eq!(joined.to_string(), "p95<100ms,errors<1%,max<1000ms");
        assert_eq!(Slo::joined([]), Ok(None));
        assert!(
            Slo::joined([slo("p95<100ms"), slo("p95<90ms")]).is_err_and(|why| why.contains("p95 is limited twice"))
        );
    }

    #[test]
    fn the_rarest_percentile_says_how_many_samples_it_takes() {
        let needed = |text: &str| text.parse::<Slo>().map(|slo| slo.samples_needed());
        assert_eq!(needed("p95<1s,p99.9<2s"), Ok(10_000));
        assert_eq!(needed("p99<1s"), Ok(1_000));
        assert_eq!(needed("errors<1%"), Ok(0));
    }
}
