//! One trial: so many connections, so many requests a second, for some seconds.

use std::collections::BTreeMap;

use erlmcp_record::names::cause;
use erlmcp_record::{ConnectionRow, Entry, Fate, IntervalRow, Kind};
use erlmcp_report::slo::{Judged, Slo, Tally};

use super::search::Came;
use crate::action::Action;
use crate::assignment::{Assignment, LoadOrder};
use crate::machine::{Observation, Place};

const SECOND_US: u64 = 1_000_000;
/// After so many seconds in a row with more than half errors it has shown enough.
const ERROR_SECONDS: usize = 2;
/// Rows of a second may come so long after it.
const LATE_S: u32 = 2;

/// What a trial loads its target with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub(super) connections: u64,
    pub(super) rate: f64,
    /// Connections that are open before; None: not known, so that all are closed first.
    pub(super) open: Option<u64>,
    /// Whole seconds that are not judged, and those that are.
    pub(super) warmup_s: u32,
    pub(super) window_s: u32,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outcome {
    /// None: it shows nothing, since it was cut or had too few requests.
    pub(super) came: Option<Came>,
    pub(super) why: String,
    pub(super) judged: Judged,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) connections_min: u64,
    pub(super) p95_ms: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Trial {
    place: Place,
    first_id: u32,
    order: Order,
    work: Assignment,
    state: State,
    opened: u64,
    failed: BTreeMap<String, u64>,
    from: u32,
    tally: Tally,
    /// Of each second of the load: planned, and ended neither ok nor through the generator.
    seconds: BTreeMap<u32, (u64, u64)>,
    held: Held,
    is_overloaded: bool,
    is_cut: bool,
}

/// Connections at the end of the judged seconds.
#[derive(Debug, Default)]
struct Held {
    /// By agent: the fewest that were open or being renewed.
    fewest: BTreeMap<u32, u64>,
    /// The most of one agent's that the target had closed in order, and that were being opened again.
    renewing: u64,
}

impl Held {
    fn note(&mut self, row: &ConnectionRow) {
        let held = row.open + row.renewing;
        let fewest = self.fewest.entry(row.agent).or_insert(held);
        *fewest = held.min(*fewest);
        self.renewing = self.renewing.max(row.renewing);
    }

    /// What the target's own closing of connections has come to, in words; empty where there was none.
    fn renewed(&self) -> String {
        match self.renewing {
            0 => String::new(),
            count => format!("up to {count} connections of an agent were renewed by the target at a time, in order"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closing,
    /// So many connections.
    Opening(u64),
    Loading,
    Over,
}

impl Trial {
    /// Ids that a trial uses.
    pub(super) const IDS: u32 = 3;

    pub(super) fn begin(place: Place, first_id: u32, order: Order, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let open = order.open.filter(|open| *open <= order.connections);
        let (work, state, actions) = match open {
            Some(open) if open == order.connections => {
                let (work, actions) = load(&place, first_id, &order, seen);
                (work, State::Loading, actions)
            }
            Some(open) => {
                let (work, actions) = connect(&place, first_id, order.connections - open, seen);
                (work, State::Opening(order.connections - open), actions)
            }
            None => {
                let (work, actions) = Assignment::close(&place, first_id, None, seen);
                (work, State::Closing, actions)
            }
        };
        let from = first_judged(&work, &order);
        let trial = Self {
            place,
            first_id,
            order,
            work,
            state,
            opened: 0,
            failed: BTreeMap::new(),
            from,
            tally: Tally::default(),
            seconds: BTreeMap::new(),
            held: Held::default(),
            is_overloaded: false,
            is_cut: false,
        };
        (trial, actions)
    }

    pub(super) fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.work.observe(seen);
        seen.event.rows().iter().for_each(|row| self.note(row));
        if self.state == State::Loading && !self.is_overloaded && self.has_only_errors(seen.now_us) {
            self.is_overloaded = true;
            actions.extend(self.work.cut());
        }
        if self.work.is_over() {
            actions.extend(self.go_on(seen));
        }
        actions
    }

    fn go_on(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let (work, state, actions) = match self.state {
            _ if self.is_cut => return self.end(),
            State::Closing => {
                let connections = self.order.connections;
                let (work, actions) = connect(&self.place, self.first_id + 1, connections, seen);
                (work, State::Opening(connections), actions)
            }
            State::Opening(wanted) if self.opened >= wanted => {
                let (work, actions) = load(&self.place, self.first_id + 2, &self.order, seen);
                (work, State::Loading, actions)
            }
            State::Opening(_) | State::Loading | State::Over => return self.end(),
        };
        self.from = first_judged(&work, &self.order);
        (self.work, self.state) = (work, state);
        actions
    }

    fn end(&mut self) -> Vec<Action> {
        // What was not opened is told by the outcome.
        if !matches!(self.state, State::Opening(_)) {
            self.state = State::Over;
        }
        Vec::new()
    }

    pub(super) fn is_over(&self) -> bool {
        match self.state {
            State::Over => true,
            State::Opening(wanted) => self.work.is_over() && (self.opened < wanted || self.is_cut),
            State::Closing | State::Loading => false,
        }
    }

    pub(super) fn cut(&mut self) -> Vec<Action> {
        self.is_cut = true;
        self.work.cut()
    }

    fn note(&mut self, row: &Entry) {
        match (row, self.state) {
            (Entry::Connections(row), State::Opening(_)) => {
                self.opened += row.opened.saturating_sub(row.reopened);
                for (why, count) in &row.failed {
                    *self.failed.entry(why.clone()).or_default() += count;
                }
            }
            (Entry::Connections(row), State::Loading) if self.is_judged(row.second) => self.held.note(row),
            (Entry::Interval(row), State::Loading) if row.block == self.work.block && row.kind == Kind::Load => {
                self.note_load(row);
            }
            _ => {}
        }
    }

    fn note_load(&mut self, row: &IntervalRow) {
        let (planned, bad) = self.seconds.entry(row.second).or_default();
        *planned += row.planned;
        let is_bad = |fate: Fate| fate != Fate::Ok && !fate.is_generators();
        *bad += row.fates.iter().filter(|(fate, _)| is_bad(*fate)).map(|(_, count)| count).sum::<u64>();
        if self.is_judged(row.second) {
            self.tally.push(row);
        }
    }

    fn is_judged(&self, second: u32) -> bool {
        (self.from..self.to()).contains(&second)
    }

    fn to(&self) -> u32 {
        self.from + self.order.window_s
    }

    fn has_only_errors(&self, now_us: u64) -> bool {
        let now_s = (now_us / SECOND_US) as u32;
        let complete: Vec<bool> = self
            .seconds
            .range(..now_s.saturating_sub(LATE_S - 1))
            .map(|(_, (planned, bad))| bad * 2 > *planned)
            .collect();
        complete.windows(ERROR_SECONDS).any(|seconds| seconds.iter().all(|is_bad| *is_bad))
    }

    pub(super) fn is_lagging(&self, limit_ms: f64) -> bool {
        self.tally.is_lagging(limit_ms)
    }

    /// What it came to; called when it is over.
    pub(super) fn outcome(&self, slo: &Slo, seen: &Observation<'_>) -> Outcome {
        let judged = self.tally.judge(slo);
        let agents = seen.world.agents.iter().enumerate();
        let of_agent = |(index, agent): (usize, &crate::world::AgentView)| {
            self.held.fewest.get(&(index as u32)).copied().unwrap_or(agent.open)
        };
        let connections_min = agents.map(of_agent).sum();
        let (came, why) = self.came(&judged, connections_min);
        let p95_ms = self.tally.quantile_ms(0.95);
        Outcome { came, why, judged, from: self.from, to: self.to(), connections_min, p95_ms }
    }

    fn came(&self, judged: &Judged, connections_min: u64) -> (Option<Came>, String) {
        if self.is_cut {
            return (None, String::new());
        }
        if let State::Opening(wanted) = self.state {
            let ours = !self.failed.is_empty() && self.failed.keys().all(|why| why.starts_with(cause::GENERATOR));
            let causes: Vec<&str> = self.failed.keys().map(String::as_str).collect();
            let why = format!("{} of {wanted} connections were opened ({})", self.opened, causes.join(", "));
            return (Some(if ours { Came::Generator } else { Came::Violated }), why);
        }
        if self.is_overloaded {
            let why = format!("more than half of the requests failed for {ERROR_SECONDS} s");
            return (Some(Came::Violated), why);
        }
        if let Some(why) = &judged.generator {
            return (Some(Came::Generator), why.clone());
        }
        if !judged.violations.is_empty() {
            return (Some(Came::Violated), judged.violations.join("; "));
        }
        if connections_min < self.order.connections {
            let why = format!("{connections_min} of {} connections were held", self.order.connections);
            return (Some(Came::Violated), why);
        }
        match &judged.few {
            Some(few) => (None, few.clone()),
            None => (Some(Came::Held), self.held.renewed()),
        }
    }
}

fn connect(place: &Place, id: u32, connections: u64, seen: &Observation<'_>) -> (Assignment, Vec<Action>) {
    Assignment::open(place, id, (connections, Some(place.run.ramp_rate)), seen)
}

fn load(place: &Place, id: u32, order: &Order, seen: &Observation<'_>) -> (Assignment, Vec<Action>) {
    let duration_us = u64::from(order.warmup_s + order.window_s) * SECOND_US;
    Assignment::load(place, id, LoadOrder::plain(order.rate, duration_us), seen)
}

fn first_judged(work: &Assignment, order: &Order) -> u32 {
    (work.start_us / SECOND_US) as u32 + order.warmup_s
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_renews_in_order_is_held() {
        let mut held = Held::default();
        for (second, open, renewing) in [(7, 100, 0), (8, 99, 1), (9, 96, 3)] {
            let counts = r#""planned":0,"started":0,"opened":0,"reopened":0,"closed":0"#;
            let text =
                format!(r#"{{"agent":2,"phase":2,"second":{second},"open":{open},"renewing":{renewing},{counts}}}"#);
            held.note(&serde_json::from_str(&text).expect("a row in its written form"));
        }
        assert_eq!(held.fewest, BTreeMap::from([(2, 99)]));
        assert!(held.renewed().starts_with("up to 3 connections"), "{}", held.renewed());
        assert_eq!(Held::default().renewed(), "");
    }
}
