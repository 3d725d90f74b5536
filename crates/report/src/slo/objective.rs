use std::fmt;
use std::str::FromStr;

use crate::analysis::Part;
use crate::format;
use crate::verdict::{Comparison, Estimate};

/// Limits that must all be kept: "p99<100ms,errors<0.05%".
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    objectives: Vec<Objective>,
}

/// One limit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Objective {
    measure: Measure,
    comparison: Comparison,
    /// Milliseconds or percent, by the measure.
    limit: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Measure {
    /// Percent: 99 is P99.
    Percentile(f64),
    Mean,
    Max,
    Errors,
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let objectives = text.split(',').map(|part| objective(part.trim())).collect::<Result<Vec<_>, _>>()?;
        for (at, one) in objectives.iter().enumerate() {
            if objectives[..at].iter().any(|other| other.measure == one.measure) {
                return Err(format!("{} is limited twice in {text:?}: leave one out", one.measure));
            }
        }
        Ok(Self { objectives })
    }
}

fn objective(text: &str) -> Result<Objective, String> {
    let wrong = || format!("{text:?} is no objective: write p99<100ms, mean<=20ms, max<1s or errors<0.05%");
    let (name, rest) = text.split_once('<').ok_or_else(wrong)?;
    let (comparison, limit) = match rest.strip_prefix('=') {
        Some(limit) => (Comparison::AtMost, limit),
        None => (Comparison::Below, rest),
    };
    let measure = measure(name.trim()).ok_or_else(wrong)?;
    let limit = limit.trim();
    let (digits, factor) = match measure {
        Measure::Errors => (limit.strip_suffix('%').ok_or_else(wrong)?, 1.0),
        _ if limit.ends_with("ms") => (&limit[..limit.len() - 2], 1.0),
        _ => (limit.strip_suffix('s').ok_or_else(wrong)?, 1e3),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let limit = digits.parse::<f64>().ok().filter(|_| is_number).map(|limit| limit * factor).ok_or_else(wrong)?;
    let is_possible = match (measure, comparison) {
        (Measure::Errors, Comparison::AtMost) => (0.0..100.0).contains(&limit),
        (Measure::Errors, _) => limit > 0.0 && limit <= 100.0,
        _ => limit > 0.0,
    };
    if is_possible { Ok(Objective { measure, comparison, limit }) } else { Err(wrong()) }
}

fn measure(name: &str) -> Option<Measure> {
    match name.to_ascii_lowercase().as_str() {
        "errors" => Some(Measure::Errors),
        "mean" => Some(Measure::Mean),
        "max" => Some(Measure::Max),
        name => {
            let digits = name.strip_prefix('p')?;
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let percent = digits.parse::<f64>().ok().filter(|_| is_number)?;
            (percent > 0.0 && percent < 100.0).then_some(Measure::Percentile(percent))
        }
    }
}

impl Slo {
    pub(super) fn objectives(&self) -> &[Objective] {
        &self.objectives
    }

    /// Requests that a trial needs for its percentiles to have ten beyond them; 0 where there is no percentile.
    pub fn samples_needed(&self) -> u64 {
        let needed = self.objectives.iter().filter_map(|objective| objective.quantile());
        needed.map(|quantile| (BEYOND_MIN / (1.0 - quantile)).round() as u64).max().unwrap_or(0)
    }

    /// The same names as in [`Judged::latency`](super::Judged).
    pub(super) fn quantiles(&self) -> impl Iterator<Item = (String, f64)> {
        self.objectives.iter().filter_map(|objective| Some((objective.measure.to_string(), objective.quantile()?)))
    }
}

/// A percentile needs so many samples beyond it.
const BEYOND_MIN: f64 = 10.0;

impl Objective {
    fn quantile(&self) -> Option<f64> {
        match self.measure {
            Measure::Percentile(percent) => Some(percent / 100.0),
            _ => None,
        }
    }

    /// Milliseconds; None where it is no latency.
    pub(super) fn limit_ms(&self) -> Option<f64> {
        (self.measure != Measure::Errors).then_some(self.limit)
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
            Measure::Percentile(percent) => latency?.quantile_us(percent / 100.0).map(Estimate::ms),
            Measure::Max => latency?.max_us().map(Estimate::ms),
            Measure::Mean => latency?.mean_us().map(|us| Estimate::Number(us / 1e3)),
        }
    }

    fn limit_text(&self) -> String {
        match self.measure {
            Measure::Errors => format!("{}%", self.limit),
            _ => format!("{}ms", self.limit),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(f, "p{percent}"),
            Self::Mean => f.write_str("mean"),
            Self::Max => f.write_str("max"),
            Self::Errors => f.write_str("errors"),
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
    fn the_rarest_percentile_says_how_many_samples_it_takes() {
        let needed = |text: &str| text.parse::<Slo>().map(|slo| slo.samples_needed());
        assert_eq!(needed("p95<1s,p99.9<2s"), Ok(10_000));
        assert_eq!(needed("p99<1s"), Ok(1_000));
        assert_eq!(needed("errors<1%"), Ok(0));
    }
}
