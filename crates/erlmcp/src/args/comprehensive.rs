//! `comprehensive`.

use clap::Args;

use super::StressArgs;
use super::count::parse_count;

/// All that `stress` takes, and more.
#[derive(Debug, Args)]
pub(crate) struct ComprehensiveArgs {
    #[command(flatten)]
    pub(crate) run: StressArgs,
    /// Connections of each step of the load scaling, as 1k,10k,100k [default: those up to CONNECTIONS]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_count)]
    pub(crate) steps: Vec<u64>,
}

pub(super) const EXAMPLES: &str = "Phases: connectivity_and_baseline, load_scaling, sustained_load,
throughput_and_latency_distribution, failure_scenarios, resource_limits, failover_and_recovery,
component_integration; a cool-down follows. Limits: docs/comprehensive.md

Examples:
  erlmcp comprehensive                                    its own cluster, 100,000 connections, 1 minute
  erlmcp comprehensive http://localhost:8080 100000 15    your server, 15 minutes of sustained load
  erlmcp comprehensive --steps 100k,200k --phases 1,2     the first two phases, up to 200,000 connections";
