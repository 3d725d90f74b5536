use std::collections::BTreeMap;

use erlmcp_record::Kind;
use erlmcp_record::names::phase;
use serde::{Deserialize, Serialize};

use super::{Change, WATCH_VERSION};
use crate::Analysis;
use crate::slo::{Slo, Tally};
use crate::verdict;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The objective was kept.
    Kept,
    /// It was not.
    Violated,
    /// Nobody answered in MCP: no objective is kept so.
    Unreachable,
    /// It shows nothing of the server.
    Inconclusive,
    /// The check could not be made, for reasons of its own.
    Failed,
}

/// What is asked of the server at each check. Checks are compared only where it is the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub target: String,
    pub connections: u64,
    /// Requests a second.
    pub rate: f64,
    /// Of load.
    pub seconds: f64,
    /// "tools/call search"; empty where it did not come to that, and no tool was named.
    pub calls: String,
}

/// One check: one line of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    pub watch_version: u32,
    /// When it began, local time with its offset: "2026-11-26T14:30:00+01:00".
    pub at: String,
    #[serde(flatten)]
    pub asked: Asked,
    /// "p95<100ms,errors<0.05%".
    pub slo: String,
    pub outcome: Outcome,
    /// What is past its limit, or why there is no verdict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    pub planned: u64,
    /// Planned, sent if it was for the generator, and not ok.
    pub errors: u64,
    /// Why they were not ok, counted by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<String, u64>,
    /// Milliseconds by name: "p50_ms", "p95_ms", "p99_ms", "max_ms", and the objective's own.
    pub latency: BTreeMap<String, f64>,
    /// The generator, and not the server, may have made the figures: they are compared with none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generator: bool,
    /// Named at this check for the first time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// What may have changed; more checks will tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub perhaps: Vec<Change>,
    /// The folder of its record, where that was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl Check {
    /// One that did not come to any load.
    pub fn without_load(at: String, asked: Asked, slo: &Slo, outcome: Outcome, reasons: Vec<String>) -> Self {
        Self {
            watch_version: WATCH_VERSION,
            at,
            asked,
            slo: slo.to_string(),
            outcome,
            reasons,
            planned: 0,
            errors: 0,
            causes: BTreeMap::new(),
            latency: BTreeMap::new(),
            generator: false,
            changes: Vec::new(),
            perhaps: Vec::new(),
            run: None,
        }
    }

    /// What the sustained load of a run comes to, all of it: so low a rate needs no warm-up.
    pub fn of(analysis: &Analysis, at: String, asked: Asked, slo: &Slo) -> Self {
        let sustained = analysis.phase_named(phase::SUSTAINED_LOAD).map(|(number, _)| number);
        let part = analysis.part(false, |key| key.kind == Kind::Load && Some(key.phase) == sustained);
        let calls = analysis.config.as_ref().map(|config| config.calls.clone()).unwrap_or_default();
        let causes = part.causes.clone();
        let mut judged = Tally::of(part).judge(slo);
        // Nothing is shown of the server by figures that do not add up, nor by those of an agent that died.
        let broken = verdict::invalid(analysis).or_else(|| verdict::doubt::lost(analysis, u8::MAX));
        judged.generator = broken.or(judged.generator);
        let generator = judged.generator.is_some();
        let (outcome, reasons) = match (judged.generator, judged.few) {
            (Some(generator), _) => (Outcome::Inconclusive, vec![generator]),
            (None, _) if !judged.violations.is_empty() => (Outcome::Violated, judged.violations),
            (None, Some(few)) => (Outcome::Inconclusive, vec![few]),
            (None, None) => (Outcome::Kept, Vec::new()),
        };
        Self {
            planned: judged.planned,
            errors: judged.errors,
            causes,
            latency: judged.latency,
            generator,
            ..Self::without_load(at, Asked { calls, ..asked }, slo, outcome, reasons)
        }
    }

    /// The objective was not kept, and that is the server's.
    pub fn is_violation(&self) -> bool {
        matches!(self.outcome, Outcome::Violated | Outcome::Unreachable)
    }

    /// Its figures can stand beside those of `other`.
    pub(super) fn is_like(&self, other: &Check) -> bool {
        self.asked == other.asked && self.planned > 0 && !self.generator
    }

    /// It asks the same of the same server. A check that came to no load may not know what it would have called.
    pub(super) fn is_akin(&self, other: &Check) -> bool {
        let calls = [&self.asked.calls, &other.asked.calls];
        let same_calls = calls[0] == calls[1] || calls.iter().any(|calls| calls.is_empty());
        same_calls && self.asked.target == other.asked.target && self.slo == other.slo
    }

    /// One line of the history, with its line end.
    pub fn to_json_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("a check has only names and numbers");
        line.push('\n');
        line
    }
}
