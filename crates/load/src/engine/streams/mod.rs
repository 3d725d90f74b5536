//! Streams of notifications: opened, listened to, opened again where they are lost, and closed. Each has a connection of
//! its own, which is none of the N that are held for requests, and nothing of them is in the ledger.

mod changes;
mod closing;
mod hearing;
mod losing;
mod opening;

use erlmcp_record::Entry;

use super::{Engine, NO_KEY};
use crate::connection_log::OpenNow;
use crate::net::Net;
use crate::stream::{Stream, Watched};
use crate::stream_log::StreamLog;

pub(super) use losing::Gone;

/// The streams of an engine.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// By place; the key of one that was given up is `NO_KEY`.
    list: Vec<Stream>,
    log: StreamLog,
    watched: Option<Watched>,
}

impl Streams {
    /// The connection of the stream with this place.
    pub(super) fn key(&self, place: u32) -> u32 {
        self.list[place as usize].key
    }

    /// The event after which the stream with this place goes on.
    pub(super) fn after(&self, place: u32) -> Option<&str> {
        self.list[place as usize].after.as_deref()
    }

    /// When a change is waited for no longer.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.watched.as_ref().map(|watched| watched.until_us)
    }

    /// Places that were given out.
    pub(super) fn places(&self) -> usize {
        self.list.len()
    }

    /// True where none of the first `places` is left.
    pub(super) fn are_closed(&self, places: usize) -> bool {
        self.list.iter().take(places).all(|stream| stream.key == NO_KEY)
    }

    /// One more opening is planned.
    pub(super) fn planned(&mut self) {
        self.log.planned += 1;
    }

    /// True where there is nothing to tell.
    pub(super) fn are_silent(&self) -> bool {
        self.list.is_empty() && self.log.is_empty()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> u64 {
        self.list.iter().filter(|stream| stream.key != NO_KEY && stream.is_held()).count() as u64
    }
}

impl<N: Net> Engine<N> {
    /// The row of the second that is being counted. Where it is told again, counts add up.
    pub(super) fn tell_streams(&mut self) {
        if self.streams.are_silent() {
            return;
        }
        let now = OpenNow {
            agent: self.settings.agent,
            phase: self.phase,
            second: self.second,
            by_replica: self.endpoints.streams_by_replica(),
        };
        self.outbox.row(Entry::Streams(self.streams.log.take_row(now)));
    }
}
