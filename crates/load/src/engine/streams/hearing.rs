//! Bytes of a stream, and of the steps before it.

use erlmcp_protocol::client::answer::session_has_ended;
use erlmcp_protocol::client::notice::{self, Notice};

use crate::cause::Cause;
use crate::connection::State;
use crate::engine::finishing::fate_of;
use crate::engine::{Engine, Gone};
use crate::net::Net;
use crate::request::Call;
use crate::wire::{Listening, Progress, Reading, Said};

/// What some bytes have told.
#[derive(Debug, Default)]
struct Told {
    /// The id of the request for the stream.
    id: u64,
    is_acknowledged: bool,
    changes: u64,
    /// Those that say they are of another stream.
    strayed: u64,
}

impl Told {
    fn take(&mut self, event: &[u8]) {
        match notice::read(event) {
            Some(Notice::Acknowledged) => self.is_acknowledged = true,
            Some(Notice::Changed) if self.is_anothers(event) => self.strayed += 1,
            Some(Notice::Changed) => self.changes += 1,
            Some(Notice::Other) | None => {}
        }
    }

    /// Some servers write every id as text.
    fn is_anothers(&self, event: &[u8]) -> bool {
        notice::subscription(event).is_some_and(|id| id.trim_matches('"').parse::<u64>() != Ok(self.id))
    }
}

/// An answer that came whole.
struct Whole {
    reading: Box<Reading>,
    said: Said,
    /// The connection can be used again, and nothing stands behind the answer.
    goes_on: bool,
}

impl<N: Net> Engine<N> {
    pub(in crate::engine) fn stream_bytes(&mut self, key: u32, place: u32, bytes: &[u8]) {
        let now_us = self.net.now_us();
        let connection = &mut self.connections[key as usize];
        let mut reading = match (self.held.take(&mut connection.reading), &connection.flight) {
            (Some(reading), _) => reading,
            (None, Some(flight)) if connection.state == State::Busy && flight.call == Call::Initialize => {
                Reading::of_handshake(flight.id)
            }
            (None, Some(flight)) if connection.state == State::Busy => {
                self.readings.pop().unwrap_or_default().begun(flight.id)
            }
            (None, _) => return self.stream_gone(key, Gone::Cut(Cause::Surplus)),
        };
        let opened_by = connection.flight.as_ref().map(|flight| flight.id);
        let id = opened_by.unwrap_or(self.streams.list[place as usize].id);
        let (mut told, before) = (Told { id, ..Told::default() }, reading.comments());
        let progress = match reading.feed_watched(bytes, &mut |event| told.take(event)) {
            Progress::More if !self.held.has_room_for(&reading) => Progress::Broken(Cause::TooLarge),
            progress => progress,
        };
        self.streams.log.keep_alives += reading.comments() - before;
        if reading.has_questions() {
            self.answer_questions(key, &mut reading, now_us);
        }
        if self.streams.list[place as usize].call == Call::Listen {
            self.listened(key, place, reading.is_stream(), &told, now_us);
        }
        match progress {
            Progress::More => self.held.put(reading, &mut self.connections[key as usize].reading),
            Progress::Whole { used, said, stays_open } => {
                let goes_on = stays_open && used == bytes.len() && self.connections[key as usize].unsent.is_none();
                self.stream_answered(key, place, Whole { reading, said, goes_on }, now_us);
            }
            Progress::Broken(cause) => {
                self.held.put(reading, &mut self.connections[key as usize].reading);
                self.stream_gone(key, Gone::Cut(cause));
            }
        }
    }

    fn listened(&mut self, key: u32, place: u32, is_stream: bool, told: &Told, now_us: u64) {
        let is_open = is_stream && (told.is_acknowledged || self.listens_by_get());
        if is_open && !self.streams.list[place as usize].is_held() {
            self.stream_acknowledged(key, place, now_us);
        }
        self.streams.log.events += told.changes;
        self.streams.log.strayed += told.strayed;
        if told.changes > 0 {
            self.stream_told(place, told.changes, now_us);
        }
    }

    pub(super) fn listens_by_get(&self) -> bool {
        self.calls.listening().is_some_and(Listening::is_get)
    }

    /// The server has closed the connection in order, without the end of what it was sending.
    pub(in crate::engine) fn stream_peer_closed(&mut self, key: u32, place: u32) {
        let is_held = self.streams.list[place as usize].is_held();
        let reading = self.connections[key as usize].reading.as_deref_mut();
        let has_result = matches!(reading.map(Reading::end), Some(Progress::Whole { said: Said::Ok, .. }));
        self.stream_gone(
            key,
            match (is_held, has_result) {
                (true, true) => Gone::Ended,
                (true, false) => Gone::Cut(Cause::Closed),
                (false, _) => Gone::Cut(Cause::ClosedBeforeAnswer),
            },
        );
    }

    /// A stream has ended, or a step before it was answered.
    fn stream_answered(&mut self, key: u32, place: u32, whole: Whole, now_us: u64) {
        let Whole { reading, said, goes_on } = whole;
        let status = reading.status().unwrap_or(0);
        let stream = &mut self.streams.list[place as usize];
        let (call, is_held) = (stream.call, stream.is_held());
        if call == Call::EndSession {
            self.keep_reading(reading);
            return self.stream_parted(key, place);
        }
        if is_held {
            self.held.put(reading, &mut self.connections[key as usize].reading);
            let is_ordered = said == Said::Ok || (self.listens_by_get() && said == Said::NoResponse);
            return self.stream_gone(key, if is_ordered { Gone::Ended } else { Gone::Cut(Cause::StreamEnded) });
        }
        let is_good = match call {
            Call::Listen => false,
            Call::Initialized => (200..300).contains(&status),
            _ => said == Said::Ok,
        };
        if !is_good {
            self.keep_reading(reading);
            if (400..500).contains(&status) {
                // Perhaps it does not know the event.
                self.streams.list[place as usize].after = None;
            }
            if session_has_ended(status, said) {
                self.forget_session(key, place);
            }
            let cause = fate_of(said).1.unwrap_or(Cause::StreamEnded);
            return self.stream_gone(key, Gone::Cut(cause));
        }
        self.step_done(key, place, (call, reading), goes_on, now_us);
    }

    /// The server does not know the session any more: the stream begins with another one.
    fn forget_session(&mut self, key: u32, place: u32) {
        if self.connections[key as usize].session.take().is_some()
            && let Some(listening) = self.calls.listening()
        {
            let stream = &mut self.streams.list[place as usize];
            (stream.call, stream.retry_us) = (listening.first(), 0);
        }
    }

    fn step_done(&mut self, key: u32, place: u32, (call, reading): (Call, Box<Reading>), goes_on: bool, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let written_us = connection.flight.take().map_or(now_us, |flight| flight.written_us);
        let index = connection.endpoint;
        self.answered(index, written_us, now_us);
        if call == Call::Initialize {
            self.connections[key as usize].session = reading.into_session();
        } else {
            self.keep_reading(reading);
        }
        let next = self.calls.listening().map_or(Call::Listen, |listening| listening.after(call));
        self.streams.list[place as usize].call = next;
        if goes_on {
            self.send_step(key, next, now_us);
        } else {
            self.stream_gone(key, Gone::BetweenSteps);
        }
    }
}
