//! `doctor`: what would stop a run here or bend its figures.

use std::io::IsTerminal;
use std::process::ExitCode;

use erlmcp_orchestrator::{Diagnosis, DoctorConfig, StressConfig, ToolCall, Weight, doctor};

use super::{diagnosis, failed, refused};
use crate::args::DoctorArgs;
use crate::console;
use crate::exit::{ERROR, STOPS, code};
use crate::layers;

pub(crate) fn run(args: DoctorArgs, has_color: bool) -> anyhow::Result<ExitCode> {
    let as_json = args.json;
    let config = match config(args) {
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    if config.run.target.is_some() && config.load.is_some() && std::io::stderr().is_terminal() {
        eprintln!("looking at the machine and at the target, with a short load (--load 0s leaves that out) ...");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let found = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        anyhow::Ok(doctor(config, cancel).await)
    })?;
    // A target that does not answer, and a resolver, are not waited for.
    runtime.shutdown_background();
    match found {
        Ok(found) => {
            let is_coloured = std::io::stdout().is_terminal() && has_color;
            let text = if as_json { diagnosis::json(&found)? } else { diagnosis::text(&found, is_coloured) };
            console::print(&text);
            Ok(code(exit_code(&found)))
        }
        Err(error) => Ok(failed(&error)),
    }
}

fn exit_code(found: &Diagnosis) -> u8 {
    match found.weight() {
        Weight::Stops => STOPS,
        _ if found.findings().any(|finding| finding.weight == Weight::Unknown) => ERROR,
        _ => 0,
    }
}

fn config(args: DoctorArgs) -> anyhow::Result<DoctorConfig> {
    let command_line = args.reaching.without_secrets(args.url.as_deref(), layers::effective());
    let run = StressConfig {
        target: args.url,
        connections: args.connections,
        rate: args.rate,
        era: args.era.into(),
        tool: args.tool.map(|name| ToolCall { name, arguments: args.args.unwrap_or_default() }),
        headers: args.reaching.headers()?,
        ca_pem: args.reaching.ca_pem()?,
        insecure: args.reaching.insecure,
        reaching: args.reaching.flags(),
        target_pid: args.target_pid,
        allow_hosts: args.allow_host,
        no_faults: true,
        command_line,
        ..StressConfig::default()
    };
    Ok(DoctorConfig { run, load: Some(args.load).filter(|length| !length.is_zero()) })
}
