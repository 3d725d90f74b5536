//! Servers that close a connection in order after its first answer, at once or when it was idle for a while. What such a
//! server has closed is opened again when a request waits for it, and with that request: a probe would use up the connection,
//! or only be idle again. A session of its own outlives it: what is left of the handshake has a connection for each step.

use super::Engine;
use super::losing::is_after_answer;
use crate::cause::Cause;
use crate::connection::{Hands, Role, State};
use crate::ledger::NO_ENDPOINT;
use crate::net::Net;
use crate::request::{Flight, Next, Purpose, Request};

/// A connection that is closed sooner was not idle for too long.
const IDLE_MIN_US: u64 = 1_000_000;
/// What the loop may take, beside the round trip, to read of a close that was under way when a request was sent.
const CROSSING_US: u64 = 5_000;
/// What took longer to be established most likely has a segment in it that was sent again, which is no part of a round trip.
const ROUND_TRIP_MAX_US: u64 = 200_000;

impl<N: Net> Engine<N> {
    /// Why a client's connection was lost. One that is closed again after its first answer and as long an idle time as the
    /// last time has met a rule of the target's, which says nothing against it.
    pub(super) fn why_lost(&mut self, key: u32, cause: Cause, now_us: u64) -> Cause {
        let connection = &mut self.connections[key as usize];
        let idle_us = if cause == Cause::Closed { now_us.saturating_sub(connection.free_us) } else { 0 };
        let before_us = std::mem::replace(&mut connection.idle_us, idle_us);
        let is_alike = idle_us >= IDLE_MIN_US && idle_us.abs_diff(before_us) <= before_us / 10;
        if is_alike && connection.free_us == connection.opened_us { Cause::IdleLimit } else { cause }
    }

    /// Why the peer has closed in order, where no byte of an answer has come.
    pub(super) fn why_closed(&self, key: u32) -> Cause {
        let connection = &self.connections[key as usize];
        let Some(flight) = connection.flight.as_ref().filter(|_| connection.state == State::Busy) else {
            return Cause::Closed;
        };
        let was_idle = flight.written_us >= connection.free_us + IDLE_MIN_US && connection.opening.is_none();
        let crossing_us = connection.round_trip_us.min(ROUND_TRIP_MAX_US) + CROSSING_US;
        let is_soon = self.net.now_us() <= flight.written_us + crossing_us;
        if was_idle && is_soon { Cause::CrossedClose } else { Cause::ClosedBeforeAnswer }
    }

    /// Lets a connection rest until a request waits for it, if it was closed in order and has brought one answer alone. Not
    /// where it was refused a session: it asks for one again.
    pub(super) fn lets_rest(&mut self, key: u32, cause: Cause) -> bool {
        let connection = &mut self.connections[key as usize];
        let has_brought_one = connection.free_us == connection.opened_us;
        let renews = is_after_answer(cause) && has_brought_one && connection.refused_us == 0;
        connection.renews = renews;
        if renews {
            let is_shaken = connection.hands == Hands::Shaken;
            if is_shaken {
                connection.failures = 0;
            }
            if !is_shaken || !connection.queue.is_empty() {
                self.line_again(key);
            }
        }
        renews
    }

    /// Connects to go on with the session's handshake, or to send what has waited longest. Where nothing is left to be said,
    /// the connection rests on.
    pub(super) fn begin_renewal(&mut self, key: u32) {
        let now_us = self.net.now_us();
        if let Some(call) = self.handshake_left(key) {
            self.last_id += 1;
            return self.renew(key, Flight::new(Purpose::Handshake, call, self.last_id), now_us);
        }
        let Some(request) = self.next_in_time(key, now_us) else {
            let connection = &mut self.connections[key as usize];
            connection.state = State::Resting;
            return match connection.role {
                Role::Sequential(block) => self.sequence_renew(key, block, now_us),
                _ if connection.closing => self.part_with(key, now_us),
                _ => {}
            };
        };
        let not_before_us = request.leg.as_ref().map_or(0, |leg| leg.not_before_us);
        if not_before_us > now_us {
            let connection = &mut self.connections[key as usize];
            (connection.state, connection.wake_us) = (State::Resting, not_before_us);
            self.waiting.push_front(&mut connection.queue, request);
            return self.arm(key);
        }
        self.last_id += 1;
        let id = match request.leg.as_ref().map(|leg| &leg.next) {
            Some(Next::Resume { id, .. }) => *id,
            _ => self.last_id,
        };
        let call = request.call;
        self.renew(key, Flight::new(Purpose::Planned(request), call, id), now_us);
    }

    /// Connects to where it was before, to say this first.
    fn renew(&mut self, key: u32, flight: Flight, now_us: u64) {
        let connection = &self.connections[key as usize];
        let before = connection.endpoint;
        if connection.is_client() {
            self.log.started();
        }
        let endpoint = self.endpoint_again(before);
        match self.set_out(key, endpoint, flight, now_us) {
            Ok(()) => self.arm(key),
            Err(cause) => self.fail_opening(key, cause),
        }
    }

    fn next_in_time(&mut self, key: u32, now_us: u64) -> Option<Request> {
        while let Some(request) = self.waiting.pop_front(&mut self.connections[key as usize].queue) {
            if request.give_up_us > now_us {
                return Some(request);
            }
            self.give_up(key, request, now_us);
        }
        None
    }

    /// The same endpoint as before, unless it cannot be used.
    fn endpoint_again(&mut self, index: u16) -> u16 {
        let endpoint = self.endpoints.get(index);
        match !endpoint.retired && endpoint.health.is_eligible() {
            true => index,
            false => self.endpoints.choose(Some(index)).unwrap_or(NO_ENDPOINT),
        }
    }
}
