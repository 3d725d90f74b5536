use crate::summary::skipped_within;
use crate::verdict::Verdict;
use crate::{Finish, Summary};

/// How a run's process ends, by what its summary says. Usage errors (2) never reach a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    Pass = 0,
    Error = 1,
    Inconclusive = 3,
    SlaFailed = 99,
    Interrupted = 105,
}

/// The first that applies: interrupted, error, a FAIL, an INCONCLUSIVE (under `--require-all` whatever is SKIPPED, too),
/// pass. A run that ended itself early is at best inconclusive; one whose record has no end, or whose ledger does not
/// balance, is an error: it says nothing about the target.
pub fn exit_code(summary: &Summary) -> ExitCode {
    let any = |of: fn(&Verdict) -> bool| summary.checks.iter().any(|check| of(&check.verdict));
    let require_all = summary.configuration.as_ref().is_some_and(|config| config.require_all);
    let within = || skipped_within(&summary.suite, &summary.phases, &summary.faults);
    let is_skipped = || any(|verdict| matches!(verdict, Verdict::Skipped { .. })) || within() != (0, 0);
    match summary.finish {
        Finish::Interrupted => ExitCode::Interrupted,
        Finish::Unfinished => ExitCode::Error,
        _ if summary.invalid.is_some() => ExitCode::Error,
        _ if any(|verdict| *verdict == Verdict::Fail) => ExitCode::SlaFailed,
        _ if any(|verdict| matches!(verdict, Verdict::Inconclusive { .. })) => ExitCode::Inconclusive,
        Finish::Aborted { .. } => ExitCode::Inconclusive,
        Finish::Completed if require_all && is_skipped() => ExitCode::Inconclusive,
        Finish::Completed => ExitCode::Pass,
    }
}
