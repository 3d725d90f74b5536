//! What a workload expects of its requests, class by class.

use erlmcp_record::names::phase;
use erlmcp_record::{ClassLimit, ClassRow};

use super::doubt;
use super::evidence::Evidence;
use super::judge::Judge;
use super::{Comparison, Limit, requests};
use crate::analysis::{Analysis, ClassPart, Part};
use crate::facts::Sustained;
use crate::stats::{Drawn, Percentile};

pub(super) fn enter(judge: &mut Judge<'_>) {
    let (analysis, facts) = (judge.analysis, judge.facts);
    let Some(workload) = analysis.config.as_ref().and_then(|config| config.workload.as_ref()) else { return };
    let (empty, mut ids) = (ClassPart::default(), Vec::new());
    for (number, class) in (1u8..).zip(&workload.classes) {
        let part = analysis.classes.get(&number).unwrap_or(&empty);
        for limit in &class.limits {
            let evidence = facts.sustained.as_ref().map_or_else(
                || Evidence::none("no sustained load was run"),
                |sustained| evidence(analysis, sustained, part, limit),
            );
            let ((mut id, name), limit) = names(class, limit);
            // Of names in other letters than ASCII no more is left than their length.
            while ids.contains(&id) {
                id += &format!("_{number}");
            }
            ids.push(id.clone());
            judge.enter_own(phase::SUSTAINED_LOAD, (id, name), limit, evidence);
        }
    }
}

/// The id and the name of a check, and its limit.
fn names(class: &ClassRow, limit: &ClassLimit) -> ((String, String), Limit) {
    let (figure, unit, value) = match limit {
        ClassLimit::Latency { percent, limit_ms } => (format!("P{percent}"), "ms", *limit_ms),
        ClassLimit::ErrorsPercent(percent) => ("Errors".into(), "%", *percent),
    };
    let word = |text: &str| {
        let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
        text.chars().map(plain).collect::<String>()
    };
    let suffix = if unit == "ms" { "ms" } else { "percent" };
    let id = format!("workload.{}_{}_{suffix}", word(&class.name), word(&figure));
    let limit = Limit { value, unit: unit.into(), comparison: Comparison::Below, changed: false };
    ((id, format!("{figure} of {}", class.name)), limit)
}

fn evidence(analysis: &Analysis, sustained: &Sustained<'_>, class: &ClassPart, limit: &ClassLimit) -> Evidence {
    let seconds = sustained.seconds().max(1) as f64;
    let none = (class.planned == 0).then(|| "no request of it was planned in the window".to_string());
    let evidence = match limit {
        ClassLimit::Latency { percent, limit_ms } => {
            let percentile = Percentile::of_percent(*percent);
            let drawn = Drawn::of(&class.spans(), percentile, analysis.seed());
            // The generator's lag is that of all requests together.
            let part = Part {
                latency: class.latency.clone(),
                send_lag: sustained.judged.send_lag.clone(),
                receive_lag: sustained.judged.receive_lag.clone(),
                ..Part::default()
            };
            let source = "latency from the intended send time, sustained window, as the workload expects";
            requests::percentile(&part, percentile, drawn, *limit_ms, source)
        }
        ClassLimit::ErrorsPercent(percent) => {
            let source = "planned and not ok, over planned, sustained window, as the workload expects";
            requests::share_under(class.errors(), class.countable(), *percent, "requests", source)
        }
    };
    evidence.paced(class.planned as f64 / seconds).spoiled(doubt::load(sustained)).spoiled(none)
}
