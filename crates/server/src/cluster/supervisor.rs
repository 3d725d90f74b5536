//! The supervisor: one loop over everything that happens.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::address::{default_control_path, replica_address};
use super::config::{ClusterConfig, Started, Stopped};
use super::control::{self, ControlSocket, EVENTS_WAITING_MAX, Event, Request, refusal};
use super::ending::Endings;
use super::error::ClusterError;
use super::happening::{Happening, WAITING_MAX};
use super::keeping::Keeping;
use super::machines::{Machines, Own};
use super::owing::Owed;
use super::pages;
use super::priority;
use super::pulse::{FENCING_TIME_MS, HEARTBEAT_MS};
use super::slot::{Slot, Stage};
use super::sockets::{Sockets, bind_all};
use super::updating::Update;
use crate::clock::{monotonic_ns, unix_ns};
use crate::engine::{bind, raise_descriptor_limit};
use crate::entry::Inside;
use crate::metrics::ClusterReference;
use crate::operations::StorePlace;

/// The shared pages are made anew after so many looks at the replicas.
const LOOKS_A_PAGE: u64 = 400 / HEARTBEAT_MS;
/// A replica that takes no requests this long after its start is killed.
pub(super) const START_NS: u64 = 30_000_000_000;

/// What the cluster is about.
#[derive(Debug)]
pub(super) enum Phase {
    /// Not all replicas of the start have been members yet.
    Starting,
    Running,
    /// On the way to another number of replicas.
    Scaling {
        replicas: u16,
        awaited: Vec<u16>,
        until_ns: u64,
        answer: oneshot::Sender<Value>,
    },
    /// On the way to another program.
    Updating(Update),
    /// Ends when no replica is left.
    Stopping(Stopped),
}

pub(super) struct Supervisor {
    pub(super) config: ClusterConfig,
    /// How the replicas are asked how they are.
    pub(super) inside: Inside,
    pub(super) port: u16,
    control: PathBuf,
    /// Owned here, so that they outlive every replica; given up when the cluster stops.
    pub(super) shared: Vec<TcpListener>,
    shared_addresses: Vec<SocketAddr>,
    pub(super) slots: BTreeMap<u16, Slot>,
    pub(super) phase: Phase,
    pub(super) happenings: mpsc::Sender<Happening>,
    events: broadcast::Sender<Event>,
    /// Who belongs to the cluster, or watches whom, may be out of date.
    pub(super) is_membership_old: bool,
    looks: u64,
    /// When replicas could first be started.
    began_ns: Option<u64>,
    /// Of sessions.
    pub(super) endings: Endings,
    pub(super) owed: Owed,
    /// The store.
    pub(super) keeping: Keeping,
    /// Where the store is a database: the other machines.
    pub(super) machines: Option<Machines>,
    /// What makes a start impossible.
    pub(super) fatal: Option<ClusterError>,
    /// Why it ends in order, where nobody has told it to.
    pub(super) worn_out: Option<ClusterError>,
    /// What new replicas are started from.
    pub(super) program: Arc<Path>,
    /// The nice value of its children.
    pub(super) nice: i32,
}

/// Runs a cluster until it has been stopped: by its control socket, or by `signals`, which counts requests to end. Has
/// to be called on the main thread of a current-thread runtime, which then runs at a better nice value where that is
/// permitted. `announce` is called once, when all replicas are up.
///
/// # Errors
/// Where the cluster cannot start, and where it has ended since none of its replicas would stay alive.
pub async fn run(
    config: ClusterConfig,
    mut signals: watch::Receiver<u32>,
    announce: impl FnOnce(&Started),
) -> Result<Stopped, ClusterError> {
    raise_descriptor_limit();
    let sockets = bind_all(&config.shared, config.replicas)?;
    let control = config.control.clone().unwrap_or_else(|| default_control_path(sockets.port));
    let (socket, control_listener) = ControlSocket::bind(&control)?;
    let (happenings, mut happened) = mpsc::channel(WAITING_MAX);
    let (events, _) = broadcast::channel(EVENTS_WAITING_MAX);
    let clients = tokio::spawn(control::serve(control_listener, happenings.clone(), events.clone()));
    let mut supervisor = Supervisor::new(config, sockets, control, happenings, events)?;
    let mut announce = Some(announce);
    let mut ticks = interval(Duration::from_millis(HEARTBEAT_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(happening) = happened.recv() => supervisor.take(happening),
            _ = ticks.tick() => supervisor.look(),
            Ok(()) = signals.changed() => {
                let count = *signals.borrow_and_update();
                supervisor.stop(if count > 1 { Stopped::AtOnce } else { Stopped::InOrder });
            }
        }
        supervisor.settle();
        supervisor.end_if_worn_out();
        if let Some(error) = supervisor.fatal.take() {
            return Err(error);
        }
        if let Phase::Stopping(stopped) = supervisor.phase {
            if supervisor.slots.is_empty() {
                supervisor.keeping.stop();
            }
            if supervisor.keeping.is_over() {
                if let Some(machines) = &mut supervisor.machines {
                    machines.end().await;
                }
                clients.abort();
                drop(socket);
                return supervisor.worn_out.take().map_or(Ok(stopped), Err);
            }
        } else if !matches!(supervisor.phase, Phase::Starting)
            && let Some(announce) = announce.take()
        {
            announce(&supervisor.started());
        }
    }
}

impl Supervisor {
    fn new(
        config: ClusterConfig,
        sockets: Sockets,
        control: PathBuf,
        happenings: mpsc::Sender<Happening>,
        events: broadcast::Sender<Event>,
    ) -> Result<Self, ClusterError> {
        let addresses = sockets.shared.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>();
        let shared_addresses = addresses.map_err(ClusterError::system("read a socket's address"))?;
        let mut shared = sockets.shared;
        for address in &config.admin {
            shared.push(bind(*address)?);
        }
        let endings = Endings::new(&config.limits, config.session_key.clone());
        let keeping = Keeping::new(config.store.clone())?;
        let machines = match &config.store {
            Some(StorePlace::Postgres(database)) => {
                let own = Own {
                    machine: &config.machine,
                    shared: shared_addresses.first(),
                    key: &endings.key,
                    is_key_random: config.session_key.is_none(),
                };
                Some(Machines::start(database, &own, &config.limits, &happenings))
            }
            _ => None,
        };
        let program = Arc::from(config.program.as_path());
        let mut supervisor = Self {
            inside: Inside::new(config.entry.tls.is_some()),
            config,
            port: sockets.port,
            control,
            shared_addresses,
            shared,
            slots: BTreeMap::new(),
            phase: Phase::Starting,
            happenings,
            events,
            is_membership_old: true,
            looks: 0,
            began_ns: None,
            endings,
            owed: Owed::new(),
            keeping,
            machines,
            fatal: None,
            worn_out: None,
            program,
            nice: priority::come_first(),
        };
        for (replica, listener) in (1..).zip(sockets.own) {
            supervisor.add(replica, listener);
        }
        Ok(supervisor)
    }

    /// A replica more; it starts with the next look.
    pub(super) fn add(&mut self, replica: u16, listener: TcpListener) {
        let address = replica_address(replica, self.port);
        self.slots.insert(replica, Slot::new(replica, address, listener, Arc::clone(&self.program)));
    }

    fn started(&self) -> Started {
        Started {
            shared: self.shared_addresses.clone(),
            replicas: self.slots.values().map(|slot| slot.address).collect(),
            control: self.control.clone(),
        }
    }

    pub(super) fn reference(&self) -> ClusterReference {
        let replicas = match &self.phase {
            Phase::Scaling { replicas, .. } => *replicas,
            _ => u16::try_from(self.slots.len()).unwrap_or(u16::MAX),
        };
        ClusterReference { control: self.control.display().to_string(), port: self.port, replicas }
    }

    pub(super) fn emit(&self, event: Event) {
        tracing::info!(?event);
        // Nobody has to watch.
        let _ = self.events.send(event);
    }

    pub(super) fn state(&self) -> &'static str {
        match self.phase {
            Phase::Starting => "starting",
            Phase::Running => "running",
            Phase::Scaling { .. } => "scaling",
            Phase::Updating(_) => "updating",
            Phase::Stopping(_) => "stopping",
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Said { replica, life, message } => self.said(replica, life, message),
            Happening::Closed { replica, life } => self.closed(replica, life),
            Happening::Ended { replica, life, reason } => self.ended(replica, life, reason),
            Happening::StoreSaid { life, message } => self.store_said(life, message),
            Happening::StoreEnded { life, reason } => self.store_ended(life, reason),
            Happening::Probed { replica, life, verdict } => {
                let Some(slot) = self.slots.get_mut(&replica).filter(|slot| slot.life == life) else { return };
                let turn = slot.reach.own(verdict);
                self.turn(replica, turn);
            }
            Happening::Changed(change) => self.changed(None, change),
            Happening::ChangedElsewhere(change) => self.tell_replicas(None, change),
            Happening::Machines(said) => self.machines_said(said),
            Happening::Asked { request: Request::Status, answer } => drop(answer.send(self.status())),
            Happening::Asked { request: Request::Stop, answer } => {
                let _ = answer.send(json!({"ok": true}));
                self.stop(Stopped::InOrder);
            }
            Happening::Asked { request: Request::Effects { to }, answer } => self.export(to, answer),
            Happening::Asked { request: Request::Scale { replicas }, answer } => self.scale(replicas, answer),
            Happening::Asked { request: Request::Update { program }, answer } => self.update(program, answer),
            Happening::Asked { answer, .. } => drop(answer.send(refusal("that is not for the supervisor"))),
        }
    }

    fn status(&self) -> Value {
        let now_ns = monotonic_ns();
        json!({
            "ok": true,
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uid": rustix::process::getuid().as_raw(),
            "shared": self.shared_addresses.first(),
            "port": self.port,
            "state": self.state(),
            "fence_after_ms": FENCING_TIME_MS,
            "now_ns": now_ns,
            "store": self.keeping.status(),
            "machines": self.machines_status(now_ns),
            "replicas": self.slots.values().map(|slot| slot.row(now_ns)).collect::<Vec<_>>(),
        })
    }

    /// Every [`HEARTBEAT_MS`]: what is due?
    fn look(&mut self) {
        let now_ns = monotonic_ns();
        self.look_at_store(now_ns);
        self.look_at_machines(now_ns);
        self.tell_missed();
        // A replica must know which sessions have ended elsewhere before it takes requests.
        let can_start = self.keeping.was_ready() && self.machines.as_ref().is_none_or(Machines::has_tried);
        self.began_ns = self.began_ns.or_else(|| can_start.then_some(now_ns));
        let replicas: Vec<u16> = self.slots.keys().copied().collect();
        for replica in replicas {
            self.look_at_others(replica, now_ns);
            let Some(slot) = self.slots.get_mut(&replica) else { continue };
            match slot.stage {
                Stage::Backoff { until_ns } if until_ns <= now_ns && can_start => self.start(replica, now_ns),
                Stage::Starting { until_ns } if until_ns <= now_ns => {
                    slot.last_words = Some("it took no requests within 30 s of its start".to_string());
                    slot.kill();
                }
                Stage::Draining { until_ns } if until_ns <= now_ns => slot.kill(),
                Stage::Ready => self.judge(replica, now_ns),
                _ => {}
            }
        }
        let is_late = self.began_ns.is_some_and(|began_ns| now_ns.saturating_sub(began_ns) > 2 * START_NS);
        if matches!(self.phase, Phase::Starting) && is_late {
            let late = self.slots.values().find(|slot| !slot.is_member).map(|slot| (slot.replica, slot.address));
            self.fatal = late.map(|(replica, address)| ClusterError::CannotStart {
                replica,
                reason: format!("nobody answered on {address} within 60 s"),
            });
        }
        self.looks += 1;
        if self.looks.is_multiple_of(LOOKS_A_PAGE) {
            self.spread_pages(now_ns);
        }
    }

    fn spread_pages(&self, now_ns: u64) {
        let rows: Vec<_> = self.slots.values().map(|slot| slot.row(now_ns)).collect();
        let mut line = None;
        for slot in self.slots.values().filter(|slot| slot.stage == Stage::Ready) {
            if let Some(process) = slot.process.as_ref().filter(|process| process.is_listening()) {
                let machines = self.machines.as_ref().map(|machines| machines.status(now_ns));
                let render = || pages::render(&rows, &self.reference(), (self.state(), machines), now_ns, unix_ns());
                // What is missed is soon out of date.
                let _ = process.try_say(line.get_or_insert_with(render));
            }
        }
    }
}
