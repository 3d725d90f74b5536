//! A server with a tool of one's own, which ends in order: `cargo run -p erlmcp-server --example hello [ADDRESS:PORT]`.
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::error::Error;
use std::net::SocketAddr;

use erlmcp_server::tools::{Annotations, Tool};
use erlmcp_server::{Registry, Server, ServerConfig};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize, JsonSchema)]
struct Sum {
    /// The first number.
    a: i64,
    /// The second number.
    b: i64,
}

pub(crate) fn start(address: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let sum = Tool::inline("sum", "Adds two numbers.", |sum: Sum| sum.a.saturating_add(sum.b).to_string());
    let registry = Registry::new().tool(sum.annotated(Annotations::READ_ONLY))?;
    Ok(Server::listen(address, ServerConfig::of(registry))?)
}

/// Serves until Ctrl-C, or SIGTERM, by which service managers and containers end a process.
async fn serve(address: SocketAddr) -> Result<Server, Box<dyn Error>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let server = start(address)?;
    println!("listening on {}", server.addresses()[0]);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(server)
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = runtime.block_on(serve(address.parse()?))?;
    // What is in flight is answered; idle connections are closed.
    server.drain();
    server.join();
    Ok(())
}
