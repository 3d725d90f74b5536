//! The requests of a workload, by class.

use std::collections::BTreeMap;

use erlmcp_record::{FateCounts, Hist, IntervalRow};

use super::bounded::add_causes;
use super::flow::{generators_own, merge_hist};
use crate::stats::Sparse;

/// Seconds that are kept apart; of a longer load every second, then every fourth and so on are kept together.
const SPANS_MAX: u32 = 1_024;

/// The requests of one class in the window that is judged.
#[derive(Debug, Default)]
pub(crate) struct ClassPart {
    pub(crate) planned: u64,
    pub(crate) fates: FateCounts,
    pub(crate) causes: BTreeMap<String, u64>,
    pub(crate) latency: Option<Hist>,
    /// Latencies by span of time.
    spans: BTreeMap<u32, Sparse>,
    /// Seconds of a span, as a power of two.
    doubled: u32,
}

impl ClassPart {
    pub(crate) fn push(&mut self, row: &IntervalRow) {
        self.planned += row.planned;
        self.fates.merge(&row.fates);
        add_causes(&mut self.causes, &row.causes);
        merge_hist(&mut self.latency, row.latency.as_ref());
        if let Some(latency) = &row.latency {
            let sparse = Sparse::from_buckets(latency.buckets()).coarsened();
            self.spans.entry(row.second >> self.doubled).or_default().merge(&sparse);
        }
        while self.spans.len() > SPANS_MAX as usize {
            self.doubled += 1;
            for (span, latency) in std::mem::take(&mut self.spans) {
                self.spans.entry(span >> 1).or_default().merge(&latency);
            }
        }
    }

    pub(crate) fn spans(&self) -> Vec<Sparse> {
        self.spans.values().cloned().collect()
    }

    /// Planned, less the generator's own unsent.
    pub(crate) fn countable(&self) -> u64 {
        self.planned.saturating_sub(generators_own(&self.fates))
    }

    pub(crate) fn errors(&self) -> u64 {
        self.countable().saturating_sub(self.fates.get(erlmcp_record::Fate::Ok))
    }
}
