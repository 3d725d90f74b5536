//! The histograms of one second, lent from a pool.

use erlmcp_record::{Hist, IntervalRow};

use super::Outcome;

/// Histograms kept for use again, at most.
const SPARE_MAX: usize = 64;

/// Empty histograms: a new one costs more than 100 kB of fresh memory.
#[derive(Debug, Default)]
pub(crate) struct SpareHists(Vec<Hist>);

impl SpareHists {
    pub(crate) fn take(&mut self) -> Hist {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps an empty histogram, or drops it where there are enough.
    pub(crate) fn put(&mut self, hist: Hist) {
        debug_assert!(hist.is_empty(), "a spare histogram is empty");
        if self.0.len() < SPARE_MAX {
            self.0.push(hist);
        }
    }
}

/// Latencies that a row keeps beside its histogram, at most; runs that keep them have fewer.
const RAW_MAX: usize = 1_000_000;

/// One histogram of each sort; absent until its first value.
#[derive(Debug, Default)]
pub(super) struct Hists {
    /// Every latency as it was; None: only their histogram is kept.
    raw: Option<Vec<u64>>,
    latency: Option<Hist>,
    service: Option<Hist>,
    headers: Option<Hist>,
    first_event: Option<Hist>,
    send_lag: Option<Hist>,
    receive_lag: Option<Hist>,
    operation: Option<Hist>,
}

impl Hists {
    /// `raw`: every latency is kept beside its histogram.
    pub(super) fn new(raw: bool) -> Self {
        Self { raw: raw.then(Vec::new), ..Self::default() }
    }

    pub(super) fn send_lag(&mut self, us: u64, spare: &mut SpareHists) {
        record(&mut self.send_lag, Some(us), spare);
    }

    pub(super) fn record(&mut self, outcome: &Outcome, spare: &mut SpareHists) {
        if let (Some(raw), Some(us)) = (&mut self.raw, outcome.latency_us)
            && raw.len() < RAW_MAX
        {
            raw.push(us);
        }
        record(&mut self.latency, outcome.latency_us, spare);
        record(&mut self.service, outcome.service_us, spare);
        record(&mut self.headers, outcome.headers_us, spare);
        record(&mut self.first_event, outcome.first_event_us, spare);
        record(&mut self.receive_lag, outcome.receive_lag_us, spare);
        record(&mut self.operation, outcome.operation_us, spare);
    }

    pub(super) fn move_to(&mut self, row: &mut IntervalRow) {
        row.raw_latencies_us = self.raw.as_mut().map(std::mem::take).unwrap_or_default();
        row.latency = self.latency.take();
        row.service = self.service.take();
        row.headers = self.headers.take();
        row.first_event = self.first_event.take();
        row.send_lag = self.send_lag.take();
        row.receive_lag = self.receive_lag.take();
        row.operation = self.operation.take();
    }
}

fn record(hist: &mut Option<Hist>, us: Option<u64>, spare: &mut SpareHists) {
    if let Some(us) = us {
        hist.get_or_insert_with(|| spare.take()).record_us(us);
    }
}
