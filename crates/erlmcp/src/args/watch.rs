//! `watch`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use erlmcp_report::slo::Slo;

use super::count::{parse_count, parse_rate};
use super::duration::parse_duration;
use super::{Era, ReachingArgs};

/// What ends a watch before its last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExitOn {
    /// Nothing: it goes on until it is stopped, or --count is reached
    Never,
    /// A check that does not keep the objective
    Violation,
    /// That, or a change that is named
    Change,
}

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct WatchArgs {
    /// The server's URL; its path defaults to /mcp
    pub(crate) url: String,
    /// From one check to the next
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration, conflicts_with = "once")]
    pub(crate) every: Duration,
    /// What the server must keep
    ///
    /// p50 to p99.9, mean, max and errors, each with < or <=.
    #[arg(long, value_name = "LIST", default_value = "p95<100ms,errors<0.05%")]
    pub(crate) slo: Slo,
    /// Connections of a check, 100 at most
    #[arg(short, long, value_name = "N", default_value = "4", value_parser = parse_count)]
    pub(crate) connections: u64,
    /// Requests/s of a check, 200 at most
    #[arg(short, long, value_name = "RATE", default_value = "20", value_parser = parse_rate)]
    pub(crate) rate: f64,
    /// Load of a check, 5m at most [default: 20s]
    ///
    /// More where a percentile of the objective takes it.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,
    /// Checks to make [default: until it is stopped]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u32>,
    /// One check; its exit code is the answer
    ///
    /// For timers and cron.
    #[arg(long, conflicts_with = "count")]
    pub(crate) once: bool,
    /// What ends the watch early
    #[arg(long, value_enum, default_value_t = ExitOn::Never)]
    pub(crate) exit_on: ExitOn,
    /// Posts JSON there on violations and changes
    ///
    /// Also on the end of a violation. Only its host is ever shown.
    #[arg(long, value_name = "URL", env = "ERLMCP_WEBHOOK", hide_env_values = true)]
    pub(crate) webhook: Option<String>,
    /// Folder of the history
    ///
    /// Each watch goes on with it [default: test-results/watch-HOST-PORT].
    #[arg(long, value_name = "DIR")]
    pub(crate) history: Option<PathBuf>,
    /// Whole records to keep of checks that did not keep the objective
    #[arg(long, value_name = "N", default_value = "5", hide_short_help = true)]
    pub(crate) records: usize,
    /// Tool to call [default: echo, or a read-only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's arguments, a JSON object
    #[arg(long, value_name = "JSON", requires = "tool")]
    pub(crate) args: Option<String>,
    /// Protocol era
    #[arg(long, value_enum, default_value_t = Era::Auto)]
    pub(crate) era: Era,
    #[command(flatten)]
    pub(crate) reaching: ReachingArgs,
    /// A request's timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration, hide_short_help = true)]
    pub(crate) timeout: Duration,
    /// Another host that may be watched (repeatable)
    #[arg(long, value_name = "HOST")]
    pub(crate) allow_host: Vec<String>,
    /// Each check as a line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "Examples:
  erlmcp watch https://example.com/mcp --allow-host example.com
  erlmcp watch http://localhost:8080 --slo 'p95<200ms,errors<1%' --every 5m
  erlmcp watch http://localhost:8080 --once || echo broken    (docs/watch.md)";
