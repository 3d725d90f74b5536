//! The legacy session that all connections share: a server that has forgotten it answers 404, and a new one is opened.

use erlmcp_protocol::code::METHOD_NOT_FOUND;

use super::Engine;
use crate::net::Net;
use crate::report::Report;
use crate::wire::{Calls, Said};

/// A server that ends sessions faster than this is not asked for one each time.
const ASK_EVERY_US: u64 = 1_000_000;

/// What the engine knows of its session.
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

    /// Asks for a new session where this answer says that the one of its request is no more: once for all of them.
    pub(super) fn note_session(&mut self, id: u64, status: Option<u16>, said: Said, now_us: u64) {
        let is_ended = status == Some(404) && said != Said::RpcError(METHOD_NOT_FOUND);
        if !is_ended || !self.calls.has_session() || id <= self.session.since_id {
            return;
        }
        if self.session.asked_us == 0 || now_us >= self.session.asked_us + ASK_EVERY_US {
            self.session.asked_us = now_us;
            self.outbox.push(Report::SessionEnded);
        }
    }
}
