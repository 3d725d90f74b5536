//! What a replica counts of operations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::metrics::{Histogram, OperationCount, OperationFigures};

/// How an attempt at an operation ended, or what a question about one was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ended {
    Done,
    Replayed,
    Running,
    Mismatch,
    Settled,
    Refused,
    Unknown,
    Failed,
    Asked,
}

impl Ended {
    const ALL: [(Self, &'static str); 9] = [
        (Self::Done, "done"),
        (Self::Replayed, "replayed"),
        (Self::Running, "running"),
        (Self::Mismatch, "mismatch"),
        (Self::Settled, "settled"),
        (Self::Refused, "refused"),
        (Self::Unknown, "unknown"),
        (Self::Failed, "failed"),
        (Self::Asked, "asked"),
    ];
}

/// Counted by workers, at any time by several.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    ended: [AtomicU64; Ended::ALL.len()],
    latency: [AtomicU64; crate::metrics::BUCKETS],
    latency_ns: AtomicU64,
    /// Attempts whose tool may be at work.
    pub(crate) under_way: AtomicU64,
}

impl Counts {
    pub(crate) fn count(&self, ended: Ended) {
        self.ended[ended as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The store has answered after this time.
    pub(crate) fn answered_after(&self, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.latency[crate::metrics::bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.latency_ns.fetch_add(ns, Ordering::Relaxed);
    }

    pub(crate) fn figures(&self, backlog: u64, epoch: u64) -> OperationFigures {
        let mut latency = Histogram::default();
        for (bucket, count) in latency.buckets.iter_mut().zip(&self.latency) {
            *bucket = count.load(Ordering::Relaxed);
        }
        latency.sum_ns = self.latency_ns.load(Ordering::Relaxed);
        let count = |(ended, outcome): &(Ended, &str)| OperationCount {
            outcome: outcome.to_string(),
            count: self.ended[*ended as usize].load(Ordering::Relaxed),
        };
        OperationFigures {
            outcomes: Ended::ALL.iter().map(count).collect(),
            store_latency: latency,
            store_backlog: backlog,
            epoch,
        }
    }
}
