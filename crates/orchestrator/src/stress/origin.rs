use std::net::SocketAddr;

use erlmcp_load::clock::RunClock;
use erlmcp_load::proto::Reached;
use tokio::sync::mpsc;

use crate::collector::Figures;
use crate::config::{Driver, Era, StressConfig};
use crate::driver::{ForeignFaults, LocalCluster};
use crate::event::Event;
use crate::fault::{Field, Kind};
use crate::plan::{ChangeBy, Found, Offers, QueueFacts, Visits};
use crate::target::{ClusterReference, Status, Target};
use crate::{StressError, calls};

/// Why a server that no driver holds is not broken.
const NO_DRIVER: &str = "no fault driver: the target is not an erlmcp cluster of this user on this machine, so its processes are not ours \
     to break";

/// The first version of the modern era; versions are dates.
const MODERN_SINCE: &str = "2026-07-28";

/// Who answers at the target, and what can be done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The run started it.
    Own,
    /// A cluster of this user on this machine, held by its control socket.
    Attached,
    Foreign,
}

/// Attaches to the target's cluster, where it is one of this machine and user. `Err`: it is one, and why it is
/// foreign all the same.
pub(super) async fn attach(
    target: &Target,
    reference: Option<&ClusterReference>,
    clock: RunClock,
    events: mpsc::Sender<Event>,
) -> Result<Option<LocalCluster>, String> {
    let Some(reference) = reference else { return Ok(None) };
    // The path is a path of the target's machine, and so are the addresses of its replicas.
    if !target.is_colocated || !reference.control.exists() {
        return Err("its control socket, or an agent of the run, is not on this machine".into());
    }
    let attached = LocalCluster::attach((reference.control.as_path(), target.way.clone()), clock, events).await;
    let mut cluster = attached.map_err(|error| error.to_string())?;
    let port = cluster.shared().port();
    if port != reference.port || target.addresses.iter().all(|address| address.port() != port) {
        cluster.abandon().await;
        return Err(format!("its control socket is that of another cluster, on port {port}"));
    }
    Ok(Some(cluster))
}

/// What can be broken of a target that is no cluster of ours.
///
/// # Errors
/// Where the driver that the user named does not hold it.
pub(super) async fn faults(
    config: &StressConfig,
    target: &Target,
    endpoints: &[(u16, SocketAddr)],
    (clock, events): (RunClock, mpsc::Sender<Event>),
) -> Result<ForeignFaults, StressError> {
    let door = ((target.url.host.clone(), target.url.port), target.way.clone());
    match &config.driver {
        None => Ok(ForeignFaults::new(endpoints, target.ready().await, (clock, events))),
        Some(Driver::Swarm { engine }) => {
            let found = ForeignFaults::swarm(engine, endpoints, door, (clock, events)).await;
            found.map_err(|why| StressError::failed(format!("--driver swarm: {why}")))
        }
        Some(Driver::Kubernetes { api, namespace }) => {
            let said = (api.as_deref(), namespace.as_deref());
            let found = ForeignFaults::kubernetes(said, endpoints, door, (clock, events)).await;
            found.map_err(|why| StressError::failed(format!("--driver kubernetes: {why}")))
        }
    }
}

/// The addresses that connections are spread over, by replica.
pub(super) fn endpoints(target: &Target, cluster: Option<&LocalCluster>) -> Vec<(u16, SocketAddr)> {
    match cluster {
        Some(cluster) => cluster.endpoints(),
        None => target.endpoints(),
    }
}

/// Where the server's own figures come from.
pub(super) async fn figures(target: &Target, cluster: Option<&LocalCluster>, pid: Option<u32>) -> Figures {
    if let Some(cluster) = cluster {
        return Figures::Cluster { control: cluster.control().to_path_buf() };
    }
    match (target.metrics().await.unwrap_or_default(), pid) {
        (pages, None) if pages.is_empty() => match target.cluster(None).await {
            Some(reference) => Figures::Cluster { control: reference.control },
            None => Figures::Nothing,
        },
        (pages, pid) => Figures::Server { pages, pid },
    }
}

/// How the target is changed for its streams to tell of it, or why it is not.
///
/// # Errors
/// Where the user has named a tool that the target has not.
pub(super) fn changes(
    config: &StressConfig,
    reached: &Reached,
    cluster: Option<&LocalCluster>,
) -> Result<Result<ChangeBy, String>, StressError> {
    match (&config.change_tool, cluster) {
        (Some(tool), _) => {
            calls::find_tool(&tool.name, &reached.tools)?;
            Ok(Ok(ChangeBy::Tool(tool.clone())))
        }
        (None, Some(_)) => Ok(Ok(ChangeBy::ControlSocket)),
        (None, None) => Ok(Err("nothing is known that changes the target; name a tool with --change-tool".into())),
    }
}

/// What the plan must know of the target.
pub(super) fn found(
    (origin, is_colocated, replicas): (Origin, bool, Vec<u16>),
    spare: u64,
    cluster: Option<&LocalCluster>,
    status: Option<&Status>,
    (may_queue, changes, reached): (bool, Result<ChangeBy, String>, &Reached),
    (seed, fronted, visits): (u64, Vec<u16>, Visits),
) -> Found {
    let queue: Option<QueueFacts> = match cluster {
        Some(cluster) => Some(cluster.queue()),
        None => status.and_then(Status::queue),
    };
    let no_driver = || {
        let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Command && !kind.is_of_clients());
        kinds.map(|kind| (kind, NO_DRIVER.to_string())).collect()
    };
    Found {
        own_cluster: origin == Origin::Own,
        colocated: is_colocated,
        replicas: replicas.len() as u16,
        field: Field {
            replicas,
            fronted,
            elsewhere: Vec::new(),
            lacks: cluster.map_or_else(no_driver, LocalCluster::lacks),
        },
        cannot_scale: None,
        fronts: None,
        queue: match queue {
            _ if !may_queue => Err("the target has no queued tool that may be called".into()),
            Some(queue) if queue.workers > 0 && queue.places > 0 => Ok(queue),
            _ => Err("the target does not say how long its queue is".into()),
        },
        seed,
        // On another host what was asked for is the most that may be.
        spare: if is_colocated { spare } else { 0 },
        changes,
        offers: offers(reached),
        // Its store is asked through the control socket.
        operations: cluster.and_then(|_| calls::operation_tool(reached)),
        visits,
    }
}

/// What is known to be there beside the run's own call.
fn offers(reached: &Reached) -> Offers {
    let is_legacy = reached.era == Era::Legacy.name();
    let is_modern = |version: &String| version.as_str() >= MODERN_SINCE;
    let other = if is_legacy { Era::Modern } else { Era::Legacy };
    let offered = reached.offered.clone().unwrap_or_default();
    let some = |name: String| Some(name).filter(|name| !name.is_empty());
    let is_named = reached.versions.iter().any(|version| is_modern(version) == is_legacy);
    Offers {
        is_ours: calls::is_ours(reached),
        is_legacy,
        has_tools: !reached.tools.is_empty(),
        lists: offered.lists,
        resource: some(offered.resource),
        prompt: some(offered.prompt),
        other_era: is_named.then_some(other),
    }
}

/// The visitor opens a few more connections than there is room for.
const ABOVE: u64 = 256;

/// What a visitor may do: at a target whose limits are not known, and whose host is not ours, nothing that exhausts it.
pub(super) fn visits(origin: Origin, status: Option<&Status>, (connections, replicas): (u64, u64)) -> Visits {
    let connections_of_one = status.and_then(Status::connections_limit_of_one);
    let exhausting = match origin {
        Origin::Foreign => {
            Err("the target is not an erlmcp cluster of this user on this machine: what it holds is not \
             known, and it is not ours to exhaust"
                .to_string())
        }
        Origin::Own | Origin::Attached => Ok(()),
    };
    let filling = exhausting.clone().and_then(|()| {
        let limit = connections_of_one.ok_or("the target does not say how many connections it takes")?;
        let (needed, spare) =
            (limit.saturating_sub(connections / replicas.max(1)) + ABOVE, crate::host::spare_descriptors());
        if needed <= spare {
            return Ok(());
        }
        Err(format!(
            "it takes {needed} connections to fill one replica, and this process may open {spare}: ask for more \
             connections, or start the cluster with --max-connections"
        ))
    });
    let parts = match (origin, status.is_some_and(Status::has_parts)) {
        (Origin::Foreign, _) => Err("the target is not an erlmcp cluster of this user on this machine".into()),
        (_, false) => Err("the target does not tell what its parts count: it is of another version".into()),
        (_, true) => Ok(()),
    };
    Visits { exhausting, filling, parts, connections_of_one }
}
