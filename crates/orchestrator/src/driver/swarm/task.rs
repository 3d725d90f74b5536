//! The containers of a service's tasks, as the engine lists them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use crate::driver::engine::Engine;
use crate::driver::service::Unit;

/// Only containers that have this label, with "true", are broken.
pub(super) const LABEL: &str = "erlmcp.chaos";
/// The same as a filter of the engine's: {"label":["erlmcp.chaos=true"]}.
const LIST: &str = "/containers/json?filters=%7B%22label%22%3A%5B%22erlmcp.chaos%3Dtrue%22%5D%7D";

/// As the engine lists it; None: it has no address, or is no task.
fn task(container: &Value, port: u16) -> Option<Unit> {
    let label = |name: &str| container.get("Labels")?.get(name)?.as_str();
    let id = container.get("Id")?.as_str()?.to_string();
    // Service, slot and task: "erlmcp_erlmcp-server.3.x1tree...". A task that is replaced leaves the first two.
    let slot = label("com.docker.swarm.task.name")?.rsplit_once('.')?.0.to_string();
    let owner = label("com.docker.swarm.service.id").unwrap_or_default().to_string();
    let networks = container.pointer("/NetworkSettings/Networks")?.as_object()?;
    let address = |network: &Value| network.get("IPAddress")?.as_str()?.parse::<IpAddr>().ok();
    let addresses: Vec<_> = networks.values().filter_map(address).map(|ip| SocketAddr::new(ip, port)).collect();
    let address = *addresses.first()?;
    Some(Unit { name: id.clone(), id, slot, owner, addresses, address })
}

/// Containers that stand still and may be broken: whoever has paused them does not see to them any more.
pub(super) async fn paused(engine: &Path) -> Result<Vec<String>, String> {
    let listed = Engine::at(engine).get(LIST).await?;
    let listed = listed.as_array().into_iter().flatten().filter(|container| container["State"] == "paused");
    Ok(listed.filter_map(|container| container["Id"].as_str().map(String::from)).collect())
}

/// The tasks that run on this engine and may be broken, each with its addresses at this port.
pub(super) async fn tasks(engine: &Path, port: u16) -> Result<Vec<Unit>, String> {
    let listed = Engine::at(engine).get(LIST).await?;
    let listed = listed.as_array().ok_or("the Docker engine's list of containers is none")?;
    Ok(listed.iter().filter_map(|container| task(container, port)).collect())
}
