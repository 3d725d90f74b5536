//! The requests of one block and kind in one second.

use std::collections::BTreeMap;

use erlmcp_protocol::client::canned::Question;
use erlmcp_record::{Dialogue, FateCounts, IntervalRow, ReplicaCounts, Slot};

use super::hists::Hists;
use super::{Account, NO_ENDPOINT, Outcome};
use crate::cause::Cause;
use crate::request::Next;

/// Different causes kept apart in one second, at most; the others count as "other".
const CAUSES_MAX: usize = 64;

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    planned: u64,
    fates: FateCounts,
}

impl Counts {
    fn is_empty(&self) -> bool {
        self.planned == 0 && self.fates.is_empty()
    }
}

/// What has been counted since the last row, and what is outstanding in all.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) account: Account,
    pub(super) second: u32,
    /// Index of the block's tally.
    pub(super) tally: usize,
    pub(super) outstanding: u64,
    pub(super) changed: bool,
    pub(super) hists: Hists,
    all: Counts,
    slots: [Counts; 10],
    by_endpoint: Vec<Counts>,
    causes: BTreeMap<Cause, u64>,
    retries: u64,
    held_back: u64,
    refusals: u64,
    surplus_answers: u64,
    dialogue: Dialogue,
}

impl Bucket {
    pub(super) fn new(account: Account, second: u32, tally: usize, raw: bool) -> Self {
        Self {
            account,
            second,
            tally,
            outstanding: 0,
            changed: false,
            hists: Hists::new(raw),
            all: Counts::default(),
            slots: [Counts::default(); 10],
            by_endpoint: Vec::new(),
            causes: BTreeMap::new(),
            retries: 0,
            held_back: 0,
            refusals: 0,
            surplus_answers: 0,
            dialogue: Dialogue::default(),
        }
    }

    pub(super) fn plan(&mut self, slot: u8, endpoint: u16) {
        self.changed = true;
        self.outstanding += 1;
        self.all.planned += 1;
        self.slots[slot as usize].planned += 1;
        if let Some(counts) = self.of_endpoint(endpoint) {
            counts.planned += 1;
        }
    }

    pub(super) fn settle(&mut self, slot: u8, endpoint: u16, outcome: &Outcome) {
        assert!(self.outstanding > 0, "a settled request was planned before");
        self.changed = true;
        self.outstanding -= 1;
        self.all.fates.add(outcome.fate, 1);
        self.slots[slot as usize].fates.add(outcome.fate, 1);
        if let Some(counts) = self.of_endpoint(endpoint) {
            counts.fates.add(outcome.fate, 1);
        }
        if let Some(cause) = outcome.cause {
            let known = self.causes.contains_key(&cause) || self.causes.len() < CAUSES_MAX;
            *self.causes.entry(if known { cause } else { Cause::Other }).or_insert(0) += 1;
        }
    }

    pub(super) fn refused_for_now(&mut self) {
        self.changed = true;
        self.refusals += 1;
    }

    pub(super) fn tried_again(&mut self, held_back: bool) {
        self.changed = true;
        self.retries += 1;
        self.held_back += u64::from(held_back);
    }

    pub(super) fn surplus(&mut self) {
        self.changed = true;
        self.surplus_answers += 1;
    }

    pub(super) fn went_on(&mut self, next: &Next) {
        self.changed = true;
        match next {
            Next::Round(_) => self.dialogue.rounds += 1,
            Next::Resume { .. } => self.dialogue.resumed += 1,
        }
    }

    pub(super) fn asked(&mut self, question: Question, taken: bool) {
        self.changed = true;
        match taken {
            true => *self.dialogue.answered.entry(question.name().to_string()).or_insert(0) += 1,
            false => self.dialogue.unanswered += 1,
        }
    }

    fn of_endpoint(&mut self, endpoint: u16) -> Option<&mut Counts> {
        if endpoint == NO_ENDPOINT {
            return None;
        }
        let index = endpoint as usize;
        if index >= self.by_endpoint.len() {
            self.by_endpoint.resize(index + 1, Counts::default());
        }
        Some(&mut self.by_endpoint[index])
    }

    /// What has changed, as a row; it is counted anew from here on.
    pub(super) fn take_row(&mut self, agent: u32, replicas: &[u16]) -> IntervalRow {
        let Account { phase, block, kind, class } = self.account;
        let mut row = IntervalRow {
            class,
            planned: self.all.planned,
            fates: self.all.fates,
            causes: std::mem::take(&mut self.causes).into_iter().map(|(cause, n)| (cause.to_string(), n)).collect(),
            slots: self.take_slots(),
            by_replica: self.take_replicas(replicas),
            retries: std::mem::take(&mut self.retries),
            held_back: std::mem::take(&mut self.held_back),
            refusals: std::mem::take(&mut self.refusals),
            surplus_answers: std::mem::take(&mut self.surplus_answers),
            dialogue: std::mem::take(&mut self.dialogue),
            ..IntervalRow::empty(agent, phase, block, kind, self.second)
        };
        self.hists.move_to(&mut row);
        self.all = Counts::default();
        self.changed = false;
        row
    }

    fn take_slots(&mut self) -> Vec<Slot> {
        let slots = std::mem::take(&mut self.slots);
        let numbered = (0u8..).zip(slots).filter(|(_, counts)| !counts.is_empty());
        numbered.map(|(slot, counts)| Slot { slot, planned: counts.planned, fates: counts.fates }).collect()
    }

    fn take_replicas(&mut self, replicas: &[u16]) -> Vec<ReplicaCounts> {
        let numbered = self.by_endpoint.drain(..).enumerate().filter(|(_, counts)| !counts.is_empty());
        numbered
            .map(|(endpoint, counts)| ReplicaCounts {
                replica: replicas.get(endpoint).copied().unwrap_or(NO_ENDPOINT),
                planned: counts.planned,
                fates: counts.fates,
            })
            .collect()
    }
}
