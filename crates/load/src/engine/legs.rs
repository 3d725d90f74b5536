//! Requests that go on after an answer which was not their end: a modern result that asks for input is answered in a
//! next round, a legacy stream that ended before its response is gone on with. It stays one planned request with one
//! fate, whose clock runs on, and its connection is its own until then.

use erlmcp_record::Fate;

use super::Engine;
use crate::cause::Cause;
use crate::connection::State;
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Call, Flight, Leg, Next, Purpose, Request};
use crate::wire::{Reading, Said};

/// Rounds of a request beyond its first, at most; a result that still asks for input then is an error.
pub(super) const ROUNDS_MAX: u8 = 4;
/// Times that one stream is gone on with, at most.
const RESUMPTIONS_MAX: u8 = 16;
/// How long a stream is left alone where the server does not say, and at most.
const RETRY_MS: u64 = 1_000;
pub(super) const RETRY_MAX_MS: u64 = 86_400_000;

impl<N: Net> Engine<N> {
    /// What the request in flight goes on with after this answer; None: that was its end.
    pub(super) fn next_leg(&self, key: u32, reading: &Reading, said: Said, now_us: u64) -> Option<Box<Leg>> {
        if !matches!(said, Said::InputRequired | Said::NoResponse) {
            return None;
        }
        let connection = self.connections.get(key as usize)?;
        let flight = connection.flight.as_ref().filter(|_| connection.opening.is_none())?;
        let Purpose::Planned(_) = flight.purpose else { return None };
        let before = flight.leg();
        let (next, wait_ms) = match said {
            Said::InputRequired => self.next_round(flight, before, reading)?,
            _ => self.next_stream(flight, before, reading)?,
        };
        let first = |of_before: fn(&Leg) -> u64, here: u64| before.map(of_before).filter(|us| *us > 0).unwrap_or(here);
        Some(Box::new(Leg {
            next,
            number: before.map_or(0, |leg| leg.number) + 1,
            not_before_us: if wait_ms > 0 { now_us + wait_ms.min(RETRY_MAX_MS) * 1_000 } else { 0 },
            began_us: flight.began_us(),
            headers_us: first(|leg| leg.headers_us, flight.headers_us),
            first_event_us: first(|leg| leg.first_event_us, flight.first_event_us),
        }))
    }

    fn next_round(&self, flight: &Flight, before: Option<&Leg>, reading: &Reading) -> Option<(Next, u64)> {
        let is_load = matches!(flight.call, Call::Load | Call::Queued | Call::Step { .. });
        let may_ask = is_load && !self.calls.is_legacy();
        let has_rounds = before.map_or(0, |leg| leg.number) < ROUNDS_MAX;
        let members = reading.round().filter(|_| may_ask && has_rounds)?;
        Some((Next::Round(members.into()), 0))
    }

    fn next_stream(&self, flight: &Flight, before: Option<&Leg>, reading: &Reading) -> Option<(Next, u64)> {
        let may_resume = self.calls.is_legacy() && before.map_or(0, |leg| leg.number) < RESUMPTIONS_MAX;
        let given = reading.resumption().filter(|_| may_resume);
        let after = match (given, before.map(|leg| &leg.next)) {
            (Some((after, _)), _) => after.into(),
            (None, Some(Next::Resume { after, .. })) if may_resume => after.clone(),
            _ => return None,
        };
        let wait_ms = given.and_then(|(_, retry_ms)| retry_ms).unwrap_or(RETRY_MS);
        Some((Next::Resume { id: flight.id, after }, wait_ms))
    }

    /// The request goes before all others of its connection, which is idle or about to be lost.
    pub(super) fn go_on_with(&mut self, key: u32, mut request: Request, leg: Box<Leg>) {
        self.ledger.went_on(&request.ticket, &leg.next);
        request.give_up_us = leg.began_us + self.settings.timeout_us;
        request.leg = Some(leg);
        self.waiting.push_front(&mut self.connections[key as usize].queue, request);
    }

    /// Sends the next leg of a request on a connection that is idle, or keeps the connection for it until it may be sent.
    pub(super) fn send_leg(&mut self, key: u32, request: Request) {
        let now_us = self.net.now_us();
        self.last_id += 1;
        let Some(leg) = &request.leg else { return };
        let id = if let Next::Resume { id, .. } = leg.next { id } else { self.last_id };
        let (not_before_us, give_up_us) = (leg.not_before_us, leg.began_us + self.settings.timeout_us);
        let connection = &mut self.connections[key as usize];
        connection.account = Some(self.ledger.account_of(&request.ticket));
        let call = request.call;
        connection.flight = Some(Flight::new(Purpose::Planned(request), call, id));
        if not_before_us > now_us {
            connection.state = State::Busy;
            connection.wake_us = not_before_us.min(give_up_us);
            return self.arm(key);
        }
        self.write_leg(key, now_us);
    }

    /// True where the connection is kept for a leg that may not be sent yet.
    pub(super) fn is_kept(&self, key: u32) -> bool {
        let connection = &self.connections[key as usize];
        let is_unsent =
            connection.flight.as_ref().is_some_and(|flight| flight.written_us == 0 && flight.leg().is_some());
        connection.state == State::Busy && is_unsent
    }

    /// Where the connection is kept for a leg, that one waits for the next connection: nothing of it was lost.
    pub(super) fn keep_waiting(&mut self, key: u32) {
        if !self.is_kept(key) {
            return;
        }
        let connection = &mut self.connections[key as usize];
        if let Some(Flight { purpose: Purpose::Planned(request), .. }) = connection.flight.take() {
            self.waiting.push_front(&mut connection.queue, request);
        }
    }

    /// The wait for a leg is over, or its request has no time left for all of it.
    pub(super) fn wait_is_over(&mut self, key: u32) {
        let now_us = self.net.now_us();
        let connection = &mut self.connections[key as usize];
        connection.wake_us = 0;
        if connection.flight.as_ref().and_then(Flight::leg).is_some_and(|leg| now_us < leg.not_before_us) {
            return self.end_waiting(key, now_us);
        }
        self.write_leg(key, now_us);
    }

    /// The request has timed out before its leg could be sent; nothing is wrong with its connection.
    fn end_waiting(&mut self, key: u32, now_us: u64) {
        self.cancel(key, now_us);
        let connection = &mut self.connections[key as usize];
        let Some(Flight { purpose: Purpose::Planned(request), .. }) = connection.flight.take() else { return };
        (connection.state, connection.free_us) = (State::Idle, now_us);
        let latency_us = Some(self.lost_latency_us(&request, now_us));
        let failed = (Fate::TimedOut, Cause::TimedOut);
        if let Some(request) = self.again(key, request, failed, 0) {
            self.ledger.settle(request.ticket, Outcome::without_answer(failed.0, failed.1, latency_us));
        }
        self.go_on(key, now_us);
    }

    fn write_leg(&mut self, key: u32, now_us: u64) {
        if let Err(error) = self.transmit(key, now_us) {
            return self.unsend(key, &error);
        }
        self.connections[key as usize].state = State::Busy;
        self.arm(key);
    }
}
