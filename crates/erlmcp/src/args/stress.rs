//! `stress`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::count::{parse_count, parse_rate};
use super::duration::{parse_duration, parse_minutes};
use super::{LoadArgs, ProofArgs, StreamArgs};

/// The protocol era to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Era {
    /// Modern first, then fall back as the specification says
    Auto,
    /// 2026-07-28
    Modern,
    /// 2025-11-25 and before, with sessions
    Legacy,
}

/// Who has a legacy session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sessions {
    Shared,
    PerConnection,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StressArgs {
    /// The server's URL [default: a local cluster of its own]
    ///
    /// Its path defaults to /mcp.
    pub(crate) url: Option<String>,
    /// Connections to hold (100000, 100k, 1m) [default: 100k]
    #[arg(value_name = "CONNECTIONS", value_parser = parse_count)]
    pub(crate) connections_word: Option<u64>,
    /// Minutes of sustained load; a fraction is allowed [default: 1]
    #[arg(value_name = "MINUTES", value_parser = parse_minutes)]
    pub(crate) minutes_word: Option<Duration>,

    /// As CONNECTIONS
    #[arg(short, long, value_name = "N", value_parser = parse_count, conflicts_with = "connections_word")]
    pub(crate) connections: Option<u64>,
    /// Sustained load, as 500ms, 30s, 15m, 1h30m
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, conflicts_with = "minutes_word")]
    pub(crate) duration: Option<Duration>,
    /// Requests a second to offer [default: 12000]
    #[arg(short, long, value_name = "RATE", value_parser = parse_rate)]
    pub(crate) rate: Option<f64>,
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Auto)]
    pub(crate) era: Era,
    /// Legacy sessions: one for each generator process, or one for each connection
    #[arg(long, value_enum, default_value_t = Sessions::Shared, hide_short_help = true)]
    pub(crate) sessions: Sessions,
    /// What clients do: one that is built in, or a file
    ///
    /// agent, chat-fleet, notifications, or a TOML file; see docs/workloads.md.
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) workload: Option<String>,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
    #[command(flatten)]
    pub(crate) load: LoadArgs,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    /// Phases to run, as 1,2,3 or baseline,ramp_up
    ///
    /// The others are SKIPPED.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) phases: Vec<String>,
    /// Start of the sustained load that is recorded but not judged [default: 10s, a third of a run under 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) warmup: Option<Duration>,
    /// Process of a foreign server on this machine, for its memory and CPU
    #[arg(long, value_name = "PID", hide_short_help = true)]
    pub(crate) target_pid: Option<u32>,
    /// Inject no faults: their phase is SKIPPED
    #[arg(long)]
    pub(crate) no_faults: bool,
    /// More faults for that phase, from a TOML file
    ///
    /// See docs/faults.md.
    #[arg(long, value_name = "FILE", conflicts_with = "no_faults")]
    pub(crate) faults: Option<PathBuf>,
    /// Do not stop by itself above 50 % errors on another host
    #[arg(long, hide_short_help = true)]
    pub(crate) no_abort: bool,
}

const EXAMPLES: &str = "Examples:
  erlmcp stress                                 a cluster of its own, 1 minute
  erlmcp stress http://localhost:8080 10k 15    your server, 15 minutes
  erlmcp stress http://localhost:3000/mcp -c 1k -r 2k --tool search";
