//! What other threads have sent: answers of workers, changes.

use std::sync::Arc;

use erlmcp_protocol::server::respond::LAST_CHUNK;
use tokio::sync::OwnedSemaphorePermit;

use super::mailbox::{Delivery, Inbox, Note, Origin, RawEnd, SESSIONS_ENDED};
use super::{ConnToken, Net, Shard};
use crate::conn::{Reading, Task};
use crate::dispatch::{RETRY_MS, write_message, write_retry_after};
use crate::metrics::counters::{Outcome, Reached};
use crate::queue::Answer;
use crate::session::EventId;

impl<N: Net> Shard<N> {
    /// Takes the messages; hands over the connections that came with them.
    pub(crate) fn take_messages(&mut self) -> Vec<(mio::net::TcpStream, Origin)> {
        let mut inbox = std::mem::take(&mut self.inbox);
        let (changes, told) = self.mailbox.collect(&mut inbox).unwrap_or((0, self.told));
        self.told = told;
        for (token, delivery) in inbox.answers.drain(..) {
            match delivery {
                Delivery::Note(note) => self.note(token, &note),
                Delivery::Answer(answer) => self.deliver(token, &answer),
                Delivery::Pause { primer, retry_ms } => self.pause(token, &primer, retry_ms),
                Delivery::Release => self.release(token),
                Delivery::Raw(bytes, room) => self.raw(token, &bytes, room),
                Delivery::RawEnd(end) => self.raw_end(token, end),
            }
        }
        if changes & SESSIONS_ENDED != 0 {
            let (shared, now_s) = (Arc::clone(&self.shared), self.shared.clock.unix_seconds());
            self.end_streams(|stream| {
                stream.push.as_ref().is_some_and(|push| !shared.sessions.lives(&push.session, now_s))
            });
        }
        let changes = changes & !SESSIONS_ENDED;
        let updates = std::mem::take(&mut inbox.updates);
        if changes != 0 || !updates.is_empty() {
            self.announce(changes, &updates);
        }
        let connections = std::mem::take(&mut inbox.connections);
        // A burst's room is not kept.
        if inbox.answers.capacity() > 4_096 {
            inbox = Inbox::default();
        }
        self.inbox = inbox;
        connections
    }

    /// A message that comes before an answer: the first one makes a stream of it.
    fn note(&mut self, token: ConnToken, note: &Note) {
        let closes = self.ends_all();
        let Some(connection) = self.find(token) else { return };
        let is_behind = connection.output.is_some();
        let Task::Call(call) = &mut connection.task else { return };
        let begins = !std::mem::replace(&mut call.streams, true);
        call.closes |= closes || connection.closes;
        let closes = call.closes;
        if begins {
            self.dispatcher.begin_stream(&mut self.out, note.primer.as_ref(), RETRY_MS, closes);
        }
        write_message(&mut self.out, note.id.as_ref(), &note.message);
        // Without progress the clock of what is unsent runs on.
        if !is_behind {
            self.await_comment(token.key);
        }
        self.flush(token.key);
    }

    fn deliver(&mut self, token: ConnToken, answer: &Answer) {
        // The client may have gone; its place may belong to another one.
        let drains = self.ends_all();
        let Some(connection) = self.find(token).filter(|connection| matches!(connection.task, Task::Call(_))) else {
            return;
        };
        let Task::Call(mut call) = std::mem::replace(&mut connection.task, Task::None) else { return };
        connection.reading = Reading::Head;
        let is_old = !call.closes && self.ages.is_over(token.generation);
        let Some(connection) = self.table.get_mut(token.key) else { return };
        connection.closes |= call.closes || drains || is_old;
        if is_old {
            self.counters.reached(Reached::Age);
        }
        let closes = self.table.get(token.key).is_some_and(|connection| connection.closes);
        self.dispatcher.answered(&mut self.out, answer, &call, closes);
        self.await_request(token.key);
        self.flush(token.key);
        self.dispatcher.answered = 0;
        let now_ns = self.shared.clock.now_ns();
        self.counters.latencies.record(now_ns.saturating_sub(call.began_ns), 1);
        call.trace.end(now_ns, answer.outcome, &answer.body);
        self.resume(token);
    }

    /// Closes the stream of a call before its answer.
    fn pause(&mut self, token: ConnToken, primer: &EventId, retry_ms: u64) {
        let drains = self.ends_all();
        let Some(connection) = self.find(token) else { return };
        let Task::Call(call) = &connection.task else { return };
        let (begins, closes) = (!call.streams, call.closes || connection.closes || drains);
        if begins {
            self.dispatcher.begin_stream(&mut self.out, Some(primer), retry_ms, closes);
        } else {
            write_retry_after(&mut self.out, retry_ms);
        }
        self.end_call_stream(token, closes);
    }

    /// Closes the stream of a call that goes on elsewhere, or of a session that has as many.
    fn release(&mut self, token: ConnToken) {
        let drains = self.ends_all();
        let Some(connection) = self.find(token) else { return };
        match &connection.task {
            Task::Call(call) if call.streams => {
                let closes = call.closes || connection.closes || drains;
                self.end_call_stream(token, closes);
            }
            Task::Stream(_) => self.end_stream(token.key),
            _ => {}
        }
    }

    /// Sends on what another replica answers. The room for it is given back when it is out.
    fn raw(&mut self, token: ConnToken, bytes: &[u8], room: OwnedSemaphorePermit) {
        let Some(connection) = self.find(token) else { return };
        let Task::Call(call) = &mut connection.task else { return };
        call.room = Some(room);
        self.out.extend_from_slice(bytes);
        self.flush(token.key);
        self.give_room(token.key);
    }

    /// Whoever sends on an answer for this connection may bring more, once what was brought is out.
    pub(super) fn give_room(&mut self, key: u32) {
        let Some(connection) = self.table.get_mut(key).filter(|connection| connection.output.is_none()) else { return };
        if let Task::Call(call) = &mut connection.task {
            call.room = None;
        }
    }

    /// What another replica answers is over. Only the end of the connection tells the client that it was cut off.
    fn raw_end(&mut self, token: ConnToken, end: RawEnd) {
        let Some(connection) = self.find(token) else { return };
        let Task::Call(call) = std::mem::replace(&mut connection.task, Task::None) else { return };
        connection.reading = Reading::Head;
        connection.closes = true;
        let outcome = match end.status {
            200..300 if end.is_whole => Outcome::Ok,
            429 | 503 if end.is_whole => Outcome::Refused,
            _ => Outcome::HttpError,
        };
        self.dispatcher.count(call.method, outcome);
        self.await_request(token.key);
        self.flush(token.key);
        self.dispatcher.answered = 0;
        self.counters.latencies.record(self.shared.clock.now_ns().saturating_sub(call.began_ns), 1);
    }

    /// The connection of a call is free for other requests.
    fn end_call_stream(&mut self, token: ConnToken, closes: bool) {
        let Some(connection) = self.find(token) else { return };
        connection.task = Task::None;
        connection.reading = Reading::Head;
        connection.closes = closes;
        self.out.extend_from_slice(LAST_CHUNK);
        self.await_request(token.key);
        self.flush(token.key);
        self.resume(token);
    }
}
