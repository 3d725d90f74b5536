//! A server with a tool of one's own: `cargo run -p erlmcp-server --example hello [ADDRESS:PORT]`.
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::error::Error;
use std::net::SocketAddr;

use erlmcp_server::tools::{Annotations, Tool};
use erlmcp_server::{Registry, Server, ServerConfig};
use schemars::JsonSchema;
use serde::Deserialize;

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

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let server = start(address.parse()?)?;
    println!("listening on {}", server.addresses()[0]);
    server.join();
    Ok(())
}
