//! `chaos`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::ReachingArgs;
use super::count::{parse_count, parse_rate};
use super::duration::parse_duration;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ChaosArgs {
    /// The server's URL: an erlmcp cluster on this machine, or any server with faults of your own commands.
    /// Without it: a local cluster of its own
    pub(crate) url: Option<String>,
    /// How long faults are made, as 30s, 10m, 1h
    #[arg(long = "for", value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Seed of the faults and of everything else random [default: from the clock; printed]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Faults to draw from, or their timetable, a TOML file (see docs/faults.md) [default: every kind that the machine
    /// permits]
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// Connections to hold (1000, 10k)
    #[arg(short, long, value_name = "N", default_value = "1000", value_parser = parse_count)]
    pub(crate) connections: u64,
    /// Requests a second
    #[arg(short, long, value_name = "RATE", default_value = "1000", value_parser = parse_rate)]
    pub(crate) rate: f64,
    /// Operations a second beside the load, each to happen once; proven by an audit; 0: none [default: 500]
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) operations: Option<f64>,
    /// Connections a second in the ramp-up
    #[arg(long, value_name = "RATE", default_value = "1000", value_parser = parse_rate)]
    pub(crate) ramp_rate: f64,
    /// Replicas of the local cluster [default: 12]
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u16>,
    /// Generator processes [default: as N and the descriptor limit need]
    #[arg(long, value_name = "N")]
    pub(crate) agents: Option<u32>,
    /// Tool to call [default: echo here; elsewhere one that says it is read-only]
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) args: Option<String>,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
    /// A request's timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Folder for the results; one that is not empty gets a folder in it [default: test-results/chaos-test-YYYYMMDD-HHMMSS]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// A host that is not this machine and may be loaded (repeatable)
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// A limit of the verdict, as faults.unrecovered_count=1 (repeatable)
    #[arg(long = "threshold", value_name = "NAME=VALUE")]
    pub(crate) thresholds: Vec<String>,
    /// A SKIPPED check makes the run inconclusive (exit 3)
    #[arg(long)]
    pub(crate) require_all: bool,
}

const EXAMPLES: &str = "Examples:
  erlmcp chaos --for 10m --seed 7                    its own cluster, the same faults for the same seed
  erlmcp chaos http://localhost:8080 --for 2m        the erlmcp cluster that runs there
  erlmcp chaos --faults mine.toml -c 10k -r 2k       faults of your own list";
