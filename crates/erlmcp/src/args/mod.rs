//! What the user typed.

mod agent;
mod audit;
mod autoscale;
mod capacity;
mod chaos;
mod compare;
mod completions;
mod comprehensive;
mod config;
mod conformance;
mod count;
mod discover;
mod doctor;
mod duration;
mod entry;
mod health;
mod load;
mod observe;
mod reaching;
mod record;
mod report;
mod serve;
mod stress;
mod telemetry;
mod watch;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use agent::{AgentArgs, JoiningArgs};
pub(crate) use audit::AuditArgs;
pub(crate) use autoscale::AutoscaleArgs;
pub(crate) use capacity::{Axis as CapacityAxis, CapacityArgs};
pub(crate) use chaos::ChaosArgs;
pub(crate) use compare::{CompareArgs, CompareFormat};
pub(crate) use completions::{CompletionsArgs, ManArgs, Shell};
pub(crate) use comprehensive::ComprehensiveArgs;
pub(crate) use config::ConfigArgs;
pub(crate) use conformance::ConformanceArgs;
pub(crate) use discover::DiscoverArgs;
pub(crate) use doctor::DoctorArgs;
pub(crate) use entry::{EntryArgs, TokenArgs};
pub(crate) use health::HealthArgs;
pub(crate) use load::{DriverName, LoadArgs, ProofArgs, ShowArgs};
pub(crate) use observe::ObserveArgs;
pub(crate) use reaching::ReachingArgs;
pub(crate) use record::RecordArgs;
pub(crate) use report::{Format as ReportFormat, ReportArgs};
pub(crate) use serve::{ClusterAddress, ClusterArgs, ClusterCommand, EngineArgs, Fixtures, ReplicaArgs, ServeArgs};
pub(crate) use stress::{Era, Sessions, StressArgs};
pub(crate) use telemetry::TelemetryArgs;
pub(crate) use watch::{ExitOn as WatchExitOn, WatchArgs};

/// The stress and resilience tester for MCP servers, and an MCP server engine that proves it.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = FIRST_EXAMPLES, after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// A TOML file that says what flags say (docs/configuration.md)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// No colours (as NO_COLOR=1)
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) no_color: bool,
}

const FIRST_EXAMPLES: &str = "Examples (more with --help):
  erlmcp stress                                   100,000 connections on a local cluster of its own
  erlmcp stress http://localhost:8080 10k 5       10,000 connections for 5 minutes on your server
  erlmcp doctor -c 100k                           what would stop a run here, or bend its figures";

const EXAMPLES: &str = "Examples:
  erlmcp stress                                   100,000 connections on a local cluster of its own
  erlmcp stress http://localhost:8080 10k 5       10,000 connections for 5 minutes on your server
  erlmcp chaos --for 10m --seed 7                 faults at random under load, the same for the same seed
  erlmcp capacity http://localhost:8080           the most load that it carries within an objective
  erlmcp watch http://localhost:8080 --every 15m  a light check again and again, for a server in production
  erlmcp discover http://localhost:8080           what your server is and has
  erlmcp doctor -c 100k                           what would stop a run here, or bend its figures
  erlmcp cluster --replicas 12                    the cluster, to be stressed from another terminal

Exit codes: 0 pass, 1 error, 2 usage, 3 inconclusive, 99 an SLA failed, 105 interrupted";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stress an MCP server (or a local cluster) in six phases and judge it
    Stress(Box<StressArgs>),
    /// Test an MCP server (or a local cluster) in eight phases
    ///
    /// Scaling, drift, distribution, limits, failover, parts
    #[command(after_help = comprehensive::EXAMPLES)]
    Comprehensive(Box<ComprehensiveArgs>),
    /// Find the most requests/s and connections that keep an objective
    ///
    /// And the curve between them
    Capacity(Box<CapacityArgs>),
    /// Break an MCP server again and again under load, and judge how it bears that
    ///
    /// By a seed or a list
    Chaos(Box<ChaosArgs>),
    /// Check a server in production again and again, at a low rate
    ///
    /// And say when it breaks an objective or changes
    Watch(Box<WatchArgs>),
    /// Look at a running server, or at a run while it goes on or after it
    Observe(ObserveArgs),
    /// Say what an MCP server is and has: era, versions, tools, resources, prompts
    Discover(DiscoverArgs),
    /// Say what would stop a run here or bend its figures, and the commands that mend it
    Doctor(Box<DoctorArgs>),
    /// Prove from the folder of a run that no operation was lost, or show which
    Audit(AuditArgs),
    /// Show a finished run as a page, JSON, JUnit, CSV and more; or pack it for others
    Report(ReportArgs),
    /// Compare runs by their folders: better, worse, or can't tell; with conditions for CI
    Compare(CompareArgs),
    /// Make a trace for a workload from a log of requests
    Record(RecordArgs),
    /// Show what a command would run with, and where each value comes from
    Config(ConfigArgs),
    /// Print what makes a shell complete commands, flags and their values
    Completions(CompletionsArgs),
    /// Write a man page for each command
    Man(ManArgs),
    /// Keep as many replicas as the load wants, of a local cluster or a Swarm service
    #[command(after_help = autoscale::EXAMPLES)]
    Autoscale(AutoscaleArgs),
    /// Ask a server whether it is well, for health checks of containers
    ///
    /// Exit 0 if so, 1 if not
    Health(HealthArgs),
    /// Serve MCP over Streamable HTTP: one process
    Serve(ServeArgs),
    /// Serve MCP with a supervised cluster of replicas; or speak to a running one
    Cluster(ClusterArgs),
    /// Generate load for a run on another machine: join it, and do what it says
    #[command(after_help = agent::EXAMPLES)]
    Agent(AgentArgs),
    /// Make a bearer token for a server of ours, and the line that its server reads
    Token(TokenArgs),
    /// Print docs/reference.md, as the code has it
    #[command(hide = true)]
    Reference,
    /// One replica of a cluster; started by `cluster`
    #[command(hide = true)]
    Replica(ReplicaArgs),
    /// The store of a cluster; started by `cluster`
    #[command(hide = true)]
    Store,
    /// The client of one scenario; started by the conformance suite
    #[command(hide = true)]
    ConformanceClient(ConformanceArgs),
    /// Passes on what clients and a replica say, in bad weather; started by `chaos`
    #[command(hide = true)]
    FaultProxy,
    /// Undoes a run's faults when the run cannot; started by `stress` and `chaos`
    #[command(hide = true)]
    Watchdog,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_screen_has_the_terminal_to_itself() {
        for other in ["--json", "--quiet"] {
            let refused = Args::try_parse_from(["erlmcp", "stress", "--tui", other]).expect_err(other);
            assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
        }
    }

    /// Lines of a help, and of all commands below it that people use.
    fn assert_fits(command: &mut clap::Command) {
        let help = command.render_help().to_string();
        assert!(
            help.lines().count() <= 40,
            "the help of {:?} has {} lines:\n{help}",
            command.get_name(),
            help.lines().count()
        );
        let below =
            command.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        below.for_each(assert_fits);
    }

    #[test]
    fn the_help_fits_a_screen() {
        let mut root = Args::command();
        root.build();
        assert_fits(&mut root);
    }
}
