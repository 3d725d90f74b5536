use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::Summary;
use crate::summary::title;
use crate::verdict::{Check, Verdict};

/// For CI: a suite a phase, a case a check. A FAIL is a failure, an INCONCLUSIVE an error (nothing was shown), a SKIPPED
/// is skipped.
pub fn junit(summary: &Summary) -> String {
    let run = summary.run.as_ref();
    let name = run.map_or_else(|| "erlmcp".into(), |run| format!("erlmcp {}", run.command));
    let mut report = Report::new(name);
    let mut suites: Vec<TestSuite> = Vec::new();
    for phase in &summary.phases {
        let checks = summary.checks.iter().filter(|check| check.phase.as_ref() == Some(&phase.name));
        let mut suite = TestSuite::new(format!("{}. {}", phase.phase, title(&phase.name)));
        let line = summary.timeline.iter().find(|line| line.phase == phase.phase);
        if let Some(ms) = line.and_then(|line| line.actual_ms) {
            suite.set_time(std::time::Duration::from_millis(ms));
        }
        suite.add_test_cases(checks.map(|check| case(&phase.name, check)));
        suites.push(suite);
    }
    let is_of_a_phase = |check: &&Check| summary.phases.iter().any(|phase| check.phase.as_ref() == Some(&phase.name));
    let mut whole = TestSuite::new("The whole run");
    let others = summary.checks.iter().filter(|check| !is_of_a_phase(check));
    whole.add_test_cases(others.map(|check| case("run", check)));
    suites.push(whole);
    if let (Some(run), Some(suite)) = (run, suites.first_mut()) {
        suite.add_property(("run_id", run.run_id.as_str()));
        suite.add_property(("started_at", run.started_at.as_str()));
        suite.add_property(("version", run.version.as_str()));
    }
    report.add_test_suites(suites.into_iter().filter(|suite| suite.tests > 0));
    said_as_skipped(&report.to_string().expect("names and numbers can be written as XML"))
}

/// Schemas know how many cases of a suite were skipped, and none that are disabled, as the library calls them.
fn said_as_skipped(text: &str) -> String {
    let line = |line: &str| match line.trim_start().starts_with("<testsuite ") {
        true => line.replacen(" disabled=\"", " skipped=\"", 1),
        false => line.to_string(),
    };
    text.split_inclusive('\n').map(line).collect()
}

fn case(class: &str, check: &Check) -> TestCase {
    let failed = |kind: NonSuccessKind, message: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    let statement = || format!("{}: {}", check.statement(), check.actual());
    // Most CI servers show the message, and the output only to who asks for it.
    let see = check.see().map(|entry| format!("; see {entry}")).unwrap_or_default();
    let status = match &check.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => failed(NonSuccessKind::Failure, statement() + &see),
        Verdict::Inconclusive { reason } => {
            failed(NonSuccessKind::Error, format!("inconclusive: {reason} ({}){see}", statement()))
        }
        Verdict::Skipped { reason } => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone());
            status
        }
    };
    let mut case = TestCase::new(check.id.clone(), status);
    case.set_classname(format!("erlmcp.{class}"));
    let advice = check.advice.iter().map(|advice| format!("\n{advice}"));
    case.set_system_out(format!("{}\n{}{}", statement(), check.basis(), advice.collect::<String>()));
    case
}
