//! The engine: connections, blocks of work, and what happens on them. It is driven from outside: [`Engine::order`]
//! gives it work, [`Engine::ready`] tells what has happened on a connection, [`Engine::turn`] lets it do what is due,
//! and [`Engine::next_us`] says when something will be. It asks its [`Net`] for the time and for bytes, and never waits.

mod answering;
mod arriving;
mod blocks;
mod checking;
mod closing;
mod finishing;
mod held;
mod left_open;
mod legs;
mod losing;
mod moving;
mod opening;
mod orders;
mod receiving;
mod reconnecting;
mod renewing;
mod retrying;
mod seconds;
mod sending;
mod sequence;
mod sessions;
mod stalling;
mod streams;
#[cfg(test)]
mod tests;
mod walking;

use std::collections::BTreeMap;

use slab::Slab;

use crate::block::{Block, Outage};
use crate::cause::Cause;
use crate::connection::{Connection, State};
use crate::connection_log::ConnectionLog;
use crate::endpoint::Endpoints;
use crate::episodes::Episodes;
use crate::ledger::Ledger;
use crate::net::{Closing, Net, Readiness};
use crate::opening_queue::OpeningQueue;
use crate::random::Random;
use crate::report::{Outbox, Report};
use crate::request::{Request, WaitingRequests};
use crate::settings::Settings;
use crate::sources::Sources;
use crate::timers::{Deadline, Timers};
use crate::wire::{Calls, Reading};

pub(crate) use orders::Order;
pub(crate) use seconds::LoopTimes;

use streams::Gone;

/// No connection: a client that was closed.
const NO_KEY: u32 = u32::MAX;
/// Bytes read at once.
const READ_BUFFER: usize = 64 * 1024;
/// Done of each sort in one turn at most, so that no sort keeps the others waiting.
const TURN_MAX: usize = 256;
/// Requests that wait too long for one connection are given up together, at multiples of this: each look is at all of them.
const GIVE_UP_EVERY_US: u64 = 1_000;
/// How often endpoints are looked at while something may be wrong.
const WATCH_EVERY_US: u64 = 10_000;

pub(crate) struct Engine<N> {
    pub(crate) net: N,
    settings: Settings,
    calls: Calls,
    connections: Slab<Connection>,
    /// The connections that are to be held, by place; `NO_KEY`: closed.
    clients: Vec<u32>,
    endpoints: Endpoints,
    sources: Sources,
    openings: OpeningQueue,
    /// Clients that the target has closed in order, and that are being opened again at once.
    renewing: u64,
    timers: Timers,
    waiting: WaitingRequests,
    retries: retrying::Retries,
    /// None: the clients are as well as they can be.
    outage: Option<Outage>,
    sides: answering::Sides,
    blocks: Vec<Block>,
    ledger: Ledger,
    log: ConnectionLog,
    episodes: Episodes,
    outbox: Outbox,
    random: Random,
    session: sessions::Session,
    streams: streams::Streams,
    phase: u8,
    last_id: u64,
    /// Sessions of workloads that have begun, which tells them apart.
    sessions_begun: u32,
    pub(crate) loop_times: LoopTimes,
    /// Requests that were due so far, and are not attempts again.
    pub(crate) arrived: u64,
    /// What is due is done together at the multiples of so long, us; at least 1.
    pub(crate) step_us: u64,
    /// When endpoints are to be looked at next.
    watch_us: u64,
    /// When the next turn was to come at the latest, run clock; 0: none was yet.
    turn_due_us: u64,
    /// The last turn was held up.
    was_held_up: bool,
    /// The second that is being counted.
    second: u32,
    is_over: bool,
    scratch: Vec<u8>,
    read_buffer: Vec<u8>,
    #[expect(clippy::vec_box, reason = "a connection takes one over as it is")]
    readings: Vec<Box<Reading>>,
    held: held::Held,
    /// Connections that had more to read than their turn has room for, and whether their peer has closed.
    half_read: BTreeMap<u32, bool>,
}

impl<N: Net> Engine<N> {
    pub(crate) fn new(net: N, settings: Settings, calls: Calls) -> Self {
        let random = Random::new(settings.seed, u64::from(settings.agent) << 32);
        let second = (net.now_us() / 1_000_000) as u32;
        let ledger = Ledger::new(settings.raw_latencies);
        Self {
            net,
            sources: Sources::new(settings.agent),
            retries: retrying::Retries::of(settings.agents),
            settings,
            calls,
            connections: Slab::new(),
            clients: Vec::new(),
            endpoints: Endpoints::default(),
            openings: OpeningQueue::default(),
            renewing: 0,
            timers: Timers::default(),
            waiting: WaitingRequests::default(),
            outage: None,
            sides: answering::Sides::default(),
            blocks: Vec::new(),
            ledger,
            log: ConnectionLog::default(),
            episodes: Episodes::default(),
            outbox: Outbox::default(),
            random,
            session: sessions::Session::default(),
            streams: streams::Streams::default(),
            phase: 0,
            last_id: 0,
            sessions_begun: 0,
            loop_times: LoopTimes::default(),
            arrived: 0,
            step_us: 1,
            watch_us: 0,
            turn_due_us: 0,
            was_held_up: false,
            second,
            is_over: false,
            scratch: Vec::with_capacity(4_096),
            read_buffer: vec![0; READ_BUFFER],
            readings: Vec::new(),
            held: held::Held::default(),
            half_read: BTreeMap::new(),
        }
    }

    /// Something has happened on a connection.
    pub(crate) fn ready(&mut self, key: u32, readiness: Readiness) {
        let Some(connection) = self.connections.get(key as usize) else { return };
        let has_unsent = connection.unsent.is_some();
        if connection.state == State::Connecting && (readiness.writable || readiness.ended) {
            self.establish(key);
        } else if has_unsent && readiness.writable {
            self.send_rest(key);
        }
        if readiness.readable || readiness.ended {
            self.receive(key, readiness.ended);
        }
    }

    /// Does what is due.
    pub(crate) fn turn(&mut self) {
        if self.is_over {
            return;
        }
        let now_us = self.net.now_us();
        let has_unread = self.forgive_stall(now_us);
        self.arrive(now_us);
        self.read_on();
        if !has_unread {
            self.wake(now_us);
        }
        self.retry(now_us);
        self.line_up(now_us);
        self.reconnect(now_us);
        self.rebalance(now_us);
        self.begin_openings();
        self.close_clients(now_us);
        self.settle_change(now_us);
        if now_us >= self.watch_us {
            self.watch(now_us);
        }
        self.count_seconds(now_us);
        self.end_blocks();
        self.plan_turn(now_us);
    }

    /// When the next turn is due, run clock.
    pub(crate) fn next_us(&self) -> u64 {
        let second_us = (u64::from(self.second) + 1) * 1_000_000;
        let can_open = !self.openings.is_empty() && self.openings.in_flight < self.at_once_max();
        let opens_us = can_open.then(|| self.dark_until_us());
        let blocks = self.blocks.iter().filter_map(Block::next_us);
        let reads_us = (!self.half_read.is_empty()).then_some(0);
        let others = [self.timers.next_us(), self.retries.next_us(), self.streams.next_us(), opens_us, reads_us];
        let due_us = blocks.chain(others.into_iter().flatten()).fold(second_us.min(self.watch_us), u64::min);
        due_us.next_multiple_of(self.step_us)
    }

    /// Wakes the connections whose deadline has come.
    fn wake(&mut self, now_us: u64) {
        for _ in 0..TURN_MAX {
            let connections = &mut self.connections;
            let stands = |key: u32, deadline: Deadline| {
                connections.get_mut(key as usize).is_some_and(|connection| connection.armed.take(deadline))
            };
            let Some(key) = self.timers.pop(now_us, stands) else { return };
            self.look_after(key, now_us);
        }
    }

    /// Looks at what is due on one connection, and arms its next deadline.
    fn look_after(&mut self, key: u32, now_us: u64) {
        self.give_up_expired(key, now_us);
        if self.deadline_us(key).is_some_and(|at_us| at_us <= now_us) {
            self.deadline(key);
        }
        self.arm(key);
    }

    /// Sees to it that the connection is looked after in time.
    fn arm(&mut self, key: u32) {
        let own = self.deadline_us(key);
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let whole = |us: u64| us.div_ceil(GIVE_UP_EVERY_US).saturating_mul(GIVE_UP_EVERY_US);
        let queue = self.waiting.give_up_us(connection.queue).map(whole);
        if let Some(at_us) = own.into_iter().chain(queue).min() {
            self.timers.arm(&mut connection.armed, key, at_us);
        }
    }

    /// When the connection's own state must have changed; None: it may last.
    fn deadline_us(&self, key: u32) -> Option<u64> {
        let connection = self.connections.get(key as usize)?;
        let started_us = connection.opening.map_or(0, |opening| opening.started_us);
        match connection.state {
            State::Resting | State::Idle if connection.wake_us > 0 => Some(connection.wake_us),
            State::Idle => connection.keep_alive_ends_us(),
            State::Connecting | State::Busy if connection.wake_us > 0 => Some(connection.wake_us),
            State::Connecting => Some(started_us + self.settings.connect_timeout_us),
            State::Busy => connection.flight.as_ref().map(|flight| self.flight_deadline_us(flight)),
            State::Resting | State::Lined => None,
        }
    }

    /// Settles the requests that have waited too long for this connection.
    fn give_up_expired(&mut self, key: u32, now_us: u64) {
        while let Some(connection) = self.connections.get_mut(key as usize)
            && let Some(request) = self.waiting.pop_expired(&mut connection.queue, now_us)
        {
            self.give_up(key, request, now_us);
        }
    }

    /// Adds a request to those that wait for the connection.
    fn wait_for(&mut self, key: u32, request: Request) {
        let connection = &mut self.connections[key as usize];
        let at_us = request.give_up_us;
        self.waiting.push_back(&mut connection.queue, request);
        self.timers.arm(&mut connection.armed, key, at_us);
    }

    fn closing_way(&self) -> Closing {
        if self.settings.reset_on_close { Closing::Reset } else { Closing::Fin }
    }

    /// A reset is sent once: a peer that is cut off would never hear of it, and hold the connection for good.
    fn closing_way_after(&self, cause: Cause) -> Closing {
        match cause {
            Cause::ReplicaSilent | Cause::TimedOut | Cause::FirstUnanswered => Closing::Unheard,
            _ => self.closing_way(),
        }
    }

    pub(crate) fn take_report(&mut self) -> Option<Report> {
        self.outbox.pop()
    }

    /// Puts back a report that could not be given away.
    pub(crate) fn put_back(&mut self, report: Report) {
        self.outbox.put_back(report);
    }

    /// Takes back a histogram whose row was written.
    pub(crate) fn spare_hist(&mut self, hist: erlmcp_record::Hist) {
        self.ledger.spare_hists().put(hist);
    }

    /// True after goodbye.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }
}
