//! `autoscale`: as many replicas as the load wants, until Ctrl-C.

use std::process::ExitCode;
use std::time::Duration;

use erlmcp_orchestrator::{AutoscaleConfig, AutoscaleEvent, Place, Policy, SwarmService, Trust};
use erlmcp_report::plural;
use erlmcp_server::cluster::default_control_path;
use tokio::sync::mpsc;

use super::opening::docker_socket;
use super::reaching::bearer_of;
use super::{failed, refused};
use crate::args::{AutoscaleArgs, ReachingArgs};
use crate::console;

pub(crate) fn run(args: AutoscaleArgs) -> anyhow::Result<ExitCode> {
    let is_dry = args.dry_run;
    let config = match config(args) {
        Ok(config) => config,
        Err(error) => return Ok(refused(&error)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let cancel = crate::interrupt::watch()?;
        let (events, mut told) = mpsc::channel(16);
        let saying = tokio::spawn(async move {
            while let Some(event) = told.recv().await {
                say(&event, is_dry);
            }
        });
        let ended = erlmcp_orchestrator::autoscale(config, events, cancel).await;
        saying.await?;
        anyhow::Ok(ended)
    })?;
    Ok(ended.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS))
}

fn config(args: AutoscaleArgs) -> anyhow::Result<AutoscaleConfig> {
    let port = args.at.port;
    let reaching = ReachingArgs { cacert: args.cacert, ..ReachingArgs::default() };
    let place = match args.swarm {
        Some(service) => Place::Swarm(SwarmService {
            name: args.tasks.unwrap_or_else(|| format!("tasks.{service}")),
            service,
            port,
            engine: docker_socket(args.engine),
            bearer: args.bearer_file.as_deref().map(bearer_of).transpose()?,
            tls: if args.tls { Some(Trust { ca_pem: reaching.ca_pem()?, insecure: args.insecure }) } else { None },
        }),
        None => Place::Cluster { control: args.at.control.unwrap_or_else(|| default_control_path(port)) },
    };
    let policy = Policy {
        min: args.min,
        max: args.max,
        connections: args.connections,
        queue: args.queue as f64 / 100.0,
        cool_down: args.cool_down,
    };
    // Not in a busy loop.
    Ok(AutoscaleConfig { place, policy, every: args.every.max(Duration::from_millis(100)), dry_run: args.dry_run })
}

fn say(event: &AutoscaleEvent, is_dry: bool) {
    match event {
        AutoscaleEvent::Begun(load) => console::line(format_args!(
            "{}, {} connections, {} of {} places of the queue taken",
            plural(u64::from(load.replicas), "replica"),
            load.connections,
            load.queue_depth,
            load.queue_limit
        )),
        AutoscaleEvent::Scaled { from, change } => {
            let would = if is_dry { "would go " } else { "" };
            console::line(format_args!(
                "{would}from {from} to {}: {}",
                plural(u64::from(change.to), "replica"),
                change.why
            ));
        }
        AutoscaleEvent::Failed(why) => eprintln!("erlmcp: {why}"),
    }
}
