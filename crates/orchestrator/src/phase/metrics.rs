use erlmcp_record::names::finding;
use erlmcp_report::live;

use crate::action::Action;
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;

/// The collector's first sample comes within so long.
const BOUND_US: u64 = 5_000_000;
/// Samples that a memory reference waits for: the first may have been taken before the last connection closed.
const REFERENCE_SAMPLES: u32 = 2;

/// Waits for samples of the server's side.
#[derive(Debug)]
pub(crate) struct Metrics {
    place: Place,
    started_us: u64,
    /// What it is: the baseline's step, or the memory at no connections.
    is_reference: bool,
    last_at_us: u64,
    samples: u32,
    is_over: bool,
}

impl Metrics {
    /// The baseline's step: the first sample was seen.
    pub(crate) fn start(place: Place, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let mut actions = vec![place.announce("Starting metrics collection")];
        let started_us = seen.now_us;
        let mut metrics = Self { place, started_us, is_reference: false, last_at_us: 0, samples: 0, is_over: false };
        // There may be a sample already.
        actions.extend(metrics.step(seen));
        (metrics, actions)
    }

    /// Waits until the server was sampled with no connections: what its memory is measured against.
    pub(crate) fn reference(place: Place, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let now_us = seen.now_us;
        let metrics =
            Self { place, started_us: now_us, is_reference: true, last_at_us: now_us, samples: 0, is_over: false };
        (metrics, Vec::new())
    }

    fn count_sample(&mut self, seen: &Observation<'_>) {
        let Some(sample) = &seen.world.sample else { return };
        let is_new = sample.at_us > self.last_at_us && sample.missing.is_none();
        let is_idle = !self.is_reference || seen.world.gauge().is_none_or(|(open, _)| open == 0);
        if is_new && is_idle {
            self.last_at_us = sample.at_us;
            self.samples += 1;
        }
    }

    fn end(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        if self.is_reference {
            return Vec::new();
        }
        let was_seen = self.samples > 0;
        let note = (!was_seen).then(|| {
            let missing = seen.world.sample.as_ref().and_then(|sample| sample.missing.clone());
            missing.unwrap_or_else(|| "the target gives no figures of its own".into())
        });
        let show = match &note {
            None => live::Event::StepOk { text: "Metrics collector started".into() },
            Some(why) => live::Event::StepFailed { text: format!("No figures of the server: {why}") },
        };
        let value = Some(f64::from(u8::from(was_seen)));
        vec![finding(&self.place, seen.now_us, finding::COLLECTOR_SAMPLE, value, note), Action::Show(show)]
    }
}

impl RunningBlock for Metrics {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.count_sample(seen);
        let wanted = if self.is_reference { REFERENCE_SAMPLES } else { 1 };
        let is_enough = self.samples >= wanted || seen.now_us >= self.started_us + BOUND_US;
        if is_enough && !self.is_over { self.end(seen) } else { Vec::new() }
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_over = true;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
