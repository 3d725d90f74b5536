use std::collections::BTreeMap;

use erlmcp_record::{AgentSample, ClusterSample, ConnectionRow, Fate, FateCounts, IntervalRow, Kind};

use super::bounded::add_causes;
use super::flow::generators_own;
use super::server::Told;
use crate::stats::Sparse;

/// What is kept of one second of the run.
#[derive(Debug, Default)]
pub(crate) struct Second {
    /// The phase that the last row of it belongs to.
    pub(crate) phase: u8,
    /// Few, so a list: a map's node takes the room of eleven.
    pub(crate) kinds: Vec<(Kind, KindSecond)>,
    /// Open connections by agent, at its end.
    pub(crate) open: Vec<(u32, u64)>,
    /// Beside them, those that the target had closed in order and that were being opened again.
    pub(crate) renewing: Vec<(u32, u64)>,
    pub(crate) opened: u64,
    pub(crate) lost: u64,
    pub(crate) closed: u64,
    /// From planned opening to first answer.
    pub(crate) late: Sparse,
    pub(crate) cluster: Option<Box<ClusterSample>>,
    /// What is judged of the server's sample, where the sample itself is kept once a minute only.
    pub(crate) told: Option<Told>,
    pub(crate) agents: Vec<AgentSample>,
    /// CPU time in samples of agents that are no longer kept beside these.
    pub(crate) folded_cpu_us: u64,
    /// What the samples of this second told, where they are kept once a minute only.
    pub(super) folded_memory: Option<TesterMemory>,
    /// What only the view of the second needs; gone once the view was made.
    pub(crate) pending: Option<Box<Pending>>,
    /// The view was made, or what it needs was given up for memory.
    pub(crate) is_closed: bool,
}

/// Resident memory of the tester itself in one second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TesterMemory {
    /// Agents that told of theirs, and all of it, bytes.
    pub(crate) agents: usize,
    pub(crate) agents_bytes: u64,
    /// Of the process that drives the run, bytes; None: not read.
    pub(crate) orchestrator_bytes: Option<u64>,
}

/// The requests of one kind in one second.
#[derive(Debug, Default)]
pub(crate) struct KindSecond {
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
    /// Exact until the second is closed, coarse from then on.
    pub(crate) latency: Sparse,
    pub(crate) latency_count: u64,
    /// As it was recorded; None where nothing was.
    pub(crate) latency_max_us: Option<u64>,
    pub(crate) latency_sum_us: f64,
    pub(crate) slots: Option<Box<[SlotCounts; 10]>>,
    /// Slots that are no longer kept one by one: those with requests, and those of them that were available.
    counted_slots: (u64, u64),
}

/// 100 ms of a second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SlotCounts {
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
}

#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) causes: BTreeMap<String, u64>,
    /// By agent.
    pub(crate) by_replica: BTreeMap<u32, Vec<(u16, u64)>>,
}

impl Second {
    pub(crate) fn push_interval(&mut self, row: &IntervalRow) {
        self.phase = row.phase;
        let is_closed = self.is_closed;
        self.kind_or_default(row.kind).push(row, is_closed);
        if let Some(pending) = self.pending_mut() {
            add_causes(&mut pending.causes, &row.causes);
        }
    }

    pub(crate) fn push_connections(&mut self, row: &ConnectionRow) {
        self.phase = row.phase;
        match self.open.iter_mut().find(|(agent, _)| *agent == row.agent) {
            Some((_, open)) => *open = row.open,
            None => self.open.push((row.agent, row.open)),
        }
        self.renewing.retain(|(agent, _)| *agent != row.agent);
        self.renewing.extend((row.renewing > 0).then_some((row.agent, row.renewing)));
        self.opened += row.opened;
        self.lost += row.lost.values().sum::<u64>();
        self.closed += row.closed;
        if let Some(late) = &row.late {
            self.late.merge(&Sparse::from_buckets(late.buckets()).coarsened());
        }
        if let Some(pending) = self.pending_mut() {
            pending.by_replica.insert(row.agent, row.by_replica.clone());
        }
    }

    pub(crate) fn push_agent(&mut self, row: &AgentSample) {
        match self.agents.iter_mut().find(|found| found.agent == row.agent) {
            Some(found) => *found = row.clone(),
            None => self.agents.push(row.clone()),
        }
    }

    pub(crate) fn tester_memory(&self) -> TesterMemory {
        self.folded_memory.unwrap_or_else(|| TesterMemory {
            agents: self.agents.len(),
            agents_bytes: self.agents.iter().map(|agent| agent.rss_bytes).sum(),
            orchestrator_bytes: self.cluster.as_ref().and_then(|cluster| cluster.orchestrator_rss_bytes),
        })
    }

    fn pending_mut(&mut self) -> Option<&mut Pending> {
        (!self.is_closed).then(|| &mut **self.pending.get_or_insert_default())
    }

    pub(crate) fn kind(&self, kind: Kind) -> Option<&KindSecond> {
        self.kinds.iter().find(|found| found.0 == kind).map(|found| &found.1)
    }

    pub(crate) fn kind_mut(&mut self, kind: Kind) -> Option<&mut KindSecond> {
        self.kinds.iter_mut().find(|found| found.0 == kind).map(|found| &mut found.1)
    }

    pub(crate) fn kind_or_default(&mut self, kind: Kind) -> &mut KindSecond {
        let at = self.kinds.iter().position(|found| found.0 == kind).unwrap_or_else(|| {
            self.kinds.reserve_exact(1);
            self.kinds.push((kind, KindSecond::default()));
            self.kinds.len() - 1
        });
        &mut self.kinds[at].1
    }

    /// True where every planned request has a fate.
    pub(crate) fn is_settled(&self) -> bool {
        self.kinds.iter().all(|(_, kind)| kind.planned <= kind.fates.total())
    }

    /// Gives up what only the view needs.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.pending = None;
        for (_, kind) in &mut self.kinds {
            kind.latency = kind.latency.coarsened();
        }
    }
}

impl SlotCounts {
    /// Planned, less the generator's own unsent.
    pub(crate) fn countable(&self) -> u64 {
        self.planned.saturating_sub(generators_own(&self.fates))
    }

    /// At least 99 % ended ok; None where there was nothing to count.
    pub(crate) fn is_available(&self) -> Option<bool> {
        let of = self.countable();
        (of > 0).then(|| self.fates.get(Fate::Ok) * 100 >= of * 99)
    }
}

impl KindSecond {
    fn push(&mut self, row: &IntervalRow, coarse: bool) {
        self.planned += row.planned;
        self.fates.merge(&row.fates);
        if let Some(latency) = &row.latency {
            let sparse = Sparse::from_buckets(latency.buckets());
            self.latency_count += latency.count();
            self.latency_max_us = self.latency_max_us.max(latency.max_us());
            self.latency_sum_us += latency.mean_us().unwrap_or(0.0) * latency.count() as f64;
            self.latency.merge(&if coarse { sparse.coarsened() } else { sparse });
        }
        for slot in &row.slots {
            let slots = self.slots.get_or_insert_default();
            if let Some(counts) = slots.get_mut(usize::from(slot.slot)) {
                counts.planned += slot.planned;
                counts.fates.merge(&slot.fates);
            }
        }
    }

    /// Slots with a planned request, and those of them that were available.
    pub(crate) fn available_slots(&self) -> (u64, u64) {
        let slots = self.slots.iter().flat_map(|slots| slots.iter());
        slots
            .filter_map(SlotCounts::is_available)
            .fold(self.counted_slots, |sum, is_available| (sum.0 + 1, sum.1 + u64::from(is_available)))
    }

    /// Keeps the numbers of slots instead of the slots.
    pub(super) fn count_slots(&mut self) {
        self.counted_slots = self.available_slots();
        self.slots = None;
    }

    /// True where its durations are kept with others, in another second.
    pub(crate) fn is_folded(&self) -> bool {
        self.latency_count > 0 && self.latency.is_empty()
    }

    /// Planned, less the generator's own unsent.
    pub(crate) fn countable(&self) -> u64 {
        self.planned.saturating_sub(generators_own(&self.fates))
    }

    pub(crate) fn ok(&self) -> u64 {
        self.fates.get(Fate::Ok)
    }
}
