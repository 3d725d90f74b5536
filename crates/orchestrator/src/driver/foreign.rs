//! The faults of a target that is no cluster of this machine and user.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use erlmcp_load::clock::RunClock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fault::{Commands, Desk, Order};
use super::swarm::{Swarm, follow};
use super::watchdog::Watchdog;
use super::{helper, undo};
use crate::action::Ask;
use crate::event::{Answer, Event};
use crate::fault::Kind;

/// What can be broken of such a target: by the user's own commands, or by the driver that the user named.
#[derive(Debug)]
pub(crate) struct ForeignFaults {
    desk: mpsc::Sender<Order>,
    swarm: Option<Swarm>,
    events: mpsc::Sender<Event>,
    /// They end with this.
    tasks: JoinSet<()>,
}

impl ForeignFaults {
    /// By the user's commands alone. `addresses` are the target's, by replica.
    pub(crate) fn new(addresses: &[(u16, SocketAddr)], clock: RunClock, events: mpsc::Sender<Event>) -> Self {
        let watchdog = Watchdog::new(helper());
        let addresses = addresses.iter().copied().collect();
        let desk = Desk::open(Commands { clock, watchdog, addresses }, events.clone());
        Self { desk, swarm: None, events, tasks: JoinSet::new() }
    }

    /// Of a service of Docker Swarm, through its engine; `authority` is the name and port that it was found by.
    ///
    /// # Errors
    /// Where the engine has no container of it that may be broken, as a sentence.
    pub(crate) async fn swarm(
        engine: &Path,
        addresses: &[(u16, SocketAddr)],
        authority: (String, u16),
        (clock, events): (RunClock, mpsc::Sender<Event>),
    ) -> Result<Self, String> {
        let swarm = Swarm::find(engine, addresses, authority, clock).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(swarm.clone(), events.clone()));
        Ok(Self { desk: Desk::open(swarm.clone(), events.clone()), swarm: Some(swarm), events, tasks })
    }

    /// Replicas that a driver holds; None: there is no driver but the user's commands.
    pub(crate) fn held(&self) -> Option<usize> {
        self.swarm.as_ref().map(Swarm::replicas)
    }

    /// Kinds of faults that its driver does not make; None: there is none.
    pub(crate) fn lacks(&self) -> Option<BTreeMap<Kind, String>> {
        self.swarm.as_ref().map(|_| Swarm::lacks())
    }

    /// Begins to do what was asked; false where that is not possible any more, or not this one's to do.
    pub(crate) fn ask(&mut self, ask: Ask) -> bool {
        let order = match (ask, &self.swarm) {
            (Ask::Inject { id, fault }, _) => Order::Inject(id, fault),
            (Ask::Heal { id }, _) => Order::Heal(id),
            (Ask::AwaitReady { replica }, Some(swarm)) => {
                let (swarm, events) = (swarm.clone(), self.events.clone());
                while self.tasks.try_join_next().is_some() {}
                self.tasks.spawn(async move {
                    if let Some(at_us) = swarm.await_ready(replica).await {
                        let _ = events.send(Event::Answer(Answer::Ready { replica, at_us })).await;
                    }
                });
                return true;
            }
            _ => return false,
        };
        self.desk.try_send(order).is_ok()
    }

    /// Undoes all; what could not be undone.
    pub(crate) async fn abandon(self) -> Vec<String> {
        undo(&self.desk).await
    }
}
