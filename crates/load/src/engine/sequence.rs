//! Requests one after another on a connection of their own: the latency of a target at rest.

use erlmcp_record::names::finding::COLD_REQUEST_MS;
use erlmcp_record::{Entry, Fate, FindingRow, Kind};

use super::Engine;
use crate::block::Work;
use crate::cause::Cause;
use crate::connection::{Hands, Opening};
use crate::net::Net;
use crate::opening_queue::{OPENINGS_MAX, wait_us};
use crate::request::Request;

impl<N: Net> Engine<N> {
    fn sequence_index(&self, id: u32) -> Option<usize> {
        self.blocks.iter().position(|block| block.id == id && matches!(block.work, Work::Sequential(_)))
    }

    /// The block's connection is open: the first time, its cold request is told.
    pub(super) fn sequence_opened(&mut self, id: u32, opening: Opening, now_us: u64) {
        let Some(index) = self.sequence_index(id) else { return };
        let block = &mut self.blocks[index];
        let phase = block.phase;
        if let Work::Sequential(sequence) = &mut block.work
            && !std::mem::replace(&mut sequence.cold_told, true)
        {
            let cold_ms = (now_us - opening.started_us) as f64 / 1e3;
            let name = COLD_REQUEST_MS.to_string();
            self.outbox.row(Entry::Finding(FindingRow {
                phase,
                at_us: now_us,
                name,
                value: Some(cold_ms),
                note: None,
                agent: None,
            }));
        }
    }

    /// Sends the block's next request, or closes its connection after the last one.
    pub(super) fn sequence_next(&mut self, key: u32, id: u32, now_us: u64) {
        match self.plan_next(key, id, now_us) {
            Some(request) => self.send(key, request),
            None => self.end_sequence(key),
        }
    }

    /// The block's next request; None after the last one.
    fn plan_next(&mut self, key: u32, id: u32, now_us: u64) -> Option<Request> {
        let index = self.sequence_index(id)?;
        let account = self.blocks[index].account(Kind::Sequential);
        let Work::Sequential(sequence) = &mut self.blocks[index].work else { return None };
        sequence.left = sequence.left.checked_sub(1)?;
        let call = sequence.call;
        let ticket = self.ledger.plan(account, now_us, self.connections[key as usize].endpoint);
        Some(Request::new(ticket, call, now_us, now_us + self.settings.timeout_us))
    }

    /// The wait of the block's connection is over.
    pub(super) fn sequence_again(&mut self, key: u32, id: u32) {
        match self.sequence_left(id) {
            0 if self.connections[key as usize].queue.is_empty() => self.end_sequence(key),
            _ => self.begin_opening(key),
        }
    }

    fn sequence_left(&self, id: u32) -> u32 {
        self.sequence_index(id).map_or(0, |index| match &self.blocks[index].work {
            Work::Sequential(sequence) => sequence.left,
            _ => 0,
        })
    }

    /// The block's connection broke: it is opened again for what is left.
    pub(super) fn sequence_lost(&mut self, key: u32, id: u32, cause: Cause) {
        let now_us = self.net.now_us();
        if self.lets_rest(key, cause) {
            return self.sequence_renew(key, id, now_us);
        }
        // What could not be written is planned already.
        let connection = &mut self.connections[key as usize];
        if let Some(request) = self.waiting.pop_front(&mut connection.queue) {
            self.give_up_unsent(request, Fate::UnsentConnection, Cause::NotOpen, now_us);
        }
        if self.sequence_left(id) == 0 {
            return self.end_sequence(key);
        }
        let connection = &mut self.connections[key as usize];
        connection.failures = connection.failures.saturating_add(1);
        let failures = connection.failures;
        self.sequence_not_opened(key, id, failures, now_us);
    }

    /// The block's connection rests: it is opened again for the next request.
    pub(super) fn sequence_renew(&mut self, key: u32, id: u32, now_us: u64) {
        let connection = &self.connections[key as usize];
        if connection.hands == Hands::Shaken && connection.queue.is_empty() {
            let Some(request) = self.plan_next(key, id, now_us) else { return self.end_sequence(key) };
            self.waiting.push_back(&mut self.connections[key as usize].queue, request);
            self.line_again(key);
        }
    }

    /// The block's connection could not be opened: after some tries what is left counts as unsent.
    pub(super) fn sequence_not_opened(&mut self, key: u32, id: u32, failures: u8, now_us: u64) {
        let Some(index) = self.sequence_index(id) else { return self.end_sequence(key) };
        let account = self.blocks[index].account(Kind::Sequential);
        let Work::Sequential(sequence) = &mut self.blocks[index].work else { return };
        if failures < OPENINGS_MAX {
            let wait_us = wait_us(failures, &mut self.random);
            let connection = &mut self.connections[key as usize];
            connection.opening = None;
            connection.wake_us = now_us + wait_us;
            return self.arm(key);
        }
        let (left, call) = (std::mem::take(&mut sequence.left), sequence.call);
        let (fate, cause) = match self.connections[key as usize].lacked_own {
            true => (Fate::UnsentNoDescriptor, Cause::NoDescriptor),
            false => (Fate::UnsentConnection, Cause::NotOpen),
        };
        for _ in 0..left {
            let ticket = self.ledger.plan(account, now_us, self.connections[key as usize].endpoint);
            self.give_up_unsent(Request::new(ticket, call, now_us, now_us), fate, cause, now_us);
        }
        self.connections.remove(key as usize);
    }

    fn end_sequence(&mut self, key: u32) {
        self.close_socket(key);
        self.connections.remove(key as usize);
    }
}
