//! Bytes from the wire.

use std::io;

use erlmcp_protocol::client::head::is_request_timeout;

use super::Engine;
use super::held::SHARE_BYTES;
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::net::Net;
use crate::request::{Call, Flight, Next};
use crate::wire::{Progress, Reading, Said};

/// Partly read answers whose space is kept for the next one.
const READINGS_MAX: usize = 256;
/// Full reads from one connection before all others, and whatever is due, have their turn.
const READS_MAX: usize = 8;

impl<N: Net> Engine<N> {
    /// Reads what has come. `ended`: the peer has closed, so that the end must be read as well.
    pub(super) fn receive(&mut self, key: u32, ended: bool) {
        let ended = self.half_read.remove(&key).unwrap_or(false) || ended;
        let mut buffer = std::mem::take(&mut self.read_buffer);
        let mut reads = 0..READS_MAX;
        while self.has_socket(key) {
            if reads.next().is_none() {
                // Nobody tells again of what is still there.
                self.half_read.insert(key, ended);
                break;
            }
            match self.net.read(key, &mut buffer) {
                Ok(0) => self.peer_closed(key),
                Ok(count) => {
                    self.take_bytes(key, &buffer[..count], ended);
                    // A short read has emptied the socket; what comes later is told anew.
                    if count < buffer.len() && !ended && !self.net.may_have_more(key) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.lose(key, Cause::of(&error)),
            }
        }
        self.read_buffer = buffer;
    }

    /// Goes on with the connections that were not read to their end.
    pub(super) fn read_on(&mut self) {
        let keys: Vec<u32> = self.half_read.keys().copied().collect();
        for key in keys {
            // One that was closed meanwhile is there no more.
            if self.half_read.contains_key(&key) {
                self.receive(key, false);
                self.arrive(self.net.now_us());
            }
        }
    }

    fn has_socket(&self, key: u32) -> bool {
        self.connections.get(key as usize).is_some_and(|connection| connection.has_socket())
    }

    /// `ended`: the peer has closed after them, so that no further request is answered.
    fn take_bytes(&mut self, key: u32, mut bytes: &[u8], ended: bool) {
        if let Role::Stream(place) = self.connections[key as usize].role {
            return self.stream_bytes(key, place, bytes);
        }
        let now_us = self.net.now_us();
        while !bytes.is_empty() {
            let connection = &mut self.connections[key as usize];
            let is_asked = |flight: &&mut Flight| connection.state == State::Busy && flight.written_us > 0;
            let Some(flight) = connection.flight.as_mut().filter(is_asked) else {
                return self.unasked(key, bytes, now_us);
            };
            let mut reading = match self.held.take(&mut connection.reading) {
                Some(reading) => reading,
                None if flight.call == Call::Initialize => Reading::of_handshake(flight.id),
                None => begun(self.readings.pop().unwrap_or_default(), flight),
            };
            let progress = match reading.feed(bytes) {
                Progress::More if !self.held.has_room_for(&reading) => Progress::Broken(Cause::TooLarge),
                progress => progress,
            };
            if reading.has_head() && flight.headers_us == 0 {
                flight.headers_us = now_us;
            }
            if reading.has_event() && flight.first_event_us == 0 {
                flight.first_event_us = now_us;
            }
            if reading.has_questions() {
                self.answer_questions(key, &mut reading, now_us);
            }
            let connection = &mut self.connections[key as usize];
            match progress {
                Progress::More => {
                    let has_response = reading.response().is_some();
                    self.held.put(reading, &mut connection.reading);
                    if has_response {
                        self.note_response(key, now_us);
                    }
                    return;
                }
                Progress::Whole { used, said, stays_open } => {
                    // An answer to a request that was not sent whole: the rest of it has no place any more.
                    let stays_open = stays_open && connection.unsent.is_none();
                    let is_repeated = said == Said::AnotherId(Some(connection.answered_id));
                    connection.keep_alive_s = reading.keep_alive_s();
                    let next = self.next_leg(key, &reading, said, now_us);
                    self.note_session(key, reading, said, now_us);
                    bytes = &bytes[used..];
                    if is_repeated && stays_open {
                        self.count_surplus(key, now_us);
                        continue;
                    }
                    let is_more = !bytes.is_empty();
                    self.finish(key, said, next, now_us);
                    return match ended && stays_open && !is_more {
                        true => self.lose(key, Cause::Closed),
                        false => self.after_answer(key, stays_open, is_more, now_us),
                    };
                }
                Progress::Broken(cause) => {
                    self.keep_reading(reading);
                    return self.lose(key, cause);
                }
            }
        }
    }

    /// The peer has closed in order: the end of an answer without a length, or of the connection.
    fn peer_closed(&mut self, key: u32) {
        let connection = &mut self.connections[key as usize];
        if let Role::Stream(place) = connection.role {
            return self.stream_peer_closed(key, place);
        }
        let Some(mut reading) = self.held.take(&mut connection.reading) else {
            let cause = self.why_closed(key);
            return self.lose(key, cause);
        };
        let now_us = self.net.now_us();
        let end = reading.end();
        match end {
            Progress::Whole { said, .. } => {
                let next = self.next_leg(key, &reading, said, now_us);
                self.note_session(key, reading, said, now_us);
                self.finish(key, said, next, now_us);
                self.after_answer(key, false, false, now_us);
            }
            Progress::Broken(cause) => self.lose(key, cause),
            Progress::More => self.lose(key, Cause::ClosedBeforeAnswer),
        }
    }

    /// Bytes with nothing in flight: the word that the connection was idle for too long, or what cannot be trusted.
    fn unasked(&mut self, key: u32, bytes: &[u8], now_us: u64) {
        match is_request_timeout(bytes) {
            true => self.lose(key, Cause::Closed),
            false => self.surplus(key, now_us),
        }
    }

    /// Bytes that no request had asked for: the connection cannot be trusted any more.
    fn surplus(&mut self, key: u32, now_us: u64) {
        self.count_surplus(key, now_us);
        self.lose(key, Cause::Surplus);
    }

    pub(super) fn count_surplus(&mut self, key: u32, now_us: u64) {
        if let Some(account) = self.connections[key as usize].account {
            self.ledger.surplus(account, now_us);
        }
    }

    /// An answer was taken whole: the connection goes on, or not.
    fn after_answer(&mut self, key: u32, stays_open: bool, is_more: bool, now_us: u64) {
        let Some(connection) = self.connections.get(key as usize).filter(|connection| connection.has_socket()) else {
            return;
        };
        if is_more && connection.flight.is_none() {
            self.surplus(key, now_us);
        } else if connection.incident > 0 {
            // Its replica was given up meanwhile.
            self.lose(key, Cause::ReplicaLost);
        } else if !stays_open {
            self.lose(key, Cause::ClosedWithAnswer);
        } else {
            self.go_on(key, now_us);
        }
    }

    pub(super) fn keep_reading(&mut self, reading: Box<Reading>) {
        if self.readings.len() < READINGS_MAX && reading.bytes() <= SHARE_BYTES {
            self.readings.push(reading);
        }
    }
}

/// A reading of the answer to this request.
fn begun(reading: Box<Reading>, flight: &Flight) -> Box<Reading> {
    match flight.leg().map(|leg| &leg.next) {
        Some(Next::Resume { .. }) => reading.resumed(flight.id),
        _ => reading.begun(flight.id),
    }
}
