//! Requests of a legacy server's, which come on the stream of a request: they are answered by POST on connections beside
//! those that are held, since the stream occupies its own. All sessions share these; they are opened when they are needed,
//! kept alive, and counted neither as held nor in the ledger. So goes what tells that a request has timed out.

use std::collections::VecDeque;

use erlmcp_protocol::client::canned;
use erlmcp_protocol::header::method;
use erlmcp_record::Kind;

use super::Engine;
use crate::connection::{Connection, Role, State};
use crate::ledger::Account;
use crate::net::Net;
use crate::request::{Call, Flight, Purpose, Reply};
use crate::wire::{Reading, Said};

/// Connections for answers at once, at most.
pub(super) const SIDES_MAX: usize = 16;
/// Answers that wait for one of them, at most.
const REPLIES_MAX: usize = 4_096;
/// Bytes of them, at most, beside those that are as short as usual.
const REPLIES_BYTES_MAX: usize = 16 << 20;
const USUAL_BYTES: usize = 4 << 10;
/// One that was not used for so long is closed.
const IDLE_US: u64 = 1_000_000;
/// Cancellations under way at once, at most, since answers need the connections more; and how long one may take.
const CANCELS_MAX: usize = 4;
const CANCEL_US: u64 = 1_000_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Sides {
    keys: Vec<u32>,
    waiting: VecDeque<Box<Reply>>,
}

impl Sides {
    pub(super) fn open(&self) -> u32 {
        self.keys.len() as u32
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        let waiting = || self.waiting.iter().map(|reply| reply.bytes.len()).sum::<usize>();
        self.waiting.len() < REPLIES_MAX && (bytes <= USUAL_BYTES || waiting() + bytes <= REPLIES_BYTES_MAX)
    }
}

impl<N: Net> Engine<N> {
    /// Answers what the server has asked on the stream of the request in flight.
    pub(super) fn answer_questions(&mut self, key: u32, reading: &mut Reading, now_us: u64) {
        let questions = reading.take_questions();
        if !self.calls.is_legacy() {
            // A modern server must not ask so; whoever does is not answered.
            return;
        }
        for text in questions {
            self.answer_question(key, &text, now_us);
        }
        self.post_replies(now_us);
    }

    fn answer_question(&mut self, key: u32, text: &[u8], now_us: u64) {
        let Some((question, response)) = canned::response(text) else { return };
        let connection = &self.connections[key as usize];
        let account = match connection.flight.as_ref().map(|flight| &flight.purpose) {
            Some(Purpose::Planned(request)) => self.ledger.account_of(&request.ticket),
            _ => Account { block: 0, phase: self.phase, kind: Kind::Probe, class: 0 },
        };
        if !self.sides.has_room_for(response.len()) {
            return self.ledger.asked(account, now_us, question, false);
        }
        let mut bytes = self.calls.answer(&response, connection.session.as_deref()).into_vec();
        self.settings.tokens.put(connection.principal(key), &mut bytes);
        self.sides.waiting.push_back(Box::new(Reply {
            endpoint: connection.endpoint,
            question: Some(question),
            account,
            bytes: bytes.into(),
            give_up_us: now_us + self.settings.timeout_us,
            was_lost: false,
        }));
    }

    /// Tells a legacy server that the request in flight has timed out, as far as there are connections for that.
    pub(super) fn cancel(&mut self, key: u32, now_us: u64) {
        let connection = &self.connections[key as usize];
        let Some(Flight { purpose: Purpose::Planned(request), call, id, .. }) = &connection.flight else { return };
        let is_cancel = |side: &&u32| {
            let flight = self.connections[**side as usize].flight.as_ref();
            flight.is_some_and(|flight| matches!(&flight.purpose, Purpose::Answer(reply) if reply.question.is_none()))
        };
        let has_room = self.sides.keys.iter().filter(is_cancel).count() < CANCELS_MAX;
        if !self.calls.is_legacy() || *call == Call::Initialize || !has_room {
            return;
        }
        let text = format!(
            r#"{{"jsonrpc":"2.0","method":"{}","params":{{"requestId":{id},"reason":"timed out"}}}}"#,
            method::CANCELLED
        );
        let mut bytes = self.calls.answer(&text, connection.session.as_deref()).into_vec();
        self.settings.tokens.put(connection.principal(key), &mut bytes);
        let reply = Box::new(Reply {
            endpoint: connection.endpoint,
            question: None,
            account: self.ledger.account_of(&request.ticket),
            bytes: bytes.into(),
            give_up_us: now_us + CANCEL_US,
            // It is not sent twice.
            was_lost: true,
        });
        if let Some(side) = self.side_to(reply.endpoint) {
            self.post(side, reply, now_us);
        }
    }

    /// What became of an answer. A cancellation is none.
    fn reply_ended(&mut self, reply: &Reply, now_us: u64, taken: bool) {
        if let Some(question) = reply.question {
            self.ledger.asked(reply.account, now_us, question, taken);
        }
    }

    /// Sends the answers that wait, as far as there are connections for them.
    pub(super) fn post_replies(&mut self, now_us: u64) {
        while let Some(first) = self.sides.waiting.front() {
            let (endpoint, is_late) = (first.endpoint, now_us >= first.give_up_us);
            let key = if is_late { None } else { self.side_to(endpoint) };
            if key.is_none() && !is_late {
                return;
            }
            let Some(reply) = self.sides.waiting.pop_front() else { return };
            match key {
                Some(key) => self.post(key, reply, now_us),
                None => self.reply_ended(&reply, now_us, false),
            }
        }
    }

    /// A connection to this endpoint that is idle or can be opened; None where all are busy.
    fn side_to(&mut self, endpoint: u16) -> Option<u32> {
        let connections = &self.connections;
        let idle = |key: &&u32| connections[**key as usize].state == State::Idle;
        let there = |key: &&u32| connections[**key as usize].endpoint == endpoint;
        if let Some(key) = self.sides.keys.iter().filter(idle).find(there) {
            return Some(*key);
        }
        if self.sides.keys.len() >= SIDES_MAX {
            let other = *self.sides.keys.iter().find(idle)?;
            self.close_side(other);
        }
        let mut connection = Connection::new(Role::Side, 0);
        connection.endpoint = endpoint;
        let key = self.connections.insert(connection) as u32;
        self.sides.keys.push(key);
        Some(key)
    }

    /// Sends an answer on a connection that is idle or not opened yet.
    fn post(&mut self, key: u32, reply: Box<Reply>, now_us: u64) {
        self.last_id += 1;
        let connection = &mut self.connections[key as usize];
        let is_open = connection.state == State::Idle;
        connection.wake_us = reply.give_up_us;
        connection.flight = Some(Flight::new(Purpose::Answer(reply), Call::Answer, self.last_id));
        let sent = if is_open {
            self.transmit(key, now_us).is_ok()
        } else {
            connection.state = State::Connecting;
            self.connect(key).is_ok()
        };
        if !sent {
            return self.lose_side(key, now_us);
        }
        if is_open {
            self.connections[key as usize].state = State::Busy;
        }
        self.arm(key);
    }

    /// The server has answered the answer: with 202, if it took it.
    pub(super) fn reply_answered(&mut self, key: u32, reply: &Reply, written_us: u64, said: Said, now_us: u64) {
        let taken = !matches!(said, Said::HttpError(_) | Said::RpcError(_) | Said::Refused { .. });
        self.reply_ended(reply, now_us, taken);
        let connection = &mut self.connections[key as usize];
        connection.state = State::Idle;
        connection.was_open = true;
        connection.wake_us = now_us + IDLE_US;
        let index = connection.endpoint;
        self.answered(index, written_us, now_us);
        self.arm(key);
    }

    /// The connection is of no use any more, or its time has come.
    pub(super) fn side_lost(&mut self, key: u32) {
        let now_us = self.net.now_us();
        self.lose_side(key, now_us);
        self.post_replies(now_us);
    }

    fn lose_side(&mut self, key: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let (was_kept, endpoint) = (connection.was_open, connection.endpoint);
        let flight = connection.flight.take();
        self.close_side(key);
        let Some(Flight { purpose: Purpose::Answer(mut reply), written_us, .. }) = flight else { return };
        if written_us > 0 {
            self.endpoints.get_mut(endpoint).health.ended_unanswered();
        }
        // A server may close a connection that was kept just when it is used again.
        if was_kept && !reply.was_lost && now_us < reply.give_up_us {
            reply.was_lost = true;
            self.sides.waiting.push_front(reply);
        } else {
            self.reply_ended(&reply, now_us, false);
        }
    }

    fn close_side(&mut self, key: u32) {
        self.close_socket(key);
        self.connections.remove(key as usize);
        self.sides.keys.retain(|side| *side != key);
    }

    /// Closes those that carry nothing: there is nobody left whom they could serve.
    pub(super) fn close_idle_sides(&mut self) {
        for key in self.sides.keys.clone() {
            if self.connections[key as usize].state == State::Idle {
                self.close_side(key);
            }
        }
    }
}
