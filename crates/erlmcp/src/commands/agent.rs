//! `agent`: one generator process, started by `stress`.

use std::process::ExitCode;

use anyhow::Context;
use erlmcp_load::agent::{self, AgentConfig};

use crate::args::AgentArgs;

pub(crate) fn run(args: AgentArgs) -> anyhow::Result<ExitCode> {
    let token = std::env::var("ERLMCP_JOIN_TOKEN").context("an agent is started by `erlmcp stress`")?;
    agent::run(AgentConfig { join: args.join, index: args.index, token })?;
    Ok(ExitCode::SUCCESS)
}
