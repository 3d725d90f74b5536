use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::sync::Mutex;

use super::command::until_good;
use super::limit::Limit;
use super::local::all_answer;
use super::nft::Table;
use super::process::Process;
use super::proxied::{self, Front};
use super::{HealError, ending, store};
use crate::driver::own::OwnCluster;
use crate::driver::watchdog::{Ticket, Watchdog};
use crate::event::Healed;

/// A fault in force, as it is undone.
#[derive(Debug)]
pub(in crate::driver) enum Force {
    /// It happened; there is nothing to undo.
    Past,
    /// Packets are filtered.
    Filtered { table: Table, ticket: Ticket, addresses: Vec<SocketAddr> },
    /// The watchdog undoes it; then it is seen whether all is as it was.
    Held { ticket: Ticket, after: After, addresses: Vec<SocketAddr> },
    /// The fault proxy's weather is bad in front of these replicas.
    Weather(Front, Vec<u16>),
    /// The supervisor is dead, and all of its replicas with it.
    Headless,
    /// The store of operations is gone, slow or full.
    Store(store::InForce),
}

/// How it is seen that something was undone.
#[derive(Debug)]
pub(in crate::driver) enum After {
    /// These go on.
    GoOn(Vec<Process>),
    /// These have their own limits.
    Limits(Vec<(Process, Limit)>),
    /// This cgroup is gone.
    Gone(PathBuf),
    /// This command of the user's succeeds in so long; empty: nothing is to be seen.
    Verified(Vec<String>, Duration),
}

impl Force {
    /// Undoes it and sees that it is undone. `own` is the run's own cluster, where it has one.
    pub(super) async fn heal(
        self,
        (watchdog, clock): (&Watchdog, &RunClock),
        own: Option<&Arc<Mutex<OwnCluster>>>,
    ) -> Result<Healed, HealError> {
        let (healed_us, addresses) = match self {
            Force::Past => return Err(HealError::Otherwise("it only happened: there is nothing to undo".into())),
            Force::Headless => {
                let healed_us = clock.now_us();
                ending::start_again(own).await?;
                return Ok(Healed { healed_us, verified_us: clock.now_us() });
            }
            Force::Store(in_force) => return in_force.heal(watchdog, clock).await,
            Force::Weather(front, replicas) => {
                let healed_us = clock.now_us();
                proxied::clear(&front, &replicas).await?;
                return Ok(Healed { healed_us, verified_us: clock.now_us() });
            }
            Force::Filtered { table, ticket, addresses } => {
                let closed = table.close().await;
                let healed_us = clock.now_us();
                let released = watchdog.release(ticket).await;
                closed.map_err(HealError::Stuck).and(released)?;
                (healed_us, addresses)
            }
            Force::Held { ticket, after, addresses } => {
                let healed_us = clock.now_us();
                watchdog.release(ticket).await?;
                after.see().await?;
                (healed_us, addresses)
            }
        };
        all_answer(&addresses).await?;
        Ok(Healed { healed_us, verified_us: clock.now_us() })
    }
}

impl After {
    async fn see(self) -> Result<(), HealError> {
        match self {
            After::GoOn(processes) => {
                for process in processes {
                    process.goes_on().await?;
                }
                Ok(())
            }
            After::Limits(limits) => Limit::see(&limits),
            After::Gone(group) => match group.exists() {
                true => Err(HealError::Stuck(format!("the cgroup {} is still there", group.display()))),
                false => Ok(()),
            },
            After::Verified(words, within) => until_good(&words, within).await.map_err(HealError::Otherwise),
        }
    }
}
