//! Refused operations are tried again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use erlmcp_record::Fate;
use slab::Slab;

use super::{Engine, TURN_MAX};
use crate::cause::Cause;
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Request, WAITING_MAX};

/// Operations waiting for their next attempt.
#[derive(Debug, Default)]
pub(super) struct Retries {
    order: BinaryHeap<Reverse<(u64, usize)>>,
    pool: Slab<(u32, Request)>,
}

impl Retries {
    pub(super) fn next_us(&self) -> Option<u64> {
        self.order.peek().map(|Reverse((due_us, _))| *due_us)
    }

    fn pop(&mut self, now_us: u64) -> Option<(u32, Request)> {
        self.next_us().filter(|due_us| *due_us <= now_us)?;
        let Reverse((_, index)) = self.order.pop()?;
        Some(self.pool.remove(index))
    }
}

impl<N: Net> Engine<N> {
    /// Keeps a refused operation until it may be tried again, or gives it up where its block's patience ends before.
    pub(super) fn hold(&mut self, key: u32, mut request: Request, due_us: u64) {
        if due_us >= request.patience_us || self.retries.pool.len() >= WAITING_MAX {
            return self.refuse(request);
        }
        self.ledger.refused_for_now(&request.ticket);
        // It begins anew.
        request.leg = None;
        request.due_us = due_us;
        let index = self.retries.pool.insert((key, request));
        self.retries.order.push(Reverse((due_us, index)));
    }

    /// Sends the operations again whose time has come.
    pub(super) fn retry(&mut self, now_us: u64) {
        for _ in 0..TURN_MAX {
            let Some((key, mut request)) = self.retries.pop(now_us) else { return };
            let can_go = self.connections.get(key as usize).is_some_and(|c| c.is_client() && !c.closing);
            if !can_go || now_us >= request.patience_us || self.waiting.is_full() {
                self.refuse(request);
                continue;
            }
            request.attempt += 1;
            request.give_up_us = request.patience_us;
            self.ledger.tried_again(&request.ticket);
            self.dispatch(key, request, now_us);
        }
    }

    /// Refused for good.
    fn refuse(&mut self, request: Request) {
        let outcome = Outcome::without_answer(Fate::Refused, Cause::Refused(503), None);
        self.ledger.settle(request.ticket, outcome);
    }

    /// Takes all that wait for their next attempt.
    pub(super) fn take_retries(&mut self) -> Vec<Request> {
        self.retries.order.clear();
        self.retries.pool.drain().map(|(_, request)| request).collect()
    }
}
