//! What a record comes to: its verdicts and its views.

mod asserted;
mod audit;
mod comparing;
mod comprehensive;
mod formats;
mod generator;
mod last_phases;
mod listed;
mod live;
mod membership;
mod pages;
mod recovery;
mod schema;
mod server_figures;
mod sla;
mod story;
mod streams;
mod validity;
mod views;
mod wording;

use erlmcp_report::Summary;
use erlmcp_report::verdict::{Check, Verdict};

fn check<'a>(summary: &'a Summary, id: &str) -> &'a Check {
    summary.check(id).unwrap_or_else(|| panic!("there is a check {id}"))
}

/// "PASS", "FAIL", "INCONCLUSIVE" or "SKIPPED".
fn verdict(summary: &Summary, id: &str) -> &'static str {
    match &check(summary, id).verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive { .. } => "INCONCLUSIVE",
        Verdict::Skipped { .. } => "SKIPPED",
    }
}

/// Why a check is inconclusive or skipped.
fn reason<'a>(summary: &'a Summary, id: &str) -> &'a str {
    let check = check(summary, id);
    check.verdict.reason().unwrap_or_else(|| panic!("{id} is {:?}", check.verdict))
}
