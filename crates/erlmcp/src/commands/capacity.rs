//! `capacity`: the same run as `stress`, with another plan.

use std::process::ExitCode;

use erlmcp_orchestrator::plan::{Axes, Capacity};
use erlmcp_orchestrator::{Purpose, StressConfig};

use super::stress::run_to_end;
use crate::args::{CapacityArgs, CapacityAxis};

/// What is tried at most where nothing else is said.
const RATE_MAX: u64 = 200_000;
const CONNECTIONS_MAX: u64 = 20_000;

pub(crate) fn run(args: CapacityArgs) -> anyhow::Result<ExitCode> {
    let show = args.load.show;
    run_to_end(config(args), show)
}

fn sought(args: &CapacityArgs) -> Capacity {
    Capacity {
        slo: args.slo.clone(),
        axes: match args.axis {
            CapacityAxis::Rate => Axes::Rate,
            CapacityAxis::Connections => Axes::Connections,
            CapacityAxis::Both => Axes::Both,
        },
        connections: args.connections,
        rate: args.rate,
        points: args.points,
        trial: args.trial,
        warmup: args.warmup,
        start_rate: args.start_rate,
        most_rate: args.max_rate.unwrap_or(RATE_MAX),
        // A search of the rate alone needs no more than those that it is about.
        most_connections: match (args.max_connections, args.axis) {
            (Some(most), _) => most,
            (None, CapacityAxis::Rate) => args.connections,
            (None, _) => CONNECTIONS_MAX.max(args.connections),
        },
        precision: args.precision,
        trials_max: args.trials,
        wanted: args.wanted,
        replicas: 1,
    }
}

fn config(args: CapacityArgs) -> anyhow::Result<StressConfig> {
    Ok(StressConfig {
        purpose: Purpose::Capacity(sought(&args)),
        // The most that is tried, which another host wants to be said.
        connections: args.max_connections,
        rate: args.max_rate.map(|rate| rate as f64),
        no_faults: true,
        ..args.load.config(args.url)?
    })
}
