//! What the shards and the workers of a server have in common.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use erlmcp_protocol::server::access::AllowedHosts;

use super::addresses::Addresses;
use super::config::ClusterPages;
use super::heir::Heir;
use super::memory::MemoryWatch;
use super::notifier::Notifier;
use super::peers::Peers;
use super::stalls::{Stalled, Stalls};
use crate::answer::AnswerWriter;
use crate::clock::Clock;
use crate::dispatch::Catalog;
use crate::entry::{Gate, Tls};
use crate::limits::Limits;
use crate::metrics::counters::{ConnectionKind, MachineLimits, ShardCounters};
use crate::metrics::{
    ClusterReference, ComponentFigures, ConnectionCounts, Histogram, Memory, ProcessSampler, Share, Snapshot, State,
    collect_reached, collect_requests, collect_shards,
};
use crate::operations::Operations;
use crate::queue::{JobQueue, ReplyTo};
use crate::session::{Ended, Session, Sessions, Told};
use crate::shard::{Mailbox, Secure};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use crate::tools::Registry;

/// What the shards and the workers of a server have in common.
pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) replica: u16,
    pub(crate) registry: Registry,
    pub(crate) catalog: Catalog,
    pub(crate) answers: Arc<AnswerWriter>,
    /// Of the older era.
    pub(crate) plain_answers: Arc<AnswerWriter>,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: Tasks,
    /// The other replicas.
    pub(crate) peers: Peers,
    pub(crate) hosts: AllowedHosts,
    /// Which listeners answer for the whole cluster.
    pub(crate) shared_listeners: Vec<bool>,
    /// Which show the pages for operators, and nothing else.
    pub(crate) admin_listeners: Vec<bool>,
    pub(crate) has_admin: bool,
    /// Where an address may have only so many connections.
    pub(crate) addresses: Option<Arc<Addresses>>,
    /// Where connections are secured.
    pub(crate) tls: Option<Arc<Tls>>,
    /// Where requests need a token.
    pub(crate) gate: Option<Arc<Gate>>,
    pub(crate) cluster: Option<ClusterReference>,
    pub(crate) clock: Clock,
    pub(crate) queue: Arc<JobQueue>,
    /// Of each shard.
    pub(crate) counters: Vec<Arc<ShardCounters>>,
    pub(crate) notifier: Notifier,
    /// Of each shard.
    pub(crate) mailboxes: Vec<Arc<Mailbox>>,
    pub(crate) sampler: ProcessSampler,
    /// The workers' runtime, once it is there.
    pub(crate) runtime: OnceLock<tokio::runtime::Handle>,
    /// Where there is a store for them, once it is there.
    pub(crate) operations: OnceLock<Arc<Operations>>,
    /// Where something is told to a collector.
    pub(crate) telemetry: OnceLock<Telemetry>,
    pub(crate) ready: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// In a drain: the shard that accepts has handed over its last connection.
    pub(crate) accepting_ended: AtomicBool,
    /// When the drain began, CLOCK_MONOTONIC ns.
    pub(crate) drained_since_ns: AtomicU64,
    /// Takes the connections over, once there is somebody.
    pub(super) heir: Mutex<Option<Heir>>,
    /// There is, or was.
    pub(super) has_heir: AtomicBool,
    pub(crate) pages: Mutex<Option<Arc<ClusterPages>>>,
    /// Which shards are blocked.
    pub(crate) stalls: Stalls,
    pub(crate) memory: MemoryWatch,
    /// As the limit has it, or as the descriptors allow.
    pub(crate) connections_max: u64,
    /// Connections above the limit that a shard may have at once; as many again of the operators' listeners.
    pub(crate) above_max: u64,
    pub(crate) started_ns: u64,
    pub(crate) started_unix_ns: u64,
}

impl Shared {
    /// Writes answers as the era has them: sessions are of the older one.
    pub(crate) fn answers_of(&self, in_session: bool) -> &Arc<AnswerWriter> {
        if in_session { &self.plain_answers } else { &self.answers }
    }

    pub(crate) fn state(&self) -> State {
        if self.draining.load(Ordering::Acquire) {
            State::Draining
        } else if self.ready.load(Ordering::Acquire) {
            State::Ready
        } else {
            State::Starting
        }
    }

    pub(crate) fn is_shared_listener(&self, listener: u8) -> bool {
        self.shared_listeners.get(usize::from(listener)).copied().unwrap_or(false)
    }

    pub(crate) fn is_admin_listener(&self, listener: u8) -> bool {
        self.admin_listeners.get(usize::from(listener)).copied().unwrap_or(false)
    }

    /// What secures the connections of a listener: the pages for operators are plain, for who collects them.
    pub(crate) fn tls_of(&self, listener: u8) -> Option<&Arc<Tls>> {
        self.tls.as_ref().filter(|_| !self.is_admin_listener(listener))
    }

    pub(crate) fn pages(&self) -> Option<Arc<ClusterPages>> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins the drain.
    pub(crate) fn drain(&self) {
        self.drained_since_ns.store(self.clock.now_ns(), Ordering::Release);
        self.draining.store(true, Ordering::Release);
        self.mailboxes.iter().for_each(|mailbox| mailbox.wake());
    }

    /// Who takes the connections over; None: nobody.
    pub(crate) fn heir(&self) -> Option<Heir> {
        // Asked in every turn of a shard's loop, and there is none.
        if !self.has_heir.load(Ordering::Acquire) {
            return None;
        }
        self.heir.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_heir(&self, heir: Option<Heir>) {
        *self.heir.lock().unwrap_or_else(PoisonError::into_inner) = heir;
        self.has_heir.store(true, Ordering::Release);
    }

    /// Ends a session of a principal, here and on all other replicas.
    pub(crate) fn end_session(
        &self,
        session: &Session,
        principal: &str,
        now_s: u64,
        reply: impl FnOnce() -> ReplyTo,
    ) -> Told {
        let told = self.sessions.end(session, principal, now_s, reply);
        if self.sessions.streams.has(session.id) {
            self.mailboxes.iter().for_each(|mailbox| mailbox.sessions_ended());
        }
        told
    }

    /// Sessions were ended on another replica, and all that were signed before epoch `floor`.
    pub(crate) fn sessions_ended(&self, floor: u32, ended: &[Ended]) {
        let raised = self.sessions.revoke(floor, ended, self.clock.unix_seconds());
        if raised || ended.iter().any(|ended| self.sessions.streams.has(ended.id)) {
            self.mailboxes.iter().for_each(|mailbox| mailbox.sessions_ended());
        }
    }

    /// Open connections of all shards.
    pub(crate) fn open_connections(&self) -> u64 {
        self.counters.iter().map(|shard| shard.open_connections()).sum()
    }

    /// As many are open as may be; those above the limit are none of them.
    pub(crate) fn is_full(&self) -> bool {
        let above: u64 = self.counters.iter().map(|shard| shard.above.get()).sum();
        self.open_connections().saturating_sub(above) >= self.connections_max
    }

    /// Open streams of all shards.
    pub(crate) fn open_streams(&self) -> u64 {
        self.counters.iter().map(|shard| shard.streams.get()).sum()
    }

    /// Looks at what is left of memory, and whether a shard has turned out to be blocked.
    pub(crate) fn look(&self) -> Vec<Stalled> {
        self.memory.look();
        self.stalls.look(self.clock.now_ns(), self.counters.iter().map(|shard| &**shard))
    }

    pub(crate) fn last_poll_ns(&self) -> u64 {
        self.counters.iter().map(|shard| shard.last_poll_ns.get()).min().unwrap_or(0)
    }

    /// What the parts count of themselves.
    fn components(&self) -> ComponentFigures {
        let (queue_wait, worker_time) = self.queue.times();
        let tools = self.registry.len() as u64;
        let shards = ComponentFigures::collect(self.counters.iter().map(|shard| &shard.components));
        ComponentFigures { tools, queue_wait, worker_time, ..shards }
    }

    /// Held sessions of the principal that has most.
    fn held_share(&self) -> Share {
        Share { most: self.sessions.held.most(), max: self.limits.principal_sessions_held_max }
    }

    /// All figures at this moment.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let shards = || self.counters.iter().map(|shard| &**shard);
        let sum = |figure: fn(&ShardCounters) -> u64| shards().map(figure).sum::<u64>();
        let of_kind = |kind: ConnectionKind| shards().map(|shard| shard.connections[kind as usize].get()).sum();
        let mut latency = Histogram::default();
        shards().for_each(|shard| shard.latencies.add_to(&mut latency));
        let process = self.sampler.last();
        let machine = MachineLimits { descriptors: process.descriptors_limit, memory: self.memory.cap() };
        let now_ns = self.clock.now_ns();
        let tls = self.tls.as_ref().map(|tls| tls.figures());
        let addresses = self.addresses.as_ref().map(|addresses| addresses.figures());
        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_string(),
            replica: self.replica,
            pid: std::process::id(),
            state: self.state(),
            taken_at_ns: now_ns,
            start_time_seconds: self.started_unix_ns as f64 / 1e9,
            uptime_ms: now_ns.saturating_sub(self.started_ns) / 1_000_000,
            connections: ConnectionCounts {
                mcp: of_kind(ConnectionKind::Mcp),
                admin: of_kind(ConnectionKind::Admin),
                new: of_kind(ConnectionKind::New),
            },
            connections_limit: self.connections_max,
            connections_an_address_max: addresses.map(|(most, _)| most),
            connections_an_address_limit: self.addresses.as_ref().map(|addresses| addresses.max),
            connections_refused_address_total: addresses.map_or(0, |(_, refused)| refused),
            connections_accepted_total: sum(|shard| shard.accepted.get()),
            connections_refused_total: sum(|shard| shard.refused.get()),
            requests: collect_requests(shards()),
            limits_reached: collect_reached(shards(), &self.limits, &machine),
            latency,
            queue: self.queue.figures(),
            tools: self.registry.specs().map(|spec| spec.name.clone()).collect(),
            streams: self.open_streams(),
            sessions: self.sessions.streams.sessions(),
            sessions_held: self.sessions.held.count(),
            memory: Memory {
                anonymous: process.anonymous,
                rss: process.rss,
                connections: sum(|shard| shard.connection_bytes.get()),
                buffers: sum(|shard| shard.buffer_bytes.get()),
                queue: self.queue.bytes(),
                replays: self.sessions.replays.bytes(),
                tls: tls.map_or(0, |tls| tls.connections * Secure::<mio::net::TcpStream>::BYTES),
            },
            memory_pressure: self.memory.pressure(),
            tasks: self.runtime.get().map_or(0, |runtime| runtime.metrics().num_alive_tasks() as u64),
            descriptors_open: process.descriptors_open,
            descriptors_limit: process.descriptors_limit,
            cpu_seconds: process.cpu_ns as f64 / 1e9,
            shards: collect_shards(shards()),
            shards_blocked: self.stalls.blocked().len() as u64,
            shard_stalls_total: self.stalls.total(),
            components: self.components(),
            tls,
            principals: self.gate.as_ref().map(|gate| gate.figures(self.held_share(), self.clock.unix_seconds())),
            telemetry: self.telemetry.get().map(Telemetry::figures),
            operations: self.operations.get().map(|operations| operations.figures()),
        }
    }
}
