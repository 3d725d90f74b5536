use std::collections::BTreeMap;

use erlmcp_record::names::finding as names;
use erlmcp_record::{ClusterSample, Entry, MemorySource};

use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::Event;
use crate::machine::{Observation, Place, RunningBlock};
use crate::phase::finding;
use crate::plan;

/// A sample of the server comes within so long.
const SAMPLE_US: u64 = 4_000_000;
/// What the server did for the last opening is in the samples after this.
const SETTLED_US: u64 = 500_000;

/// Opens streams of notifications, and sees what they cost the server.
#[derive(Debug)]
pub(crate) struct Streams {
    place: Place,
    plan: plan::Streams,
    state: State,
    work: Option<Assignment>,
    /// Memory of all replicas before the first stream.
    before: Result<f64, String>,
    /// By agent.
    held: BTreeMap<u32, u64>,
    failed: BTreeMap<String, u64>,
    was_cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Waits for a sample that is younger than this time.
    Before(u64),
    Opening(u64),
    After(u64),
    Over,
}

impl Streams {
    pub(crate) fn start(place: Place, plan: plan::Streams, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let actions = vec![Action::note(format!("Opening {} streams of notifications", plan.streams))];
        let (held, failed) = (BTreeMap::new(), BTreeMap::new());
        let before = Err("it was not looked at".into());
        let state = State::Before(seen.now_us);
        let mut streams = Self { place, plan, state, work: None, before, held, failed, was_cut: false };
        streams.count(seen.event);
        (streams, actions)
    }

    fn count(&mut self, event: &Event) {
        for row in event.rows() {
            if let Entry::Streams(row) = row {
                self.held.insert(row.agent, row.held);
                for (cause, count) in &row.failed {
                    *self.failed.entry(cause.clone()).or_insert(0) += count;
                }
            }
        }
    }

    fn open(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let amount = (self.plan.streams, self.plan.rate);
        let (work, actions) = Assignment::streams(&self.place, self.place.first_id, amount, seen);
        self.state = State::Opening(work.start_us);
        self.work = Some(work);
        actions
    }

    fn cut_if_too_slow(&mut self, start_us: u64, now_us: u64) -> Vec<Action> {
        let bound_us = plan::Block::Streams(self.plan.clone()).opening_bound().as_micros() as u64;
        if self.was_cut || now_us < start_us + bound_us {
            return Vec::new();
        }
        self.was_cut = true;
        self.work.as_mut().map(Assignment::cut).unwrap_or_default()
    }

    fn end(&mut self, seen: &Observation<'_>, since_us: u64) -> Vec<Action> {
        self.state = State::Over;
        let held: u64 = self.held.values().sum();
        let with = memory(seen.world.sample.as_ref(), since_us);
        let row = |name: &str, value: &Result<f64, String>| {
            finding(&self.place, seen.now_us, name, value.as_ref().ok().copied(), value.as_ref().err().cloned())
        };
        let mut actions = vec![
            row(names::MEMORY_BEFORE_STREAMS, &self.before),
            row(names::MEMORY_WITH_STREAMS, &with),
            row(names::STREAMS_MEASURED, &Ok(held as f64)),
        ];
        let causes: Vec<String> = self.failed.iter().map(|(cause, count)| format!("{cause}: {count}")).collect();
        let failed =
            if causes.is_empty() { String::new() } else { format!(" (failed openings: {})", causes.join(", ")) };
        actions.push(Action::note(format!("{held} of {} streams are held{failed}", self.plan.streams)));
        actions
    }
}

/// Memory of all replicas, of a sample that is younger than `since_us`.
fn memory(sample: Option<&ClusterSample>, since_us: u64) -> Result<f64, String> {
    let none = || "the target gives no figures of its own".to_string();
    let sample = sample.ok_or_else(none)?;
    if sample.at_us <= since_us {
        return Err("no sample of the server came in time".into());
    }
    let is_exact = |source| matches!(source, MemorySource::Anonymous | MemorySource::Cgroup);
    if sample.replicas.is_empty() || !sample.replicas.iter().all(|replica| is_exact(replica.memory_source)) {
        return Err(sample.missing.clone().unwrap_or_else(|| {
            "the target's anonymous memory is not known: name its process with --target-pid".into()
        }));
    }
    let sum: Option<u64> = sample.replicas.iter().map(|replica| replica.memory_bytes).sum();
    sum.map(|bytes| bytes as f64).ok_or_else(none)
}

/// True where the collector has looked since then, or is not going to.
fn is_sampled(seen: &Observation<'_>, since_us: u64) -> bool {
    seen.world.sample.as_ref().is_some_and(|sample| sample.at_us > since_us) || seen.now_us >= since_us + SAMPLE_US
}

impl RunningBlock for Streams {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.count(seen.event);
        let mut actions = self.work.as_mut().map(|work| work.observe(seen)).unwrap_or_default();
        let is_opened = self.work.as_ref().is_some_and(Assignment::is_over);
        actions.extend(match self.state {
            State::Before(since_us) if is_sampled(seen, since_us) => {
                self.before = memory(seen.world.sample.as_ref(), since_us);
                self.open(seen)
            }
            State::Opening(_) if is_opened => {
                self.state = State::After(seen.now_us + SETTLED_US);
                Vec::new()
            }
            State::Opening(start_us) => self.cut_if_too_slow(start_us, seen.now_us),
            State::After(since_us) if is_sampled(seen, since_us) => self.end(seen, since_us),
            State::Before(_) | State::After(_) | State::Over => Vec::new(),
        });
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        match &mut self.work {
            Some(work) if self.state != State::Over && !work.is_over() => work.cut(),
            _ => {
                self.state = State::Over;
                Vec::new()
            }
        }
    }

    fn is_over(&self) -> bool {
        self.state == State::Over
    }
}
