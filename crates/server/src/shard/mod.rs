//! A shard: one thread, its connections and their deadlines. Everything here is driven from outside, by readiness,
//! messages and ticks, so that a test can be the outside.

mod above;
mod accepting;
mod ages;
mod deadlines;
mod draining;
mod inbox;
mod mailbox;
mod net;
mod reading;
mod run;
mod secure;
mod telling;
#[cfg(test)]
mod tests;
mod writing;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::conn::buffers::Pool;
use crate::conn::slab::ChunkedSlab;
use crate::conn::wheel::{TICK_NS, Wheel};
use crate::conn::{Connection, Task};
use crate::dispatch::Dispatcher;
use crate::engine::Shared;
use crate::metrics::counters::{ConnectionKind, Reached, ShardCounters};

pub(crate) use accepting::Accepting;
pub(crate) use mailbox::{Mailbox, Note, Origin, RawEnd};
#[cfg(test)]
pub(crate) use net::Link;
pub(crate) use net::{Net, Readiness, Sockets, Transport};
pub(crate) use run::{Looping, WAKER, run};
pub(crate) use secure::Secure;

use above::Above;
use ages::Ages;
use draining::Drain;
use mailbox::Inbox;

/// Names a connection of a shard for as long as it lives: a key is used again, a generation is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ConnToken {
    pub(crate) key: u32,
    pub(crate) generation: u32,
}

impl ConnToken {
    pub(crate) fn new(key: u32, generation: u32) -> Self {
        Self { key, generation }
    }
}

/// One thread's connections, and all that serves them.
pub(crate) struct Shard<N: Net> {
    net: N,
    shared: Arc<Shared>,
    counters: Arc<ShardCounters>,
    mailbox: Arc<Mailbox>,
    table: ChunkedSlab<Connection<N::Stream>>,
    wheel: Wheel,
    pool: Pool,
    dispatcher: Dispatcher,
    /// What a read fills.
    read_buffer: Vec<u8>,
    /// Answers of the connection that is being served.
    out: Vec<u8>,
    /// Connections that were not read to the end, for the sake of the others.
    again: VecDeque<ConnToken>,
    /// Streams that are owed a change and were not told of it for the sake of the others: each once.
    owing: VecDeque<ConnToken>,
    /// When the first change came of those that are being told.
    announced_ns: Option<u64>,
    fired: Vec<u32>,
    inbox: Inbox,
    generation: u32,
    /// Which generations have had their time.
    ages: Ages,
    /// The number of the last change that streams were told of, or are owed.
    told: u64,
    /// Of this turn of the loop.
    now_ns: u64,
    /// When the date of answers is looked at again.
    date_due_ns: u64,
    drain: Option<Drain>,
    /// Connections above the limit.
    above: Above,
    /// There was no memory left at the last tick.
    is_starved: bool,
}

impl<N: Net> Shard<N> {
    pub(crate) fn new(shared: &Arc<Shared>, index: usize, net: N) -> Self {
        let limits = &shared.limits;
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        let now_ns = shared.clock.now_ns();
        Self {
            net,
            counters: Arc::clone(&shared.counters[index]),
            mailbox: Arc::clone(&shared.mailboxes[index]),
            table: ChunkedSlab::new(),
            wheel: Wheel::new(now_ns),
            pool: Pool::new(bytes(limits.pool_buffers_max), bytes(limits.pool_buffer_bytes_max)),
            dispatcher: Dispatcher::new(shared, index, shared.started_unix_ns ^ (index as u64) << 32),
            read_buffer: vec![0; bytes(limits.read_bytes).max(1)],
            out: Vec::new(),
            again: VecDeque::new(),
            owing: VecDeque::new(),
            announced_ns: None,
            fired: Vec::new(),
            inbox: Inbox::default(),
            generation: 0,
            ages: Ages::new(now_ns, ms(limits.connection_age_max_ms)),
            told: 0,
            now_ns,
            date_due_ns: 0,
            drain: None,
            above: Above::new(shared.above_max),
            is_starved: false,
            shared: Arc::clone(shared),
        }
    }

    /// Takes a connection over. One above the limit may ask for a page; whatever else it asks for, it is told so, and ends.
    pub(crate) fn adopt(&mut self, stream: N::Stream, origin: Origin) {
        if let Some(kind) = origin.kind {
            return self.inherit(stream, origin.listener, kind);
        }
        if self.shared.is_full() {
            return self.admit_above(stream, origin);
        }
        let Some(key) = self.put(stream, origin) else { return };
        self.counters.accepted.add(1);
        self.set_deadline(key, self.after_ms(self.shared.limits.head_timeout_ms));
    }

    /// Puts a new connection into the table; none where the system does not take it.
    fn put(&mut self, stream: N::Stream, origin: Origin) -> Option<u32> {
        self.generation = self.generation.wrapping_add(1);
        let mut connection = Connection::new(stream, self.generation, origin.listener);
        connection.kind = origin.kind.unwrap_or(ConnectionKind::New);
        self.counters.connections[connection.kind as usize].add(1);
        let key = self.table.insert(connection);
        let token = ConnToken::new(key, self.generation);
        let connection = self.table.get_mut(key).expect("it was just put there");
        // What has come meanwhile is told as soon as it is registered.
        if self.net.register(&mut connection.stream, token).is_err() {
            self.close(key);
            return None;
        }
        Some(key)
    }

    /// Takes over a connection that was idle in the process before this one.
    fn inherit(&mut self, stream: N::Stream, listener: u8, kind: ConnectionKind) {
        let Some(key) = self.put(stream, Origin { listener, kind: Some(kind) }) else { return };
        let limits = &self.shared.limits;
        let patience_ms = if kind == ConnectionKind::New { limits.head_timeout_ms } else { limits.idle_timeout_ms };
        self.set_deadline(key, self.after_ms(patience_ms));
    }

    /// Something has happened on a connection.
    pub(crate) fn ready(&mut self, token: ConnToken, readiness: Readiness) {
        let Some(connection) = self.find(token) else { return };
        if readiness.writable {
            connection.stream.go_on();
            if connection.output.is_some() {
                self.flush(token.key);
            }
        }
        let Some(connection) = self.find(token) else { return };
        if !readiness.readable && !readiness.ended {
            return;
        }
        if readiness.ended && connection.ends_with_its_client() {
            self.close(token.key);
        } else if connection.may_read() {
            self.read(token, readiness.ended);
        } else {
            connection.unread = true;
            connection.ended |= readiness.ended;
            if !readiness.ended && matches!(connection.task, Task::Call(_)) {
                self.counters.reached(Reached::InFlight);
            }
        }
    }

    /// Goes on where reading, or the telling of a change, was broken off for the sake of the others. True while there is
    /// more of it.
    pub(crate) fn go_on(&mut self) -> bool {
        for _ in 0..self.again.len() {
            let Some(token) = self.again.pop_front() else { break };
            self.read(token, false);
        }
        let owes = self.tell_owed();
        owes || !self.again.is_empty()
    }

    fn find(&mut self, token: ConnToken) -> Option<&mut Connection<N::Stream>> {
        self.table.get_mut(token.key).filter(|connection| connection.generation == token.generation)
    }

    /// Ends a connection at once, with whatever it was doing.
    fn close(&mut self, key: u32) {
        let Some(connection) = self.take_out(key) else { return };
        for buffer in [connection.input, connection.output].into_iter().flatten() {
            self.pool.give_back(buffer);
        }
        match connection.task {
            Task::Call(call) if call.outlives => {}
            Task::Call(call) => call.cancellation.cancel(),
            Task::Stream(_) => self.counters.streams.subtract(1),
            Task::None | Task::Upload(_) => {}
        }
    }

    /// Takes a connection out of the table, and out of what is counted.
    fn take_out(&mut self, key: u32) -> Option<Connection<N::Stream>> {
        self.table.get(key)?;
        self.wheel.take(&mut self.table, key);
        let connection = self.table.remove(key)?;
        self.counters.connections[connection.kind as usize].subtract(1);
        if connection.refused {
            self.leave_above(ConnToken::new(key, connection.generation));
        }
        Some(connection)
    }

    fn set_kind(&mut self, key: u32, kind: ConnectionKind) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.kind != kind && kind != ConnectionKind::New {
            self.counters.connections[connection.kind as usize].subtract(1);
            self.counters.connections[kind as usize].add(1);
            connection.kind = kind;
        }
    }

    /// A new turn of the loop begins.
    pub(crate) fn begin_turn(&mut self) {
        self.now_ns = self.shared.clock.now_ns();
        if self.now_ns >= self.date_due_ns {
            self.date_due_ns = self.now_ns + TICK_NS;
            self.dispatcher.set_time(self.shared.clock.unix_seconds());
        }
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// So many ms from now; a limit may be as large as a number can be.
    fn after_ms(&self, limit: u64) -> u64 {
        self.now_ns.saturating_add(ms(limit))
    }

    pub(crate) fn next_tick_ns(&self) -> u64 {
        self.wheel.next_tick_ns().min(self.next_look_ns().unwrap_or(u64::MAX))
    }
}

fn ms(limit: u64) -> u64 {
    limit.saturating_mul(1_000_000)
}

/// A moment as a connection keeps it; rounded up.
fn ticks(ns: u64) -> u32 {
    u32::try_from(ns.div_ceil(TICK_NS)).unwrap_or(u32::MAX)
}
