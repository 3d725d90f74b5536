//! Connections closed on purpose.

use erlmcp_record::Fate;

use super::answering::Sides;
use super::{Engine, NO_KEY, TURN_MAX};
use crate::block::{Of, Work};
use crate::cause::Cause;
use crate::connection::{Role, State};
use crate::ledger::Outcome;
use crate::net::Net;

impl<N: Net> Engine<N> {
    /// Tells the clients to close whose turn has come.
    pub(super) fn close_clients(&mut self, now_us: u64) {
        for index in 0..self.blocks.len() {
            for _ in 0..TURN_MAX {
                let Work::Close(close) = &mut self.blocks[index].work else { break };
                if close.next_us().is_none_or(|at_us| at_us > now_us) {
                    break;
                }
                let (of, place) = (close.of, close.next);
                close.next += 1;
                if let Some(pace) = &mut close.pace {
                    pace.take();
                }
                match of {
                    Of::Clients if self.clients[place] != NO_KEY => self.tell_to_close(self.clients[place], now_us),
                    Of::Clients => {}
                    Of::Streams => self.close_stream(place),
                }
            }
        }
    }

    /// What is in flight and what waits is answered first.
    fn tell_to_close(&mut self, key: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        connection.closing = true;
        match connection.state {
            State::Idle if connection.queue.is_empty() => self.close_client(key),
            State::Idle => self.go_on(key, now_us),
            State::Busy if connection.opening.is_none() => {}
            State::Busy | State::Connecting if connection.renews => {}
            State::Busy | State::Connecting => self.fail_opening(key, Cause::RunEnded),
            State::Resting | State::Lined => self.part_with(key, now_us),
        }
    }

    /// Gives up a client without a socket. A session of its own that has outlived its connection is ended on another one.
    pub(super) fn part_with(&mut self, key: u32, now_us: u64) {
        let connection = &self.connections[key as usize];
        let (renews, is_lined) = (connection.renews, connection.state == State::Lined);
        match renews && self.has_own_session(key) {
            false => self.drop_client(key, now_us),
            true if is_lined => {}
            true => self.line_again(key),
        }
    }

    /// Closes an open client that is idle, and ends its own session before.
    pub(super) fn close_client(&mut self, key: u32) {
        if self.end_session(key) {
            return;
        }
        let endpoint = self.connections[key as usize].endpoint;
        self.close_socket(key);
        self.endpoints.get_mut(endpoint).open -= 1;
        self.log.closed();
        self.forget_client(key);
    }

    /// Gives up a client without a socket, and what waits for it.
    pub(super) fn drop_client(&mut self, key: u32, now_us: u64) {
        let connection = &mut self.connections[key as usize];
        let block = std::mem::take(&mut connection.block);
        self.renewing -= u64::from(std::mem::take(&mut connection.is_renewing));
        let mut queue = connection.queue;
        while let Some(request) = self.waiting.pop_front(&mut queue) {
            self.give_up(key, request, now_us);
        }
        self.connections[key as usize].queue = queue;
        self.opening_ended_unless_planned(key, block);
        self.forget_client(key);
    }

    /// A client that its block has not put into the line yet is none of those that the block waits for.
    fn opening_ended_unless_planned(&mut self, key: u32, block: u32) {
        let Role::Client(place) = self.connections[key as usize].role else { return };
        let was_lined = self.blocks.iter().any(|found| match &found.work {
            Work::Open(open) => found.id == block && place < open.first + open.lined,
            _ => false,
        });
        if was_lined {
            self.opening_ended(block);
        }
    }

    fn forget_client(&mut self, key: u32) {
        let connection = self.connections.remove(key as usize);
        if let Role::Client(place) = connection.role {
            self.clients[place as usize] = NO_KEY;
        }
        self.trim_clients();
    }

    /// Forgets places that nobody names any more.
    pub(super) fn trim_clients(&mut self) {
        while self.clients.last() == Some(&NO_KEY) && self.blocks.iter().all(|block| !block.names(Of::Clients)) {
            self.clients.pop();
        }
        if self.clients.is_empty() {
            self.close_idle_sides();
        }
    }

    /// The run is over: whatever has no fate is withdrawn, and every connection is closed.
    pub(super) fn withdraw_all(&mut self, now_us: u64) {
        let withdrawn = || Outcome::without_answer(Fate::Cancelled, Cause::RunEnded, None);
        for request in self.take_retries() {
            self.ledger.settle(request.ticket, withdrawn());
        }
        self.withdraw_streams();
        let keys: Vec<u32> = self.connections.iter().map(|(key, _)| key as u32).collect();
        for key in keys {
            let connection = &mut self.connections[key as usize];
            let (was_open, endpoint) = (connection.is_open() && connection.is_client(), connection.endpoint);
            let was_mover = connection.is_mover() && connection.opening.is_none();
            while let Some(request) = self.waiting.pop_front(&mut connection.queue) {
                self.ledger.settle(request.ticket, withdrawn());
            }
            if let Some(request) = self.close_socket(key) {
                self.ledger.settle(request.ticket, withdrawn());
            }
            if was_open {
                self.endpoints.get_mut(endpoint).open -= 1;
                self.log.closed();
            }
            if was_mover {
                self.endpoints.get_mut(endpoint).opening -= 1;
                self.log.closed();
            }
        }
        self.connections.clear();
        self.renewing = 0;
        self.sides = Sides::default();
        self.clients.clear();
        self.blocks.clear();
        self.tell(now_us);
        self.is_over = true;
    }
}
