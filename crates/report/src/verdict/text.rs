//! How a check is said, in any view.

use super::{Check, Limit, Verdict, threshold};
use crate::format;

impl Verdict {
    /// "✓ PASS", "✗ FAIL", "? INCONCLUSIVE", "- SKIPPED".
    pub fn mark(&self) -> &'static str {
        match self {
            Verdict::Pass => "✓ PASS",
            Verdict::Fail => "✗ FAIL",
            Verdict::Inconclusive { .. } => "? INCONCLUSIVE",
            Verdict::Skipped { .. } => "- SKIPPED",
        }
    }
}

impl Limit {
    /// "< 100ms", "> 10K req/s", "< 2 KB".
    pub fn text(&self) -> String {
        format!("{} {}", self.comparison.sign(), self.value_text(self.value))
    }

    fn value_text(&self, value: f64) -> String {
        let is_round = |value: f64| value.fract() == 0.0 && value >= 1_000.0 && value % 1_000.0 == 0.0;
        match self.unit.as_str() {
            "" => format!("{value}"),
            "%" | "ms" => format!("{value}{}", self.unit),
            "bytes" if value >= 1_024.0 && value % 1_024.0 == 0.0 => format!("{} KiB", value / 1_024.0),
            unit if is_round(value) => format!("{} {unit}", format::short_count(value as u64)),
            unit => format!("{value} {unit}"),
        }
    }
}

impl Check {
    /// True of the rows that stand first: the five SLAs, and what the user expects beside them.
    pub fn is_headline(&self) -> bool {
        self.id.starts_with("sla.") || self.id.starts_with("assert.")
    }

    /// "P95 Latency < 100ms", and where the limit is the user's, what it was.
    pub fn statement(&self) -> String {
        format!("{} {}{}", self.name, self.threshold.text(), self.changed())
    }

    /// Empty where the limit is the table's.
    pub fn changed(&self) -> String {
        match threshold(&self.id).filter(|_| self.threshold.changed) {
            Some(row) => format!(" [changed by the user, default {}]", self.threshold.value_text(row.default)),
            None => String::new(),
        }
    }

    /// "85.0 ms", with as many decimals as it takes to stand on its side of the limit; "not measured".
    pub fn actual(&self) -> String {
        self.estimate.map_or_else(|| "not measured".into(), |value| self.figure(value))
    }

    fn figure(&self, value: f64) -> String {
        let limit = self.threshold.value;
        let beside = |decimals| format::beside(value, limit, decimals);
        match self.threshold.unit.as_str() {
            "x" => format!("{}x", beside(2)),
            "" | "ms/min" | "a minute" => [&beside(2), self.threshold.unit.as_str()].join(" ").trim_end().to_string(),
            "%" => format!("{}%", beside(3)),
            "bytes" if limit >= 1_024.0 => format!("{} KiB", format::beside(value / 1_024.0, limit / 1_024.0, 2)),
            "ms" | "req/s" | "conn/s" | "bytes" => format!("{} {}", beside(1), self.threshold.unit),
            "MB/min" => format!("{} MB/min", beside(3)),
            unit => format!("{} {unit}", beside(0)),
        }
    }

    /// What the figure was made from: its bound, the number of samples, the source.
    pub fn basis(&self) -> String {
        let bound = self.bound.map(|bound| format!("95 % bound {}", self.figure(bound)));
        let of = if self.samples == 1 { self.samples_of.trim_end_matches('s') } else { &self.samples_of };
        let samples = (!of.is_empty()).then(|| format!("{} {of}", format::count(self.samples)));
        let source = (!self.source.is_empty()).then(|| self.source.clone());
        [bound, samples, source].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::Comparison;
    use super::*;

    fn check(id: &str, value: f64, comparison: Comparison, unit: &str, estimate: Option<f64>) -> Check {
        Check {
            id: id.into(),
            name: "Name".into(),
            phase: None,
            threshold: Limit { value, unit: unit.into(), comparison, changed: false },
            estimate,
            bound: None,
            source: "test".into(),
            samples: 6_000_000,
            samples_of: "requests".into(),
            verdict: Verdict::Pass,
            advice: None,
        }
    }

    #[test]
    fn limits_and_figures_as_people_write_them() {
        let said = |check: &Check| format!("{} ({})", check.statement(), check.actual());
        assert_eq!(said(&check("a", 100.0, Comparison::Below, "ms", Some(85.0))), "Name < 100ms (85.0 ms)");
        assert_eq!(said(&check("a", 0.05, Comparison::Below, "%", Some(0.05))), "Name < 0.05% (0.050%)");
        assert_eq!(
            said(&check("a", 10_000.0, Comparison::Above, "req/s", Some(450.0))),
            "Name > 10K req/s (450.0 req/s)"
        );
        assert_eq!(said(&check("a", 2_048.0, Comparison::Below, "bytes", Some(1_843.2))), "Name < 2 KiB (1.80 KiB)");
        assert_eq!(said(&check("a", 0.0, Comparison::AtMost, "answers", Some(3.0))), "Name <= 0 answers (3 answers)");
        assert_eq!(said(&check("a", 100.0, Comparison::Below, "ms", None)), "Name < 100ms (not measured)");
    }

    #[test]
    fn a_figure_never_rounds_onto_its_limit() {
        let close = check("a", 0.05, Comparison::Below, "%", Some(0.049_999_5));
        assert_eq!(close.actual(), "0.0499995%");
    }

    #[test]
    fn a_changed_limit_says_what_it_was() {
        let mut changed = check("sla.throughput_rps", 300.0, Comparison::Above, "req/s", Some(450.0));
        changed.threshold.changed = true;
        assert_eq!(changed.statement(), "Name > 300 req/s [changed by the user, default 10K req/s]");
    }
}
