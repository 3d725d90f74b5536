//! Drivers: a cluster of this machine through its control socket; faults, of it and of others, and their undoing.

mod audit;
pub(crate) mod control;
mod counting;
mod engine;
#[cfg(test)]
pub(crate) mod fake;
mod fault;
mod foreign;
mod kubernetes;
mod last_words;
mod lone;
mod own;
mod permission;
mod private_folder;
pub(crate) mod protocol;
mod ready;
mod replicas;
mod scaling;
mod service;
mod swarm;
mod watch;
mod watchdog;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::Proxied;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::StressError;
use crate::action::Ask;
use crate::collector::Way;
use crate::event::{Answer, Event, HealError, Leftovers};
use crate::fault::{Kind, Needs};
use crate::plan::{QueueFacts, RECOVERY_BOUND};
use control::{Connection, Done};
#[cfg(test)]
pub(crate) use engine::FakeEngine;
use fault::nft::Nft;
use fault::{Desk, Front, FrontProxy, Groups, LocalFaults, Order, UNDONE_MAX, proxy_cost};
pub(crate) use foreign::ForeignFaults;
pub(crate) use lone::LoneServer;
use own::OwnCluster;
pub(crate) use permission::may_drop_packets;
use protocol::Status;
use replicas::Replicas;
pub(crate) use scaling::{load_of, scale_to};
pub(crate) use swarm::Replicated;
pub use watchdog::keep_watch;
#[cfg(test)]
use watchdog::program_of_tests as helper;
use watchdog::{Program, Watchdog};

/// From the order to abandon a cluster, faults and all, to its end.
pub(crate) const ABANDONED_WITHIN: Duration = UNDONE_MAX.saturating_add(own::STOPPED_WITHIN);

/// A cluster of this machine and this user.
#[derive(Debug)]
pub(crate) struct LocalCluster {
    link: Link,
    /// As it last was.
    status: Arc<Mutex<Status>>,
    desk: mpsc::Sender<Order>,
    replicas: Arc<Replicas>,
    /// The watch, and questions that wait for their answers; they end with this.
    tasks: Mutex<JoinSet<()>>,
    /// Kinds of faults that cannot be made here, with the reason.
    lacks: BTreeMap<Kind, String>,
    /// The fault proxy, where one is wanted.
    front: Front,
    /// None where it was there before the run.
    own: Option<Arc<tokio::sync::Mutex<OwnCluster>>>,
    /// What was left when everything was told to go.
    left: Option<Leftovers>,
}

/// What every question needs.
#[derive(Debug, Clone)]
struct Link {
    control: PathBuf,
    /// How its replicas are spoken to.
    way: Way,
    clock: RunClock,
    events: mpsc::Sender<Event>,
}

impl LocalCluster {
    /// Starts the run's own cluster, its output to `log`; returns when all replicas are ready.
    ///
    /// # Errors
    /// Where it does not come up, with its own last words.
    pub(crate) async fn start(
        binary: &Path,
        replicas: u16,
        log: &Path,
        clock: RunClock,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, StressError> {
        let (own, status) = OwnCluster::start(binary, replicas, log).await?;
        let link = Link { control: own.control(), way: Way::default(), clock, events };
        Self::connect(link, status, Some(own)).await
    }

    /// Attaches to a running one of the same user, whose replicas are spoken to in this way.
    ///
    /// # Errors
    /// Where nobody answers there, or another user's cluster does.
    pub(crate) async fn attach(
        (control, way): (&Path, Way),
        clock: RunClock,
        events: mpsc::Sender<Event>,
    ) -> Result<Self, StressError> {
        let failed = |why: &dyn std::fmt::Display| StressError::failed(format!("the cluster cannot be used: {why}"));
        let mut connection = Connection::open(control).await.map_err(|error| failed(&error))?;
        permission::same_user(&connection).map_err(|why| failed(&why))?;
        let status = connection.status(control::ANSWER_WITHIN).await.map_err(|error| failed(&error))?;
        if status.state == "stopping" {
            return Err(failed(&"it is stopping; start it again"));
        }
        Self::connect(Link { control: control.to_path_buf(), way, clock, events }, status, None).await
    }

    async fn connect(link: Link, status: Status, own: Option<OwnCluster>) -> Result<Self, StressError> {
        let own = own.map(|own| Arc::new(tokio::sync::Mutex::new(own)));
        let watchdog = Watchdog::new(helper());
        let replicas = Replicas::new(link.control.clone(), own.is_none().then(|| watchdog.clone()));
        let local = LocalFaults {
            control: link.control.clone(),
            way: link.way.clone(),
            clock: link.clock,
            nft: Nft::find().await,
            groups: Groups::find(status.pid),
            watchdog,
            front: Front::default(),
            own: own.clone(),
        };
        let front = Arc::clone(&local.front);
        let lacks = permission::lacks(&status, &local);
        let (hears, is_heard) = oneshot::channel();
        let mut tasks = JoinSet::new();
        tasks.spawn(watch::watch(link.control.clone(), link.clock, link.events.clone(), hears));
        if !matches!(timeout(control::ANSWER_WITHIN, is_heard).await, Ok(Ok(()))) {
            return Err(StressError::failed("the cluster does not tell what happens to its replicas; start it again"));
        }
        let desk = Desk::open(local, link.events.clone());
        let (status, tasks) = (Arc::new(Mutex::new(status)), Mutex::new(tasks));
        Ok(Self { link, status, desk, replicas: Arc::new(replicas), tasks, lacks, front, own, left: None })
    }

    /// The shared address.
    pub(crate) fn shared(&self) -> SocketAddr {
        locked(&self.status).shared
    }

    /// Each replica's own address.
    pub(crate) fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        locked(&self.status).replicas.iter().map(|one| (one.replica, one.address)).collect()
    }

    /// It ends with the run.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The control socket, for the collector.
    pub(crate) fn control(&self) -> &Path {
        &self.link.control
    }

    /// Workers and places of all replicas.
    pub(crate) fn queue(&self) -> QueueFacts {
        let status = locked(&self.status);
        let queues = || status.replicas.iter().filter_map(|one| one.snapshot.as_ref()).map(|snapshot| &snapshot.queue);
        QueueFacts {
            workers: queues().map(|queue| queue.workers).sum(),
            places: queues().map(|queue| queue.limit).sum(),
        }
    }

    /// Kinds of faults that cannot be made here, with the reason.
    pub(crate) fn lacks(&self) -> BTreeMap<Kind, String> {
        self.lacks.clone()
    }

    /// Puts a fault proxy in front of these replicas; its addresses are those to connect to from now on.
    ///
    /// # Errors
    /// Where it does not start.
    pub(crate) async fn put_proxy_before(
        &mut self,
        replicas: &[u16],
    ) -> Result<(Proxied, Vec<(u16, SocketAddr)>), StressError> {
        let failed = |why: String| StressError::failed(format!("the fault proxy cannot be used: {why}"));
        let own: Vec<_> = self.endpoints().into_iter().filter(|(number, _)| replicas.contains(number)).collect();
        let way = &self.link.way;
        let proxy = FrontProxy::start(&Program::of("fault-proxy"), &own, way.clone()).await.map_err(failed)?;
        let addresses: Vec<(u16, SocketAddr)> = proxy.addresses.iter().map(|(one, at)| (*one, *at)).collect();
        let cost = match (own.first(), addresses.first()) {
            (Some((_, own)), Some((_, through))) => {
                proxy_cost(&way.page(*own, "/health"), *through, &self.link.clock).await
            }
            _ => None,
        };
        *self.front.lock().await = Some(proxy);
        self.lacks.retain(|kind, _| kind.needs() != Needs::Proxy);
        let (direct_us, through_us) = cost.unzip();
        Ok((Proxied { replicas: own.iter().map(|(one, _)| *one).collect(), direct_us, through_us }, addresses))
    }

    /// No fault proxy stands anywhere, for this reason.
    pub(crate) fn lack_proxy(&mut self, why: &str) {
        let lacking = self.lacks.iter_mut().filter(|(kind, _)| kind.needs() == Needs::Proxy);
        lacking.for_each(|(_, reason)| why.clone_into(reason));
    }

    /// The process of the fault proxy, where there is one.
    pub(crate) async fn proxy_pid(&self) -> Option<u32> {
        self.front.lock().await.as_ref()?.pid()
    }

    /// Begins to do what was asked (Workers, Inject, Heal, AwaitReady, Scale, Change); the answer is an event.
    pub(crate) fn ask(&self, ask: Ask) {
        match ask {
            Ask::Inject { id, fault } => {
                self.order(Order::Inject(id, fault), |why| Answer::Injected { id, outcome: Err(why) });
            }
            Ask::Heal { id } => {
                self.order(Order::Heal(id), |why| Answer::Healed { id, outcome: Err(HealError::Otherwise(why)) })
            }
            Ask::Workers => self.spawn(workers(self.link.clone())),
            Ask::AwaitReady { replica } => self.spawn(await_ready(self.link.clone(), replica)),
            Ask::Change { change } => self.spawn(make_change(self.link.clone(), change)),
            Ask::Scale { replicas } => {
                let (all, status) = (Arc::clone(&self.replicas), Arc::clone(&self.status));
                self.spawn(scale(self.link.clone(), (all, status), replicas))
            }
            Ask::Audit { folder, within } => self.spawn(audit::audit(self.link.clone(), folder, within)),
            Ask::Health | Ask::Resolve | Ask::Visit { .. } | Ask::Dismantle { .. } => {
                tracing::warn!("{ask:?} is not for the cluster's driver")
            }
        }
    }

    fn order(&self, order: Order, refuse: impl FnOnce(String) -> Answer) {
        if let Err(error) = self.desk.try_send(order) {
            let (events, answer) = (self.link.events.clone(), refuse(format!("no fault can be ordered: {error}")));
            self.spawn(async move { drop(events.send(Event::Answer(answer)).await) });
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = locked(&self.tasks);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Undoes faults first and verifies it, then stops a cluster of the run's own; says what is left. Called again it
    /// does nothing and says the same.
    pub(crate) async fn abandon(&mut self) -> Leftovers {
        if let Some(left) = &self.left {
            return left.clone();
        }
        // A change of the number of replicas that is under way is among what is undone.
        let mut tasks = std::mem::take(&mut *locked(&self.tasks));
        tasks.shutdown().await;
        let faults = self.undo().await;
        let processes = match &mut self.own {
            Some(own) => own.lock().await.stop().await,
            None => Vec::new(),
        };
        let notes = [faults.as_slice(), processes.as_slice()].concat().join("; ");
        let left = Leftovers {
            processes: processes.len() as u64,
            faults: faults.len() as u64,
            note: Some(notes).filter(|notes| !notes.is_empty()),
        };
        self.left = Some(left.clone());
        left
    }

    /// What could not be undone.
    async fn undo(&self) -> Vec<String> {
        undo(&self.desk).await
    }
}

async fn undo(desk: &mpsc::Sender<Order>) -> Vec<String> {
    let (answer, undone) = oneshot::channel();
    let ended = async {
        desk.send(Order::End(answer)).await.ok()?;
        undone.await.ok()
    };
    ended.await.unwrap_or_else(|| vec!["it is not known whether every fault was undone".into()])
}

/// The program that keeps watch.
#[cfg(not(test))]
fn helper() -> Program {
    Program::of("watchdog")
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Link {
    async fn answer(&self, answer: Answer) {
        let _ = self.events.send(Event::Answer(answer)).await;
    }
}

async fn workers(link: Link) {
    let figures = match control::status(&link.control).await {
        Ok(status) => status.workers(),
        Err(error) => {
            tracing::warn!("the worker pools are not known: {error}");
            None
        }
    };
    link.answer(Answer::Workers(figures)).await;
}

/// Says nothing where the replica does not become ready in time: whoever asked has a bound of its own.
async fn await_ready(link: Link, replica: u16) {
    let address = match control::status(&link.control).await {
        Ok(status) => status.replica(replica).map(|one| one.address),
        Err(error) => {
            tracing::warn!("replica {replica} cannot be waited for: {error}");
            None
        }
    };
    let Some(address) = address else { return };
    if let Some(at_us) = ready::await_ready(&link.way.page(address, "/ready"), RECOVERY_BOUND, &link.clock).await {
        link.answer(Answer::Ready { replica, at_us: Some(at_us) }).await;
    }
}

/// The time is that of the request, on a connection that is there already.
async fn make_change(link: Link, change: u32) {
    let made = async {
        let mut connection = Connection::open(&link.control).await?;
        let at_us = link.clock.now_us();
        let request = serde_json::json!({"op": "notify", "list": "tools"});
        connection.request::<Done>("notify", &request, control::ANSWER_WITHIN).await.map(|_| at_us)
    };
    let made = made.await.map_err(|error| error.to_string());
    link.answer(Answer::Changed { change, made }).await;
}

async fn scale(link: Link, (all, last): (Arc<Replicas>, Arc<Mutex<Status>>), replicas: u16) {
    let outcome = all.change(replicas).await.map(|status| {
        let endpoints = status.replicas.iter().map(|one| (one.replica, one.address)).collect();
        *locked(&last) = status;
        endpoints
    });
    link.answer(Answer::Scaled(outcome)).await;
}

#[cfg(test)]
mod tests;
