//! The containers of a service's tasks, as the engine lists them.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::Value;

use crate::driver::engine::Engine;

/// Only containers that have this label, with "true", are broken.
pub(super) const LABEL: &str = "erlmcp.chaos";
/// The same as a filter of the engine's: {"label":["erlmcp.chaos=true"]}.
const LIST: &str = "/containers/json?filters=%7B%22label%22%3A%5B%22erlmcp.chaos%3Dtrue%22%5D%7D";

/// A task that runs, or one of which only its slot is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) container: String,
    /// Service and number: "erlmcp_erlmcp-server.3". A task that is replaced leaves it to the next one.
    pub(super) slot: String,
    /// In all of its networks.
    pub(super) addresses: Vec<SocketAddr>,
    /// The one that the run's clients use.
    pub(super) address: SocketAddr,
}

impl Task {
    pub(super) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// As the engine lists it; None: it has no address, or is no task.
    fn of(container: &Value, port: u16) -> Option<Self> {
        let text = |at: &str| container.pointer(at).and_then(Value::as_str);
        // Service, slot and task: "erlmcp_erlmcp-server.3.x1tree...".
        let name = container.get("Labels")?.get("com.docker.swarm.task.name")?.as_str()?;
        let networks = container.pointer("/NetworkSettings/Networks")?.as_object()?;
        let address = |network: &Value| network.get("IPAddress")?.as_str()?.parse::<IpAddr>().ok();
        let addresses: Vec<_> = networks.values().filter_map(address).map(|ip| SocketAddr::new(ip, port)).collect();
        let address = *addresses.first()?;
        Some(Self { container: text("/Id")?.into(), slot: name.rsplit_once('.')?.0.into(), addresses, address })
    }
}

/// The tasks that run on this engine and may be broken, each with its addresses at this port.
pub(super) async fn tasks(engine: &Path, port: u16) -> Result<Vec<Task>, String> {
    let listed = Engine::at(engine).get(LIST).await?;
    let listed = listed.as_array().ok_or("the Docker engine's list of containers is none")?;
    Ok(listed.iter().filter_map(|container| Task::of(container, port)).collect())
}
