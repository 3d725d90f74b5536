//! A tool that takes its time: it asks the user first, tells how far it is, and stops when nobody waits for it any more
//! or its time is nearly over. `cargo run -p erlmcp-server --example jobs [ADDRESS:PORT]`
#![expect(clippy::print_stdout, reason = "an example says where it listens")]

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_server::tools::{Cancellation, JobContext, Json, Tool, ToolError};
use erlmcp_server::{Limits, Registry, Server, ServerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More than these are not painted unasked.
const MANY: u32 = 100;
/// Time of a call, ms, after which it is given up.
const CALL_TIMEOUT_MS: u64 = 4_000;
/// Time that is kept to answer with what there is.
const MARGIN: Duration = Duration::from_secs(2);

#[derive(Deserialize, JsonSchema)]
struct Order {
    /// How many pictures to paint.
    pictures: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Paint all of them.
    go_on: bool,
}

#[derive(Serialize, JsonSchema)]
struct Painted {
    /// Pictures that were painted.
    pictures: u32,
    /// False where the time was over first.
    all: bool,
}

async fn paint(context: JobContext, order: Order) -> Result<Json<Painted>, ToolError> {
    if order.pictures > MANY {
        let question = format!("{} pictures take a while. Go on?", order.pictures);
        if !context.ask::<Confirmation>("go_on", &question)?.is_some_and(|answer| answer.go_on) {
            return Err(ToolError::new("The user does not want so many pictures."));
        }
    }
    for done in 0..order.pictures {
        if context.remaining() < MARGIN {
            return Ok(Json(Painted { pictures: done, all: false }));
        }
        let cancellation = context.cancellation().clone();
        tokio::task::spawn_blocking(move || paint_one(&cancellation)).await?;
        context.progress(f64::from(done + 1), Some(f64::from(order.pictures)), None).await;
    }
    Ok(Json(Painted { pictures: order.pictures, all: true }))
}

/// An async tool is dropped by itself when its caller has gone; what runs on a thread must look.
fn paint_one(cancellation: &Cancellation) {
    for _stroke in 0..10 {
        if cancellation.is_cancelled() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(crate) fn start(address: SocketAddr) -> Result<Server, Box<dyn Error>> {
    start_with(address, Limits { call_timeout_ms: CALL_TIMEOUT_MS, ..Limits::default() })
}

pub(crate) fn start_with(address: SocketAddr, limits: Limits) -> Result<Server, Box<dyn Error>> {
    let registry = Registry::new().tool(Tool::queued("paint", "Paints pictures.", paint))?;
    Ok(Server::listen(address, ServerConfig { limits, ..ServerConfig::of(registry) })?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_string());
    let server = start(address.parse()?)?;
    println!("listening on {}", server.addresses()[0]);
    server.join();
    Ok(())
}
