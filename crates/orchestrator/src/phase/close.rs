use erlmcp_record::ClusterSample;
use erlmcp_record::names::{detail, finding};

use crate::action::Action;
use crate::assignment::Assignment;
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::phase::finding;
use crate::plan;

/// The server's gauge is at zero within so long after the last close.
const GAUGE_BOUND_US: u64 = 10_000_000;

/// Closes every connection, and sees that the server has noticed.
#[derive(Debug)]
pub(crate) struct Close {
    place: Place,
    plan: plan::Close,
    work: Assignment,
    /// Closed by us before this block.
    closed_before: u64,
    closed_us: Option<u64>,
    gauge: Option<u64>,
    closed: u64,
    is_over: bool,
}

impl Close {
    pub(crate) fn start(place: Place, plan: plan::Close, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (work, actions) = Assignment::close(&place, place.first_id, plan.rate, seen);
        let closed_before = seen.world.closed();
        let close = Self { place, plan, work, closed_before, closed_us: None, gauge: None, closed: 0, is_over: false };
        (close, actions)
    }

    /// Over when the gauge, read after the last close, is at zero, or does not get there; or there is none.
    fn verify(&mut self, seen: &Observation<'_>, closed_us: u64) -> Vec<Action> {
        let fresh = seen.world.gauge().filter(|(_, at_us)| *at_us > closed_us).map(|(open, _)| open);
        self.gauge = fresh.or(self.gauge);
        let is_late = seen.now_us >= closed_us + GAUGE_BOUND_US;
        let sample = seen.world.sample.as_ref().filter(|sample| sample.at_us > closed_us);
        let has_none = self.gauge.is_none() && sample.is_some_and(|sample| sample.missing.is_none());
        if self.plan.verify && self.gauge != Some(0) && !is_late && !has_none {
            return Vec::new();
        }
        self.is_over = true;
        self.closed = seen.world.closed() - self.closed_before;
        if !self.plan.verify || self.place.scenario || self.place.quiet {
            return Vec::new();
        }
        let note = self.gauge.is_none().then(|| why_no_gauge(sample));
        let gauge = self.gauge.map(|open| open as f64);
        vec![finding(&self.place, seen.now_us, finding::CLOSING_GAUGE, gauge, note), self.closed(seen)]
    }

    /// The connections that were closed since they were last opened: here, or by a scenario before.
    fn closed(&self, seen: &Observation<'_>) -> Action {
        let (count, note) = match self.closed {
            0 => (seen.world.closed_last(), Some("closed by the graceful cool-down before".to_string())),
            count => (count, None),
        };
        finding(&self.place, seen.now_us, finding::CONNECTIONS_CLOSED, Some(count as f64), note.filter(|_| count > 0))
    }
}

/// `sample`: the one after the last close.
fn why_no_gauge(sample: Option<&ClusterSample>) -> String {
    match sample {
        None => "no figures of the server came after the last close".into(),
        Some(ClusterSample { missing: Some(why), .. }) => format!("the server's figures could not be read: {why}"),
        Some(_) => "the server has no gauge of its connections".into(),
    }
}

impl RunningBlock for Close {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.work.observe(seen);
        if self.work.is_over() && !self.is_over {
            let closed_us = *self.closed_us.get_or_insert(seen.now_us);
            actions.extend(self.verify(seen, closed_us));
        }
        actions
    }

    /// Closing is the orderly end itself; only the wait for the gauge is given up.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.plan.verify = false;
        Vec::new()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts { blocks: vec![self.place.first_id], ..Facts::default() };
        let Some(closed_us) = self.closed_us else { return facts };
        let ms = closed_us.saturating_sub(self.work.start_us) as f64 / 1e3;
        facts.detail.insert(detail::CONNECTIONS_CLOSED.into(), self.closed as f64);
        facts.detail.insert(detail::CLOSE_MS.into(), ms);
        if let Some(gauge) = self.gauge {
            facts.detail.insert(finding::CLOSING_GAUGE.into(), gauge as f64);
        }
        facts.text = format!("{} connections closed in {:.1} s", self.closed, ms / 1e3);
        facts
    }
}
