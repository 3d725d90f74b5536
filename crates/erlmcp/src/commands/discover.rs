//! `discover`: asks a server what it is and has, and prints it.

use std::io::IsTerminal;
use std::process::ExitCode;

use erlmcp_orchestrator::DiscoverConfig;

use super::{failed, refused, survey};
use crate::args::DiscoverArgs;
use crate::console;

pub(crate) fn run(args: DiscoverArgs) -> anyhow::Result<ExitCode> {
    let (json, watch) = (args.json, args.keep_alive_wait);
    let config = match config(args) {
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    if !watch.is_zero() && std::io::stderr().is_terminal() {
        let seconds = watch.as_secs_f64();
        eprintln!("watching a stream for keep-alives, for up to {seconds} s (--keep-alive-wait 0s leaves that out)");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(erlmcp_orchestrator::discover(config, watch)) {
        Ok((url, found)) => {
            let text = if json { survey::json(&url, &found)? } else { survey::text(&url, &found) };
            console::print(&text);
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(failed(&error)),
    }
}

fn config(args: DiscoverArgs) -> anyhow::Result<DiscoverConfig> {
    Ok(DiscoverConfig {
        headers: args.reaching.headers()?,
        ca_pem: args.reaching.ca_pem()?,
        insecure: args.reaching.insecure,
        era: args.era.into(),
        url: args.url,
    })
}
