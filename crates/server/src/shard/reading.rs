//! From the bytes of a connection to its answers.

use std::time::Duration;

use super::net::Transport;
use super::{ConnToken, Net, Shard, ms};
use crate::conn::{Connection, Reading, Task, Upload};
use crate::dispatch::{Asker, Step, decode};
use crate::metrics::COUNTS;
use crate::metrics::counters::{ConnectionKind, Reached};
use erlmcp_protocol::server::respond::CONTINUE;

impl<N: Net> Shard<N> {
    /// Reads what there is and serves it. `ended`: read up to the end of the stream.
    pub(super) fn read(&mut self, token: ConnToken, ended: bool) {
        let mut buffer = std::mem::take(&mut self.read_buffer);
        self.read_into(token, ended, &mut buffer);
        self.read_buffer = buffer;
    }

    fn read_into(&mut self, token: ConnToken, mut ended: bool, buffer: &mut [u8]) {
        for _ in 0..self.shared.limits.reads_per_turn_max {
            let Some(connection) = self.find(token) else { return };
            ended |= connection.ended;
            if !connection.may_read() {
                connection.unread = true;
                connection.ended |= ended;
                // The end of the stream is known: whoever has the connection now has nobody to answer to.
                if ended && connection.ends_with_its_client() && !connection.closes {
                    self.close(token.key);
                }
                return;
            }
            match connection.stream.read(buffer) {
                Ok(0) => return self.peer_closed(token.key),
                Ok(count) => {
                    connection.unread = false;
                    // A short read has emptied the kernel's buffer; what comes later is told anew.
                    let is_all = count < buffer.len() && !connection.stream.may_have_more();
                    self.feed(token, &buffer[..count]);
                    if is_all && !ended {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    connection.unread = false;
                    return;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // It was no TLS. The peer was told why, and is to be able to read it.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => return self.linger(token.key),
                Err(_) => return self.close(token.key),
            }
        }
        // Nobody tells again of what is still there: whoever has the connection now goes on with it later.
        let Some(connection) = self.find(token) else { return };
        connection.unread = true;
        connection.ended |= ended;
        self.again.push_back(token);
    }

    /// The peer sends nothing more: what it is owed is still sent.
    fn peer_closed(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.peer_closed = true;
        if connection.output.is_none() || matches!(connection.reading, Reading::Linger { .. }) {
            self.close(key);
        } else {
            connection.closes = true;
        }
    }

    /// Takes bytes that were read.
    fn feed(&mut self, token: ConnToken, mut bytes: &[u8]) {
        let key = token.key;
        let began_ns = self.shared.clock.now_ns();
        let Some(connection) = self.table.get_mut(key) else { return };
        match connection.reading {
            Reading::Linger { left } => {
                match left.checked_sub(u32::try_from(bytes.len()).unwrap_or(u32::MAX)) {
                    Some(left) => connection.reading = Reading::Linger { left },
                    None => self.close(key),
                }
                return;
            }
            Reading::Discard { left } => {
                let discarded = bytes.len().min(left as usize);
                bytes = &bytes[discarded..];
                let left = left - discarded as u32;
                connection.reading = if left > 0 { Reading::Discard { left } } else { Reading::Head };
                if left > 0 {
                    return;
                }
                self.await_request(key);
            }
            _ => {}
        }
        self.serve(token, bytes, began_ns);
    }

    /// Answers what there is of requests, since when it could be, ns, and says how long that took.
    pub(super) fn serve(&mut self, token: ConnToken, bytes: &[u8], began_ns: u64) {
        // Writing may come by here again.
        let before = std::mem::take(&mut self.dispatcher.answered);
        self.take(token, bytes, began_ns);
        self.flush(token.key);
        let answered = std::mem::replace(&mut self.dispatcher.answered, before);
        if COUNTS && answered > 0 {
            let took = self.shared.clock.now_ns().saturating_sub(began_ns);
            self.counters.latencies.record(took, answered);
        }
    }

    /// Serves bytes together with what was kept before them, and keeps what is not whole.
    fn take(&mut self, token: ConnToken, mut bytes: &[u8], now_ns: u64) {
        let key = token.key;
        if self.table.get(key).is_some_and(|connection| connection.reading == Reading::Chunks) {
            match self.upload(token, bytes, now_ns) {
                Some(used) => bytes = &bytes[used..],
                None => return,
            }
        }
        let Some(connection) = self.table.get_mut(key) else { return };
        match connection.input.take() {
            None => {
                let used = self.requests(token, bytes, now_ns);
                self.keep(key, &bytes[used..]);
            }
            Some(mut buffer) => {
                let already = buffer.len();
                self.pool.push(&mut buffer, bytes);
                // A head is looked at again only when a line has come to its end: one that comes byte by byte would
                // else cost its length squared.
                let is_worth_it = match connection.reading {
                    Reading::Head => {
                        already == 0
                            || bytes.is_empty()
                            || memchr::memchr(b'\n', bytes).is_some()
                            || buffer.len() as u64 >= self.shared.limits.head_bytes_max
                    }
                    Reading::Body { need } => buffer.len() >= need as usize,
                    _ => false,
                };
                let used = if is_worth_it { self.requests(token, buffer.pending(), now_ns) } else { 0 };
                buffer.advance(used);
                let Some(connection) = self.table.get_mut(key) else { return self.pool.give_back(buffer) };
                if buffer.is_empty() || connection.input.is_some() {
                    self.pool.give_back(buffer);
                } else {
                    connection.input = Some(buffer);
                    // What was served before it is no part of its time.
                    if used > 0 || bytes.is_empty() {
                        self.time_head(key);
                    }
                }
            }
        }
    }

    /// Keeps bytes that could not be served yet.
    fn keep(&mut self, key: u32, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let Some(connection) = self.table.get_mut(key) else { return };
        let mut buffer = self.pool.take();
        self.pool.push(&mut buffer, bytes);
        connection.input = Some(buffer);
        self.time_head(key);
    }

    /// A request has begun. The clock of a connection's first request runs since the connection.
    fn time_head(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.reading == Reading::Head && connection.kind != ConnectionKind::New {
            self.set_deadline(key, self.after_ms(self.shared.limits.head_timeout_ms));
        }
    }

    /// Answers all whole requests at the front of `bytes`; gives how many bytes are done with.
    fn requests(&mut self, token: ConnToken, bytes: &[u8], now_ns: u64) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let Some(connection) = self.table.get_mut(token.key) else { return bytes.len() };
            match connection.reading {
                Reading::Head => {}
                Reading::Body { need } if bytes.len() - at >= need as usize => {}
                Reading::Busy => {
                    self.counters.reached(Reached::InFlight);
                    return at;
                }
                Reading::Body { .. } | Reading::Chunks => return at,
                // What comes after an answer that ends the connection is of no interest.
                Reading::Discard { .. } | Reading::Linger { .. } => return bytes.len(),
            }
            if connection.closes {
                return bytes.len();
            }
            if self.out.len() as u64 >= self.shared.limits.answers_bytes_soft_max {
                self.flush(token.key);
                if self.table.get(token.key).is_none_or(|connection| connection.output.is_some()) {
                    self.counters.reached(Reached::Pipelined);
                    return at;
                }
            }
            let of = |connection: &Connection<N::Stream>| (connection.listener, connection.refused);
            let (listener, is_above) = self.table.get(token.key).map_or((0, false), of);
            let asker = Asker { token, listener, now_ns };
            self.dispatcher.is_last = self.ages.is_over(token.generation);
            self.dispatcher.is_above = is_above;
            let step = self.dispatcher.step(&bytes[at..], &asker, &mut self.out);
            self.dispatcher.is_above = false;
            self.count_age(&step);
            match self.follow(token.key, step) {
                Some(used) => at += used,
                None => return if self.has_upload(token.key, &bytes[at..]) { bytes.len() } else { at },
            }
        }
        at
    }

    /// A request whose answer tells that its connection is too old.
    fn count_age(&self, step: &Step) {
        if self.dispatcher.is_last && !matches!(step, Step::More { .. } | Step::Upload { .. }) {
            self.counters.reached(Reached::Age);
        }
    }

    /// Does what a step asks for. Gives the bytes that it used; none where more must come.
    fn follow(&mut self, key: u32, step: Step) -> Option<usize> {
        if !matches!(step, Step::More { need: None, .. }) {
            self.set_kind(key, self.dispatcher.kind);
        }
        match step {
            Step::More { need: None, .. } => None,
            Step::More { need: Some(need), expects_continue } => {
                self.await_body(key, Reading::Body { need: need as u32 }, expects_continue);
                None
            }
            Step::Upload { decoder, head_length, expects_continue } => {
                self.await_body(key, Reading::Chunks, expects_continue);
                let connection = self.table.get_mut(key)?;
                connection.task = Task::Upload(Box::new(Upload { decoder, head_length }));
                None
            }
            Step::Answered { used, left, closes } => {
                let connection = self.table.get_mut(key)?;
                connection.closes |= closes;
                connection.reading = if left > 0 { Reading::Discard { left } } else { Reading::Head };
                self.await_request(key);
                Some(used)
            }
            Step::Called { used, call } => {
                let connection = self.table.get_mut(key)?;
                // One that a client has come back to is a stream already.
                let silence_ns = if call.streams { ms(self.shared.limits.stream_comment_ms) } else { u64::MAX };
                connection.task = Task::Call(call);
                connection.reading = Reading::Busy;
                connection.continued = false;
                self.set_deadline(key, self.now_ns.saturating_add(silence_ns));
                Some(used)
            }
            Step::Opened { used, stream } => {
                let connection = self.table.get_mut(key)?;
                connection.task = Task::Stream(stream);
                connection.reading = Reading::Busy;
                connection.continued = false;
                self.counters.streams.add(1);
                // No stream is silent for long; the system takes no larger number.
                let within_ms = self.shared.limits.write_stall_timeout_ms.clamp(1, i32::MAX as u64);
                connection.stream.expect_acknowledgements(Duration::from_millis(within_ms));
                self.await_comment(key);
                Some(used)
            }
        }
    }

    /// The body of a request must still come.
    fn await_body(&mut self, key: u32, reading: Reading, expects_continue: bool) {
        let Some(connection) = self.table.get_mut(key) else { return };
        if connection.reading == Reading::Head {
            connection.reading = reading;
            let limits = &self.shared.limits;
            self.set_deadline(key, self.after_ms(limits.body_timeout_ms));
        }
        let Some(connection) = self.table.get_mut(key) else { return };
        if expects_continue && !std::mem::replace(&mut connection.continued, true) {
            self.out.extend_from_slice(CONTINUE);
        }
    }

    /// The connection is between two requests.
    pub(super) fn await_request(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key) else { return };
        connection.continued = false;
        // The clock of what is unsent runs on.
        if connection.output.is_some() {
            return;
        }
        self.set_deadline(key, self.after_ms(self.shared.limits.idle_timeout_ms));
    }

    /// An upload that has just begun: its head and what was decoded go into the connection's own buffer.
    fn has_upload(&mut self, key: u32, bytes: &[u8]) -> bool {
        let Some(connection) = self.table.get_mut(key) else { return false };
        let Task::Upload(upload) = &connection.task else { return false };
        let mut buffer = self.pool.take();
        self.pool.push(&mut buffer, &bytes[..upload.head_length]);
        self.pool.push(&mut buffer, &self.dispatcher.decoded);
        connection.input = Some(buffer);
        true
    }

    /// More of a body in chunks. Gives how many bytes belonged to it, once it is whole and answered.
    fn upload(&mut self, token: ConnToken, bytes: &[u8], now_ns: u64) -> Option<usize> {
        let connection = self.table.get_mut(token.key)?;
        let Task::Upload(mut upload) = std::mem::replace(&mut connection.task, Task::None) else { return None };
        let listener = connection.listener;
        let mut buffer = connection.input.take().unwrap_or_else(|| self.pool.take());
        let pool = &mut self.pool;
        let read = decode(&mut upload.decoder, bytes, |data| pool.push(&mut buffer, data));
        let (step, used) = match read {
            Ok(None) => {
                connection.task = Task::Upload(upload);
                connection.input = Some(buffer);
                return None;
            }
            Ok(Some(used)) => {
                let (head, body) = buffer.pending().split_at(upload.head_length);
                let asker = Asker { token, listener, now_ns };
                self.dispatcher.is_last = self.ages.is_over(token.generation);
                (self.dispatcher.uploaded(head, body, &asker, &mut self.out), used)
            }
            Err(error) => (self.dispatcher.broken_upload(error, &mut self.out), bytes.len()),
        };
        self.pool.give_back(buffer);
        self.count_age(&step);
        self.follow(token.key, step)?;
        Some(used)
    }
}
