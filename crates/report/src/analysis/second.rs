use std::collections::BTreeMap;

use erlmcp_record::{AgentSample, ClusterSample, ConnectionRow, Fate, FateCounts, IntervalRow, Kind};

use super::bounded::add_causes;
use crate::stats::Sparse;

/// What is kept of one second of the run.
#[derive(Debug, Default)]
pub(crate) struct Second {
    /// The phase that the last row of it belongs to.
    pub(crate) phase: u8,
    pub(crate) kinds: BTreeMap<Kind, KindSecond>,
    /// Open connections by agent, at its end.
    pub(crate) open: Vec<(u32, u64)>,
    pub(crate) opened: u64,
    pub(crate) lost: u64,
    pub(crate) closed: u64,
    /// From planned opening to first answer.
    pub(crate) late: Sparse,
    pub(crate) cluster: Option<Box<ClusterSample>>,
    pub(crate) agents: Vec<AgentSample>,
    /// What only the view of the second needs; gone once the view was made.
    pub(crate) pending: Option<Box<Pending>>,
    /// The view was made, or what it needs was given up for memory.
    pub(crate) is_closed: bool,
}

/// The requests of one kind in one second.
#[derive(Debug, Default)]
pub(crate) struct KindSecond {
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
    /// Exact until the second is closed, coarse from then on.
    pub(crate) latency: Sparse,
    pub(crate) latency_count: u64,
    pub(crate) latency_sum_us: f64,
    pub(crate) slots: Option<Box<[SlotCounts; 10]>>,
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
        self.kinds.entry(row.kind).or_default().push(row, is_closed);
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

    fn pending_mut(&mut self) -> Option<&mut Pending> {
        (!self.is_closed).then(|| &mut **self.pending.get_or_insert_default())
    }

    pub(crate) fn kind(&self, kind: Kind) -> Option<&KindSecond> {
        self.kinds.get(&kind)
    }

    /// True where every planned request has a fate.
    pub(crate) fn is_settled(&self) -> bool {
        self.kinds.values().all(|kind| kind.planned <= kind.fates.total())
    }

    /// Gives up what only the view needs.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        self.pending = None;
        for kind in self.kinds.values_mut() {
            kind.latency = kind.latency.coarsened();
        }
    }
}

impl KindSecond {
    fn push(&mut self, row: &IntervalRow, coarse: bool) {
        self.planned += row.planned;
        self.fates.merge(&row.fates);
        if let Some(latency) = &row.latency {
            let sparse = Sparse::from_buckets(latency.buckets());
            self.latency_count += latency.count();
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

    pub(crate) fn ok(&self) -> u64 {
        self.fates.get(Fate::Ok)
    }
}
