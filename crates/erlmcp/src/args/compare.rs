//! `compare`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use erlmcp_report::compare::Condition;

/// For whom the comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareFormat {
    Terminal,
    Markdown,
    /// A page that needs nothing else
    Html,
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CompareArgs {
    /// Folders of runs, or bundles; the others are compared with the first
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    pub(crate) runs: Vec<PathBuf>,
    /// What must not be, as p99>+10%, throughput<-5%, p95>+3ms or errors>+0.1pp (repeatable)
    #[arg(long, value_name = "CONDITION")]
    pub(crate) fail_if: Vec<Condition>,
    /// Compare runs of other machines, plans or loads all the same
    #[arg(long)]
    pub(crate) anyway: bool,
    /// How it is written
    #[arg(long, value_enum, default_value_t = CompareFormat::Terminal)]
    pub(crate) format: CompareFormat,
    /// A file in place of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

const EXAMPLES: &str = "Examples:
  erlmcp compare test-results/before test-results/after
  erlmcp compare main/run branch/run --fail-if 'p99>+10%' --format markdown
  erlmcp compare before after --format html --output difference.html

Exit codes: 0 no condition is met, 99 one is, 3 one cannot be told (longer
runs tell more), 1 error, 2 not comparable";
