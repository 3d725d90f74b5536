//! `audit`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuditArgs {
    /// The folder of a run (test-results/stress-test-YYYYMMDD-HHMMSS), or a bundle of one (run.tar.zst)
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "Examples:
  erlmcp audit test-results/stress-test-...   every operation of a run
  erlmcp audit run.tar.zst --json             of another's run, by its bundle

Exit codes: 0 valid, 99 invalid, 3 unknown (too few data), 1 error, 2 no run";
