//! Exit codes, as documented in the README.

use std::process::ExitCode;

/// Something went wrong that is neither the user's words nor a verdict.
pub(crate) const ERROR: u8 = 1;
/// What was typed cannot be run.
pub(crate) const USAGE: u8 = 2;
/// `doctor`: something would stop a run.
pub(crate) const STOPS: u8 = 4;
/// Ended at once, by a second Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 105;

pub(crate) fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}
