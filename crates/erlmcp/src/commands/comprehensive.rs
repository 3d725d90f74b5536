//! `comprehensive`: what `stress` takes, with another plan.

use std::process::ExitCode;

use erlmcp_orchestrator::{Purpose, StressConfig};

use super::stress::{config, run_to_end};
use crate::args::ComprehensiveArgs;

pub(crate) fn run(args: ComprehensiveArgs) -> anyhow::Result<ExitCode> {
    let show = args.run.load.show;
    let purpose = Purpose::Comprehensive { steps: args.steps };
    run_to_end(config(args.run).map(|config| StressConfig { purpose, ..config }), show)
}
