//! Streams that end without our wanting it: they are opened again.

use crate::cause::Cause;
use crate::connection::Role;
use crate::engine::Engine;
use crate::engine::legs::RETRY_MAX_MS;
use crate::engine::losing::USEFUL_US;
use crate::ledger::NO_ENDPOINT;
use crate::net::Net;
use crate::opening_queue::{OPENINGS_MAX, wait_us};
use crate::request::Call;

/// How a stream, or the opening of one, came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Gone {
    Cut(Cause),
    /// By the server, in order.
    Ended,
    /// The server closes the connection after each answer: the next step goes on another one.
    BetweenSteps,
}

impl<N: Net> Engine<N> {
    /// The stream's connection is of no use any more.
    pub(in crate::engine) fn stream_gone(&mut self, key: u32, gone: Gone) {
        let connection = &self.connections[key as usize];
        let Role::Stream(place) = connection.role else { return };
        if !connection.has_socket() {
            return;
        }
        let now_us = self.net.now_us();
        let way = match gone {
            Gone::Cut(cause) => self.closing_way_after(cause),
            Gone::Ended | Gone::BetweenSteps => self.closing_way(),
        };
        self.note_resumption(key, place);
        self.close_socket_by(key, way);
        let was_held = self.leave(key, place);
        if was_held {
            self.streams.list[place as usize].lost_us = now_us;
        }
        match gone {
            Gone::Cut(cause) if was_held => self.streams.log.lost(cause),
            Gone::Cut(cause) => self.streams.log.failed(cause),
            Gone::Ended => self.streams.log.ended += 1,
            Gone::BetweenSteps => {}
        }
        if self.streams.list[place as usize].closing {
            return self.drop_stream(key, place);
        }
        let connection = &mut self.connections[key as usize];
        let before = match gone {
            Gone::BetweenSteps => return self.reopen_after(key, 0, now_us),
            _ if was_held && now_us.saturating_sub(connection.opened_us) > USEFUL_US => 0,
            _ => connection.failures,
        };
        connection.failures = before.saturating_add(1);
        let failures = if was_held { before } else { connection.failures };
        if failures >= OPENINGS_MAX && !connection.was_open {
            // Whoever was never open will not be: the server has no such streams, or is not there.
            return self.give_up_stream(key, place);
        }
        let wait_us = wait_us(failures, &mut self.random).max(self.streams.list[place as usize].retry_us);
        self.reopen_in(key, wait_us, now_us);
    }

    /// Keeps what a legacy stream has said of how it is to be gone on with.
    fn note_resumption(&mut self, key: u32, place: u32) {
        let is_get = self.listens_by_get();
        let stream = &mut self.streams.list[place as usize];
        let reading = self.connections[key as usize].reading.as_deref();
        let Some(reading) = reading.filter(|_| is_get && stream.call == Call::Listen) else { return };
        if let Some((after, _)) = reading.resumption() {
            stream.after = Some(after.into());
        }
        if let Some(retry_ms) = reading.retry_ms() {
            stream.retry_us = retry_ms.min(RETRY_MAX_MS) * 1_000;
        }
    }

    /// Takes a stream whose socket was closed out of all counts. True where it was held.
    pub(super) fn leave(&mut self, key: u32, place: u32) -> bool {
        let (connection, stream) = (&self.connections[key as usize], &mut self.streams.list[place as usize]);
        if let Some(watched) = &mut self.streams.watched {
            watched.lost(stream);
        }
        self.streams.log.surplus += stream.take_surplus();
        let was_held = std::mem::take(&mut stream.held_us) > 0;
        if !was_held {
            self.openings.in_flight -= 1;
        }
        if connection.endpoint != NO_ENDPOINT {
            let endpoint = self.endpoints.get_mut(connection.endpoint);
            let count = if was_held { &mut endpoint.streams } else { &mut endpoint.opening };
            *count -= 1;
        }
        was_held
    }
}
