//! Event streams that a server leaves open after the response: the request is done with that.

use super::Engine;
use crate::cause::Cause;
use crate::net::Net;
use crate::request::{Flight, Purpose};

/// How long the end of a stream is waited for after its response: less than the silence that makes a replica suspect.
const END_WITHIN_US: u64 = 200_000;

impl<N: Net> Engine<N> {
    /// The response to the request in flight is there, and its stream has not ended.
    pub(super) fn note_response(&mut self, key: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let Some(flight) = connection.flight.as_mut().filter(|flight| flight.responded_us == 0) else { return };
        flight.responded_us = now_us;
        if matches!(flight.purpose, Purpose::Check) {
            return self.end_left_open(key);
        }
        self.endpoints.get_mut(connection.endpoint).health.heard(now_us);
        self.arm(key);
    }

    /// When the request in flight is given up, or done with the response that has come.
    pub(super) fn flight_deadline_us(&self, flight: &Flight) -> u64 {
        let timeout_us = flight.began_us() + self.settings.timeout_us;
        match flight.responded_us {
            0 => timeout_us,
            responded_us => timeout_us.min(responded_us + END_WITHIN_US),
        }
    }

    pub(super) fn has_response(&self, key: u32) -> bool {
        self.connections[key as usize].flight.as_ref().is_some_and(|flight| flight.responded_us > 0)
    }

    /// The stream does not end: its request is done as of its response, and its connection is of no use any more.
    pub(super) fn end_left_open(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        let (index, responded_us) = (connection.endpoint, connection.flight.as_ref().map(|flight| flight.responded_us));
        let Some((reading, responded_us)) = self.held.take(&mut connection.reading).zip(responded_us) else { return };
        let Some(said) = reading.response() else { return };
        let next = self.next_leg(key, &reading, said, responded_us);
        self.note_session(key, reading, said, responded_us);
        self.finish(key, said, next, responded_us);
        // What was heard since then still counts.
        let now_us = self.net.now_us();
        self.endpoints.get_mut(index).health.heard(now_us);
        self.lose(key, Cause::LeftOpen);
    }
}
