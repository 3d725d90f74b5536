//! A service whose replicas come and go at other addresses: tasks of Docker Swarm, pods of Kubernetes. Which of them is which
//! replica of the run, and what becomes of them.

mod following;
mod numbers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::timeout;

pub(super) use numbers::{Counted, Numbers, Present};

use super::fault::HealError;
use super::locked;
use super::ready::await_ready;
use crate::collector::{Page, Way};
use crate::plan::RECOVERY_BOUND;

/// What runs at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unit {
    /// Container or pod. Another one has another id, even where it has the same name or address.
    pub(super) id: String,
    /// What its API calls it by.
    pub(super) name: String,
    /// What it leaves to the one that replaces it: "erlmcp_erlmcp-server.3", "erlmcp-0".
    pub(super) slot: String,
    /// That which has a number of such units.
    pub(super) owner: String,
    /// In all of its networks.
    pub(super) addresses: Vec<SocketAddr>,
    /// The one that the run's clients use.
    pub(super) address: SocketAddr,
}

impl Unit {
    pub(super) fn at(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }
}

/// What is known of the service. All copies know the same.
#[derive(Debug, Clone)]
pub(super) struct Service {
    pub(super) clock: RunClock,
    /// Name and port that its replicas are asked by.
    authority: (String, u16),
    way: Way,
    standing: Arc<Mutex<Standing>>,
}

#[derive(Debug, Default)]
struct Standing {
    /// By replica.
    units: BTreeMap<u16, Unit>,
    /// Replicas that are none of the driver's.
    elsewhere: BTreeMap<u16, SocketAddr>,
    /// Their number is being changed, so those that go are not down.
    is_changing: bool,
}

impl Standing {
    fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        let here = self.units.iter().map(|(replica, unit)| (*replica, unit.address));
        here.chain(self.elsewhere.iter().map(|(replica, address)| (*replica, *address))).collect()
    }
}

impl Service {
    /// Of these units, those behind the endpoints; `authority` is the name and port that they were found by, and `way` how
    /// they are spoken to.
    pub(super) fn new(
        found: &[Unit],
        endpoints: &[(u16, SocketAddr)],
        (authority, way): ((String, u16), Way),
        clock: RunClock,
    ) -> Self {
        let mut standing = Standing::default();
        for (replica, address) in endpoints {
            match found.iter().find(|unit| unit.addresses.contains(address)) {
                Some(unit) => drop(standing.units.insert(*replica, unit.clone().at(*address))),
                None => drop(standing.elsewhere.insert(*replica, *address)),
            }
        }
        Self { clock, authority, way, standing: Arc::new(Mutex::new(standing)) }
    }

    /// Replicas that are the driver's.
    pub(super) fn held(&self) -> usize {
        locked(&self.standing).units.len()
    }

    pub(super) fn holds(&self, replica: u16) -> bool {
        locked(&self.standing).units.contains_key(&replica)
    }

    pub(super) fn authority(&self) -> &(String, u16) {
        &self.authority
    }

    /// Where the one at this address says whether it is ready.
    pub(super) fn ready(&self, address: SocketAddr) -> Page {
        let (name, port) = &self.authority;
        Page { host: format!("{name}:{port}"), ..self.way.page(address, "/ready") }
    }

    /// The units of these replicas.
    ///
    /// # Errors
    /// Where none is named; or one is not the driver's, which `what` says it would be.
    pub(super) fn units(&self, replicas: &[u16], what: &str) -> Result<Vec<(u16, Unit)>, String> {
        if replicas.is_empty() {
            return Err("no replica is named".into());
        }
        let standing = locked(&self.standing);
        let unit = |replica: &u16| {
            let unit = standing.units.get(replica).ok_or_else(|| format!("replica {replica} is no {what}"))?;
            Ok((*replica, unit.clone()))
        };
        replicas.iter().map(unit).collect()
    }

    /// That which has a number of units.
    ///
    /// # Errors
    /// Where these units are of several.
    pub(super) fn owner(&self) -> Result<String, String> {
        let standing = locked(&self.standing);
        let mut owners: Vec<&String> = standing.units.values().map(|unit| &unit.owner).collect();
        owners.dedup();
        match owners[..] {
            [one] => Ok(one.clone()),
            _ => Err("the replicas are not all of one service".into()),
        }
    }

    fn address(&self, replica: u16) -> Option<SocketAddr> {
        locked(&self.standing).units.get(&replica).map(|unit| unit.address)
    }

    /// When the replica was ready, wherever it runs by then; None: it was not in time.
    pub(super) async fn await_ready(&self, replica: u16) -> Option<u64> {
        let ready = async {
            loop {
                let address = self.address(replica)?;
                let at_us = await_ready(&self.ready(address), Duration::from_secs(1), &self.clock).await;
                // It may have moved meanwhile.
                if at_us.is_some() && self.address(replica) == Some(address) {
                    return at_us;
                }
            }
        };
        timeout(RECOVERY_BOUND, ready).await.ok().flatten()
    }

    /// Sees that a replica that was held up answers.
    pub(super) async fn answers(&self, replica: u16, within: Duration) -> Result<(), HealError> {
        let Some(address) = self.address(replica) else { return Ok(()) };
        match await_ready(&self.ready(address), within, &self.clock).await {
            Some(_) => Ok(()),
            None => Err(HealError::Otherwise(format!("{address} still did not answer {} s later", within.as_secs()))),
        }
    }
}

#[cfg(test)]
mod tests;
