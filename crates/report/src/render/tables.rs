//! Tables in Markdown that more than one view has. Each ends with an empty line.

use super::{cell, code, prose};
use crate::capacity::Capacity;
use crate::{PhaseLine, Summary};

pub(super) fn row(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("| {} |\n", cells.join(" | "))
}

pub(super) fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: String = rows.into_iter().map(|cells| row(&cells)).collect();
    format!("{}{}{rows}\n", row(&heading.map(String::from)), row(&heading.map(|_| "---".to_string())))
}

/// One row a phase of the comprehensive suite; nothing for other runs.
pub(super) fn suite(summary: &Summary) -> String {
    if summary.suite.is_empty() {
        return String::new();
    }
    let mut text = String::from("| Phase | Checks that pass | Found | Status |\n|---|---|---|---|\n");
    for phase in &summary.suite {
        let PhaseLine { phase, title, verdict, passed, checks, line } = phase;
        let passed = format!("{passed} of {checks}");
        text += &row(&[format!("{phase}. {title}"), passed, line.clone(), verdict.mark().into()]);
    }
    text + "\n"
}

/// What a search has found, and what that means for the load that was wanted.
pub(super) fn capacity(found: &Capacity) -> String {
    let mut text = table(Capacity::CURVE_HEADING, found.curve());
    text += &format!("Objective: {}. Intervals are of 95 %.\n\n", code(&found.asked.slo));
    found.advice().iter().for_each(|line| text += &format!("{}.\n\n", prose(line)));
    text
}
