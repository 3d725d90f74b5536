//! Exit codes, as documented in the README.

use std::process::ExitCode;

/// Something went wrong that is neither the user's words nor a verdict.
pub(crate) const ERROR: u8 = 1;
/// What was typed cannot be run.
pub(crate) const USAGE: u8 = 2;
/// Nothing failed, and something that was judged shows nothing.
pub(crate) const INCONCLUSIVE: u8 = 3;
/// `doctor`: something would stop a run.
pub(crate) const STOPS: u8 = 4;
/// Ended at once, by a second Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 105;

/// Every code and what it says.
pub(crate) const MEANINGS: [(u8, &str); 7] = [
    (0, "pass: every check that was made passed; for other commands, done"),
    (ERROR, "error: it could not be done; one sentence on standard error says why and what to do"),
    (USAGE, "what was typed, or a file that was named, cannot be run"),
    (INCONCLUSIVE, "inconclusive: nothing failed, and something that was judged shows nothing"),
    (STOPS, "`doctor`: something would stop a run here"),
    (99, "a check failed; `compare`: a condition of --fail-if is met"),
    (INTERRUPTED, "interrupted: ended in order by Ctrl-C, SIGTERM or SIGHUP, or at once by a second one"),
];

pub(crate) fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}
