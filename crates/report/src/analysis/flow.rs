use std::collections::BTreeMap;

use erlmcp_record::{Dialogue, Fate, FateCounts, Hist, IntervalRow, Kind};

use super::bounded::add_causes;
use super::ledger::LeftOpen;

/// The requests of one kind of one block, all agents together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FlowKey {
    pub(crate) phase: u8,
    pub(crate) block: u32,
    pub(crate) kind: Kind,
}

/// What was planned before the window that is judged, and in it.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) early: Part,
    pub(crate) judged: Part,
}

/// Requests by fate and cause, and their times: rows added up.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Part {
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
    pub(crate) causes: BTreeMap<String, u64>,
    pub(crate) by_replica: BTreeMap<u16, (u64, FateCounts)>,
    pub(crate) retries: u64,
    pub(crate) refusals: u64,
    pub(crate) surplus_answers: u64,
    pub(crate) dialogue: Dialogue,
    pub(crate) latency: Option<Hist>,
    pub(crate) service: Option<Hist>,
    pub(crate) headers: Option<Hist>,
    pub(crate) first_event: Option<Hist>,
    pub(crate) send_lag: Option<Hist>,
    pub(crate) receive_lag: Option<Hist>,
    pub(crate) operation: Option<Hist>,
}

impl Part {
    pub(crate) fn push(&mut self, row: &IntervalRow) {
        self.planned += row.planned;
        self.fates.merge(&row.fates);
        add_causes(&mut self.causes, &row.causes);
        for replica in &row.by_replica {
            self.add_replica(replica.replica, replica.planned, &replica.fates);
        }
        self.retries += row.retries;
        self.refusals += row.refusals;
        self.surplus_answers += row.surplus_answers;
        merge_dialogue(&mut self.dialogue, &row.dialogue);
        merge_hist(&mut self.latency, row.latency.as_ref());
        merge_hist(&mut self.service, row.service.as_ref());
        merge_hist(&mut self.headers, row.headers.as_ref());
        merge_hist(&mut self.first_event, row.first_event.as_ref());
        merge_hist(&mut self.send_lag, row.send_lag.as_ref());
        merge_hist(&mut self.receive_lag, row.receive_lag.as_ref());
        merge_hist(&mut self.operation, row.operation.as_ref());
    }

    pub(crate) fn merge(&mut self, other: &Part) {
        self.planned += other.planned;
        self.fates.merge(&other.fates);
        add_causes(&mut self.causes, &other.causes);
        for (replica, (planned, fates)) in &other.by_replica {
            self.add_replica(*replica, *planned, fates);
        }
        self.retries += other.retries;
        self.refusals += other.refusals;
        self.surplus_answers += other.surplus_answers;
        merge_dialogue(&mut self.dialogue, &other.dialogue);
        merge_hist(&mut self.latency, other.latency.as_ref());
        merge_hist(&mut self.service, other.service.as_ref());
        merge_hist(&mut self.headers, other.headers.as_ref());
        merge_hist(&mut self.first_event, other.first_event.as_ref());
        merge_hist(&mut self.send_lag, other.send_lag.as_ref());
        merge_hist(&mut self.receive_lag, other.receive_lag.as_ref());
        merge_hist(&mut self.operation, other.operation.as_ref());
    }

    /// What an agent that died left open.
    pub(crate) fn push_open(&mut self, open: LeftOpen) {
        self.planned += open.untold;
        self.fates.add(Fate::Unknown, open.unfated);
        if open.unfated > 0 {
            add_causes(&mut self.causes, &BTreeMap::from([("its agent died".to_string(), open.unfated)]));
        }
    }

    fn add_replica(&mut self, replica: u16, planned: u64, fates: &FateCounts) {
        let counts = self.by_replica.entry(replica).or_default();
        counts.0 += planned;
        counts.1.merge(fates);
    }

    pub(crate) fn ok(&self) -> u64 {
        self.fates.get(Fate::Ok)
    }

    /// Planned and never sent, for the generator's own reasons.
    pub(crate) fn unsent_by_generator(&self) -> u64 {
        generators_own(&self.fates)
    }

    /// What an error rate is a share of: planned, less the generator's own unsent.
    pub(crate) fn countable(&self) -> u64 {
        self.planned.saturating_sub(self.unsent_by_generator())
    }

    /// Countable and not ok.
    pub(crate) fn errors(&self) -> u64 {
        self.countable().saturating_sub(self.ok())
    }

    /// All of these fates together.
    pub(crate) fn of(&self, fates: &[Fate]) -> u64 {
        fates.iter().map(|fate| self.fates.get(*fate)).sum()
    }
}

fn merge_dialogue(into: &mut Dialogue, from: &Dialogue) {
    add_causes(&mut into.answered, &from.answered);
    into.unanswered += from.unanswered;
    into.rounds += from.rounds;
    into.resumed += from.resumed;
}

pub(crate) fn generators_own(fates: &FateCounts) -> u64 {
    fates.iter().filter(|(fate, _)| fate.is_generators()).map(|(_, count)| count).sum()
}

pub(crate) fn merge_hist(into: &mut Option<Hist>, from: Option<&Hist>) {
    if let Some(from) = from {
        into.get_or_insert_with(Hist::new).merge(from);
    }
}
