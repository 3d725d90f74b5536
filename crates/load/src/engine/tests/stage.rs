//! A small world: some servers, one engine, and what it reported.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use erlmcp_record::{
    ConnectionRow, Dialogue, Entry, EpisodeRow, FanOutRow, Fate, FateCounts, FindingRow, Hist, IntervalRow, Kind,
    StreamRow,
};

use crate::connection::{Connection, Role};
use crate::engine::held::SHARE_BYTES;
use crate::engine::{Engine, Order};
use crate::net::simulated::{Peer, Simulated};
use crate::net::{Net, Woken};
use crate::proto;
use crate::report::Report;
use crate::settings::Settings;
use crate::wire::Calls;

pub(super) const S: u64 = 1_000_000;
pub(super) const TIMEOUT_US: u64 = 2 * S;
/// The timeout as a histogram keeps it.
pub(super) const LOST_US: u64 = TIMEOUT_US - TIMEOUT_US / 1_000;

pub(super) struct Stage {
    pub(super) engine: Engine<Simulated>,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) intervals: Vec<IntervalRow>,
    pub(super) connections: Vec<ConnectionRow>,
    pub(super) streams: Vec<StreamRow>,
    pub(super) fan_outs: Vec<FanOutRow>,
    pub(super) episodes: BTreeMap<u32, EpisodeRow>,
    pub(super) findings: Vec<FindingRow>,
    pub(super) planned: BTreeMap<u32, u64>,
    pub(super) done: Vec<u32>,
    pub(super) failures: Vec<String>,
    pub(super) sessions_ended: u32,
    /// The most connections for answers at the end of a second.
    pub(super) sides_max: u32,
}

impl Stage {
    pub(super) fn new(peers: Vec<Peer>) -> Self {
        Self::seeded(peers, 1)
    }

    pub(super) fn seeded(peers: Vec<Peer>, seed: u64) -> Self {
        let mut net = Simulated::new(seed);
        let addresses: Vec<SocketAddr> =
            (0..peers.len()).map(|index| format!("127.0.0.{}:8080", 10 + index).parse().expect("an address")).collect();
        net.peers = addresses.iter().copied().zip(peers).collect();
        let settings = Settings {
            agent: 0,
            agents: 1,
            seed,
            timeout_us: TIMEOUT_US,
            connect_timeout_us: S,
            spread_sources: true,
            reset_on_close: true,
            tokens: crate::tokens::Tokens::default(),
            allowed: crate::allowed::Allowed { foreign: false },
            raw_latencies: false,
        };
        let mut engine = Engine::new(net, settings, Calls::for_tests());
        let list = (0u16..).zip(addresses.iter().copied()).collect();
        engine.order(Order::Endpoints(list));
        engine.order(Order::Phase(2));
        Self {
            engine,
            addresses,
            intervals: Vec::new(),
            connections: Vec::new(),
            streams: Vec::new(),
            fan_outs: Vec::new(),
            episodes: BTreeMap::new(),
            findings: Vec::new(),
            planned: BTreeMap::new(),
            done: Vec::new(),
            failures: Vec::new(),
            sessions_ended: 0,
            sides_max: 0,
        }
    }

    pub(super) fn now_us(&self) -> u64 {
        self.engine.net.now_us
    }

    pub(super) fn peer(&mut self, index: usize) -> &mut Peer {
        let address = self.addresses[index];
        self.engine.net.peer(address)
    }

    /// Opens so many connections, unpaced, and waits for it.
    pub(super) fn open(&mut self, connections: u64) {
        self.order_open(1, connections, 0.0);
        self.until_done(1);
    }

    pub(super) fn order_open(&mut self, block: u32, connections: u64, rate: f64) {
        let start_us = self.now_us();
        let open = proto::Open { block, phase: 2, connections, rate, start_us, at_once_max: 64 };
        self.engine.order(Order::Open(open));
    }

    /// Load for two seconds.
    pub(super) fn order_load(&mut self, block: u32, rate: f64) {
        self.order_load_for(2 * S, block, rate);
    }

    pub(super) fn order_load_for(&mut self, duration_us: u64, block: u32, rate: f64) {
        let start_us = self.now_us();
        let load = proto::Load { block, phase: 3, rate, start_us, duration_us, ..proto::Load::default() };
        self.engine.order(Order::Load(load));
    }

    /// Opens so many streams, unpaced, and waits for it.
    pub(super) fn listen(&mut self, block: u32, streams: u64) {
        self.order_streams(block, streams, 0.0);
        self.until_done(block);
    }

    pub(super) fn order_streams(&mut self, block: u32, streams: u64, rate: f64) {
        let start_us = self.now_us();
        let order = proto::Streams { block, phase: 3, streams, rate, start_us, at_once_max: 64 };
        self.engine.order(Order::Streams(order));
    }

    pub(super) fn order_end_streams(&mut self, block: u32, rate: f64) {
        let start_us = self.now_us();
        self.engine.order(Order::EndStreams(proto::EndStreams { block, phase: 3, rate, start_us }));
    }

    /// A change was made now.
    pub(super) fn order_change(&mut self, change: u32, bound_us: u64) {
        let at_us = self.now_us();
        self.engine.order(Order::Change(proto::Change { change, at_us, until_us: at_us + bound_us }));
    }

    /// One count of the stream rows, added up.
    pub(super) fn of_streams(&self, which: fn(&StreamRow) -> u64) -> u64 {
        self.streams.iter().map(which).sum()
    }

    pub(super) fn held(&self) -> u64 {
        self.engine.streams.held()
    }

    pub(super) fn order_close(&mut self, block: u32) {
        let start_us = self.now_us();
        self.engine.order(Order::Close(proto::Close { block, phase: 6, rate: 0.0, start_us }));
    }

    /// Lets one thing happen.
    pub(super) fn step(&mut self) {
        let net_us = self.engine.net.next_event_us().unwrap_or(u64::MAX);
        let next_us = net_us.min(self.engine.next_us());
        let now_us = self.engine.net.now_us.max(next_us);
        self.engine.net.now_us = now_us;
        self.engine.loop_times.polled(now_us, Woken { at_us: now_us, is_full: false });
        while let Some((key, readiness)) = self.engine.net.next_ready() {
            self.engine.ready(key, readiness);
        }
        self.engine.turn();
        self.check();
        self.collect();
    }

    /// What must be true at every moment.
    fn check(&self) {
        let engine = &self.engine;
        assert!(engine.ledger.balances(), "the ledger balances");
        let count = |is: fn(&Connection) -> bool| engine.connections.iter().filter(|(_, c)| is(c)).count() as u64;
        let open = count(|connection| connection.is_client() && connection.is_open());
        assert_eq!(open, self.open_now().iter().sum::<u64>(), "the gauge counts what is open");
        let opening = count(|c| c.role != Role::Check && c.has_socket() && c.opening.is_some());
        assert_eq!(opening, u64::from(engine.openings.in_flight), "openings in flight");
        assert_eq!(count(|c| c.is_renewing), engine.renewing, "those that are renewed");
        let by_replica: u64 = engine.endpoints.streams_by_replica().iter().map(|(_, held)| held).sum();
        assert_eq!(engine.streams.held(), by_replica, "the gauge counts what is held");
        assert_eq!(count(Connection::has_socket), u64::from(self.sockets()), "sockets");
        let held = engine.connections.iter().filter_map(|(_, connection)| connection.reading.as_ref());
        assert_eq!(engine.held.bytes, held.map(|reading| reading.bytes()).sum::<usize>(), "partly read answers");
        assert!(engine.held.bytes <= engine.held.bytes_max + engine.connections.len() * SHARE_BYTES, "all together");
    }

    pub(super) fn run_for(&mut self, us: u64) {
        let until_us = self.now_us() + us;
        while self.now_us() < until_us {
            self.step();
        }
    }

    pub(super) fn until_done(&mut self, block: u32) {
        let until_us = self.now_us() + 300 * S;
        while !self.done.contains(&block) {
            assert!(self.now_us() < until_us, "block {block} does not end: {:?}", self.engine.blocks);
            self.step();
        }
    }

    fn collect(&mut self) {
        while let Some(report) = self.engine.take_report() {
            match report {
                Report::Planned { block, planned } => drop(self.planned.insert(block, planned)),
                Report::Row(entry) => self.collect_row(*entry),
                Report::Done { block } => {
                    assert_eq!(self.told(block), self.planned[&block], "rows of block {block} tell what it planned");
                    self.done.push(block);
                }
                Report::SessionEnded => self.sessions_ended += 1,
                Report::Failure(why) => self.failures.push(why),
                Report::Second(second) => self.sides_max = self.sides_max.max(second.sides),
                Report::Gone => {}
            }
        }
    }

    fn collect_row(&mut self, entry: Entry) {
        match entry {
            Entry::Interval(row) => self.intervals.push(row),
            Entry::Connections(row) => self.connections.push(row),
            Entry::Streams(row) => self.streams.push(row),
            Entry::FanOut(row) => self.fan_outs.push(row),
            Entry::Episode(row) => drop(self.episodes.insert(row.episode, row)),
            Entry::Finding(row) => self.findings.push(row),
            other => panic!("an engine tells nothing of {other:?}"),
        }
    }

    /// Requests with a fate that rows have told of a block; as many as planned.
    fn told(&self, block: u32) -> u64 {
        let rows = || self.intervals.iter().filter(move |row| row.block == block);
        let planned: u64 = rows().map(|row| row.planned).sum();
        assert_eq!(planned, rows().map(|row| row.fates.total()).sum::<u64>(), "each has a fate");
        planned
    }

    pub(super) fn fates(&self, block: u32, kind: Kind) -> FateCounts {
        let mut sum = FateCounts::default();
        for row in self.rows(block, kind) {
            sum.merge(&row.fates);
        }
        sum
    }

    pub(super) fn fate(&self, block: u32, kind: Kind, fate: Fate) -> u64 {
        self.fates(block, kind).get(fate)
    }

    pub(super) fn rows(&self, block: u32, kind: Kind) -> impl Iterator<Item = &IntervalRow> {
        self.intervals.iter().filter(move |row| row.block == block && row.kind == kind)
    }

    /// What the server wanted of its clients, in all.
    pub(super) fn dialogue(&self) -> Dialogue {
        let mut sum = Dialogue::default();
        for row in self.intervals.iter().map(|row| &row.dialogue) {
            for (kind, count) in &row.answered {
                *sum.answered.entry(kind.clone()).or_insert(0) += count;
            }
            sum.unanswered += row.unanswered;
            sum.rounds += row.rounds;
            sum.resumed += row.resumed;
        }
        sum
    }

    pub(super) fn causes(&self, block: u32, kind: Kind) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for (cause, count) in self.rows(block, kind).flat_map(|row| &row.causes) {
            *sum.entry(cause.clone()).or_insert(0) += count;
        }
        sum
    }

    pub(super) fn hist(&self, block: u32, kind: Kind, which: fn(&IntervalRow) -> Option<&Hist>) -> Hist {
        let mut sum = Hist::new();
        self.rows(block, kind).filter_map(which).for_each(|hist| sum.merge(hist));
        sum
    }

    pub(super) fn latency(&self, block: u32, kind: Kind) -> Hist {
        self.hist(block, kind, |row| row.latency.as_ref())
    }

    /// One count of the connection rows, added up.
    pub(super) fn count(&self, which: fn(&ConnectionRow) -> u64) -> u64 {
        self.connections.iter().map(which).sum()
    }

    pub(super) fn lost(&self) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for (cause, count) in self.connections.iter().flat_map(|row| &row.lost) {
            *sum.entry(cause.clone()).or_insert(0) += count;
        }
        sum
    }

    /// Open now, as the engine counts, which is what it would tell.
    pub(super) fn open_now(&self) -> Vec<u64> {
        self.engine.endpoints.open_by_replica().into_iter().map(|(_, open)| open).collect()
    }

    pub(super) fn sockets(&self) -> u32 {
        self.engine.net.sockets()
    }
}
