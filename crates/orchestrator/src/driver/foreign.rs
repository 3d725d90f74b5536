//! The faults of a target that is no cluster of this machine and user.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use erlmcp_load::clock::RunClock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::fault::{Commands, Desk, Order};
use super::kubernetes::{self, Kubernetes};
use super::ready::await_ready;
use super::service::Service;
use super::swarm::{self, Swarm};
use super::watchdog::Watchdog;
use super::{helper, undo};
use crate::action::Ask;
use crate::collector::{Page, Way};
use crate::event::{Answer, Event};
use crate::fault::Kind;
use crate::plan::RECOVERY_BOUND;

/// What can be broken of such a target: by the user's own commands, or by the driver that the user named.
#[derive(Debug)]
pub(crate) struct ForeignFaults {
    desk: mpsc::Sender<Order>,
    holder: Option<Holder>,
    ready: Option<Ready>,
    events: mpsc::Sender<Event>,
    /// They end with this.
    tasks: JoinSet<()>,
}

/// Where replicas that no driver holds say that they are ready.
#[derive(Debug)]
struct Ready {
    addresses: BTreeMap<u16, SocketAddr>,
    /// At one of these.
    page: Page,
    clock: RunClock,
}

/// A driver that knows the target's replicas.
#[derive(Debug, Clone)]
enum Holder {
    Swarm(Swarm),
    Kubernetes(Box<Kubernetes>),
}

impl Holder {
    fn service(&self) -> &Service {
        match self {
            Self::Swarm(swarm) => swarm.service(),
            Self::Kubernetes(kubernetes) => kubernetes.service(),
        }
    }

    async fn scale(&self, replicas: u16) -> Result<Vec<(u16, SocketAddr)>, String> {
        match self {
            Self::Swarm(swarm) => swarm.scale(replicas).await,
            Self::Kubernetes(kubernetes) => kubernetes.scale(replicas).await,
        }
    }
}

impl ForeignFaults {
    /// By the user's commands alone. `addresses` are the target's, by replica; `ready` is the page of one of them that says
    /// whether it is ready, None where there is none.
    pub(crate) fn new(
        addresses: &[(u16, SocketAddr)],
        ready: Option<Page>,
        (clock, events): (RunClock, mpsc::Sender<Event>),
    ) -> Self {
        let watchdog = Watchdog::new(helper());
        let addresses: BTreeMap<u16, SocketAddr> = addresses.iter().copied().collect();
        let ready = ready.map(|page| Ready { addresses: addresses.clone(), page, clock });
        let desk = Desk::open(Commands { clock, watchdog, addresses }, events.clone());
        Self { desk, holder: None, ready, events, tasks: JoinSet::new() }
    }

    /// Of a service of Docker Swarm, through its engine; `door` is the name and port that it was found by, and how it is
    /// spoken to.
    ///
    /// # Errors
    /// Where the engine has no container of it that may be broken, as a sentence.
    pub(crate) async fn swarm(
        engine: &Path,
        addresses: &[(u16, SocketAddr)],
        door: ((String, u16), Way),
        (clock, events): (RunClock, mpsc::Sender<Event>),
    ) -> Result<Self, String> {
        let swarm = Swarm::find(engine, addresses, door, clock).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(swarm::follow(swarm.clone(), events.clone()));
        let desk = Desk::open(swarm.clone(), events.clone());
        Ok(Self { desk, holder: Some(Holder::Swarm(swarm)), ready: None, events, tasks })
    }

    /// Of pods, through the API of their cluster: `said` are the API and the namespace that the user named.
    ///
    /// # Errors
    /// Where the API cannot be used, or knows no pod of it that may be broken, as a sentence.
    pub(crate) async fn kubernetes(
        said: (Option<&str>, Option<&str>),
        addresses: &[(u16, SocketAddr)],
        door: ((String, u16), Way),
        (clock, events): (RunClock, mpsc::Sender<Event>),
    ) -> Result<Self, String> {
        let kubernetes = Kubernetes::find(said, addresses, door, clock).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(kubernetes::follow(kubernetes.clone(), events.clone()));
        let desk = Desk::open(kubernetes.clone(), events.clone());
        Ok(Self { desk, holder: Some(Holder::Kubernetes(Box::new(kubernetes))), ready: None, events, tasks })
    }

    /// Replicas that a driver holds; None: there is no driver but the user's commands.
    pub(crate) fn held(&self) -> Option<usize> {
        self.holder.as_ref().map(|holder| holder.service().held())
    }

    /// False: there is a driver, and this replica is none of its own.
    pub(crate) fn holds(&self, replica: u16) -> bool {
        self.holder.as_ref().is_none_or(|holder| holder.service().holds(replica))
    }

    /// Kinds of faults that its driver does not make; None: there is none.
    pub(crate) fn lacks(&self) -> Option<BTreeMap<Kind, String>> {
        self.holder.as_ref().map(|holder| match holder {
            Holder::Swarm(_) => Swarm::lacks(),
            Holder::Kubernetes(kubernetes) => kubernetes.lacks(),
        })
    }

    /// Why its driver cannot change the number of replicas; None: it can, or there is none.
    pub(crate) async fn cannot_scale(&self) -> Option<String> {
        match self.holder.as_ref()? {
            Holder::Swarm(swarm) => swarm.cannot_scale().await,
            Holder::Kubernetes(kubernetes) => kubernetes.cannot_scale(),
        }
    }

    /// Begins to do what was asked; false where that is not possible any more, or not this one's to do.
    pub(crate) fn ask(&mut self, ask: Ask) -> bool {
        let order = match (ask, &self.holder) {
            (Ask::Inject { id, fault }, _) => Order::Inject(id, fault),
            (Ask::Heal { id }, _) => Order::Heal(id),
            (Ask::AwaitReady { replica }, Some(holder)) => {
                let service = holder.service().clone();
                self.answer(async move {
                    let at_us = Some(service.await_ready(replica).await?);
                    Some(Answer::Ready { replica, at_us })
                });
                return true;
            }
            (Ask::AwaitReady { replica }, None) => {
                let asked = self.ready.as_ref().and_then(|ready| {
                    let address = *ready.addresses.get(&replica)?;
                    Some((ready.page.at(address), ready.clock))
                });
                self.answer(async move {
                    let at_us = match asked {
                        Some((page, clock)) => Some(await_ready(&page, RECOVERY_BOUND, &clock).await?),
                        None => None,
                    };
                    Some(Answer::Ready { replica, at_us })
                });
                return true;
            }
            (Ask::Scale { replicas }, Some(holder)) => {
                let holder = holder.clone();
                self.answer(async move { Some(Answer::Scaled(holder.scale(replicas).await)) });
                return true;
            }
            _ => return false,
        };
        self.desk.try_send(order).is_ok()
    }

    fn answer(&mut self, answer: impl Future<Output = Option<Answer>> + Send + 'static) {
        let events = self.events.clone();
        while self.tasks.try_join_next().is_some() {}
        self.tasks.spawn(async move {
            if let Some(answer) = answer.await {
                let _ = events.send(Event::Answer(answer)).await;
            }
        });
    }

    /// Undoes all; what could not be undone.
    pub(crate) async fn abandon(mut self) -> Vec<String> {
        // A change of the number of replicas that is under way is among what is undone.
        self.tasks.shutdown().await;
        undo(&self.desk).await
    }
}
