//! A cluster with a tool of one's own. Its supervisor starts this program again as each of its replicas and as their store, so
//! that it has three modes. `cargo run -p erlmcp-server --example cluster [ADDRESS:PORT]`
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::error::Error;

use erlmcp_server::cluster::{ClusterConfig, ClusterError, run, run_replica, run_store};
use erlmcp_server::tools::{Annotations, JobContext, NoArguments, RegistryError, Tool};
use erlmcp_server::{Registry, ServerInfo};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const REPLICAS: u16 = 2;

async fn whereabouts(context: JobContext, _: NoArguments) -> String {
    format!("replica {}", context.replica())
}

fn registry() -> Result<Registry, RegistryError> {
    let tool = Tool::queued("whereabouts", "Says which replica answers.", whereabouts);
    Registry::new().tool(tool.annotated(Annotations::READ_ONLY))
}

async fn supervise(config: ClusterConfig) -> Result<(), ClusterError> {
    let (wishes, signals) = watch::channel(0);
    tokio::spawn(async move {
        // Ctrl-C, or SIGTERM: once to end in order, twice to hurry.
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            wishes.send_modify(|count| *count += 1);
        }
    });
    run(config, signals, |started| println!("listening on {}", started.shared[0])).await?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match std::env::args().nth(1).as_deref() {
        Some("replica") => drop(runtime.block_on(run_replica(ServerInfo::new("whereabouts", "1.0.0"), registry()?))?),
        Some("store") => drop(runtime.block_on(run_store())?),
        address => {
            let shared = vec![address.unwrap_or("127.0.0.1:8080").parse()?];
            runtime.block_on(supervise(ClusterConfig::of(shared, REPLICAS)))?;
        }
    }
    Ok(())
}
