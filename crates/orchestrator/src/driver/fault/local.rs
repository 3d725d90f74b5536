//! The fault driver of a local cluster: what all of its faults are made with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::command::Commands;
use super::force::Force;
use super::group::Groups;
use super::nft::Nft;
use super::probe::{Seen, connect};
use super::process::Process;
use super::proxied::Front;
use super::{FaultDriver, HealError, descriptors, ending, group, kill, packets, pause, proxied, store};
use crate::collector::Way;
use crate::driver::control;
use crate::driver::own::OwnCluster;
use crate::driver::protocol::Status;
use crate::driver::watchdog::{Debt, Ticket, Watchdog};
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};

/// A connect on loopback takes microseconds: so long without an answer, its packets are lost.
pub(super) const PROBE: Duration = Duration::from_millis(100);
/// A fault's effect is there in milliseconds; on a machine at its limit it is seen later.
pub(super) const SEEN_WITHIN: Duration = Duration::from_secs(3);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::driver) struct LocalFaults {
    pub(in crate::driver) control: PathBuf,
    /// How the replicas are spoken to.
    pub(in crate::driver) way: Way,
    pub(in crate::driver) clock: RunClock,
    /// Why packets cannot be dropped here.
    pub(in crate::driver) nft: Result<Nft, String>,
    pub(in crate::driver) groups: Groups,
    pub(in crate::driver) watchdog: Watchdog,
    pub(in crate::driver) front: Front,
    /// None where the cluster was there before the run.
    pub(in crate::driver) own: Option<Arc<Mutex<OwnCluster>>>,
}

impl LocalFaults {
    pub(super) async fn status(&self) -> Result<Status, String> {
        control::status(&self.control).await.map_err(|error| error.to_string())
    }

    /// The driver for the user's own commands.
    pub(super) async fn commands(&self) -> Result<Commands, String> {
        let status = self.status().await?;
        let addresses = status.replicas.iter().map(|one| (one.replica, one.address)).collect();
        Ok(Commands { clock: self.clock, watchdog: self.watchdog.clone(), addresses })
    }

    /// The replicas' own addresses.
    pub(super) async fn addresses(&self, replicas: &[u16]) -> Result<Vec<SocketAddr>, String> {
        if replicas.is_empty() {
            return Err("no replica is named".into());
        }
        let status = self.status().await?;
        let address = |replica: &u16| {
            let found = status.replica(*replica).ok_or_else(|| format!("the cluster has no replica {replica}"))?;
            let own = found.address.ip() != status.shared.ip();
            if own { Ok(found.address) } else { Err(format!("replica {replica} has no address of its own")) }
        };
        replicas.iter().map(address).collect()
    }

    /// The replicas' processes.
    pub(super) async fn processes(&self, replicas: &[u16]) -> Result<Vec<Process>, String> {
        if replicas.is_empty() {
            return Err("no replica is named".into());
        }
        let mut processes = Vec::new();
        for replica in replicas {
            processes.push(Process::of_replica(&self.control, *replica).await?);
        }
        Ok(processes)
    }

    /// Tells the watchdog what will have to be undone.
    pub(super) async fn hold(&self, debts: Vec<Debt>) -> Result<Ticket, String> {
        let ticket = self.watchdog.ticket();
        self.watchdog.hold(ticket, debts).await.map(|()| ticket)
    }

    /// Undoes what was begun where the effect did not come.
    pub(super) async fn give_up<T>(&self, ticket: Ticket, why: String) -> Result<T, String> {
        Err(self.watchdog.give_up(ticket, why).await)
    }
}

impl FaultDriver for LocalFaults {
    type InForce = Force;

    async fn inject(&self, fault: &Fault) -> Result<(Force, Injected), String> {
        let (replicas, amount) = (&fault.replicas, fault.amount);
        match fault.kind {
            Kind::Kill => kill::kill(self, replicas).await,
            Kind::CrashLoop => kill::again_and_again(self, replicas, amount).await,
            Kind::Terminate => ending::terminate(self, replicas).await,
            Kind::RollingRestart => ending::one_after_another(self, replicas).await,
            Kind::Supervisor => ending::supervisor(self).await,
            Kind::Pause => pause::pause(self, replicas, None).await,
            Kind::Partition | Kind::PartitionIn | Kind::PartitionOut | Kind::Reset | Kind::Loss => {
                packets::inject(self, fault).await
            }
            Kind::Cpu => group::cpu(self, replicas, amount).await,
            Kind::Memory => group::memory(self, replicas, amount).await,
            Kind::Descriptors => descriptors::take(self, replicas, amount).await,
            Kind::StoreKilled | Kind::StoreSlow | Kind::StoreFull => store::inject(self, fault).await,
            Kind::ThunderingReconnect | Kind::RetryStorm | Kind::SlowClients => {
                Err("clients do it, not the driver".into())
            }
            Kind::Latency
            | Kind::LatencyIn
            | Kind::LatencyOut
            | Kind::Bandwidth
            | Kind::Slicing
            | Kind::BlackHole
            | Kind::Cut => proxied::inject(self, fault).await,
            Kind::Command => self.commands().await?.inject(fault).await,
        }
    }

    fn lasts(in_force: &Self::InForce) -> bool {
        !matches!(in_force, Force::Past)
    }

    async fn heal(&self, force: Force) -> Result<Healed, HealError> {
        force.heal((&self.watchdog, &self.clock), self.own.as_ref()).await
    }

    fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    async fn end(&self) -> Vec<String> {
        self.watchdog.end().await
    }
}

/// Waits until all of them take connections again.
pub(super) async fn all_answer(addresses: &[SocketAddr]) -> Result<(), HealError> {
    for address in addresses {
        let answers = async {
            while connect(*address, PROBE).await != Seen::Answers {
                sleep(LOOK_EVERY).await;
            }
        };
        let seen = timeout(ANSWERS_WITHIN, answers).await;
        let silent = || format!("{address} still did not answer {} s later", ANSWERS_WITHIN.as_secs());
        seen.map_err(|_| HealError::Otherwise(silent()))?;
    }
    Ok(())
}

/// "the process", "3 processes".
pub(super) fn of_processes(count: usize) -> String {
    if count == 1 { "the process".into() } else { format!("{count} processes") }
}
