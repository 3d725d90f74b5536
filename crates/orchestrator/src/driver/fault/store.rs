//! Faults of the store of operations: a process of the cluster that all of its replicas use.

mod asking;
mod counts;
mod full;
mod killed;
mod slow;

use std::path::Path;

use erlmcp_load::clock::RunClock;

use super::HealError;
use super::force::Force;
use super::local::LocalFaults;
use super::process::Process;
use crate::collector::{Page, Way};
use crate::driver::control;
use crate::driver::protocol::Status;
use crate::driver::watchdog::Watchdog;
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};

/// A fault of the store in force, as it is undone.
#[derive(Debug)]
pub(in crate::driver) enum InForce {
    Killed(killed::Killed),
    Slow(slow::Slow),
    Full(full::Full),
}

pub(super) async fn inject(local: &LocalFaults, fault: &Fault) -> Result<(Force, Injected), String> {
    let (in_force, injected) = match fault.kind {
        Kind::StoreKilled => killed::kill(local).await?,
        Kind::StoreSlow => slow::slow_down(local, fault.amount).await?,
        _ => full::fill(local).await?,
    };
    Ok((Force::Store(in_force), injected))
}

impl InForce {
    /// Undoes it, or waits until the cluster has, and sees that operations are carried out again.
    pub(super) async fn heal(self, watchdog: &Watchdog, clock: &RunClock) -> Result<Healed, HealError> {
        match self {
            InForce::Killed(killed) => killed.comes_back(clock).await,
            InForce::Slow(slow) => slow.heal(watchdog, clock).await,
            InForce::Full(full) => full.heal(watchdog, clock).await,
        }
    }
}

/// The process that is the store now.
async fn process(local: &LocalFaults) -> Result<Process, String> {
    let named = || async {
        let status = local.status().await?;
        let store = status.store.ok_or("the cluster has no store of operations, or does not say so")?;
        let ready = Some(store.state.as_str()).filter(|state| *state == "ready").and(store.pid);
        Ok::<_, String>((status.pid, ready.ok_or_else(|| format!("the store is not ready ({})", store.state))?))
    };
    Process::child_of_supervisor(named, "the store").await
}

/// Where the replicas that take requests take them.
fn members(status: &Status, way: &Way) -> Vec<Page> {
    status.replicas.iter().filter(|one| one.member).map(|one| way.page(one.address, "/mcp")).collect()
}

async fn status(control: &Path) -> Result<Status, String> {
    control::status(control).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
