use erlmcp_record::{Detail, Entry, Hist, Kind, names::detail};

use super::herd::{Herd, Stirred};
use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::Injected;
use crate::machine::{Observation, Place};

/// An outage of all clients, after which they come back at once with all that has failed.
#[derive(Debug)]
pub(super) struct RetryStorm {
    herd: Herd,
    outage_ms: u64,
    /// Of the load, since the outage began.
    first_attempts: u64,
    retries: u64,
    held_back: u64,
    /// From the first attempt to the answer, of those that were tried again.
    operation: Hist,
}

impl RetryStorm {
    pub(super) fn start(place: &Place, block: u32, outage_ms: u64, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (work, actions) = Assignment::storm(place, block, outage_ms * 1_000, seen);
        let herd = Herd::follow(work, 100, seen);
        let storm = Self { herd, outage_ms, first_attempts: 0, retries: 0, held_back: 0, operation: Hist::new() };
        (storm, actions)
    }

    fn count(&mut self, rows: &[Entry]) {
        let from = (self.herd.start_us() / 1_000_000) as u32;
        for row in rows {
            let Entry::Interval(row) = row else { continue };
            if row.kind != Kind::Load {
                continue;
            }
            if row.second >= from {
                self.first_attempts += row.planned;
            }
            // Of requests from before it as well: they failed in it.
            self.retries += row.retries;
            self.held_back += row.held_back;
            if let Some(operation) = &row.operation {
                self.operation.merge(operation);
            }
        }
    }
}

impl Stirred for RetryStorm {
    fn observe(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.count(seen.event.rows());
        self.herd.observe(seen)
    }

    fn cut(&mut self) -> Vec<Action> {
        self.herd.cut()
    }

    fn outcome(&self) -> Option<Result<Injected, String>> {
        let outcome = self.herd.outcome()?;
        let method = format!(
            "all clients were cut off for {} ms, came back at once and tried again what had failed",
            self.outage_ms
        );
        Some(match outcome {
            Ok(_) if self.retries == 0 => Err("no request failed in the outage, so that none was tried again".into()),
            Ok(injected) => Ok(Injected { method, ..injected }),
            Err(_) => Err("no client had a connection".into()),
        })
    }

    fn detail(&self) -> Detail {
        let mut detail = self.herd.detail();
        detail.insert(detail::FIRST_ATTEMPTS.into(), self.first_attempts as f64);
        detail.insert(detail::RETRIES.into(), self.retries as f64);
        detail.insert("retries_held_back_count".into(), self.held_back as f64);
        if let Some(longest_us) = self.operation.max_us() {
            detail.insert("last_done_ms".into(), longest_us as f64 / 1e3);
        }
        detail
    }

    /// As soon as nothing waits for its next attempt.
    fn ended_us(&self) -> Option<u64> {
        self.herd.over_us()
    }
}
