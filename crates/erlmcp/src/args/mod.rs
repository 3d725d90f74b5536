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
pub(crate) use load::{DriverName, LoadArgs, ProofArgs, ShowArgs, StreamArgs};
pub(crate) use observe::ObserveArgs;
pub(crate) use reaching::ReachingArgs;
pub(crate) use record::RecordArgs;
pub(crate) use report::{Format as ReportFormat, ReportArgs};
pub(crate) use serve::{ClusterAddress, ClusterArgs, ClusterCommand, EngineArgs, Fixtures, ReplicaArgs, ServeArgs};
pub(crate) use stress::{Era, Sessions, StressArgs};
pub(crate) use telemetry::TelemetryArgs;
pub(crate) use watch::{ExitOn as WatchExitOn, WatchArgs};

/// Stress and resilience tester for MCP servers, and an MCP server engine.
#[derive(Debug, Parser)]
#[command(version = VERSION, max_term_width = 110, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// A TOML file that says what flags say
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// No colours (as NO_COLOR=1)
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}

/// With the commit where it is known, and how it was built.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("ERLMCP_BUILD"), ")");

const EXAMPLES: &str = "Examples:
  erlmcp stress                              a local cluster of its own
  erlmcp stress http://localhost:8080 10k 5  your server, 10,000 for 5 minutes
  erlmcp doctor -c 100k                      what would stop a run here

Exit codes: 0 pass, 1 error, 2 usage, 3 inconclusive, 99 failed, 105 stopped";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Stress an MCP server (or a local cluster) in six phases
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
    /// Break an MCP server again and again under load
    ///
    /// By a seed or a list; and judge how it bears that
    Chaos(Box<ChaosArgs>),
    /// Check a server in production again and again, at a low rate
    ///
    /// And say when it breaks an objective or changes
    Watch(Box<WatchArgs>),
    /// Look at a running server, or at a run
    Observe(ObserveArgs),
    /// Say what an MCP server is and has
    ///
    /// Era, versions, tools, resources, prompts
    Discover(DiscoverArgs),
    /// Say what would stop a run here or bend it, and what mends that
    Doctor(Box<DoctorArgs>),
    /// Prove from a run that no operation was lost, or show which
    Audit(AuditArgs),
    /// Show a run as a page, JSON, JUnit, CSV and more; or pack it
    Report(ReportArgs),
    /// Compare runs: better, worse, or can't tell; also for CI
    Compare(CompareArgs),
    /// Make a trace for a workload from a log of requests
    Record(RecordArgs),
    /// Show what a command would run with, and who says so
    Config(ConfigArgs),
    /// Print what makes a shell complete commands and flags
    Completions(CompletionsArgs),
    /// Write a man page for each command
    Man(ManArgs),
    /// Keep as many replicas as the load wants
    ///
    /// Of a local cluster or a Swarm service
    #[command(after_help = autoscale::EXAMPLES)]
    Autoscale(AutoscaleArgs),
    /// Ask a server whether it is well
    ///
    /// For health checks of containers: exit 0 if so, 1 if not
    Health(HealthArgs),
    /// Serve MCP over Streamable HTTP: one process
    Serve(ServeArgs),
    /// Serve MCP with a cluster of replicas; or speak to a running one
    Cluster(ClusterArgs),
    /// Join a run of another machine, and generate load for it
    #[command(after_help = agent::EXAMPLES)]
    Agent(AgentArgs),
    /// Make a bearer token, and the line that its server reads
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
    fn the_version_comes_first_and_then_the_build() {
        let said = Args::command().render_version();
        let build = said.trim_end().strip_prefix(concat!("erlmcp ", env!("CARGO_PKG_VERSION"), " (")).expect(&said);
        assert!(build.ends_with(')') && build.contains(", opt-level "), "{said}");
    }

    #[test]
    fn a_screen_has_the_terminal_to_itself() {
        for other in ["--json", "--quiet"] {
            let refused = Args::try_parse_from(["erlmcp", "stress", "--tui", other]).expect_err(other);
            assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict);
        }
    }

    /// Of a command and of all below it that people use, on a terminal of 80 columns.
    fn helps(command: &mut clap::Command, all: &mut Vec<(String, String)>) {
        *command = command.clone().term_width(80);
        all.push((command.get_name().into(), command.render_help().to_string()));
        let below =
            command.get_subcommands_mut().filter(|command| !command.is_hide_set() && command.get_name() != "help");
        below.for_each(|command| helps(command, all));
    }

    #[test]
    fn the_help_fits_a_screen() {
        let mut root = Args::command();
        root.build();
        assert!(!root.render_help().to_string().contains("see more"), "--help says the same as -h");
        let mut all = Vec::new();
        helps(&mut root, &mut all);
        for (name, help) in all {
            let lines = help.lines().count();
            assert!(lines <= 40, "the help of {name} has {lines} lines:\n{help}");
            // One that is broken over two lines cannot be pasted.
            assert!(help.contains("xample"), "the help of {name} has no example:\n{help}");
            let examples = help.lines().skip_while(|line| !line.contains("xample")).collect::<Vec<_>>();
            let begins = |line: &str| FIRST_WORDS.iter().any(|word| line.trim_start().starts_with(word));
            let is_whole = |line: &&str| !line.starts_with("  ") || begins(line);
            assert!(examples.iter().skip(1).all(is_whole), "an example of {name} is broken:\n{help}");
        }
    }

    const FIRST_WORDS: [&str; 3] = ["erlmcp ", "head ", "--agents "];
}
