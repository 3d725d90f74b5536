//! From the order to a stream that is acknowledged.

use crate::block::{Of, Work};
use crate::cause::Cause;
use crate::connection::{Connection, Role};
use crate::engine::orders::CONNECTIONS_MAX;
use crate::engine::{Engine, Gone};
use crate::ledger::NO_ENDPOINT;
use crate::net::Net;
use crate::proto;
use crate::report::Report;
use crate::request::{Call, Flight, Purpose};
use crate::stream::Stream;
use crate::wire::Listening;

impl<N: Net> Engine<N> {
    pub(in crate::engine) fn order_streams(&mut self, order: &proto::Streams) {
        let Some(begins) = self.calls.listening().map(Listening::first) else {
            let why = "the agent was told to open streams before it was told how".to_string();
            return self.outbox.push(Report::Failure(why));
        };
        let count = order.streams.min(CONNECTIONS_MAX) as u32;
        let first = self.streams.list.len() as u32;
        for place in first..first + count {
            let key = self.connections.insert(Connection::new(Role::Stream(place), order.block)) as u32;
            self.streams.list.push(Stream::new(key, begins));
        }
        let amount = (u64::from(count), order.rate, order.at_once_max);
        let work = Self::open_work(Of::Streams, first, amount, order.start_us);
        self.begin(order.block, order.phase, 0, Work::Open(work));
    }

    /// Connects a stream whose turn it is, to do what it begins with.
    pub(in crate::engine) fn begin_stream(&mut self, key: u32, place: u32) {
        let call = self.streams.list[place as usize].call;
        let connection = &self.connections[key as usize];
        let not = (connection.failures > 0 || connection.was_open).then_some(connection.endpoint);
        let planned_us = connection.opening.map_or(0, |opening| opening.planned_us);
        let planned_us = if planned_us > 0 { planned_us } else { self.net.now_us() };
        let endpoint = self.endpoints.choose(not).unwrap_or(NO_ENDPOINT);
        self.last_id += 1;
        let flight = Flight::new(Purpose::Stream, call, self.last_id);
        match self.set_out(key, endpoint, flight, planned_us) {
            Ok(()) => self.arm(key),
            Err(cause) => self.stream_gone(key, Gone::Cut(cause)),
        }
    }

    /// Goes on with the next step on the same connection.
    pub(super) fn send_step(&mut self, key: u32, call: Call, now_us: u64) {
        self.last_id += 1;
        self.connections[key as usize].flight = Some(Flight::new(Purpose::Stream, call, self.last_id));
        match self.transmit(key, now_us) {
            Ok(()) => self.arm(key),
            Err(error) => self.stream_gone(key, Gone::Cut(Cause::of(&error))),
        }
    }

    /// The stream is open, and is held from here on.
    pub(super) fn stream_acknowledged(&mut self, key: u32, place: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let Some(opening) = connection.opening.take() else { return };
        let (written_us, id) = connection.flight.take().map_or((now_us, 0), |flight| (flight.written_us, flight.id));
        let reopened = std::mem::replace(&mut connection.was_open, true);
        let block = std::mem::take(&mut connection.block);
        connection.opened_us = now_us;
        let index = connection.endpoint;
        let endpoint = self.endpoints.get_mut(index);
        endpoint.opening -= 1;
        endpoint.streams += 1;
        endpoint.health.opened();
        self.answered(index, written_us, now_us);
        self.openings.in_flight -= 1;
        let stream = &mut self.streams.list[place as usize];
        (stream.held_us, stream.id) = (now_us, id);
        let lost_us = std::mem::take(&mut stream.lost_us);
        if lost_us > 0 {
            self.streams.log.came_back(now_us.saturating_sub(lost_us), self.ledger.spare_hists());
        }
        let opening_us = now_us.saturating_sub(opening.planned_us);
        self.streams.log.acknowledged(reopened, opening_us, self.ledger.spare_hists());
        self.opening_ended(block);
    }
}
