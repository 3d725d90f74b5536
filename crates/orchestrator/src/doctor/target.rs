//! Looks at a target: the way to it, and what it says of itself.

use std::net::SocketAddr;

use erlmcp_load::agent;
use erlmcp_load::clock::monotonic_ns;

use super::examine::Leads;
use super::finding::{Finding, Weight};
use super::load::Held;
use super::readings::Readings;
use super::way;
use crate::discover::{DiscoverConfig, setup};
use crate::driver::control;
use crate::preflight::Room;
use crate::target::{self, Status, Target, Tried, Url, is_loopback, is_of_this_machine};
use crate::{StressConfig, StressError};

/// A target that answers in MCP.
#[derive(Debug, Clone)]
pub(super) struct Met {
    pub(super) leads: Leads,
    pub(super) held: Held,
    /// The quickest connect, milliseconds.
    pub(super) way_ms: Option<f64>,
    /// Of this machine.
    pub(super) cores: u32,
}

/// Where it leads, what is to be said of it, and who was met.
///
/// # Errors
/// Where the certificates or the headers that were given cannot be used.
pub(super) async fn look(
    run: &StressConfig,
    url: Url,
    readings: &Readings,
) -> Result<(Leads, Vec<Finding>, Option<Met>), StressError> {
    let nowhere = Leads { is_colocated: false, is_loopback: false, addresses: 1 };
    let begun_ns = monotonic_ns();
    let named = Target::addresses(&url).await.map_err(|error| error.to_string());
    let named = named.map(|addresses| (addresses, (monotonic_ns() - begun_ns) / 1_000));
    let mut found = vec![way::name(&url, &named)];
    let Ok((addresses, _)) = named else { return Ok((nowhere, found, None)) };
    let tried = Target::tried(&addresses).await;
    found.extend(way::connects(&url, &tried));
    let open: Vec<SocketAddr> =
        tried.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(address, _)| *address).collect();
    let led = if open.is_empty() { &addresses } else { &open };
    let leads = Leads {
        is_colocated: led.iter().all(|address| is_of_this_machine(address.ip())),
        is_loopback: led.iter().all(|address| is_loopback(address.ip())),
        addresses: open.len().max(1) as u64,
    };
    if open.is_empty() {
        return Ok((leads, found, None));
    }
    let asking = DiscoverConfig {
        url: url.to_string(),
        era: run.era,
        headers: run.headers.clone(),
        ca_pem: run.ca_pem.clone(),
        insecure: run.insecure,
    };
    let setup = setup(asking, &url, &open)?;
    let approached = tokio::task::spawn_blocking(move || agent::approach(&setup)).await;
    let approached = approached.map_err(|error| StressError::failed(format!("an internal error: {error}")))?;
    let approach = approached.map_err(StressError::failed)?;
    found.extend(way::steps(&url, &approach, run));
    if !matches!(approach.mcp, Some(Ok(_))) {
        return Ok((leads, found, None));
    }
    let (is_elsewhere, is_colocated) = (!leads.is_loopback, leads.is_colocated);
    let way = target::way_of_run(&url, run).await?;
    let target = Target { url, addresses: open, left_out: Vec::new(), is_elsewhere, is_colocated, way };
    let status = target.status().await;
    let held = Held { cluster: cluster(&target, status.as_ref()).await, is_colocated: leads.is_colocated };
    found.push(metrics(run, &target, held).await);
    found.extend(room(run, status.as_ref(), held, readings));
    let way_ms = quickest(&tried);
    Ok((leads, found, Some(Met { leads, held, way_ms, cores: readings.processors.unwrap_or(1) })))
}

/// Where the run will have the target's own figures from.
async fn metrics(run: &StressConfig, target: &Target, held: Held) -> Finding {
    let begun_ns = monotonic_ns();
    let read = target.metrics().await.map(|_| (monotonic_ns() - begun_ns) / 1_000);
    let instead = match (run.target_pid, held.cluster) {
        (Some(pid), _) => Some(format!("process {pid}")),
        (None, cluster) => cluster.map(|_| "its cluster's control socket".to_string()),
    };
    way::metrics((&target.url, run), &read, instead.as_deref(), held.is_colocated)
}

fn quickest(tried: &[Tried]) -> Option<f64> {
    let times = tried.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
    times.min().map(|us| *us as f64 / 1e3)
}

/// Replicas and port of an erlmcp cluster on this machine.
async fn cluster(target: &Target, status: Option<&Status>) -> Option<(u64, u16)> {
    let reference = target.cluster(status).await.filter(|found| target.is_colocated && found.control.exists())?;
    let said = control::status(&reference.control).await.ok()?;
    Some((said.replicas.len() as u64, reference.port))
}

/// Is there room for the run's connections, as far as the target says?
fn room(run: &StressConfig, status: Option<&Status>, held: Held, readings: &Readings) -> Option<Finding> {
    let topic = "connections of the target";
    let sockets = run.sockets();
    if let Some((replicas, port)) = held.cluster {
        let checked = Room::of(readings).check_attached(replicas, sockets);
        return Some(match checked {
            Ok(()) => Finding::ok(topic, format!("{replicas} replicas have descriptors for {sockets}")),
            Err(error) => Finding::complaint(
                (topic, "connection-limit", Weight::Stops),
                error.to_string(),
                "the run does not start",
                [format!("erlmcp cluster scale {} --port {port}", Room::of(readings).replicas_to_hold(sockets))],
            ),
        });
    }
    let limit = status.filter(|status| status.cluster.is_none())?.connections_limit?;
    Some(if limit >= sockets {
        Finding::ok(topic, format!("it takes {limit}"))
    } else {
        Finding::complaint(
            (topic, "connection-limit", Weight::Warning),
            format!("it takes {limit}, and {sockets} are to be held"),
            "the others are closed at once: the ramp-up fails",
            [
                format!("erlmcp serve --max-connections {sockets}"),
                format!("erlmcp cluster --replicas {}", Room::of(readings).replicas_to_hold(sockets)),
            ],
        )
    })
}

#[cfg(test)]
mod tests;
