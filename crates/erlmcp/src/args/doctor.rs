//! `doctor`.

use std::time::Duration;

use clap::Args;

use super::count::{parse_count, parse_rate};
use super::duration::parse_duration;
use super::{Era, ReachingArgs};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// The server's URL [default: a local cluster of its own]
    ///
    /// Its path defaults to /mcp.
    pub(crate) url: Option<String>,
    /// Connections that the run is to hold [default: 100k]
    #[arg(short, long, value_name = "N", value_parser = parse_count)]
    pub(crate) connections: Option<u64>,
    /// Requests a second of the short load [default: 12000]
    #[arg(short, long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// How long the short load takes; 0s: none
    #[arg(long, value_name = "TIME", default_value = "6s", value_parser = parse_duration)]
    pub(crate) load: Duration,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Auto)]
    pub(crate) era: Era,
    /// Tool to call [default: echo, or a read-only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) args: Option<String>,
    /// Process of a foreign server on this machine
    ///
    /// For its descriptors, memory and CPU.
    #[arg(long, value_name = "PID")]
    pub(crate) target_pid: Option<u32>,
    /// Another host that may be loaded (repeatable)
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
}

const EXAMPLES: &str = "Examples:
  erlmcp doctor                                  would 100,000 work here?
  erlmcp doctor -c 1m                            and a million?
  erlmcp doctor http://localhost:8080            where does the way end?
  erlmcp doctor http://localhost:8080 --load 0s  the same, without load

Exit codes: 0 nothing stops a run, 4 something does, 1 unknown, 2 usage
Each id in [brackets] has an entry in docs/doctor.md";
