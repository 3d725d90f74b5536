//! Requests that are tried again: operations that were refused, and whatever fails in an outage that clients make. A
//! retry waits until it is due and until the budget has room for it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use erlmcp_record::Fate;
use slab::Slab;

use super::{Engine, TURN_MAX};
use crate::block::Work;
use crate::cause::Cause;
use crate::ledger::Outcome;
use crate::net::Net;
use crate::request::{Call, Request, WAITING_MAX};
use crate::retry::RetryBudget;

/// Waits before retries, doubled each time, at least and at most.
const WAIT_US: u64 = 50_000;
const WAIT_MAX_US: u64 = 2_000_000;

/// Requests waiting for their next attempt.
#[derive(Debug, Default)]
pub(super) struct Retries {
    order: BinaryHeap<Reverse<(u64, usize)>>,
    pool: Slab<(u32, Request)>,
    budget: RetryBudget,
    /// When there was last no room for one; 0: never.
    held_back_us: u64,
}

/// What becomes of a request whose wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Tried,
    /// Its patience has ended.
    GivenUp,
    /// The generator has no place for it.
    NoRoom,
}

impl Retries {
    /// Of one of so many agents.
    pub(super) fn of(agents: u32) -> Self {
        Self { budget: RetryBudget::shared(agents), ..Self::default() }
    }

    pub(super) fn next_us(&self) -> Option<u64> {
        self.due_us().map(|due_us| due_us.max(self.budget.next_us()))
    }

    /// None waits.
    pub(super) fn is_empty(&self) -> bool {
        self.pool.is_empty()
    }

    /// A request is sent for the first time.
    pub(super) fn first(&mut self) {
        self.budget.first();
    }

    /// What was saved before an outage is not spent after it.
    pub(super) fn spend_all(&mut self, now_us: u64) {
        self.budget.spend_all(now_us);
    }

    fn due_us(&self) -> Option<u64> {
        self.order.peek().map(|Reverse((due_us, _))| *due_us)
    }

    /// The next one whose time has come, and whether it is still to be tried. None: none is due, or the budget has no room.
    fn pop(&mut self, now_us: u64, is_full: bool) -> Option<(u32, Request, Next)> {
        let Reverse((_, index)) = *self.order.peek().filter(|Reverse((due_us, _))| *due_us <= now_us)?;
        let next = match now_us >= self.pool[index].1.patience_us {
            true => Next::GivenUp,
            false if is_full => Next::NoRoom,
            false => Next::Tried,
        };
        if next == Next::Tried && !self.budget.take(now_us) {
            self.held_back_us = now_us;
            return None;
        }
        self.order.pop();
        let (key, request) = self.pool.remove(index);
        Some((key, request, next))
    }
}

impl<N: Net> Engine<N> {
    /// Keeps a request that has failed until it may be tried again, or gives it up where its patience ends before.
    /// `after_us`: the target's own word.
    fn hold(&mut self, key: u32, mut request: Request, failed: (Fate, Cause), after_us: u64) {
        let now_us = self.net.now_us();
        request.failed = Some(failed);
        let wait_us = (WAIT_US << (request.attempt - 1).min(10)).min(WAIT_MAX_US);
        let due_us = now_us + self.random.jitter(wait_us).max(after_us);
        if due_us >= request.patience_us {
            return self.settle_failed(request, now_us);
        }
        // It begins anew.
        request.leg = None;
        if self.retries.pool.len() >= WAITING_MAX {
            return self.no_room(request, now_us);
        }
        if failed.0 == Fate::Refused {
            self.ledger.refused_for_now(&request.ticket);
        }
        request.due_us = due_us;
        let index = self.retries.pool.insert((key, request));
        self.retries.order.push(Reverse((due_us, index)));
    }

    /// Sends the requests again whose time has come, as far as the budget goes.
    pub(super) fn retry(&mut self, now_us: u64) {
        if self.retries.is_empty() {
            return;
        }
        let rate = self.settle_rate();
        self.retries.budget.at_least(rate, now_us);
        for _ in 0..TURN_MAX {
            let is_full = self.waiting.is_full();
            let Some((key, mut request, next)) = self.retries.pop(now_us, is_full) else { return };
            let can_go = self.connections.get(key as usize).is_some_and(|c| c.is_client() && !c.closing);
            match next {
                Next::NoRoom if can_go => {
                    self.no_room(request, now_us);
                    continue;
                }
                Next::Tried if can_go => {}
                _ => {
                    self.settle_failed(request, now_us);
                    continue;
                }
            }
            request.attempt += 1;
            request.give_up_us = request.patience_us;
            let was_held_back = request.due_us <= self.retries.held_back_us;
            self.ledger.tried_again(&request.ticket, was_held_back);
            if was_held_back {
                // Waiting for the budget is no service of the target's.
                request.due_us = now_us;
            }
            if self.is_dark(now_us) {
                self.hold(key, request, (Fate::UnsentConnection, Cause::NotOpen), 0);
            } else {
                self.dispatch(key, request, now_us);
            }
        }
    }

    /// The client of this connection has another one.
    pub(super) fn retries_moved(&mut self, from: u32, to: u32) {
        let held = self.retries.pool.iter_mut().filter(|(_, (key, _))| *key == from);
        held.for_each(|(_, (key, _))| *key = to);
    }

    /// Retries a second that the blocks ask for which begin no more themselves; 0: as many as are earned.
    fn settle_rate(&self) -> f64 {
        let retrying = self.blocks.iter().filter_map(|block| match &block.work {
            Work::Arrivals(work) if work.patience_us > 0 => Some(work),
            _ => None,
        });
        let rates = retrying.map(|work| if work.pace.next_us().is_some() { 0.0 } else { work.settle_rate });
        rates.reduce(f64::min).unwrap_or(0.0)
    }

    /// A request that has failed is tried again where it is an operation that was refused, or where an outage of the
    /// clients' own is why, or may be; it comes back where not.
    pub(super) fn again(
        &mut self,
        key: u32,
        mut request: Request,
        failed: (Fate, Cause),
        after_us: u64,
    ) -> Option<Request> {
        let is_load = matches!(request.call, Call::Load | Call::Step { .. });
        match self.outage.filter(|_| is_load && failed.1 != Cause::RunEnded) {
            Some(outage) => request.patience_us = request.patience_us.max(outage.until_us),
            None if failed.0 == Fate::Refused && request.patience_us > 0 => {}
            None => return Some(request),
        }
        self.hold(key, request, failed, after_us);
        None
    }

    /// Not tried again: its fate is that of its last attempt.
    pub(super) fn settle_failed(&mut self, request: Request, now_us: u64) {
        let (fate, cause) = request.failed.unwrap_or((Fate::Refused, Cause::Refused(503)));
        // A refusal is no service: its speed does not say how requests are served.
        let latency_us = (fate != Fate::Refused).then(|| self.lost_latency_us(&request, now_us));
        self.ledger.settle(request.ticket, Outcome::without_answer(fate, cause, latency_us));
    }

    /// The generator keeps no more requests at a time: that it is not tried again says nothing of the target.
    fn no_room(&mut self, request: Request, now_us: u64) {
        self.give_up_unsent(request, Fate::UnsentNoTime, Cause::TooLate, now_us);
    }

    /// Takes all that wait for their next attempt.
    pub(super) fn take_retries(&mut self) -> Vec<Request> {
        self.retries.order.clear();
        self.retries.pool.drain().map(|(_, request)| request).collect()
    }
}
