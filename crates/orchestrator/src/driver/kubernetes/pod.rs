//! The pods that may be broken, as the API lists them.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::api::Api;
use crate::driver::service::Unit;

/// Only pods that have this label, with "true", are broken; as containers of Docker Swarm.
pub(super) const LABEL: &str = "erlmcp.chaos";
/// From the API's own memory: a list that is asked for again and again costs its store nothing.
const LIST: &str = "pods?labelSelector=erlmcp.chaos%3Dtrue&resourceVersion=0";

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) unit: Unit,
    /// Clients are led to it: it says that it is ready, and is not being taken away.
    pub(super) is_ready: bool,
    /// Kind and name of what it is one of.
    pub(super) controller: (String, String),
}

impl Pod {
    /// As the API has it; None: it has no address yet, or is nobody's.
    fn of(pod: &Value, port: u16) -> Option<Self> {
        let text = |at: &str| pod.pointer(at).and_then(Value::as_str).map(String::from);
        let (id, name) = (text("/metadata/uid")?, text("/metadata/name")?);
        let of_owner = |what: &str| controller(pod)?.get(what)?.as_str().map(String::from);
        let (owner, kind) = (of_owner("uid")?, of_owner("kind")?);
        // A pod of a StatefulSet leaves its name to the next one; any other one its place among its like.
        let slot = if kind == "StatefulSet" { name.clone() } else { owner.clone() };
        let addresses = pod.pointer("/status/podIPs").and_then(Value::as_array).into_iter().flatten();
        let addresses = addresses.filter_map(|one| one.get("ip")?.as_str()?.parse::<IpAddr>().ok());
        let addresses: Vec<_> = addresses.map(|ip| SocketAddr::new(ip, port)).collect();
        let address = *addresses.first()?;
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let mut conditions = conditions.filter(|condition| condition["type"] == "Ready");
        let is_ready = conditions.any(|condition| condition["status"] == "True")
            && pod.pointer("/metadata/deletionTimestamp").is_none();
        let controller = (kind, of_owner("name")?);
        Some(Self { unit: Unit { id, name, slot, owner, addresses, address }, is_ready, controller })
    }
}

/// What it is one of.
fn controller(pod: &Value) -> Option<&Value> {
    pod.pointer("/metadata/ownerReferences")?.as_array()?.iter().find(|owner| owner["controller"] == true)
}

/// One that has ended has left its place to another one, whatever is still said of it.
fn has_ended(pod: &Value) -> bool {
    matches!(pod.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"))
}

/// All that may be broken, each with its addresses at this port; and whose those are that have no address yet.
pub(super) async fn pods(api: &Api, port: u16) -> Result<(Vec<Pod>, Vec<String>), String> {
    read(&api.get(&api.access.path("/api/v1", LIST)).await?, port)
}

/// The same, of the API's list.
pub(super) fn read(listed: &Value, port: u16) -> Result<(Vec<Pod>, Vec<String>), String> {
    let listed = listed.get("items").and_then(Value::as_array).ok_or("the Kubernetes API's list of pods is none")?;
    let (mut pods, mut awaited) = (Vec::new(), Vec::new());
    for pod in listed.iter().filter(|pod| !has_ended(pod)) {
        match Pod::of(pod, port) {
            Some(pod) => pods.push(pod),
            None => awaited.extend(controller(pod).and_then(|owner| owner["uid"].as_str()).map(String::from)),
        }
    }
    Ok((pods, awaited))
}

/// The id of the pod that has this name now.
pub(super) async fn id_of(api: &Api, name: &str) -> Result<Option<String>, String> {
    let pod = api.find(&api.access.path("/api/v1", &format!("pods/{name}"))).await?;
    Ok(pod.and_then(|pod| pod.pointer("/metadata/uid")?.as_str().map(String::from)))
}
