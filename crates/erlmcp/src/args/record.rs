//! `record`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RecordArgs {
    /// JSON lines, one a request: timestamp, method or tool, arguments or size; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) from_log: PathBuf,
    /// The trace, for `[arrival] kind = "trace"` of a workload
    #[arg(short, long, value_name = "FILE", default_value = "trace.jsonl")]
    pub(crate) output: PathBuf,
    /// The argument that is filled with letters where the log has only the size
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub(crate) argument: String,
}

const EXAMPLES: &str = "Examples:
  erlmcp record --from-log requests.jsonl -o monday.jsonl
  erlmcp record --from-log - --argument query    what is piped to it";
