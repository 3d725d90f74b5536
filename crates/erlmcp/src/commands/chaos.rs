//! `chaos`: the same run as `stress`, with another plan.

use std::process::ExitCode;

use erlmcp_orchestrator::{Purpose, StressConfig};

use super::stress::{faults, run_to_end};
use crate::args::ChaosArgs;

pub(crate) fn run(args: ChaosArgs) -> anyhow::Result<ExitCode> {
    let show = args.load.show;
    run_to_end(config(args), show)
}

fn config(args: ChaosArgs) -> anyhow::Result<StressConfig> {
    Ok(StressConfig {
        connections: Some(args.connections),
        duration: Some(args.duration),
        rate: Some(args.rate),
        faults: args.faults.as_deref().map(faults).transpose()?,
        purpose: Purpose::Chaos,
        ..args.streams.config(args.proof.config(args.load.config(args.url)?)?)
    })
}
