//! `serve`, `cluster`, and the hidden processes that they and `stress` start.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Args, Command, Subcommand, ValueEnum};
use erlmcp_server::Limits;
use erlmcp_server::operations::{AddressError, StorePlace};

use super::TelemetryArgs;
use super::count::parse_some;
use super::duration::parse_duration;
use super::entry::EntryArgs;

/// Whose fixtures a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fixtures {
    /// The official conformance suite of MCP
    Conformance,
    /// The built-in tools, and one that blocks its shard
    Blocking,
}

impl Fixtures {
    /// As it is written on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Conformance => "conformance",
            Self::Blocking => "blocking",
        }
    }
}

/// Reads `--store`. It never repeats what was typed, which may have a password in it.
#[derive(Debug, Clone, Copy)]
struct StoreParser;

impl TypedValueParser for StoreParser {
    type Value = StorePlace;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<StorePlace, clap::Error> {
        // What is no text is a path.
        let Some(text) = value.to_str() else { return Ok(StorePlace::File(value.into())) };
        let refused = |error| clap::Error::raw(ErrorKind::ValueValidation, format!("{error}\n")).with_cmd(command);
        text.parse().map_err(|error: AddressError| refused(error))
    }
}

/// A limit and its value; which limits there are the server knows.
fn parse_limit(text: &str) -> Result<(String, u64), String> {
    let wrong = || "a limit is written as head_bytes_max=8192".to_string();
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    let value = value.trim().parse().map_err(|_| wrong())?;
    let name = name.trim().to_string();
    if let Some(most) = Limits::ceiling(&name).filter(|most| value > *most) {
        return Err(format!("{name} is {most} at the very most"));
    }
    if Limits::default().set(&name, value) { Ok((name, value)) } else { Err(format!("there is no limit {name:?}")) }
}

/// What a server, alone or as a replica, can be told.
#[derive(Debug, Clone, Args)]
pub(crate) struct EngineArgs {
    /// Worker slots for queued tools [default: 50]
    #[arg(long, value_name = "N", value_parser = parse_some)]
    pub(crate) workers: Option<usize>,
    /// Requests that may wait for a worker [default: by what they take]
    ///
    /// Further ones are refused. Without this flag and --queue-wait as many wait as come to their turn within the time that a call
    /// takes, half of them while more is asked for than a burst, and 500 at the most.
    #[arg(long, value_name = "N")]
    pub(crate) queue: Option<usize>,
    /// How long a call may be expected to wait for a worker before it is refused [default: what a call takes, and 30s with --queue]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) queue_wait: Option<Duration>,
    /// Connections of one process
    ///
    /// Further ones are refused [default: as its descriptors allow].
    #[arg(long, value_name = "N", value_parser = parse_some)]
    pub(crate) max_connections: Option<usize>,
    /// Connections of one address (IPv6: of a /64) to one process before new ones are refused [default: no fewer]
    #[arg(long, value_name = "N", value_parser = parse_some, hide_short_help = true)]
    pub(crate) max_connections_per_address: Option<usize>,
    /// Any limit of the server, as NAME=N (repeatable); see --print-limits of `erlmcp serve`
    #[arg(long = "limit", value_name = "NAME=N", value_parser = parse_limit, hide_short_help = true)]
    pub(crate) limits: Vec<(String, u64)>,
    /// A further host name that requests may name in Host and Origin (repeatable)
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) allowed_host: Vec<String>,
    #[command(flatten)]
    pub(crate) entry: EntryArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
    /// Keeps operations there (postgres:// too)
    ///
    /// A file, or postgres://USER@HOST/DATABASE. Several servers may share a database; its password comes from PGPASSWORD or PGPASSFILE [default: a private file that
    /// ends with the server]
    #[arg(long, value_name = "PATH|URL", value_parser = StoreParser)]
    pub(crate) store: Option<StorePlace>,
    /// A file of 32 random bytes or more, the same for all servers and clusters that are to take each other's sessions and
    /// request states [default: a random key]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) session_key_file: Option<PathBuf>,
    /// Offer what a test suite wants, in place of the built-in tools
    #[arg(long, value_name = "SUITE", hide_short_help = true)]
    pub(crate) fixtures: Option<Fixtures>,
    /// How long in-flight work may take when the server is told to stop
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) drain_timeout: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Where to listen (repeatable)
    ///
    /// A name is bound on every address that it resolves to. What this machine lacks is left out.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: Vec<String>,
    /// Shows /metrics and /status there alone
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin_listen: Option<String>,
    /// Threads that serve connections [default: one a core]
    #[arg(long, value_name = "N", value_parser = parse_some)]
    pub(crate) shards: Option<usize>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// Offer so many further tools, which do nothing: for finding out what a large registry costs
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=100_000), hide_short_help = true)]
    pub(crate) extra_tools: u64,
    /// End with the process that started this one, however that ends
    #[arg(long, hide = true)]
    pub(crate) tied: bool,
    /// Print every limit of the server and end
    #[arg(long)]
    pub(crate) print_limits: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = CLUSTER_EXAMPLES)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ClusterCommand>,
    /// Replicas to run, each one process
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub(crate) replicas: u16,
    /// The shared address
    ///
    /// Replica i also listens on 127.0.0.(10+i).
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// A further address for /metrics and /status of the whole cluster, which are then shown there alone
    #[arg(long, value_name = "ADDR:PORT", hide_short_help = true)]
    pub(crate) admin_listen: Option<String>,
    /// Where to put the control socket
    ///
    /// [default: by port, in the user's runtime folder].
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
    /// How clusters on other machines name this one, where they share a database (docs/cluster.md) [default: the machine's name]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub(crate) machine: Option<String>,
    /// Where clients reach this cluster, as the others show it [default: the shared address]
    #[arg(long, value_name = "ADDR:PORT", hide_short_help = true)]
    pub(crate) advertise: Option<String>,
    /// Threads that serve connections, in each replica [default: cores / replicas, at least 1]
    #[arg(long, value_name = "N", value_parser = parse_some, hide_short_help = true)]
    pub(crate) shards: Option<usize>,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
    /// End with the process that started this one, however that ends
    #[arg(long, hide = true)]
    pub(crate) tied: bool,
}

const SERVE_EXAMPLES: &str = "Examples:
  erlmcp serve                                       for this machine
  erlmcp serve --listen 0.0.0.0:8080 --tokens FILE   for others too
Who may come in: docs/authorization.md";

const CLUSTER_EXAMPLES: &str = "Examples:
  erlmcp cluster --replicas 4        until Ctrl-C; then from another terminal:
  erlmcp cluster scale 8
  erlmcp cluster status --json";

/// Which running cluster is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct ClusterAddress {
    /// Port of the cluster on this machine
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
    /// Its control socket, where it is not the default one
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show the replicas of a running cluster
    #[command(after_help = "An example:\n  erlmcp cluster status --port 8081 --json")]
    Status {
        #[command(flatten)]
        at: ClusterAddress,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the number of replicas; those that go are drained first
    #[command(after_help = "An example:\n  erlmcp cluster scale 8")]
    Scale {
        /// Replicas wanted
        replicas: u16,
        #[command(flatten)]
        at: ClusterAddress,
    },
    /// Put replicas of a new version in the place of the running ones
    #[command(after_help = "An example:\n  erlmcp cluster update --program ./erlmcp-new")]
    Update {
        /// The program to run from now on [default: the one that says this]
        #[arg(long, value_name = "PATH")]
        program: Option<PathBuf>,
        #[command(flatten)]
        at: ClusterAddress,
    },
    /// Stop a running cluster in order
    #[command(after_help = "An example:\n  erlmcp cluster stop --port 8081")]
    Stop {
        #[command(flatten)]
        at: ClusterAddress,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReplicaArgs {
    /// For people who look at `ps`; the supervisor says the same, and all else, through standard input
    #[arg(long)]
    pub(crate) replica: u16,
    #[arg(long)]
    pub(crate) fixtures: Option<Fixtures>,
    /// For tests of updates: another version than its own
    #[arg(long)]
    pub(crate) as_version: Option<String>,
}
