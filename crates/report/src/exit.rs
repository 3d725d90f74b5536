use crate::Summary;

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

/// The first that applies: interrupted, error, a FAIL, an INCONCLUSIVE (a SKIPPED too under `--require-all`), pass.
pub fn exit_code(summary: &Summary) -> ExitCode {
    let _ = summary;
    todo!()
}
