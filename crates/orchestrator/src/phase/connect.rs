use erlmcp_record::Entry;
use erlmcp_record::names::{detail, finding};
use erlmcp_report::live;

use crate::action::Action;
use crate::assignment::Assignment;
use crate::event::Event;
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::phase::finding;
use crate::plan;

const LINE_EVERY_US: u64 = 5_000_000;

/// Opens connections and waits until each opening has a fate.
#[derive(Debug)]
pub(crate) struct Connect {
    place: Place,
    plan: plan::Connect,
    work: Assignment,
    lines: u64,
    opened: u64,
    ended_us: Option<u64>,
    was_too_slow: bool,
}

impl Connect {
    pub(crate) fn start(place: Place, plan: plan::Connect, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let amount = (plan.connections, plan.rate);
        let (work, mut actions) = Assignment::open(&place, place.first_id, amount, seen);
        if place.quiet && !place.name.starts_with("warm-up") {
            actions.push(Action::note(format!("Opening {} connections first", plan.connections)));
        }
        (Self { place, plan, work, lines: 0, opened: 0, ended_us: None, was_too_slow: false }, actions)
    }

    fn ramp_ms(&self) -> Option<f64> {
        Some(self.ended_us?.saturating_sub(self.work.start_us) as f64 / 1e3)
    }

    fn count_opened(&mut self, event: &Event) {
        for row in event.rows() {
            if let Entry::Connections(row) = row {
                self.opened += row.opened;
            }
        }
    }

    fn progress(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let lines = seen.now_us.saturating_sub(self.work.start_us) / LINE_EVERY_US;
        if self.place.quiet || lines <= self.lines {
            return Vec::new();
        }
        self.lines = lines;
        vec![Action::Show(live::Event::RampProgress {
            elapsed_s: (lines * LINE_EVERY_US / 1_000_000) as u32,
            established: seen.world.open(),
            target: self.plan.connections,
        })]
    }

    fn end(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.ended_us = Some(seen.now_us);
        if self.place.quiet || self.place.scenario {
            return Vec::new();
        }
        let note = self.was_too_slow.then(|| "cut: it took more than four times its estimate".to_string());
        vec![finding(&self.place, seen.now_us, finding::RAMP_MS, self.ramp_ms(), note)]
    }

    fn cut_if_too_slow(&mut self, now_us: u64) -> Vec<Action> {
        let bound_us = plan::Block::Connect(self.plan.clone()).opening_bound().as_micros() as u64;
        if self.was_too_slow || now_us < self.work.start_us + bound_us {
            return Vec::new();
        }
        self.was_too_slow = true;
        self.work.cut()
    }
}

impl RunningBlock for Connect {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.work.observe(seen);
        let is_over = self.work.is_over();
        self.count_opened(seen.event);
        if is_over && self.ended_us.is_none() {
            actions.extend(self.end(seen));
        } else if !is_over {
            actions.extend(self.progress(seen));
            actions.extend(self.cut_if_too_slow(seen.now_us));
        }
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.work.cut()
    }

    fn is_over(&self) -> bool {
        self.work.is_over()
    }

    fn facts(&self) -> Facts {
        let ramp_ms = self.ramp_ms();
        let text = ramp_ms.map_or_else(String::new, |ms| {
            format!(
                "{} connections in {:.1} s, {:.0} conn/s",
                self.opened,
                ms / 1e3,
                self.opened as f64 * 1e3 / ms.max(1.0)
            )
        });
        let detail = ramp_ms.map(|ms| (detail::RAMP_MS.to_string(), ms)).into_iter().collect();
        Facts { blocks: vec![self.place.first_id], detail, text, ..Facts::default() }
    }
}
