//! A server with a tool of one's own: `cargo run --example tool [ADDR:PORT]`.
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use erlmcp_server::tools::{Arguments, CallContext, ToolResult, ToolSpec};
use erlmcp_server::{Listening, Registry, Server, ServerConfig, bind};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Sum {
    a: i64,
    b: i64,
}

fn sum<'a>(_: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
    match arguments.parse::<Sum>() {
        Ok(Sum { a, b }) => ToolResult::text(a.saturating_add(b).to_string()),
        Err(bad) => bad,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string()).parse()?;
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    });
    let registry = Registry::builtin().inline(ToolSpec::new("sum", "Adds two numbers.", schema), sum)?;
    let listeners = vec![Listening { listener: bind(address)?, shared: false }];
    let config = ServerConfig { registry, shards: 2, ..ServerConfig::default() };
    let server = Server::start(config, listeners, true)?;
    println!("listening on {address}");
    server.join();
    Ok(())
}
