//! What the commands that load a server are told in the same words: `stress`, `comprehensive`, `chaos`, `capacity`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use erlmcp_report::slo::Slo;

use super::count::{parse_bytes, parse_count, parse_rate};
use super::duration::parse_duration;
use super::{JoiningArgs, ReachingArgs};

/// Who sends, what is called and how, where the results go, and what they are judged by.
#[derive(Debug, Clone, Args)]
pub(crate) struct LoadArgs {
    /// Connections opened a second
    #[arg(long, value_name = "RATE", default_value = "5000", value_parser = parse_rate, hide_short_help = true)]
    pub(crate) ramp_rate: f64,
    /// Replicas of the local cluster [default: 12]
    ///
    /// More where N needs them.
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u16>,
    /// Generator processes [default: as N, the rate and the descriptor limit need]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub(crate) agents: Option<u32>,
    #[command(flatten)]
    pub(crate) joining: JoiningArgs,
    /// Tool to call [default: echo, or a read-only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) args: Option<String>,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
    #[command(flatten)]
    pub(crate) show: ShowArgs,
    /// A request's timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) timeout: Duration,
    /// Results folder [default: under test-results]
    ///
    /// One that is not empty gets a folder in it.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// End a run, judged as far as it came, when its record has so many bytes: 500M, 32G
    #[arg(long, value_name = "BYTES", default_value = "32G", value_parser = parse_bytes, hide_short_help = true)]
    pub(crate) record_limit: u64,
    /// Another host that may be loaded (repeatable)
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Who breaks a target that is no cluster of this machine; see docs/faults.md
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) driver: Option<DriverName>,
    /// Socket of the Docker engine that the target's tasks run on, for --driver swarm [default: /var/run/docker.sock]
    #[arg(long, value_name = "PATH", requires = "driver", hide_short_help = true)]
    pub(crate) engine: Option<PathBuf>,
    /// Address of `kubectl proxy`, for --driver kubernetes, as http://127.0.0.1:8001 [default: the cluster's own API, from a pod]
    #[arg(long, value_name = "URL", requires = "driver", hide_short_help = true)]
    pub(crate) kube_api: Option<String>,
    /// Namespace of the target's pods, for --driver kubernetes [default: this pod's own]
    #[arg(long, value_name = "NAME", requires = "driver", hide_short_help = true)]
    pub(crate) kube_namespace: Option<String>,
    /// A limit, as sla.p95_ms=50 (repeatable)
    #[arg(long = "threshold", value_name = "NAME=VALUE")]
    pub(crate) thresholds: Vec<String>,
    /// A TOML file of limits: "sla.p95_ms" = 50
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) thresholds_file: Option<PathBuf>,
}

/// Drivers that are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DriverName {
    /// Docker Swarm: containers with the label erlmcp.chaos=true, through their engine's API
    Swarm,
    /// Kubernetes: pods with the label erlmcp.chaos=true, through their cluster's API
    Kubernetes,
}

/// What is said while a run goes on, and how its process ends.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct ShowArgs {
    /// Say only the verdict and what did not pass
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Events as lines of JSON on standard output
    ///
    /// What people read goes to standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// A live view of the run; q stops it in order
    #[arg(long, conflicts_with_all = ["quiet", "json"])]
    pub(crate) tui: bool,
    /// Exit with 0 also where nothing failed and something could not be judged (else 3); the verdict stays as it is
    #[arg(long, hide_short_help = true)]
    pub(crate) inconclusive_ok: bool,
}

/// What a run with operations is told beside: not a search, which proves nothing of them.
#[derive(Debug, Clone, Args)]
pub(crate) struct ProofArgs {
    /// Operations a second, each to happen once; audited; 0: none [default: 500]
    #[arg(long, value_name = "RATE", value_parser = parse_rate, hide_short_help = true)]
    pub(crate) operations: Option<f64>,
    /// Seed of everything random [default: by clock]
    ///
    /// It is printed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// What must hold, as p95<100ms (repeatable)
    ///
    /// Each is a row of the verdict: percentiles, mean, max and errors with < or <=, throughput and availability with >
    /// or >=.
    #[arg(long = "assert", value_name = "LIST", value_parser = Slo::expected)]
    pub(crate) asserts: Vec<Slo>,
    /// Whatever is SKIPPED makes the run inconclusive (exit 3)
    #[arg(long, hide_short_help = true)]
    pub(crate) require_all: bool,
}

/// Streams of notifications beside the load.
#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    /// Notification streams to hold beside the load
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) streams: Option<u64>,
    /// Tool that changes a list, to time the change's way to the streams [default: none; here the cluster itself]
    #[arg(long, value_name = "NAME", requires = "streams", hide_short_help = true)]
    pub(crate) change_tool: Option<String>,
    /// That tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "change_tool", hide_short_help = true)]
    pub(crate) change_args: Option<String>,
}
