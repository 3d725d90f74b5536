//! `comprehensive`.

use clap::Args;

use super::StressArgs;
use super::count::parse_count;

/// All that `stress` takes, and more.
#[derive(Debug, Args)]
pub(crate) struct ComprehensiveArgs {
    #[command(flatten)]
    pub(crate) run: StressArgs,
    /// Connections of each step, as 1k,10k,100k
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(crate) steps: Vec<u64>,
}

pub(super) const EXAMPLES: &str = "An example (its phases and limits: docs/comprehensive.md):
  erlmcp comprehensive http://localhost:8080 100k 15 --steps 1k,10k,100k";
