//! The block that searches: trial after trial, and between them until the target is steady again.

use erlmcp_record::{Axis, CapacityAsked, CapacityRow, Entry, LimitBy, LimitRow, TrialOutcome, TrialRow};
use erlmcp_report::capacity as words;

use super::course::{self, Search};
use super::search::{self, Came, Found, Next, Tried};
use super::trial::{Order, Outcome, Trial};
use crate::action::Action;
use crate::machine::{Observation, Place, RunningBlock};
use crate::plan::{Capacity, SETTLE_BOUND};

/// A target is steady when a light load has no errors and a P95 within twice what it was at first; on a busy machine a
/// P95 of a millisecond doubles by itself, and nobody would notice this much.
const UNNOTICED_MS: f64 = 20.0;
const CALM_CONNECTIONS: u64 = 10;
const CALM_RATE: f64 = 20.0;
const CALM_S: u32 = 2;

#[derive(Debug)]
pub(crate) struct Seek {
    place: Place,
    asked: Capacity,
    done: Vec<(Search, Found)>,
    search: Option<Search>,
    /// Of that search.
    tried: Vec<Tried>,
    trial: Option<(Doing, Trial)>,
    /// Connections that are open; None: not known.
    open: Option<u64>,
    next_id: u32,
    /// The P95 of the light load before the first trial; None: none yet.
    calm_ms: Option<Option<f64>>,
    /// Since when the target is waited for.
    settling_us: u64,
    is_cut: bool,
    is_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// The light load that shows whether the target is steady.
    Calm,
    Level(u64),
}

impl Seek {
    pub(crate) fn start(place: Place, asked: Capacity, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let next_id = place.first_id + Place::IDS;
        let row = row(CapacityRow::Asked(CapacityAsked {
            slo: asked.slo.to_string(),
            precision: asked.precision,
            replicas: u32::from(asked.replicas),
            bounds: Some(asked.bounds()),
            wanted: asked.wanted,
        }));
        let mut seek = Self {
            // Its lines are its own; what its assignments are called is in the record.
            place: Place { name: "trial".into(), quiet: true, ..place },
            search: course::next(&asked, &[]),
            asked,
            done: Vec::new(),
            tried: Vec::new(),
            trial: None,
            open: Some(0),
            next_id,
            calm_ms: None,
            settling_us: 0,
            is_cut: false,
            is_over: false,
        };
        let mut actions = vec![row];
        actions.extend(seek.calm(seen));
        (seek, actions)
    }

    fn begin_trial(&mut self, doing: Doing, order: Order, seen: &Observation<'_>) -> Vec<Action> {
        let first_id = self.next_id;
        self.next_id += Trial::IDS;
        let (trial, actions) = Trial::begin(self.place.clone(), first_id, order, seen);
        self.trial = Some((doing, trial));
        actions
    }

    /// A light load on a few connections.
    fn calm(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(search) = self.search else {
            self.is_over = true;
            return Vec::new();
        };
        let least = self.tried.iter().map(|(level, _)| *level).min().unwrap_or(search.bounds.start);
        let (connections, rate) = amounts(&search, least);
        let order = Order {
            connections: CALM_CONNECTIONS.min(connections.div_ceil(2)),
            rate: (rate / 10.0).clamp(1.0, CALM_RATE),
            open: self.open,
            warmup_s: 0,
            window_s: CALM_S,
        };
        self.begin_trial(Doing::Calm, order, seen)
    }

    /// The next trial, or the next search, or the end.
    fn advance(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(search) = self.search {
            if self.tried.is_empty() {
                let number = self.done.len() as u32 + 1;
                let text = words::search_line(number, search.axis, search.fixed as f64, &self.asked.slo.to_string());
                actions.push(Action::note(text));
            }
            match search::next(&search.bounds, &self.tried) {
                Next::Try(level) => {
                    let order = self.order(&search, level);
                    actions.extend(self.begin_trial(Doing::Level(level), order, seen));
                    return actions;
                }
                Next::Found(found) => actions.extend(self.end_search(search, found, String::new())),
            }
        }
        self.is_over = true;
        actions
    }

    fn order(&self, search: &Search, level: u64) -> Order {
        let (connections, rate) = amounts(search, level);
        let window_s = self.asked.window_s(rate);
        let warmup_s = self.asked.warmup.as_secs() as u32;
        Order { connections, rate, open: self.open, warmup_s, window_s }
    }

    fn end_search(&mut self, search: Search, found: Found, why: String) -> Vec<Action> {
        let limit = LimitRow {
            search: self.done.len() as u32 + 1,
            axis: search.axis,
            fixed: search.fixed as f64,
            by: found.by,
            estimate: found.estimate,
            low: found.low,
            high: found.high,
            trials: self.tried.len() as u32,
            why,
        };
        self.tried.clear();
        self.done.push((search, found));
        self.search = course::next(&self.asked, &self.done);
        let text = format!("  {}", words::limit_line(&limit));
        vec![row(CapacityRow::Limit(limit)), Action::note(text)]
    }

    fn trial_over(&mut self, doing: Doing, outcome: &Outcome, seen: &Observation<'_>) -> Vec<Action> {
        match (doing, self.search) {
            _ if self.is_cut => self.end_early(LimitBy::Cut, "the search was ended early".into()),
            (Doing::Calm, _) => self.calm_over(outcome, seen),
            (Doing::Level(level), Some(search)) => {
                let number = self.tried.len() as u32 + 1;
                let (connections, rate) = amounts(&search, level);
                let trial = trial_row((self.done.len() as u32 + 1, number), (connections, rate), outcome);
                let text = words::trial_line(&trial);
                let mut actions = vec![row(CapacityRow::Trial(trial)), Action::scenario_line(text)];
                let Some(came) = outcome.came else {
                    let why = format!("a trial showed nothing: {}", outcome.why);
                    actions.extend(self.end_early(LimitBy::Cut, why));
                    return actions;
                };
                self.tried.push((level, came));
                if came == Came::Held {
                    self.open = Some(connections);
                    actions.extend(self.advance(seen));
                } else {
                    self.open = None;
                    self.settling_us = seen.now_us;
                    actions.extend(self.calm(seen));
                }
                actions
            }
            (Doing::Level(_), None) => self.advance(seen),
        }
    }

    fn calm_over(&mut self, outcome: &Outcome, seen: &Observation<'_>) -> Vec<Action> {
        let is_whole = outcome.judged.planned > 0 && outcome.judged.errors == 0;
        // Which of them are open is found out by closing them.
        self.open = None;
        let Some(before_ms) = self.calm_ms else {
            self.calm_ms = Some(outcome.p95_ms.filter(|_| is_whole));
            return self.advance(seen);
        };
        let limit_ms = before_ms.map_or(f64::MAX, |before| (before * 2.0).max(UNNOTICED_MS));
        let is_late = seen.now_us >= self.settling_us + SETTLE_BOUND.as_micros() as u64;
        // A machine that keeps the generator waiting shows nothing of the target; one that stays slower than it was at
        // first has come back all the same, if it keeps the objective.
        let is_lagging = self.trial.as_ref().is_some_and(|(_, trial)| trial.is_lagging(limit_ms));
        let is_fast = outcome.p95_ms.is_some_and(|p95| p95 <= limit_ms);
        if is_whole && (is_fast || is_lagging || is_late && outcome.judged.violations.is_empty()) {
            return self.advance(seen);
        }
        if !is_late {
            return self.calm(seen);
        }
        let after = self.tried.last().map_or(0, |(level, _)| *level);
        let p95 = outcome.p95_ms.map_or_else(|| "not measured".into(), |ms| format!("{ms:.0} ms"));
        let why = format!(
            "the target was not steady again {} s after the trial at {after}: of a light load {} of {} requests failed, and \
             its P95 was {p95}",
            SETTLE_BOUND.as_secs(),
            outcome.judged.errors,
            outcome.judged.planned
        );
        self.end_early(LimitBy::Unsettled, why)
    }

    fn end_early(&mut self, by: LimitBy, why: String) -> Vec<Action> {
        self.is_over = true;
        match self.search.take() {
            Some(search) => {
                let found = search::so_far(&self.tried, by);
                let actions = self.end_search(search, found, why);
                self.search = None;
                actions
            }
            None => Vec::new(),
        }
    }
}

/// Connections and requests a second of a search at a level.
fn amounts(search: &Search, level: u64) -> (u64, f64) {
    match search.axis {
        Axis::Rate => (search.fixed, level as f64),
        Axis::Connections => (level, search.fixed as f64),
    }
}

fn trial_row((search, trial): (u32, u32), (connections, rate): (u64, f64), outcome: &Outcome) -> TrialRow {
    TrialRow {
        search,
        trial,
        connections,
        rate,
        from: outcome.from,
        to: outcome.to,
        outcome: match outcome.came {
            Some(Came::Held) => TrialOutcome::Held,
            Some(Came::Violated) => TrialOutcome::Violated,
            Some(Came::Generator) => TrialOutcome::Generator,
            None => TrialOutcome::Cut,
        },
        why: outcome.why.clone(),
        planned: outcome.judged.planned,
        errors: outcome.judged.errors,
        latency: outcome.judged.latency.clone(),
        connections_min: outcome.connections_min,
    }
}

fn row(row: CapacityRow) -> Action {
    Action::Row(Entry::Capacity(row))
}

impl RunningBlock for Seek {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        if self.is_over {
            return Vec::new();
        }
        let Some((doing, trial)) = &mut self.trial else { return Vec::new() };
        let mut actions = trial.step(seen);
        if trial.is_over() {
            let (doing, outcome) = (*doing, trial.outcome(&self.asked.slo, seen));
            actions.extend(self.trial_over(doing, &outcome, seen));
        }
        actions
    }

    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        self.is_cut = true;
        self.trial.as_mut().map(|(_, trial)| trial.cut()).unwrap_or_default()
    }

    fn is_over(&self) -> bool {
        self.is_over
    }
}
