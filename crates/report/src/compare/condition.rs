use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::measured::{Measured, difference};
use super::{Figure, Interval};
use crate::verdict::Verdict;
use crate::{format, nearest};

/// What must not be: "p99>+10%", "throughput<-5%", "errors>+0.1pp", "p95>+3ms".
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    pub(super) figure: Figure,
    is_above: bool,
    limit: f64,
    scale: Scale,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scale {
    /// Of the first run's value.
    Percent,
    /// Of shares.
    Points,
    Milliseconds,
}

/// A condition, and whether a run met it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// "p99>+10%".
    pub condition: String,
    /// Of the run that was compared with the first one.
    pub label: String,
    pub verdict: Verdict,
    /// In the condition's unit.
    pub difference: Option<Interval>,
    /// "+4.2% (+1.0% to +7.9%)", or "not measured".
    pub actual: String,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{text:?} is no condition: {why}; write p99>+10%, throughput<-5%, p95>+3ms or errors>+0.1pp")
        };
        let at = text.find(['<', '>']).ok_or_else(|| wrong("it has no < or >"))?;
        let (name, rest) = (text[..at].trim(), text[at + 1..].trim());
        let figure: Figure = name.parse().map_err(|()| {
            let near = nearest::figure(name, Figure::NAMES);
            wrong(&format!("{name:?} is none of p50 to p99.9, mean, errors, throughput, availability, memory{near}"))
        })?;
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && !"+-.".contains(letter)).unwrap_or(rest.len());
        let (number, unit) = (&rest[..end], rest[end..].trim());
        let limit: f64 = number.parse().map_err(|_| wrong(&format!("{number:?} is no number")))?;
        let (scale, factor) = match unit {
            "%" => (Scale::Percent, 1.0),
            "pp" if figure.is_share() => (Scale::Points, 1.0),
            "ms" if figure.is_latency() => (Scale::Milliseconds, 1.0),
            "s" if figure.is_latency() => (Scale::Milliseconds, 1e3),
            _ => return Err(wrong(&format!("{unit:?} is no unit of a difference of {name}"))),
        };
        Ok(Self { figure, is_above: text[at..].starts_with('>'), limit: limit * factor, scale })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_above { '>' } else { '<' };
        write!(f, "{}{sign}{:+}{}", self.figure, self.limit, self.unit())
    }
}

impl Condition {
    fn unit(&self) -> &'static str {
        match self.scale {
            Scale::Percent => "%",
            Scale::Points => "pp",
            Scale::Milliseconds => "ms",
        }
    }

    /// By the rules of every verdict: the estimate decides a FAIL; where only an end of its interval is past the limit, it
    /// cannot be told. `lag` is what else than the targets can have made the latencies of either run higher: that of the one
    /// may be why the limit is passed, that of the other why it is kept.
    pub(super) fn judge(&self, label: char, [first, other]: [&Measured; 2], lag: [Option<String>; 2]) -> Judged {
        let [of_first, of_other] = lag.map(|lag| lag.filter(|_| self.figure.is_latency()));
        let (raised, hidden) = if self.is_above { (of_other, of_first) } else { (of_first, of_other) };
        let found = difference(first, other, self.scale != Scale::Percent);
        let is_past = |value: f64| if self.is_above { value > self.limit } else { value < self.limit };
        let verdict = match found {
            None => Verdict::Inconclusive { reason: missing(first, other) },
            Some(found) if is_past(found.estimate) => {
                raised.map_or(Verdict::Fail, |reason| Verdict::Inconclusive { reason })
            }
            Some(found) if is_past(if self.is_above { found.high } else { found.low }) => Verdict::Inconclusive {
                reason: "an end of its 95 % interval is past the limit: longer runs tell more".into(),
            },
            Some(_) => hidden.map_or(Verdict::Pass, |reason| Verdict::Inconclusive { reason }),
        };
        let actual = found.map_or_else(|| "not measured".into(), |found| interval(found, self.unit()));
        Judged { condition: self.to_string(), label: label.into(), verdict, difference: found, actual }
    }
}

fn missing(first: &Measured, other: &Measured) -> String {
    let why = [first, other].into_iter().find_map(|measured| measured.value.clone().err());
    why.unwrap_or_else(|| "there is no percentage of nothing".into())
}

/// "+4.2% (+1.0% to +7.9%)".
pub(super) fn interval(found: Interval, unit: &str) -> String {
    let Interval { estimate, low, high } = found;
    format!("{} ({} to {})", signed(estimate, unit), signed(low, unit), signed(high, unit))
}

/// With as many decimals as it takes to show that it is not nothing.
fn signed(value: f64, unit: &str) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "from none".into() } else { "to none".into() };
    }
    let decimals =
        (1..6).find(|places| value == 0.0 || value.abs() * 10_f64.powi(*places) >= 1.0).unwrap_or(6) as usize;
    let sign = if value > 0.0 { "+" } else { "" };
    format!("{sign}{}{unit}", format::grouped(value, decimals))
}
