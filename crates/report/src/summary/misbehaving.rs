//! Clients that were wrong on purpose: what they did, and how the target took it. None of it is an error of the target's.

use erlmcp_record::MisbehavingRow;

use super::{Figure, Section, Value};
use crate::analysis::Analysis;

/// None where the workload had none of them.
pub(super) fn section(analysis: &Analysis) -> Option<Section> {
    let workload = analysis.config.as_ref()?.workload.as_ref()?;
    let counted = analysis.misbehaving.by_way();
    let mut figures = Vec::new();
    for asked in &workload.misbehaving {
        let name = |what: &str| format!("{}: {what}", asked.way);
        figures.push(Figure::new(name("Clients"), Value::Count(asked.clients)));
        match counted.get(asked.way.as_str()) {
            Some(row) => figures.extend(of_row(row, &name)),
            None => figures.push(Figure::new(name("Done"), Value::NotMeasured("they were not let loose".into()))),
        }
    }
    (!figures.is_empty()).then(|| Section { title: "Misbehaving Clients (counted nowhere else)".into(), figures })
}

fn of_row(row: &MisbehavingRow, name: &impl Fn(&str) -> String) -> Vec<Figure> {
    let counts = [
        ("Answered with an Error", row.refused),
        ("Answered as a Good One", row.taken),
        ("Cut by the Target", row.cut),
        ("Without an Answer in Time", row.unanswered),
        ("Gone by Itself, or Borne to the End", row.left),
        ("Not Connected", row.not_connected),
    ];
    let mut figures = vec![Figure::new(name("Done"), Value::Count(row.done))];
    let known = counts.into_iter().filter(|(_, count)| *count > 0);
    figures.extend(known.map(|(what, count)| Figure::new(name(what), Value::Count(count))));
    figures.extend(row.last_cut_us.map(|us| Figure::new(name("Longest until Cut"), Value::Ms(us as f64 / 1e3))));
    figures
}
