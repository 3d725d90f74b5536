//! A workload's requests, class by class.

use super::{Figure, Section, Value, phases};
use crate::analysis::{Analysis, ClassPart};
use crate::facts::{Facts, NO_WINDOW};
use crate::format;

/// None where the run had no workload.
pub(super) fn section(analysis: &Analysis, facts: &Facts<'_>) -> Option<Section> {
    let workload = analysis.config.as_ref()?.workload.as_ref()?;
    let window = facts.sustained.as_ref().and_then(|found| found.window);
    let none = if window.is_none() { NO_WINDOW } else { "no request of it was planned in the window" };
    let empty = ClassPart::default();
    let mut figures = vec![Figure::new("Workload", Value::Text(workload.name.clone()))];
    for (number, class) in (1u8..).zip(&workload.classes) {
        let part = analysis.classes.get(&number).unwrap_or(&empty);
        let name = |what: &str| format!("{}: {what}", class.name);
        let seconds = window.map_or(0, |window| window.seconds());
        let rate = (seconds > 0).then(|| part.planned as f64 / seconds as f64);
        figures.push(Figure::new(name("Requests Planned"), Value::or(rate, Value::Rate, none)));
        if part.planned == 0 {
            continue;
        }
        figures.push(Figure::new(name("Share"), Value::Text(share(part.planned, all(analysis), class.share))));
        for (what, quantile) in [("P50", 0.5), ("P95", 0.95), ("P99", 0.99), ("Max", 1.0)] {
            figures.push(Figure::new(name(what), phases::quantile(&part.latency, quantile, none)));
        }
        figures.push(Figure::new(name("Errors"), Value::Share { part: part.errors(), whole: part.countable() }));
        if !part.causes.is_empty() {
            figures.push(Figure::new(name("Errors by Cause"), phases::causes(&part.causes)));
        }
    }
    Some(Section { title: "Workload Metrics".into(), figures })
}

fn all(analysis: &Analysis) -> u64 {
    analysis.classes.values().map(|class| class.planned).sum()
}

/// "12.3 % of all requests, 12.5 % by the workload".
fn share(part: u64, whole: u64, expected: f64) -> String {
    format!("{} of all requests, {:.1}% by the workload", format::share(part, whole), expected * 100.0)
}
