//! How a server is put together.

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use erlmcp_protocol::server::access::AllowedHosts;
use mio::{Poll, Waker};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{SockRef, TcpKeepalive};

use super::addresses::Addresses;
use super::config::{Listening, ServerConfig, ServerError};
use super::memory::MemoryWatch;
use super::notifier::Notifier;
use super::peers::Peers;
use super::stalls::{LOOK_MS, Stalls};
use super::{Server, Shared, on_plain_thread};
use crate::answer::AnswerWriter;
use crate::clock::Clock;
use crate::dispatch::Catalog;
use crate::entry::{EntryConfig, Gate, Inside, Tls};
use crate::limits::Limits;
use crate::metrics::ProcessSampler;
use crate::operations::{Operations, StoreAddress};
use crate::queue::{Depth, JobQueue, WorkerPool};
use crate::session::{SessionKey, Sessions};
use crate::shard::{Accepting, Looping, Mailbox, Shard, Sockets, WAKER, run};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;

/// Answers that may wait for a shard, for each worker.
const ANSWERS_A_WORKER: u64 = 4;

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> ServerError {
    move |source| ServerError::System { what, source }
}

pub(super) fn start(
    config: ServerConfig,
    listeners: Vec<Listening>,
    ready: bool,
    sessions: Option<Sessions>,
    store: Option<StoreAddress>,
) -> Result<Server, ServerError> {
    let limits = config.limits.clone();
    check(&config, &listeners)?;
    let mut polls = Vec::new();
    let mut mailboxes = Vec::new();
    for _ in 0..config.shards.max(1) {
        let poll = Poll::new().map_err(system("poll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(system("waker"))?;
        let answers_max = usize::try_from(limits.workers * ANSWERS_A_WORKER).unwrap_or(usize::MAX).max(1);
        let handover_max = usize::try_from(limits.handover_max).unwrap_or(usize::MAX);
        mailboxes.push(Arc::new(Mailbox::new(waker, answers_max, handover_max)));
        polls.push(poll);
    }
    let addresses = addresses(&listeners)?;
    let (shared_listeners, admin_listeners) = listeners.iter().map(|it| (it.shared, it.admin)).unzip();
    let (own, entry) = (config.store.clone(), config.entry.clone());
    let (telemetry, info) = (config.telemetry.clone(), config.info.clone());
    let mut shared = share(config, &addresses, shared_listeners, mailboxes, ready, Clock::Monotonic);
    guard(&mut shared, entry, admin_listeners)?;
    if let Some(sessions) = sessions {
        shared.tasks = Tasks::new(sessions.replays.origin, &limits, shared.clock.clone());
        shared.sessions = sessions;
    }
    let shared = Arc::new(shared);
    // It was not set before.
    Telemetry::start(&telemetry, &info, &shared)?.map(|telemetry| shared.telemetry.set(telemetry));
    let workers = WorkerPool::start(&limits, shared.replica, &shared.queue, &shared.notifier)
        .map_err(system("worker threads"))?;
    // Nor was this.
    let _ = shared.runtime.set(workers.handle().clone());
    let runtime = workers.handle();
    let operations = match (store, own) {
        (Some(address), _) => Some(Operations::at(address, shared.replica, &limits, runtime)),
        (None, Some(place)) => {
            Some(on_plain_thread(|| Operations::with_own(&place, shared.replica, &limits, runtime))?)
        }
        (None, None) => None,
    };
    operations.map(|operations| shared.operations.set(operations));
    let mut sockets = Some(prepare(listeners, &limits)?);
    let mut loopings = Vec::new();
    for (index, poll) in polls.into_iter().enumerate() {
        let registry = poll.registry().try_clone().map_err(system("poll"))?;
        let shard = Shard::new(&shared, index, Sockets { registry });
        let accepting = sockets
            .take()
            .map(|sockets| Accepting::new(sockets, shared.mailboxes.clone(), index, limits.accepts_per_turn_max));
        loopings.push(Looping::new(shard, poll, accepting).map_err(system("listeners"))?);
    }
    shared.sampler.sample();
    look_after(&shared)?;
    let mut shards = Vec::new();
    for (index, looping) in loopings.into_iter().enumerate() {
        let thread = std::thread::Builder::new().name(format!("shard-{index}"));
        shards.push(thread.spawn(move || run(looping)).map_err(system("shard threads"))?);
    }
    Ok(Server { shared, addresses, shards, workers: ManuallyDrop::new(workers), handing: None })
}

/// What cannot be served is refused before there is anything.
fn check(config: &ServerConfig, listeners: &[Listening]) -> Result<(), ServerError> {
    let (limits, tools) = (&config.limits, config.registry.len() as u64);
    if tools > limits.tools_max {
        return Err(ServerError::TooManyTools { tools, max: limits.tools_max });
    }
    let offers = config.registry.offers.longest() as u64;
    if offers > limits.tools_max {
        return Err(ServerError::TooManyOffers { offers, max: limits.tools_max });
    }
    if listeners.is_empty() { Err(ServerError::NoListener) } else { Ok(()) }
}

/// Says who may come in, and where the pages for operators are.
fn guard(shared: &mut Shared, entry: EntryConfig, admin_listeners: Vec<bool>) -> Result<(), ServerError> {
    shared.has_admin = admin_listeners.contains(&true);
    shared.admin_listeners = admin_listeners;
    if let Some(files) = &entry.tls {
        shared.tls = Some(Arc::new(Tls::new(files)?));
        shared.peers.inside = Inside::new(true);
    }
    if entry.asks() {
        shared.gate = Some(Arc::new(Gate::new(entry, &shared.limits)?));
    }
    Ok(())
}

fn addresses(listeners: &[Listening]) -> Result<Vec<SocketAddr>, ServerError> {
    let local = |listening: &Listening| listening.listener.local_addr();
    listeners.iter().map(local).collect::<Result<_, _>>().map_err(system("listeners"))
}

/// What the shards share, for a clock.
pub(crate) fn share(
    config: ServerConfig,
    addresses: &[SocketAddr],
    shared_listeners: Vec<bool>,
    mailboxes: Vec<Arc<Mailbox>>,
    ready: bool,
    clock: Clock,
) -> Shared {
    let limits = config.limits;
    let (descriptors, shards) = (raise_descriptor_limit(), mailboxes.len() as u64);
    let connections_max = limits.connections_max.min(descriptors.saturating_sub(limits.descriptors_reserved));
    let (started_ns, started_unix_ns) = (clock.now_ns(), clock.unix_ns());
    let counters = mailboxes.iter().map(|_| {
        let counters = Arc::<crate::metrics::counters::ShardCounters>::default();
        counters.last_poll_ns.set(started_ns);
        counters
    });
    let sessions = Sessions::new(&config.session_key.unwrap_or_else(SessionKey::random), &limits, config.replica);
    Shared {
        replica: config.replica,
        catalog: Catalog::new(&config.info, &config.registry, limits.page_entries_max),
        registry: config.registry,
        answers: Arc::new(AnswerWriter::new(&config.info)),
        plain_answers: Arc::new(AnswerWriter::plain()),
        tasks: Tasks::new(sessions.replays.origin, &limits, clock.clone()),
        sessions,
        peers: Peers::new(config.cluster.is_some()),
        hosts: AllowedHosts::new(addresses, &config.allowed_hosts, config.entry.tls.is_some()),
        shared_listeners,
        admin_listeners: Vec::new(),
        has_admin: false,
        addresses: (limits.connections_per_address_max < limits.connections_max)
            .then(|| Arc::new(Addresses::new(limits.connections_per_address_max))),
        tls: None,
        gate: None,
        cluster: config.cluster,
        queue: Arc::new(JobQueue::new(Depth::new(&limits), clock.clone())),
        clock,
        counters: counters.collect(),
        notifier: Notifier::new(&mailboxes),
        mailboxes,
        sampler: ProcessSampler::default(),
        runtime: OnceLock::new(),
        telemetry: OnceLock::new(),
        operations: OnceLock::new(),
        ready: AtomicBool::new(ready),
        draining: AtomicBool::new(false),
        accepting_ended: AtomicBool::new(false),
        drained_since_ns: AtomicU64::new(0),
        heir: Mutex::new(None),
        has_heir: AtomicBool::new(false),
        pages: Mutex::new(None),
        connections_max,
        above_max: above_max(&limits, descriptors.saturating_sub(connections_max), shards),
        stalls: Stalls::new(limits.shard_stall_max_ms),
        memory: MemoryWatch::new(limits.memory_max_bytes),
        started_ns,
        started_unix_ns,
        limits,
    }
}

/// How many connections above the limit a shard may have. They take `spare` descriptors, which are there for other things.
fn above_max(limits: &Limits, spare: u64, shards: u64) -> u64 {
    (limits.linger_connections_max.min(spare / 4) / shards.max(1)).max(1)
}

/// Raises this process's soft limit of descriptors to the hard one; the limit that then holds.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // A container may forbid it; then the soft limit is what there is.
    let _ = setrlimit(Resource::Nofile, raised);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Makes the sockets ready. What is set on a listener holds for the connections that it accepts, which saves two
/// system calls for each of them.
fn prepare(listeners: Vec<Listening>, limits: &Limits) -> Result<Vec<mio::net::TcpListener>, ServerError> {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_millis(limits.tcp_keepalive_ms).max(Duration::from_secs(1)));
    let mut sockets = Vec::new();
    for listening in listeners {
        let set = || {
            let socket = SockRef::from(&listening.listener);
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_keepalive(&keepalive)
        };
        set().map_err(system("listeners"))?;
        sockets.push(mio::net::TcpListener::from_std(listening.listener));
    }
    Ok(sockets)
}

/// Looks whether a shard is blocked and what is left of memory, until the server is gone: on a thread of its own, since neither
/// the shards nor the workers may be what it waits for.
pub(super) fn watch_shards(shared: &Arc<Shared>) -> Result<(), ServerError> {
    let shared = Arc::downgrade(shared);
    let watch = move || {
        while let Some(shared) = shared.upgrade() {
            shared.look();
            drop(shared);
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
    };
    std::thread::Builder::new().name("shard-watch".into()).spawn(watch).map_err(system("threads")).map(drop)
}

/// What is looked after once a second, away from the shards and from the workers: reading /proc takes its time, and
/// tools may have all the threads that there are for them.
fn look_after(shared: &Arc<Shared>) -> Result<(), ServerError> {
    each_second(shared, "upkeep", |shared| {
        shared.sampler.sample();
        shared.sessions.replays.sweep(shared.clock.now_ns());
        shared.tasks.sweep();
        shared.sessions.held.sweep(shared.clock.unix_seconds());
    })?;
    if shared.tls.is_none() && shared.gate.is_none() {
        return Ok(());
    }
    // Files have their time, which the rest does not wait for, and addresses have theirs, which files do not wait for.
    each_second(shared, "refresh", |shared| {
        shared.tls.iter().for_each(|tls| tls.refresh());
        shared.gate.iter().for_each(|gate| gate.refresh_tokens());
    })?;
    if shared.gate.as_ref().is_none_or(|gate| gate.config.jwt.is_none()) {
        return Ok(());
    }
    each_second(shared, "refresh-keys", |shared| shared.gate.iter().for_each(|gate| gate.refresh_keys()))
}

/// Does something once a second on a thread of its own, until the server is gone.
fn each_second(
    shared: &Arc<Shared>,
    name: &str,
    mut act: impl FnMut(&Shared) + Send + 'static,
) -> Result<(), ServerError> {
    let shared = Arc::downgrade(shared);
    let run = move || {
        while let Some(shared) = shared.upgrade() {
            act(&shared);
            drop(shared);
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    std::thread::Builder::new().name(name.into()).spawn(run).map_err(system("threads")).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_above_the_limit_leave_the_reserve_to_others() {
        let limits = Limits::default();
        let spares = [(64, 1), (64, 4), (64, 100), (0, 1), (1_000_000, 1), (1_000_000, 2)];
        let expected = [16, 4, 1, 1, 256, 128];
        assert_eq!(spares.map(|(spare, shards)| above_max(&limits, spare, shards)), expected);
    }
}
