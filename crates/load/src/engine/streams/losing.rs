//! Streams that end without our wanting it: they are opened again.

use crate::cause::Cause;
use crate::connection::Role;
use crate::engine::Engine;
use crate::engine::losing::USEFUL_US;
use crate::ledger::NO_ENDPOINT;
use crate::line::OPENINGS_MAX;
use crate::net::Net;

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
            return self.drop_stream(key, place);
        }
        self.reopen_after(key, failures, now_us);
    }

    /// Takes a stream whose socket was closed out of all counts. True where it was held.
    pub(super) fn leave(&mut self, key: u32, place: u32) -> bool {
        let (connection, stream) = (&self.connections[key as usize], &mut self.streams.list[place as usize]);
        if let Some(watched) = &mut self.streams.watched {
            watched.lost(stream);
        }
        let was_held = std::mem::take(&mut stream.held_us) > 0;
        if !was_held {
            self.line.in_flight -= 1;
        }
        if connection.endpoint != NO_ENDPOINT {
            let endpoint = self.endpoints.get_mut(connection.endpoint);
            let count = if was_held { &mut endpoint.streams } else { &mut endpoint.opening };
            *count -= 1;
        }
        was_held
    }
}
