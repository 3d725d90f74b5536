//! `expect = ["p99<50ms", "errors<0.1%"]`.

use erlmcp_record::ClassLimit;

/// A limit of one class.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected(pub(crate) ClassLimit);

const WRONG: &str = "is no expectation: write p50, p95, p99 or p99.9 with a time, as \"p99<50ms\", or \"errors<0.1%\"";

impl Expected {
    /// # Errors
    /// What is wrong with the text, as a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} {WRONG}");
        let (figure, limit) = text.split_once('<').ok_or_else(wrong)?;
        let (figure, limit) = (figure.trim(), limit.trim());
        if figure == "errors" {
            let percent: f64 =
                limit.strip_suffix('%').and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)?;
            let is_share = percent > 0.0 && percent <= 100.0;
            return if is_share { Ok(Self(ClassLimit::ErrorsPercent(percent))) } else { Err(wrong()) };
        }
        let percent: f64 = figure.strip_prefix('p').and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
        let limit_ms = milliseconds(limit).ok_or_else(wrong)?;
        let is_good = percent > 0.0 && percent < 100.0 && limit_ms > 0.0 && limit_ms.is_finite();
        if is_good { Ok(Self(ClassLimit::Latency { percent, limit_ms })) } else { Err(wrong()) }
    }

    /// What is limited: "p99", "errors".
    pub(super) fn figure(&self) -> String {
        match self.0 {
            ClassLimit::Latency { percent, .. } => format!("p{percent}"),
            ClassLimit::ErrorsPercent(_) => "errors".into(),
        }
    }
}

/// Not rounded: a limit of less than a millisecond is one.
fn milliseconds(text: &str) -> Option<f64> {
    let (number, factor) = match text.strip_suffix("ms") {
        Some(number) => (number, 1.0),
        None => (text.strip_suffix('s')?, 1e3),
    };
    Some(number.trim().parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_errors_are_understood() {
        assert_eq!(Expected::parse("p99<50ms"), Ok(Expected(ClassLimit::Latency { percent: 99.0, limit_ms: 50.0 })));
        assert_eq!(Expected::parse("p99.9 < 1s"), Ok(Expected(ClassLimit::Latency { percent: 99.9, limit_ms: 1e3 })));
        assert_eq!(Expected::parse("p50<0.5ms"), Ok(Expected(ClassLimit::Latency { percent: 50.0, limit_ms: 0.5 })));
        assert_eq!(Expected::parse("errors<0.1%"), Ok(Expected(ClassLimit::ErrorsPercent(0.1))));
    }

    #[test]
    fn others_are_refused_with_an_example() {
        for text in [
            "",
            "p99",
            "p99>5ms",
            "p99<5",
            "p99<0ms",
            "p99<infs",
            "p0<5ms",
            "p100<5ms",
            "mean<5ms",
            "errors<5",
            "errors<101%",
            "errors<0%",
        ] {
            assert!(Expected::parse(text).is_err(), "{text:?}");
        }
        assert!(Expected::parse("p99>5ms").expect_err("wrong").contains("p99<50ms"));
    }
}
