//! `chaos`: the same run as `stress`, with another plan.

use std::process::ExitCode;

use erlmcp_orchestrator::{Era, StressConfig, ToolCall};

use super::stress::{faults, run_to_end, thresholds};
use crate::args::ChaosArgs;

pub(crate) fn run(args: ChaosArgs) -> anyhow::Result<ExitCode> {
    run_to_end(config(args))
}

fn config(args: ChaosArgs) -> anyhow::Result<StressConfig> {
    Ok(StressConfig {
        target: args.url,
        connections: Some(args.connections),
        duration: Some(args.duration),
        rate: Some(args.rate),
        ramp_rate: args.ramp_rate,
        replicas: args.replicas,
        agents: args.agents,
        era: Era::Auto,
        own_sessions: false,
        tool: args.tool.map(|name| ToolCall { name, arguments: args.args.unwrap_or_default() }),
        workload: None,
        operations: args.operations,
        streams: 0,
        change_tool: None,
        headers: args.reaching.headers()?,
        ca_pem: args.reaching.ca_pem()?,
        insecure: args.reaching.insecure,
        timeout: args.timeout,
        seed: args.seed,
        phases: Vec::new(),
        warmup: None,
        target_pid: None,
        output: args.output,
        allow_hosts: args.allow_host,
        thresholds: thresholds(None, &args.thresholds)?,
        no_faults: false,
        faults: args.faults.as_deref().map(faults).transpose()?,
        chaos: true,
        suite: None,
        capacity: None,
        no_abort: false,
        require_all: args.require_all,
        command_line: args.reaching.without_secrets(std::env::args()),
    })
}
