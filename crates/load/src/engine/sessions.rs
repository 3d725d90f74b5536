//! Legacy sessions: one that all connections share, or one for each. A server that has forgotten it answers 404, and
//! a new one is opened: by the agent's main thread the shared one, by the connection itself its own.

use erlmcp_protocol::client::answer::session_has_ended;

use super::Engine;
use crate::cause::Cause;
use crate::connection::{Hands, State};
use crate::net::Net;
use crate::report::Report;
use crate::request::{Call, Flight, Purpose};
use crate::wire::{Calls, Reading, Said};

/// A server that ends or refuses sessions faster than this is not asked for one each time.
const ASK_EVERY_US: u64 = 1_000_000;

/// What the engine knows of the session that is shared.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Requests up to this one were sent in an earlier session.
    since_id: u64,
    /// When a new one was asked for; 0: never.
    asked_us: u64,
}

impl<N: Net> Engine<N> {
    /// What is sent from here on, perhaps in a new session.
    pub(super) fn take_calls(&mut self, calls: Calls) {
        self.calls = calls;
        self.session.since_id = self.last_id;
    }

    /// Takes from a whole answer what it says of the session of its request, and gives back its space.
    pub(super) fn note_session(&mut self, key: u32, reading: Box<Reading>, said: Said, now_us: u64) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let Some(flight) = connection.flight.as_ref() else { return };
        let is_ended = reading.status().is_some_and(|status| session_has_ended(status, said));
        let (id, call) = (flight.id, flight.call);
        if call == Call::Initialize {
            // Where that did not go well, what follows says so.
            (connection.hands, connection.refused_us) =
                if said == Said::Ok { (Hands::Opened, 0) } else { (Hands::Shaken, now_us) };
            connection.session = reading.into_session().filter(|_| said == Said::Ok);
            return;
        }
        let is_ended = is_ended && !matches!(call, Call::EndSession | Call::Answer);
        self.keep_reading(reading);
        if is_ended && self.calls.has_own_sessions() {
            let connection = &mut self.connections[key as usize];
            connection.session = None;
            if connection.refused_us == 0 || now_us >= connection.refused_us + ASK_EVERY_US {
                connection.hands = Hands::Gone;
            }
        } else if is_ended && self.calls.has_session() && id > self.session.since_id {
            self.ask_for_session(now_us);
        }
    }

    /// Asks for a new one in the place of the one that all share: once for all of them.
    fn ask_for_session(&mut self, now_us: u64) {
        if self.session.asked_us == 0 || now_us >= self.session.asked_us + ASK_EVERY_US {
            self.session.asked_us = now_us;
            self.outbox.push(Report::SessionEnded);
        }
    }

    /// Goes on with the handshake of a connection that is idle. False where nothing is left to do.
    pub(super) fn shake_hands(&mut self, key: u32, now_us: u64) -> bool {
        let Some(call) = self.handshake_left(key) else { return false };
        self.send_handshake(key, call, now_us);
        true
    }

    /// What comes next of a connection's own session, its end included; None: what waits for the connection, if anything.
    pub(super) fn handshake_left(&self, key: u32) -> Option<Call> {
        let connection = &self.connections[key as usize];
        match connection.hands {
            Hands::Gone => Some(Call::Initialize),
            Hands::Opened => Some(Call::Initialized),
            Hands::Shaken => {
                let is_last = connection.closing && connection.queue.is_empty();
                (is_last && self.has_own_session(key)).then_some(Call::EndSession)
            }
        }
    }

    pub(super) fn has_own_session(&self, key: u32) -> bool {
        self.calls.has_own_sessions() && self.connections[key as usize].session.is_some()
    }

    /// Ends a session of the connection's own. False where it has none.
    pub(super) fn end_session(&mut self, key: u32) -> bool {
        let has_session = self.has_own_session(key);
        if has_session {
            let now_us = self.net.now_us();
            self.send_handshake(key, Call::EndSession, now_us);
        }
        has_session
    }

    fn send_handshake(&mut self, key: u32, call: Call, now_us: u64) {
        self.last_id += 1;
        let connection = &mut self.connections[key as usize];
        connection.flight = Some(Flight::new(Purpose::Handshake, call, self.last_id));
        if let Err(error) = self.transmit(key, now_us) {
            self.connections[key as usize].flight = None;
            return self.lose(key, Cause::of(&error));
        }
        let connection = &mut self.connections[key as usize];
        connection.state = State::Busy;
        self.timers.arm(&mut connection.armed, key, now_us + self.settings.timeout_us);
    }

    /// A step of the handshake was answered.
    pub(super) fn hands_shaken(&mut self, key: u32, flight: &Flight, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        match flight.call {
            Call::Initialized => connection.hands = Hands::Shaken,
            Call::EndSession => connection.session = None,
            _ => {}
        }
        connection.state = State::Idle;
        let (index, is_first) = (connection.endpoint, connection.opening.is_some());
        self.answered(index, flight.written_us, now_us);
        if is_first {
            self.opened(key, now_us);
        }
    }
}
