use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::{Interval, Standing};
use crate::format;
use crate::stats::Percentile;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// Of latency.
    Percentile(Percentile),
    Mean,
    /// Planned and not ok, of those planned.
    Errors,
    /// Ok answers a second.
    Throughput,
    /// Slots of 100 ms in which 99 % or more ended ok.
    Availability,
    /// Bytes a connection.
    Memory,
}

const ALWAYS: [Figure; 9] = [
    Figure::Percentile(Percentile::P50),
    Figure::Percentile(Percentile::P95),
    Figure::Percentile(Percentile::P99),
    Figure::Percentile(Percentile::P99_9),
    Figure::Mean,
    Figure::Errors,
    Figure::Throughput,
    Figure::Availability,
    Figure::Memory,
];

/// Those that are always shown, and what else is asked about.
pub(super) fn all(asked: impl Iterator<Item = Figure>) -> Vec<Figure> {
    let mut all = ALWAYS.to_vec();
    for figure in asked {
        if !all.contains(&figure) {
            all.push(figure);
        }
    }
    all
}

impl Figure {
    /// Names that are often meant, for who has mistyped one.
    pub(super) const NAMES: [&str; 10] =
        ["p50", "p90", "p95", "p99", "p99.9", "mean", "errors", "throughput", "availability", "memory"];

    /// True where a difference is told in points of percent: of nothing there is no percentage.
    pub(crate) fn is_share(self) -> bool {
        matches!(self, Self::Errors | Self::Availability)
    }

    pub(super) fn is_latency(self) -> bool {
        matches!(self, Self::Percentile(_) | Self::Mean)
    }

    fn is_better_above(self) -> bool {
        matches!(self, Self::Throughput | Self::Availability)
    }

    pub(super) fn standing(self, difference: Option<Interval>) -> Standing {
        match difference {
            Some(difference) if difference.low > 0.0 && self.is_better_above() => Standing::Better,
            Some(difference) if difference.high < 0.0 && !self.is_better_above() => Standing::Better,
            Some(difference) if difference.low > 0.0 || difference.high < 0.0 => Standing::Worse,
            _ => Standing::CantTell,
        }
    }

    /// "85.0 ms", "0.013%", "80 bytes".
    pub(super) fn value(self, value: f64) -> String {
        match self {
            Self::Percentile(_) | Self::Mean => format::ms(value),
            Self::Errors | Self::Availability => format!("{}%", format::grouped(value, 3)),
            Self::Throughput => format!("{} req/s", format::rate(value)),
            Self::Memory => format::bytes(value),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percentile) => write!(f, "p{percentile}"),
            Self::Mean => f.write_str("mean"),
            Self::Errors => f.write_str("errors"),
            Self::Throughput => f.write_str("throughput"),
            Self::Availability => f.write_str("availability"),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl FromStr for Figure {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let name = text.to_ascii_lowercase();
        if let Some(known) = ALWAYS.into_iter().find(|figure| figure.to_string() == name) {
            return Ok(known);
        }
        name.strip_prefix('p').ok_or(())?.parse().map(Self::Percentile)
    }
}

impl Serialize for Figure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let unit = match self {
            Self::Percentile(_) | Self::Mean => "ms",
            Self::Errors | Self::Availability => "percent",
            Self::Throughput => "requests a second",
            Self::Memory => "bytes a connection",
        };
        serializer.serialize_str(unit)
    }
}
