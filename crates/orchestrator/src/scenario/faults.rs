use std::time::Duration;

use erlmcp_record::{Entry, FaultRow};

use super::course::Course;
use super::spread::SpreadWatch;
use super::steady::Steady;
use crate::action::Action;
use crate::fault::{Fault, Planned, When};
use crate::machine::{Facts, Observation, Place, RunningBlock};
use crate::phase::{Changes, SpanLines};
use crate::plan::{self, RECOVERY_BOUND};

/// Faults from a list, one after another or several at a time, under load that goes on.
#[derive(Debug)]
pub(crate) struct Faults {
    place: Place,
    plan: plan::Faults,
    steady: Steady,
    lines: SpanLines,
    state: State,
    /// Position of the next one in the plan.
    next: usize,
    under_way: Vec<Course>,
    /// Over, but the load is not known to be as before.
    settling: Vec<(Course, u64)>,
    /// Since when there has been room for one more.
    room_us: Option<u64>,
    /// Since when the next one has only been waiting for a steady load.
    due_us: Option<u64>,
    ids: Vec<u32>,
    counts: Counts,
    spread: SpreadWatch,
    /// Made in the window after the last fault.
    changes: Option<Changes>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    /// With an effect that was seen.
    effective: u64,
    skipped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    /// Since this time; nothing new begins from the second on.
    Going(u64, u64),
    After(u64),
    Ending,
}

const RECOVERY_US: u64 = RECOVERY_BOUND.as_micros() as u64;
/// What a timetable names is made so long after its end at the latest: each waits until all is well after the one before.
const OVERTIME_US: u64 = 60_000_000;
/// A steady second must be one of the last: this old at most.
const RECENT_US: u64 = 3_000_000;

impl Faults {
    pub(crate) fn start(place: Place, plan: plan::Faults, seen: &Observation<'_>) -> (Self, Vec<Action>) {
        let (steady, actions) = Steady::start_for(&place, (plan.rate, plan.window, plan.duration), seen);
        let changes = plan.changes.clone().map(|by| Changes::new(place.phase, plan.window, by));
        let faults = Self {
            place,
            lines: SpanLines::new(plan.line_every),
            spread: SpreadWatch::new(plan.spread_over.clone()),
            changes,
            plan,
            steady,
            state: State::Before,
            next: 0,
            under_way: Vec::new(),
            settling: Vec::new(),
            room_us: None,
            due_us: None,
            ids: Vec::new(),
            counts: Counts::default(),
        };
        (faults, actions)
    }

    /// Fault ids of their own: there may be more of them than a block has ids.
    fn id(&self) -> u32 {
        self.place.first_id * 1_000 + self.next as u32
    }

    fn step_all(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions: Vec<Action> = self.under_way.iter_mut().flat_map(|course| course.step(seen)).collect();
        let (over, under_way): (Vec<Course>, Vec<Course>) =
            std::mem::take(&mut self.under_way).into_iter().partition(Course::is_over);
        self.under_way = under_way;
        for course in over {
            self.counts.effective += u64::from(course.row.effect_us.is_some());
            self.settling.push((course, seen.now_us));
        }
        actions.extend(self.settle(seen));
        actions
    }

    /// Notes when the load was as before again.
    fn settle(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        self.settling.retain_mut(|(course, over_us)| {
            let again_us = self.steady.calm_since(*over_us, seen);
            if again_us.is_none() && seen.now_us < *over_us + RECOVERY_US {
                return true;
            }
            course.row.steady_us = again_us;
            actions.push(course.told());
            false
        });
        actions
    }

    /// Begins what is due.
    fn begin(&mut self, (from_us, until_us): (u64, u64), seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(planned) = self.plan.planned.get(self.next).cloned() {
            match planned.when {
                When::After(_) if seen.now_us >= until_us => break,
                When::At(_) if seen.now_us >= until_us + OVERTIME_US => {
                    let why = "its turn did not come: the faults before it took too long".to_string();
                    actions.extend(self.pass_over(&planned.fault, why, seen.now_us));
                    self.counts.skipped += 1;
                    continue;
                }
                _ => {}
            }
            if let Some(why) = &planned.skip {
                actions.extend(self.pass_over(&planned.fault, why.clone(), seen.now_us));
                self.counts.skipped += 1;
                continue;
            }
            if !self.is_due(planned.when, from_us, seen.now_us) {
                break;
            }
            if !self.is_steady(seen) {
                let due_us = *self.due_us.get_or_insert(seen.now_us);
                if seen.now_us < due_us + RECOVERY_US {
                    break;
                }
                let why = format!("not injected: the load was not steady for {} s before it", RECOVERY_BOUND.as_secs());
                let (row, id) = (self.row(&planned.fault), self.id());
                actions.push(Action::Row(Entry::Fault(FaultRow { injected_us: seen.now_us, note: Some(why), ..row })));
                self.advance(id);
                continue;
            }
            actions.extend(self.inject(planned, seen));
        }
        actions
    }

    fn is_due(&mut self, when: When, from_us: u64, now_us: u64) -> bool {
        if self.under_way.len() >= self.plan.at_once as usize || (self.plan.at_once == 1 && !self.settling.is_empty()) {
            self.room_us = None;
            return false;
        }
        let room_us = *self.room_us.get_or_insert(now_us);
        match when {
            When::After(gap) => now_us >= room_us + micros(gap),
            When::At(at) => now_us >= from_us + micros(at),
        }
    }

    /// Every replica is a member and a second just now was as those before all faults; with others in force the load cannot
    /// be, and need not.
    fn is_steady(&self, seen: &Observation<'_>) -> bool {
        let since_us = seen.now_us.saturating_sub(RECENT_US);
        let is_as_before = || self.steady.calm_since(since_us, seen).is_some();
        !self.under_way.is_empty() || (seen.world.down.is_empty() && is_as_before())
    }

    fn inject(&mut self, planned: Planned, seen: &Observation<'_>) -> Vec<Action> {
        let id = self.id();
        let mut actions = vec![Action::scenario_line(format!(
            "{}: {} {}",
            planned.fault.name(),
            planned.fault.kind.doing(),
            planned.fault.targets()
        ))];
        let leaves_enough = self.leaves_enough(&planned.fault);
        let mut course = Course::new(&self.place, id, &self.plan.scenario, planned.fault);
        course.row.expected.progress = leaves_enough;
        actions.extend(course.inject(seen));
        self.under_way.push(course);
        self.advance(id);
        actions
    }

    /// Fewer than half of the replicas are broken, this one and those in force together.
    fn leaves_enough(&self, fault: &Fault) -> bool {
        if fault.kind.is_of_all() {
            // One after another leaves the others.
            return fault.kind == crate::fault::Kind::RollingRestart
                && self.under_way.is_empty()
                && self.plan.replicas > 1;
        }
        // No replica is broken by it: all go on with what needs no store.
        let is_of_store = fault.kind.is_of_store();
        let mut broken: Vec<u16> = self.under_way.iter().flat_map(|course| course.fault().replicas.clone()).collect();
        broken.extend(&fault.replicas);
        broken.sort_unstable();
        broken.dedup();
        (is_of_store || !fault.replicas.is_empty()) && broken.len() * 2 < usize::from(self.plan.replicas)
    }

    fn pass_over(&mut self, fault: &Fault, why: String, now_us: u64) -> Vec<Action> {
        let id = self.id();
        let row = FaultRow { injected_us: now_us, skipped: Some(why.clone()), ..self.row(fault) };
        self.advance(id);
        vec![Action::Row(Entry::Fault(row)), Action::scenario_line(format!("{}: SKIPPED: {why}", fault.name()))]
    }

    /// Of the next fault.
    fn row(&self, fault: &Fault) -> FaultRow {
        Course::new(&self.place, self.id(), &self.plan.scenario, fault.clone()).row
    }

    fn advance(&mut self, id: u32) {
        self.next += 1;
        self.ids.push(id);
        (self.room_us, self.due_us) = (None, None);
    }

    /// Nothing new begins, nothing is under way.
    fn is_done(&self, until_us: u64, now_us: u64) -> bool {
        let is_drawn = self.plan.planned.get(self.next).is_none_or(|next| matches!(next.when, When::After(_)));
        let is_last = (now_us >= until_us && is_drawn) || self.next >= self.plan.planned.len();
        is_last && self.under_way.is_empty() && self.settling.is_empty()
    }

    fn going(&mut self, (from_us, until_us): (u64, u64), seen: &Observation<'_>) -> Vec<Action> {
        let actions = self.begin((from_us, until_us), seen);
        // A list that was drawn is as long as the time; a timetable may end before.
        let is_time = seen.now_us >= until_us || self.plan.ends_with_last;
        if self.is_done(until_us, seen.now_us) && is_time {
            self.state = State::After(self.steady.after_us(seen.now_us));
        }
        actions
    }

    fn after(&mut self, until_us: u64, seen: &Observation<'_>) -> Vec<Action> {
        let times = (until_us - micros(self.plan.window), until_us);
        let mut actions: Vec<Action> = self.changes.iter_mut().flat_map(|changes| changes.step(seen, times)).collect();
        if seen.now_us >= until_us && self.changes.iter().all(Changes::are_settled) {
            actions.extend(self.end());
        }
        actions
    }

    fn end(&mut self) -> Vec<Action> {
        self.state = State::Ending;
        self.steady.cut()
    }

    /// With an effect that was seen: those that are still in force when the block is cut among them.
    fn effective(&self) -> u64 {
        self.counts.effective + self.under_way.iter().filter(|course| course.row.effect_us.is_some()).count() as u64
    }

    /// Faults that have shown nothing; None where there was none.
    fn unseen(&self) -> Option<String> {
        let (effective, made) = (self.effective(), self.ids.len() as u64 - self.counts.skipped);
        match (effective, self.counts.skipped) {
            (0, 0) => Some("no fault had an effect that was seen".into()),
            (0, skipped) => Some(format!("no fault had an effect that was seen; {skipped} were skipped")),
            _ if effective < made => Some(format!("{} of {made} faults had no effect that was seen", made - effective)),
            _ => None,
        }
    }

    fn text(&self) -> String {
        let (effective, skipped) = (self.effective(), self.counts.skipped);
        format!("{} faults, {effective} with an effect that was seen, {skipped} skipped", self.ids.len())
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

impl RunningBlock for Faults {
    fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.steady.observe(seen);
        let is_measured = self.state == State::Before && self.steady.is_measured(seen);
        if self.state == State::Before {
            self.spread.before(seen)
        } else {
            self.spread.after(seen)
        }
        actions.extend(self.lines.due((self.steady.start_us(), u64::MAX), seen.now_us, false));
        actions.extend(self.step_all(seen));
        actions.extend(match self.state {
            State::Before if is_measured => {
                self.state = State::Going(seen.now_us, seen.now_us + micros(self.plan.duration));
                Vec::new()
            }
            State::Going(from_us, until_us) => self.going((from_us, until_us), seen),
            State::After(until_us) => self.after(until_us, seen),
            _ => Vec::new(),
        });
        actions
    }

    /// What is in force is undone before the block ends.
    fn cut(&mut self, _seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.end();
        self.changes.iter_mut().for_each(Changes::stop);
        actions.extend(self.under_way.iter_mut().flat_map(Course::cut));
        self.settling.clear();
        actions
    }

    fn is_over(&self) -> bool {
        let is_undone = !self.under_way.iter().any(Course::is_active);
        self.state == State::Ending && is_undone && self.steady.is_over()
    }

    fn facts(&self) -> Facts {
        let blocks = vec![self.place.first_id];
        let (faults, detail, text) = (self.ids.clone(), self.spread.detail(), self.text());
        Facts { inconclusive: self.unseen(), faults, blocks, detail, text }
    }
}
