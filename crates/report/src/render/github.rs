use super::tables::{capacity, suite};
use super::{cell, code, prose};
use crate::verdict::{Check, Verdict};
use crate::{FaultLine, Summary, format, summary};

/// For the step summary of a GitHub workflow: the verdict, the SLAs, the phases of the suite or what a search has found, what
/// did not pass and why, and the rest folded up.
pub fn github(summary: &Summary) -> String {
    let readiness = &summary.readiness;
    let config = summary.configuration.as_ref();
    let what = match (&summary.capacity, config) {
        (Some(found), _) => prose(&found.heading()),
        (None, Some(config)) => format!("{} connections", format::count(config.connections)),
        (None, None) => "? connections".into(),
    };
    let target = config.map_or("?", |config| config.target.as_str());
    let command = summary.run.as_ref().map_or("run", |run| run.command.as_str());
    let mut text = format!("## {} erlmcp {command}\n\n", readiness.verdict.mark());
    text += &format!("{what}, {}.\n\n", code(target));
    readiness.against.iter().for_each(|line| text += &format!("- {}\n", prose(line)));
    text += if readiness.against.is_empty() { "" } else { "\n" };
    text += &summary.capacity.as_ref().map_or_else(|| slas(summary) + &suite(summary), capacity);
    let open: Vec<&Check> = summary.checks.iter().filter(|check| check.verdict != Verdict::Pass).collect();
    if !open.is_empty() {
        text += "### What did not pass\n\n| Phase | Check | Limit | Actual | Verdict |\n|---|---|---|---|---|\n";
        // Some figures are judged twice: as a service level, and in their phase.
        let phase = |check: &Check| match &check.phase {
            _ if check.is_headline() => "service level".into(),
            Some(phase) => summary::title(phase),
            None => "whole run".into(),
        };
        open.iter().for_each(|check| text += &format!("| {} {}", cell(&phase(check)), row(check, &reason(check))));
    }
    text += &faults(summary);
    text += "\n<details><summary>Every figure</summary>\n\n| Figure | Value |\n|---|---|\n";
    for figure in summary.numbers.iter().flat_map(|section| &section.figures) {
        text += &format!("| {} | {} |\n", cell(&figure.name), cell(&figure.value.pretty()));
    }
    text + "\n</details>\n"
}

fn slas(summary: &Summary) -> String {
    let slas = summary.checks.iter().filter(|check| check.is_headline());
    let rows: String = slas.map(|check| row(check, "")).collect();
    format!("| Service level | Limit | Actual | Verdict |\n|---|---|---|---|\n{rows}\n")
}

fn row(check: &Check, reason: &str) -> String {
    let limit = check.threshold.text() + &check.changed();
    let verdict = check.verdict.mark();
    format!("| {} | {} | {} | {verdict}{} |\n", cell(&check.name), cell(&limit), cell(&check.actual()), cell(reason))
}

fn reason(check: &Check) -> String {
    let see = check.see().map(|entry| format!("see {entry}"));
    let said = [check.verdict.reason(), check.advice.as_deref(), see.as_deref()];
    said.into_iter().flatten().map(|text| format!(": {text}")).collect()
}

fn faults(summary: &Summary) -> String {
    if summary.faults.is_empty() {
        return String::new();
    }
    let mut text = String::from("\n<details><summary>Faults</summary>\n\n");
    text += &format!("| {} |\n|{}\n", FaultLine::HEADING.join(" | "), "---|".repeat(FaultLine::HEADING.len()));
    for fault in &summary.faults {
        let cells: Vec<String> = fault.cells().iter().map(|text| cell(text)).collect();
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text + "\n</details>\n"
}
