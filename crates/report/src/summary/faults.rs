use erlmcp_record::Hist;

use super::{FaultLine, Value, title};
use crate::analysis::{Analysis, Broken};
use crate::facts::{Facts, FaultFacts, Observed, every_fault, is_listed};
use crate::format;
use crate::verdict::{Verdict, attempts, failures, verdict_of};

/// The faults of a list.
pub(super) fn lines(analysis: &Analysis, facts: &Facts<'_>) -> Vec<FaultLine> {
    facts.listed.iter().map(|fault| line(analysis, fault)).collect()
}

/// Every fault that was made, of a list or of a scenario; when it was over, in microseconds of the run's clock; and
/// whether its verdict is its own, which only a fault of a list has.
pub(crate) fn every(analysis: &Analysis) -> Vec<(FaultLine, u64, bool)> {
    let found = every_fault(analysis);
    found.iter().filter(|facts| facts.fault.skipped.is_none()).map(|facts| of_any(analysis, facts)).collect()
}

fn of_any(analysis: &Analysis, facts: &FaultFacts<'_>) -> (FaultLine, u64, bool) {
    let is_of_list = is_listed(facts.fault);
    let mut line = line(analysis, facts);
    if !is_of_list {
        // A scenario that is a fault expects to be noticed, and does not say so.
        line.kind = if line.kind.is_empty() { title(&facts.fault.scenario) } else { line.kind };
        line.detected_by_cluster_ms = match facts.fault.targets().is_empty() {
            true => Value::NotMeasured("not looked for".into()),
            false => moment(&facts.detected_by_cluster),
        };
    }
    (line, facts.over_us, is_of_list)
}

fn line(analysis: &Analysis, facts: &FaultFacts<'_>) -> FaultLine {
    let fault = facts.fault;
    let targets: Vec<String> = fault.targets().iter().map(u16::to_string).collect();
    let verdict = verdict_of(analysis, facts);
    let reason = match &verdict {
        Verdict::Pass => fault.note.clone().or_else(|| figures(facts)),
        Verdict::Fail => Some(failures(analysis, facts)),
        Verdict::Inconclusive { reason } | Verdict::Skipped { reason } => Some(reason.clone()),
    };
    let nothing_to_heal = if fault.expected.healed { "not seen" } else { "nothing to undo" };
    let nobody = if fault.expected.detected { "not seen" } else { "not looked for" };
    let by_cluster = |found: &Observed| match fault.cluster_detected_us {
        Some(_) => moment(found),
        None => Value::NotMeasured(nobody.into()),
    };
    FaultLine {
        id: fault.id,
        kind: fault.kind.clone(),
        targets: match targets.is_empty() {
            true if fault.is_of_store() => "the store".into(),
            true => "the cluster".into(),
            false => targets.join(", "),
        },
        method: fault.method.clone(),
        injected_ms: fault.injected_us / 1_000,
        effect_ms: between(Some(fault.injected_us), fault.effect_us, "not seen"),
        detected_by_cluster_ms: by_cluster(&facts.detected_by_cluster),
        detected_since_injection_ms: by_cluster(&facts.detected_since_injection),
        detected_by_clients_ms: first_client(facts),
        detected_by_last_client_ms: moment(&facts.detected_by_clients),
        served_again_ms: moment(&facts.served_again),
        ready_again_ms: moment(&facts.ready_again),
        healed_ms: between(fault.healed_us, fault.heal_verified_us, nothing_to_heal),
        steady_again_ms: between(fault.effect_us, fault.steady_us, "not seen"),
        fates: facts.fates.during.fates,
        verdict,
        reason,
    }
}

/// The figures that only this kind has, as words.
fn figures(facts: &FaultFacts<'_>) -> Option<String> {
    let fault = facts.fault;
    let of = |(name, figure): (&String, &f64)| match name.rsplit_once('_') {
        Some((what, "count")) => format!("{} {}", format::count(*figure as u64), what.replace('_', " ")),
        Some((what, "bytes")) => format!("{} {}", what.replace('_', " "), format::bytes(*figure)),
        Some((what, "ms")) => format!("{} {}", what.replace('_', " "), format::ms(*figure)),
        _ => format!("{} {figure}", name.replace('_', " ")),
    };
    let ratio = attempts(fault)
        .map(|(attempts, firsts)| format!("retry amplification {:.2}x", attempts as f64 / firsts as f64));
    let streams = (facts.streams.lost > 0).then(|| streams(&facts.streams));
    let texts: Vec<String> = ratio.into_iter().chain(streams).chain(fault.detail.iter().map(of)).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

fn streams(broken: &Broken) -> String {
    let (lost, back) = (format::count(broken.lost), format::count(broken.back().min(broken.lost)));
    let longest = broken.away.as_ref().and_then(Hist::max_us);
    let longest = longest.map_or(String::new(), |us| format!(" within {}", format::ms(us as f64 / 1e3)));
    format!("{back} of {lost} streams acknowledged again{longest}")
}

/// When the first client noticed; what was lost while the fault was on its way has no time since its effect.
pub(super) fn first_client(facts: &FaultFacts<'_>) -> Value {
    match facts.felt_before {
        true => Value::Text("before the effect was seen".into()),
        false => moment(&facts.detected_by_first_client),
    }
}

pub(super) fn between(from_us: Option<u64>, at_us: Option<u64>, why_not: &str) -> Value {
    let us = from_us.zip(at_us).map(|(from, at)| at.saturating_sub(from));
    Value::or(us, |us| Value::Ms(us as f64 / 1e3), why_not)
}

/// A moment in milliseconds since the fault's effect.
pub(crate) fn moment(moment: &Observed) -> Value {
    match moment {
        Observed::After { us } => Value::Ms(*us as f64 / 1e3),
        Observed::NotWithin { us } => Value::NotMeasured(format!("not within {}", format::ms(*us as f64 / 1e3))),
        Observed::Unknown(why) => Value::NotMeasured(why.clone()),
    }
}

impl FaultLine {
    /// The heading of [`FaultLine::cells`].
    pub(crate) const HEADING: [&'static str; 11] = [
        "At",
        "Fault",
        "Replicas",
        "Effect",
        "Detected",
        "by a client",
        "Served",
        "Ready",
        "Healed",
        "Fates",
        "Verdict",
    ];

    /// A row of a table.
    pub(crate) fn cells(&self) -> [String; 11] {
        let short = |value: &Value| match value {
            Value::NotMeasured(_) => "-".to_string(),
            value => value.pretty(),
        };
        let fates: Vec<String> =
            self.fates.iter().map(|(fate, count)| format!("{} {}", fate.name(), format::count(count))).collect();
        let verdict = match &self.reason {
            Some(reason) => format!("{}: {reason}", self.verdict.mark()),
            None => self.verdict.mark().to_string(),
        };
        [
            format!("{:.1} s", self.injected_ms as f64 / 1e3),
            self.kind.clone(),
            self.targets.clone(),
            short(&self.effect_ms),
            short(&self.detected_by_cluster_ms),
            short(&self.detected_by_clients_ms),
            short(&self.served_again_ms),
            short(&self.ready_again_ms),
            short(&self.healed_ms),
            fates.join(" + "),
            verdict,
        ]
    }
}
