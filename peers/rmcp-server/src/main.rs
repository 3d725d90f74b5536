//! The official Rust SDK as a server: rmcp-server [--port N] [--json] [--stateless]
//!
//! Its defaults are the SDK's: SSE answers, sessions in the legacy era.

#![forbid(unsafe_code)]

use std::sync::Arc;

use axum::serve::ListenerExt;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use socket2::{Domain, Socket, Type};

mod fixtures;

/// What `socket2` and the kernel make of it is the kernel's maximum.
const BACKLOG: i32 = 65_535;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let port: u16 = match arguments.iter().position(|argument| argument == "--port") {
        Some(at) => arguments.get(at + 1).map_or(Ok(0), |port| port.parse())?,
        None => 0,
    };
    let config = StreamableHttpServerConfig::default()
        .with_json_response(given("--json"))
        .with_legacy_session_mode(!given("--stateless"));
    let server = fixtures::Fixtures::default();
    let service =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config);

    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], port)).into())?;
    socket.listen(BACKLOG)?;
    let listener = tokio::net::TcpListener::from_std(socket.into())?;
    println!("listening on {}", listener.local_addr()?);
    // axum leaves Nagle's algorithm on: a stream of several small writes would wait for the other side's late ACK.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, axum::Router::new().nest_service("/mcp", service)).await?;
    Ok(())
}
