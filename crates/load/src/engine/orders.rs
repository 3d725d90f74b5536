//! What the orchestrator wants done.

use std::net::SocketAddr;

use erlmcp_record::Kind;

use super::{Engine, NO_KEY};
use crate::block::{ArrivalWork, BLOCKS_MAX, Block, CloseWork, Of, OpenWork, SequentialWork, Work};
use crate::connection::{Connection, Role};
use crate::ledger::Account;
use crate::net::Net;
use crate::opening_queue::AT_ONCE;
use crate::pacing::{Constant, Pace, Poisson};
use crate::permutation::Permutation;
use crate::proto;
use crate::random::Random;
use crate::report::Report;
use crate::request::Call;
use crate::wire::Calls;

/// Connections of one agent, at most.
pub(super) const CONNECTIONS_MAX: u64 = 1 << 20;
/// How long after a block's end its refused operations are still tried again.
pub(super) const PATIENCE_US: u64 = 60_000_000;

/// A command that concerns the engine.
#[derive(Debug)]
pub(crate) enum Order {
    /// What is sent from here on.
    Calls(Calls),
    Open(proto::Open),
    Load(proto::Load),
    Sweep(proto::Sweep),
    Sequential(proto::Sequential),
    Close(proto::Close),
    Streams(proto::Streams),
    EndStreams(proto::EndStreams),
    Reconnect(proto::Reconnect),
    Rebalance(proto::Rebalance),
    Change(proto::Change),
    Cut(u32),
    Endpoints(Vec<(u16, SocketAddr)>),
    Phase(u8),
    Goodbye,
}

impl<N: Net> Engine<N> {
    pub(crate) fn order(&mut self, order: Order) {
        let now_us = self.net.now_us();
        match order {
            Order::Calls(calls) => self.take_calls(calls),
            Order::Open(open) => self.order_open(&open),
            Order::Load(load) => self.order_load(&load),
            Order::Sweep(sweep) => self.order_sweep(&sweep),
            Order::Sequential(sequential) => self.order_sequential(&sequential),
            Order::Close(close) => self.order_close(&close, now_us),
            Order::Streams(streams) => self.order_streams(&streams),
            Order::EndStreams(end) => self.order_end_streams(&end, now_us),
            Order::Rebalance(rebalance) => self.order_rebalance(&rebalance),
            Order::Reconnect(reconnect) => self.order_reconnect(&reconnect),
            Order::Change(change) => self.order_change(&change),
            Order::Cut(block) => self.cut(block, now_us),
            Order::Endpoints(list) => self.endpoints.replace(&list),
            Order::Phase(phase) => {
                self.tell_connections();
                self.tell_streams();
                self.phase = phase;
            }
            Order::Goodbye => {
                self.withdraw_all(now_us);
                self.outbox.push(Report::Gone);
            }
        }
    }

    pub(super) fn begin(&mut self, id: u32, phase: u32, planned: u64, work: Work) {
        if self.blocks.len() >= BLOCKS_MAX {
            let why = format!("the agent has {BLOCKS_MAX} blocks under way and takes no more");
            return self.outbox.push(Report::Failure(why));
        }
        self.outbox.push(Report::Planned { block: id, planned });
        self.blocks.push(Block { id, phase: phase as u8, planned_told: planned, work });
    }

    fn order_open(&mut self, open: &proto::Open) {
        let count = open.connections.min(CONNECTIONS_MAX) as u32;
        let first = self.clients.len() as u32;
        if first == 0 {
            self.endpoints.begin_at(u64::from(self.settings.agent) * u64::from(count));
        }
        for place in first..first + count {
            let key = self.connections.insert(Connection::new(Role::Client(place), open.block));
            self.clients.push(key as u32);
        }
        let amount = (u64::from(count), open.rate, open.at_once_max);
        let work = Self::open_work(Of::Clients, first, amount, open.start_us);
        self.begin(open.block, open.phase, u64::from(count), Work::Open(work));
    }

    /// `count` places from `first` on, `rate` a second (0: unpaced), `at_once_max` at once (0: as ever).
    pub(super) fn open_work(
        of: Of,
        first: u32,
        (count, rate, at_once_max): (u64, f64, u64),
        start_us: u64,
    ) -> OpenWork {
        let pace = (rate > 0.0).then(|| Constant::counted(start_us, count, rate));
        let at_once_max = u32::try_from(at_once_max).unwrap_or(u32::MAX);
        let at_once_max = if at_once_max == 0 { AT_ONCE } else { at_once_max };
        OpenWork { of, pace, start_us, first, count: count as u32, lined: 0, pending: 0, at_once_max }
    }

    fn order_load(&mut self, load: &proto::Load) {
        let (call, kind) = if load.queued { (Call::Queued, Kind::Queued) } else { (Call::Load, Kind::Load) };
        if !self.calls.has(call) {
            let why = "the agent was told to send load before it was told what to call".to_string();
            return self.outbox.push(Report::Failure(why));
        }
        if !load.queued && self.calls.workload().is_some() {
            return self.order_sessions(load);
        }
        let pace = if load.poisson {
            let random = Random::new(self.settings.seed, self.purpose(load.block, 1));
            Pace::Poisson(Poisson::over(load.start_us, load.duration_us, load.rate, random))
        } else {
            Pace::Constant(Constant::over(load.start_us, load.duration_us, load.rate, load.offset))
        };
        let patience_us = if load.retry_refused { load.start_us + load.duration_us + PATIENCE_US } else { 0 };
        let work =
            |order, account| ArrivalWork { pace, order, account, call, patience_us, settle_rate: load.settle_rate };
        self.begin_arrivals(load.block, load.phase, kind, work);
    }

    fn order_sweep(&mut self, sweep: &proto::Sweep) {
        let count = self.clients.iter().filter(|key| **key != NO_KEY).count() as u64;
        let pace = Pace::Constant(Constant::spread(sweep.start_us, count, sweep.duration_us));
        let (call, patience_us, settle_rate) = (Call::Probe, 0, 0.0);
        let work = |order, account| ArrivalWork { pace, order, account, call, patience_us, settle_rate };
        self.begin_arrivals(sweep.block, sweep.phase, Kind::Sweep, work);
    }

    fn begin_arrivals(
        &mut self,
        id: u32,
        phase: u32,
        kind: Kind,
        work: impl FnOnce(Permutation, Account) -> ArrivalWork,
    ) {
        let work = work(self.client_order(), Account { block: id, phase: phase as u8, kind, class: 0 });
        self.begin(id, phase, work.pace.planned(), Work::Arrivals(work));
    }

    /// The same order in every block: each connection speaks at the same distance from its last time.
    pub(super) fn client_order(&self) -> Permutation {
        let places: Vec<u32> = (0u32..).zip(&self.clients).filter(|(_, key)| **key != NO_KEY).map(|(p, _)| p).collect();
        Permutation::of(places, Random::new(self.settings.seed, self.purpose(0, 2)))
    }

    /// Keeps the random streams of agents, blocks and uses apart.
    pub(super) fn purpose(&self, block: u32, stream: u64) -> u64 {
        (u64::from(self.settings.agent) << 40) ^ (u64::from(block) << 8) ^ stream
    }

    fn order_sequential(&mut self, order: &proto::Sequential) {
        let call = if self.calls.has(Call::Load) { Call::Load } else { Call::Probe };
        let connection = Connection::new(Role::Sequential(order.block), 0);
        let key = self.connections.insert(connection) as u32;
        let work = SequentialWork { key, left: order.count, call, cold_told: false };
        self.begin(order.block, order.phase, u64::from(order.count), Work::Sequential(work));
        self.begin_opening(key);
    }

    /// Whatever still sends is cut before. Streams that are still held are closed at once.
    fn order_close(&mut self, close: &proto::Close, now_us: u64) {
        self.cut_all(|block| block.names(Of::Clients) || block.names(Of::Streams), now_us);
        self.close_all_streams();
        let end = self.clients.len();
        let pace = (close.rate > 0.0).then(|| Constant::counted(close.start_us, end as u64, close.rate));
        let streams_end = self.streams.places();
        let work = CloseWork { of: Of::Clients, pace, start_us: close.start_us, next: 0, end, streams_end };
        self.begin(close.block, close.phase, 0, Work::Close(work));
    }

    pub(super) fn cut_all(&mut self, which: impl Fn(&Block) -> bool, now_us: u64) {
        let others: Vec<u32> = self.blocks.iter().filter(|block| which(block)).map(|block| block.id).collect();
        others.into_iter().for_each(|block| self.cut(block, now_us));
    }

    /// Plans no more of a block than is due by now.
    fn cut(&mut self, id: u32, now_us: u64) {
        let Some(index) = self.blocks.iter().position(|block| block.id == id) else { return };
        if let Work::Arrivals(_) | Work::Sessions(_) = self.blocks[index].work {
            while self.blocks[index].next_us().is_some_and(|at_us| at_us <= now_us) {
                self.arrive_by(now_us);
            }
        }
        let tally = self.ledger.tally(id);
        let block = &mut self.blocks[index];
        let planned = match &mut block.work {
            Work::Open(open) => {
                let (of, unlined, last) = (open.of, open.first + open.lined, open.first + open.count);
                open.count = open.lined;
                match of {
                    Of::Clients => self.drop_unlined(unlined, last, now_us),
                    Of::Streams => (unlined..last).for_each(|place| self.drop_unlined_stream(place)),
                }
                return;
            }
            Work::Arrivals(arrivals) => {
                arrivals.pace.cut();
                arrivals.pace.planned()
            }
            Work::Sessions(sessions) => {
                sessions.pace.cut();
                sessions.walks.clear();
                tally.planned
            }
            Work::Sequential(sequence) => {
                sequence.left = 0;
                tally.planned
            }
            Work::Close(_) => return,
            Work::Reconnect(reconnect) => {
                reconnect.until_us = now_us;
                return;
            }
            Work::Rebalance(work) => {
                work.until_us = now_us;
                return;
            }
        };
        let told = std::mem::replace(&mut block.planned_told, planned);
        self.tell_planned(id, told, planned);
    }

    /// Clients that were not put into the line are not wanted any more.
    fn drop_unlined(&mut self, from: u32, to: u32, now_us: u64) {
        for place in from..to {
            let key = self.clients[place as usize];
            if key != NO_KEY {
                self.drop_client(key, now_us);
            }
        }
    }
}
