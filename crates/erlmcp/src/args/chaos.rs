//! `chaos`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::count::{parse_count, parse_rate};
use super::duration::parse_duration;
use super::{LoadArgs, ProofArgs, StreamArgs};

#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("ramp_rate", |arg| arg.default_value("1000")),
    mut_arg("thresholds", |arg| arg.help("A limit, as faults.unrecovered_count=1"))
)]
pub(crate) struct ChaosArgs {
    /// The server's URL. Without it: a local cluster of its own
    ///
    /// An erlmcp cluster on this machine, or any server with faults of your own commands.
    pub(crate) url: Option<String>,
    /// How long faults are made, as 30s or 10m
    #[arg(long = "for", value_name = "TIME", default_value = "1m", value_parser = parse_duration)]
    pub(crate) duration: Duration,
    /// Faults, or their timetable, as a TOML file
    ///
    /// [default: all that is permitted]; see docs/faults.md.
    #[arg(long, value_name = "FILE")]
    pub(crate) faults: Option<PathBuf>,
    /// Connections to hold (1000, 10k)
    #[arg(short, long, value_name = "N", default_value = "1000", value_parser = parse_count)]
    pub(crate) connections: u64,
    /// Requests a second
    #[arg(short, long, value_name = "RATE", default_value = "1000", value_parser = parse_rate)]
    pub(crate) rate: f64,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
}

const EXAMPLES: &str = "Examples:
  erlmcp chaos --for 10m --seed 7                 its own cluster
  erlmcp chaos http://localhost:8080 --for 2m     the cluster that runs there
  erlmcp chaos --faults mine.toml -c 10k -r 2k    faults of your own list";
