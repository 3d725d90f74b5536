//! Requests to the wire.

use std::io;

use erlmcp_protocol::client::request;
use erlmcp_record::Fate;

use super::{Engine, WATCH_EVERY_US};
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Call, Flight, Purpose, Request};

impl<N: Net> Engine<N> {
    /// Sends the request on its connection, or lets it wait until that is free.
    pub(super) fn dispatch(&mut self, key: u32, request: Request, now_us: u64) {
        let Some(connection) = self.connections.get(key as usize).filter(|connection| !connection.closing) else {
            return self.give_up_unsent(request, Fate::UnsentConnection, Cause::NotOpen, now_us);
        };
        if connection.state == State::Idle && connection.queue.is_empty() {
            self.send(key, request);
        } else if self.waiting.is_full() {
            self.give_up_unsent(request, Fate::UnsentNoTime, Cause::TooLate, now_us);
        } else {
            self.wait_for(key, request);
            if self.connections[key as usize].rests() {
                self.line_again(key);
            }
        }
    }

    /// Sends the request on a connection that is idle.
    pub(super) fn send(&mut self, key: u32, request: Request) {
        if request.leg.is_some() {
            return self.send_leg(key, request);
        }
        self.last_id += 1;
        let id = self.last_id;
        let now_us = self.net.now_us();
        let connection = &mut self.connections[key as usize];
        let lag_us = now_us.saturating_sub(request.due_us.max(connection.free_us));
        connection.account = Some(self.ledger.account_of(&request.ticket));
        let call = request.call;
        connection.flight = Some(Flight::new(Purpose::Planned(request), call, id));
        if let Err(error) = self.transmit(key, now_us) {
            return self.unsend(key, &error);
        }
        let connection = &mut self.connections[key as usize];
        connection.state = State::Busy;
        if let Some(Flight { purpose: Purpose::Planned(request), .. }) = &connection.flight {
            self.ledger.sent(&request.ticket, lag_us);
        }
        self.timers.arm(&mut connection.armed, key, now_us + self.settings.timeout_us);
    }

    /// The connection was lost before a byte of the request was sent: the request waits for its next one.
    pub(super) fn unsend(&mut self, key: u32, error: &io::Error) {
        let connection = &mut self.connections[key as usize];
        if let Some(Flight { purpose: Purpose::Planned(request), .. }) = connection.flight.take() {
            self.waiting.push_front(&mut connection.queue, request);
        }
        self.lose(key, Cause::of(error));
    }

    /// Writes the request in flight; what the socket does not take is kept.
    ///
    /// # Errors
    /// Where nothing was written: `WouldBlock` on a connection that is not established yet, else it is lost.
    pub(super) fn transmit(&mut self, key: u32, now_us: u64) -> io::Result<()> {
        let connection = &mut self.connections[key as usize];
        let principal = connection.principal(key);
        let Some(flight) = &mut connection.flight else { return Ok(()) };
        self.scratch.clear();
        let session = connection.session.as_deref();
        match (&flight.purpose, flight.leg()) {
            (Purpose::Answer(reply), _) => self.scratch.extend_from_slice(&reply.bytes),
            (_, Some(leg)) => self.calls.write_leg(flight, &leg.next, session, &mut self.scratch),
            _ => self.calls.write(flight.call, flight.id, session, &mut self.scratch),
        }
        if let (Role::Stream(place), Call::Listen) = (connection.role, flight.call)
            && let Some(after) = self.streams.after(place)
        {
            request::put_last_event_id(&mut self.scratch, 0, after);
        }
        // An answer has the token of the connection that was asked on.
        if !self.settings.tokens.is_empty() && !matches!(flight.purpose, Purpose::Answer(_)) {
            self.settings.tokens.put(principal, &mut self.scratch);
        }
        let written = match self.net.write(key, &self.scratch) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && connection.state != State::Connecting => 0,
            result => result?,
        };
        if written < self.scratch.len() {
            connection.unsent = Some(self.scratch[written..].into());
        }
        flight.written_us = now_us;
        let health = &mut self.endpoints.get_mut(connection.endpoint).health;
        health.wrote(now_us);
        if health.is_watched() {
            self.watch_us = self.watch_us.min(now_us + WATCH_EVERY_US);
        }
        Ok(())
    }

    /// Goes on with a request that was written in part.
    pub(super) fn send_rest(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        let Some(rest) = connection.unsent.take() else { return };
        match self.net.write(key, &rest) {
            Ok(written) if written == rest.len() => {}
            Ok(written) => connection.unsent = Some(rest[written..].into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.unsent = Some(rest),
            Err(error) => self.lose(key, Cause::of(&error)),
        }
    }

    /// The request has waited too long for its connection.
    pub(super) fn give_up(&mut self, key: u32, request: Request, now_us: u64) {
        let connection = &self.connections[key as usize];
        if request.attempt > 1 && request.leg.is_none() {
            return self.settle_failed(request, now_us);
        }
        let (fate, cause) = match connection.state {
            State::Busy if connection.opening.is_none() => (Fate::UnsentBusy, Cause::StillBusy),
            _ if connection.lacked_own => (Fate::UnsentNoDescriptor, Cause::NoDescriptor),
            _ => (Fate::UnsentConnection, Cause::NotOpen),
        };
        self.give_up_unsent(request, fate, cause, now_us);
    }

    /// Settles a request that was never sent. One that the target is to blame for is a slow one as well. One whose first
    /// leg was sent is lost.
    pub(super) fn give_up_unsent(&mut self, request: Request, fate: Fate, cause: Cause, now_us: u64) {
        let (fate, cause) = match (&request.leg, cause) {
            (None, cause) => (fate, cause),
            (Some(_), Cause::StillBusy) => (Fate::TimedOut, Cause::TimedOut),
            (Some(_), _) => (Fate::Reset, Cause::NotOpen),
        };
        let latency_us = (!fate.is_generators()).then(|| self.lost_latency_us(&request, now_us));
        self.ledger.settle(request.ticket, Outcome::without_answer(fate, cause, latency_us));
    }

    /// The latency of a lost request, from when it was first to be sent: at least the timeout.
    pub(super) fn lost_latency_us(&self, request: &Request, now_us: u64) -> u64 {
        now_us.saturating_sub(request.ticket.intended_us()).max(self.settings.timeout_us)
    }
}
