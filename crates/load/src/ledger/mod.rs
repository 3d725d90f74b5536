//! The ledger: every planned request has exactly one fate.
//!
//! Planning a request gives a [`Ticket`]; settling it takes the ticket back. A ticket cannot be copied, so no
//! request can be settled twice, and one that is never settled stays outstanding, so that its block never ends
//! unnoticed: planned = settled + outstanding, always.

mod bucket;
mod hists;
#[cfg(test)]
mod tests;

use erlmcp_protocol::client::canned::Question;
use erlmcp_record::{Fate, IntervalRow, Kind};
use slab::Slab;

use crate::cause::Cause;
use crate::request::Next;
use bucket::Bucket;
pub(crate) use hists::SpareHists;

/// No endpoint: the request was bound to a connection that has none yet.
pub(crate) const NO_ENDPOINT: u16 = u16::MAX;

/// What the requests of a row have in common, beside their second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    /// 0: requests that no block planned (the first ones of connections that take a lost one's place).
    pub(crate) block: u32,
    pub(crate) phase: u8,
    pub(crate) kind: Kind,
    /// Of a workload: what it is counted as beside all others, from 1; 0: nothing of its own.
    pub(crate) class: u8,
}

/// One planned request whose fate is not known yet.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a request without a fate is a lost one"]
pub(crate) struct Ticket {
    bucket: u32,
    endpoint: u16,
    slot: u8,
    intended_us: u64,
}

impl Ticket {
    pub(crate) fn intended_us(&self) -> u64 {
        self.intended_us
    }
}

/// How a request ended. Durations in microseconds; None where there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) fate: Fate,
    pub(crate) cause: Option<Cause>,
    pub(crate) latency_us: Option<u64>,
    pub(crate) service_us: Option<u64>,
    pub(crate) headers_us: Option<u64>,
    pub(crate) first_event_us: Option<u64>,
    pub(crate) receive_lag_us: Option<u64>,
    pub(crate) operation_us: Option<u64>,
}

impl Outcome {
    /// A fate without an answer.
    pub(crate) fn without_answer(fate: Fate, cause: Cause, latency_us: Option<u64>) -> Self {
        Self {
            fate,
            cause: Some(cause),
            latency_us,
            service_us: None,
            headers_us: None,
            first_event_us: None,
            receive_lag_us: None,
            operation_us: None,
        }
    }
}

/// The requests of one block, over all of its seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    block: u32,
    pub(crate) planned: u64,
    pub(crate) settled: u64,
    /// The block has ended.
    is_over: bool,
}

/// Stands where a block's number would in the place of a tally that is free.
const NO_BLOCK: u32 = u32::MAX;

/// All requests of one agent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    buckets: Slab<Bucket>,
    /// Second and key of each bucket, in the order in which they were opened.
    index: Vec<(u32, u32)>,
    /// By place, which buckets know; the places of blocks that have ended are used again.
    tallies: Vec<Tally>,
    spare: SpareHists,
    /// Every latency is kept beside its histogram.
    raw: bool,
}

impl Ledger {
    /// One that keeps every latency beside its histogram, where that is wanted.
    pub(crate) fn new(raw: bool) -> Self {
        Self { raw, ..Self::default() }
    }

    /// Counts one request as planned. `endpoint` is the index of the one that it is bound to, or [`NO_ENDPOINT`].
    pub(crate) fn plan(&mut self, account: Account, intended_us: u64, endpoint: u16) -> Ticket {
        let key = self.bucket_of(account, (intended_us / 1_000_000) as u32);
        let slot = (intended_us / 100_000 % 10) as u8;
        let bucket = &mut self.buckets[key];
        bucket.plan(slot, endpoint);
        self.tallies[bucket.tally].planned += 1;
        Ticket { bucket: key as u32, endpoint, slot, intended_us }
    }

    /// Counts how late a request was written.
    pub(crate) fn sent(&mut self, ticket: &Ticket, send_lag_us: u64) {
        self.buckets[ticket.bucket as usize].hists.send_lag(send_lag_us, &mut self.spare);
    }

    /// Gives the request its fate.
    pub(crate) fn settle(&mut self, ticket: Ticket, outcome: Outcome) {
        let bucket = &mut self.buckets[ticket.bucket as usize];
        bucket.settle(ticket.slot, ticket.endpoint, &outcome);
        bucket.hists.record(&outcome, &mut self.spare);
        self.tallies[bucket.tally].settled += 1;
    }

    /// Counts a refusal of an operation that will be tried again.
    pub(crate) fn refused_for_now(&mut self, ticket: &Ticket) {
        self.buckets[ticket.bucket as usize].refused_for_now();
    }

    /// Counts one more attempt of a request that has failed. `held_back`: it had to wait for the budget.
    pub(crate) fn tried_again(&mut self, ticket: &Ticket, held_back: bool) {
        self.buckets[ticket.bucket as usize].tried_again(held_back);
    }

    /// Counts one more leg of a request that goes on.
    pub(crate) fn went_on(&mut self, ticket: &Ticket, next: &Next) {
        self.buckets[ticket.bucket as usize].went_on(next);
    }

    /// Counts a request of the server's. `taken`: it took the answer.
    pub(crate) fn asked(&mut self, account: Account, now_us: u64, question: Question, taken: bool) {
        let key = self.bucket_of(account, (now_us / 1_000_000) as u32);
        self.buckets[key].asked(question, taken);
    }

    /// Counts an answer that nothing had asked for.
    pub(crate) fn surplus(&mut self, account: Account, now_us: u64) {
        let key = self.bucket_of(account, (now_us / 1_000_000) as u32);
        self.buckets[key].surplus();
    }

    pub(crate) fn tally(&self, block: u32) -> Tally {
        self.tallies.iter().find(|tally| tally.block == block).copied().unwrap_or_default()
    }

    /// The block has ended: its tally is forgotten with the last of its seconds.
    pub(crate) fn end(&mut self, block: u32) {
        if let Some(tally) = self.tallies.iter_mut().find(|tally| tally.block == block) {
            tally.is_over = true;
        }
    }

    /// Requests of `block` without a fate.
    pub(crate) fn outstanding(&self, block: u32) -> u64 {
        let tally = self.tally(block);
        tally.planned - tally.settled
    }

    /// Moves what has changed since the last time into rows. A second that is over and has nothing outstanding
    /// is forgotten. `replicas` has the replica of each endpoint.
    pub(crate) fn flush(&mut self, agent: u32, now_us: u64, replicas: &[u16], rows: &mut Vec<IntervalRow>) {
        let second = (now_us / 1_000_000) as u32;
        for (_, bucket) in self.buckets.iter_mut().filter(|(_, bucket)| bucket.changed) {
            rows.push(bucket.take_row(agent, replicas));
        }
        self.buckets.retain(|_, bucket| bucket.second >= second || bucket.outstanding > 0);
        self.index.retain(|(_, key)| self.buckets.contains(*key as usize));
        self.forget_tallies();
    }

    /// Those of blocks that have ended, or that never planned a request.
    fn forget_tallies(&mut self) {
        for (place, tally) in self.tallies.iter_mut().enumerate() {
            let is_needed = || self.buckets.iter().any(|(_, bucket)| bucket.tally == place);
            if (tally.is_over || tally.planned == 0) && !is_needed() {
                *tally = Tally { block: NO_BLOCK, ..Tally::default() };
            }
        }
    }

    /// What the request counts as.
    pub(crate) fn account_of(&self, ticket: &Ticket) -> Account {
        self.buckets[ticket.bucket as usize].account
    }

    /// Empty histograms: rows take from them, and those that were written come back.
    pub(crate) fn spare_hists(&mut self) -> &mut SpareHists {
        &mut self.spare
    }

    fn bucket_of(&mut self, account: Account, second: u32) -> usize {
        // Few seconds are open at once, and the one that is wanted was mostly opened last.
        let is_it = |(at, key): &&(u32, u32)| *at == second && self.buckets[*key as usize].account == account;
        if let Some((_, key)) = self.index.iter().rev().find(is_it) {
            return *key as usize;
        }
        let tally = self.tally_of(account.block);
        let key = self.buckets.insert(Bucket::new(account, second, tally, self.raw));
        self.index.push((second, key as u32));
        key
    }

    fn tally_of(&mut self, block: u32) -> usize {
        let place_of = |wanted: u32| self.tallies.iter().position(|tally| tally.block == wanted);
        if let Some(place) = place_of(block) {
            return place;
        }
        let tally = Tally { block, ..Tally::default() };
        match place_of(NO_BLOCK) {
            Some(free) => {
                self.tallies[free] = tally;
                free
            }
            None => {
                self.tallies.push(tally);
                self.tallies.len() - 1
            }
        }
    }

    /// True where the books balance: what was planned is settled or outstanding, by block and in all.
    #[cfg(test)]
    pub(crate) fn balances(&self) -> bool {
        (0..self.tallies.len()).all(|index| {
            let open: u64 = self.buckets.iter().filter(|(_, b)| b.tally == index).map(|(_, b)| b.outstanding).sum();
            let tally = self.tallies[index];
            tally.planned == tally.settled + open
        })
    }
}
