use std::collections::{BTreeMap, BTreeSet};

use erlmcp_record::{Entry, Expected, FaultRow};

use super::episodes::Episodes;
use super::herd::{Herd, Stirred};
use super::slow::SlowClients;
use super::storm::RetryStorm;
use crate::action::{Action, Ask};
use crate::event::{Answer, Change, Event, HealError, Healed, Injected};
use crate::fault::{Fault, Kind};
use crate::machine::{Facts, Observation, Place};
use crate::plan::RECOVERY_BOUND;

/// A fault that nobody notices is healed after so long, or with its hold where that is longer.
const UNNOTICED_MAX_US: u64 = 15_000_000;

/// The course of one fault, from its injection until all is well again: its row, and what agents and cluster told of it.
#[derive(Debug)]
pub(super) struct Course {
    pub(super) row: FaultRow,
    fault: Fault,
    state: State,
    /// One for each of its targets.
    episodes: BTreeMap<u16, Episodes>,
    /// Targets that the cluster put out since then; true for those that it has taken back.
    members: BTreeMap<u16, bool>,
    ready: BTreeSet<u16>,
    pub(super) inconclusive: Option<String>,
    place: Place,
    /// Of a fault that clients make.
    herd: Option<Box<dyn Stirred>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Before,
    Injecting,
    /// Not healed before the first time, nor later than the second.
    InForce(u64, u64),
    Healing,
    /// Until this time at most.
    Recovering(u64),
    /// Cut, with the heal still under way.
    HealingToEnd,
    Over,
}

impl Course {
    pub(super) fn new(place: &Place, id: u32, scenario: &str, fault: Fault) -> Self {
        let row = FaultRow {
            id,
            phase: place.phase,
            scenario: scenario.into(),
            kind: fault.name().into(),
            replica: fault.replicas.first().copied(),
            replicas: if fault.replicas.len() > 1 { fault.replicas.clone() } else { Vec::new() },
            expected: Expected {
                detected: fault.kind.takes_out(),
                healed: fault.is_healed(),
                progress: false,
                lossless: fault.kind.is_lossless(),
                clients: fault.kind.is_of_clients(),
            },
            ..FaultRow::default()
        };
        Self {
            row,
            fault,
            state: State::Before,
            episodes: BTreeMap::new(),
            members: BTreeMap::new(),
            ready: BTreeSet::new(),
            inconclusive: None,
            place: place.clone(),
            herd: None,
        }
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Its targets, where they are drawn only now.
    pub(super) fn aim(&mut self, replica: u16) {
        self.fault.replicas = vec![replica];
        self.row.replica = Some(replica);
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// It was injected, and is neither healed nor given up.
    pub(super) fn is_active(&self) -> bool {
        !matches!(self.state, State::Before | State::Over)
    }

    /// Begins it, and expects an episode from each agent that has connections at its targets.
    pub(super) fn inject(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        self.row.injected_us = seen.now_us;
        let expect = |replica: &u16| (*replica, Episodes::expect(*replica, seen.world, seen.now_us));
        self.episodes = self.fault.replicas.iter().map(expect).collect();
        self.state = State::Injecting;
        if self.fault.kind.is_of_clients() {
            return self.stir(seen);
        }
        vec![Action::Ask(Ask::Inject { id: self.row.id, fault: self.fault.clone() })]
    }

    /// Takes note of one event, and does what is to be done next.
    pub(super) fn step(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let mut actions = self.observe(seen.event);
        actions.extend(self.follow_herd(seen));
        actions.extend(match self.state {
            State::Injecting | State::Healing | State::HealingToEnd => self.answered(seen),
            State::InForce(from_us, until_us) => self.heal_when_noticed((from_us, until_us), seen.now_us),
            State::Recovering(deadline_us) => self.recovering(deadline_us, seen.now_us),
            State::Before | State::Over => Vec::new(),
        });
        actions
    }

    fn stir(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let (id, amount) = (self.row.id, self.fault.amount);
        let (herd, actions) = match self.fault.kind {
            Kind::SlowClients => {
                let duration_us = self.fault.hold.as_micros() as u64;
                boxed(SlowClients::start(&self.place, id, (amount, duration_us), seen))
            }
            Kind::RetryStorm => boxed(RetryStorm::start(&self.place, id, amount, seen)),
            _ => boxed(Herd::start(&self.place, id, amount, seen)),
        };
        self.herd = Some(herd);
        actions
    }

    fn follow_herd(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        let Some(herd) = &mut self.herd else { return Vec::new() };
        let mut actions = herd.observe(seen);
        if let Some(outcome) = herd.outcome() {
            self.row.detail = herd.detail();
            // They end it by themselves, and say so.
            (self.row.healed_us, self.row.heal_verified_us) = (herd.ended_us(), herd.ended_us());
            self.herd = None;
            actions.extend(self.injected(&outcome, seen.now_us));
        }
        actions
    }

    fn answered(&mut self, seen: &Observation<'_>) -> Vec<Action> {
        match seen.event {
            Event::Answer(Answer::Injected { id, outcome }) if *id == self.row.id => {
                self.injected(outcome, seen.now_us)
            }
            Event::Answer(Answer::Healed { id, outcome }) if *id == self.row.id => self.healed(outcome, seen.now_us),
            _ => Vec::new(),
        }
    }

    fn injected(&mut self, outcome: &Result<Injected, String>, now_us: u64) -> Vec<Action> {
        let injected = match outcome {
            Ok(injected) => injected,
            Err(why) => {
                // The fault had no effect that could be seen: it shows nothing.
                self.inconclusive = Some(why.clone());
                self.row.note = Some(why.clone());
                self.state = State::Over;
                return vec![self.told()];
            }
        };
        self.row.method.clone_from(&injected.method);
        self.row.injected_us = injected.injected_us;
        self.row.effect_us = Some(injected.effect_us);
        if injected.unfinished.is_some() {
            self.row.inconclusive.clone_from(&injected.unfinished);
            self.inconclusive.clone_from(&injected.unfinished);
        }
        if self.state == State::HealingToEnd {
            return vec![self.told()];
        }
        let mut actions = vec![self.told()];
        if self.row.expected.healed {
            let hold_us = self.fault.hold.as_micros() as u64;
            let at_most_us = injected.at_most_us.unwrap_or(u64::MAX).min(hold_us.max(UNNOTICED_MAX_US));
            let until_us = injected.effect_us + at_most_us;
            self.state = State::InForce((injected.effect_us + hold_us).min(until_us), until_us);
        } else {
            // What takes a while has its effect with its first step.
            actions.extend(self.recover(now_us));
        }
        actions
    }

    /// Healed when it has lasted, and those who should have noticed did.
    fn heal_when_noticed(&mut self, (from_us, until_us): (u64, u64), now_us: u64) -> Vec<Action> {
        let is_noticed = !self.row.expected.detected || self.is_detected();
        if !(now_us >= from_us && is_noticed) && now_us < until_us {
            return Vec::new();
        }
        self.state = State::Healing;
        vec![Action::scenario_line(format!("healing {}", self.fault.targets())), self.ask_to_heal()]
    }

    fn ask_to_heal(&self) -> Action {
        Action::Ask(Ask::Heal { id: self.row.id })
    }

    fn healed(&mut self, outcome: &Result<Healed, HealError>, now_us: u64) -> Vec<Action> {
        match outcome {
            Ok(healed) => {
                self.row.healed_us = Some(healed.healed_us);
                self.row.heal_verified_us = Some(healed.verified_us);
            }
            Err(error) => self.row.note = Some(error.to_string()),
        }
        if let Err(error @ HealError::Early(_)) = outcome {
            self.row.inconclusive = Some(error.to_string());
            self.inconclusive.clone_from(&self.row.inconclusive);
        }
        if self.state == State::HealingToEnd {
            self.state = State::Over;
            return vec![self.told()];
        }
        let mut actions = vec![self.told()];
        actions.extend(self.recover(now_us));
        actions
    }

    /// Waits from here on until all is well, at most for the bound.
    fn recover(&mut self, from_us: u64) -> Vec<Action> {
        self.state = State::Recovering(from_us + RECOVERY_BOUND.as_micros() as u64);
        self.fault.replicas.iter().map(|replica| Action::Ask(Ask::AwaitReady { replica: *replica })).collect()
    }

    fn recovering(&mut self, deadline_us: u64, now_us: u64) -> Vec<Action> {
        let is_recovered =
            self.is_recovered() && (!self.row.expected.detected || self.row.cluster_detected_us.is_some());
        if !is_recovered && now_us < deadline_us {
            return Vec::new();
        }
        if !is_recovered && self.row.note.is_none() {
            let since = if self.row.expected.healed { "it was healed" } else { "it" };
            let note = format!("not all was well again {} s after {since}", RECOVERY_BOUND.as_secs());
            self.row.note = Some(note);
        }
        self.state = State::Over;
        vec![self.told(), Action::scenario_line(self.text())]
    }

    /// Ends it early; what is in force is undone before it is over.
    pub(super) fn cut(&mut self) -> Vec<Action> {
        if let Some(mut herd) = self.herd.take() {
            self.state = State::Over;
            return herd.cut();
        }
        match self.state {
            // What is on its way is healed as soon as it is there.
            State::Injecting | State::InForce(..) if self.row.expected.healed => {
                self.state = State::HealingToEnd;
                vec![self.ask_to_heal()]
            }
            State::Healing | State::HealingToEnd => {
                self.state = State::HealingToEnd;
                Vec::new()
            }
            _ => {
                self.state = State::Over;
                Vec::new()
            }
        }
    }

    /// What agents and cluster tell, whenever they tell it.
    fn observe(&mut self, event: &Event) -> Vec<Action> {
        self.episodes.values_mut().for_each(|episodes| episodes.observe(event));
        if self.state == State::Before {
            return Vec::new();
        }
        match event {
            Event::Replica { replica, at_us, change: Change::Down } if self.row.hits(*replica) => {
                let is_news = self.members.insert(*replica, false).is_none();
                if !is_news || self.members.len() < self.fault.replicas.len() {
                    return Vec::new();
                }
                self.row.cluster_detected_us.get_or_insert(*at_us);
            }
            Event::Replica { replica, change: Change::Up, .. } if self.row.hits(*replica) => {
                if let Some(is_back) = self.members.get_mut(replica) {
                    *is_back = true;
                }
                return Vec::new();
            }
            Event::Answer(Answer::Ready { replica, at_us }) if self.row.hits(*replica) => {
                self.ready.insert(*replica);
                self.row.ready_unknown |= at_us.is_none();
                if self.ready.len() < self.fault.replicas.len() {
                    return Vec::new();
                }
                self.row.ready_us = at_us.filter(|_| !self.row.ready_unknown);
            }
            _ => return Vec::new(),
        }
        vec![self.told()]
    }

    /// Cluster and clients both know that the targets are lost.
    fn is_detected(&self) -> bool {
        self.row.cluster_detected_us.is_some() && self.episodes.values().all(Episodes::all_detected)
    }

    /// The targets are ready (where they can say so), are members where they had been put out, and every affected connection is served.
    fn is_recovered(&self) -> bool {
        let are_members = self.members.values().all(|is_back| *is_back);
        let are_ready = self.row.ready_us.is_some() || !self.row.awaits_ready();
        are_ready && are_members && self.are_served()
    }

    /// Where nothing was to be lost, who lost nothing is served.
    fn are_served(&self) -> bool {
        self.episodes.values().all(|episodes| match self.row.expected.detected {
            true => episodes.all_served(),
            false => episodes.all_told_served(),
        })
    }

    /// One line of what it cost, for who watches.
    pub(super) fn text(&self) -> String {
        let between = |from_us: Option<u64>, at_us: Option<u64>| match (at_us, from_us) {
            (Some(at), Some(from)) => format!("{:.2} s", at.saturating_sub(from) as f64 / 1e6),
            _ => "not seen".into(),
        };
        let since = |at_us: Option<u64>| between(self.row.effect_us, at_us);
        if self.row.is_of_store() {
            return format!("operations carried out again {} after its effect", since(self.row.heal_verified_us));
        }
        let counts = self.episodes.values().map(Episodes::counts);
        let (affected, served) = counts.fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
        // As the report has it: what was undone is ready so long after that.
        let (from_us, from) = match self.row.healed_us {
            Some(healed_us) => (Some(healed_us), " after the heal"),
            None => (self.row.effect_us, ""),
        };
        let ready = match self.row.ready_us {
            _ if self.row.ready_unknown => "not known".into(),
            None => between(from_us, None),
            at_us => between(from_us, at_us) + from,
        };
        let first_us = self.episodes.values().filter_map(Episodes::detected_us).min();
        let by_a_client = match first_us.zip(self.row.effect_us) {
            Some((first_us, effect_us)) if first_us < effect_us => "before the effect was seen".into(),
            _ => since(first_us),
        };
        let served_us = self.episodes.values().map(Episodes::served_us).max().flatten();
        format!(
            "detected by cluster {}, by a client {by_a_client}; {served} of {affected} connections served again {}; ready {ready}",
            since(self.row.cluster_detected_us),
            since(served_us),
        )
    }

    pub(super) fn told(&self) -> Action {
        Action::Row(Entry::Fault(self.row.clone()))
    }

    pub(super) fn facts(&self, blocks: Vec<u32>) -> Facts {
        let (inconclusive, text) = (self.inconclusive.clone(), self.text());
        Facts { inconclusive, faults: vec![self.row.id], blocks, text, ..Facts::default() }
    }
}

fn boxed((herd, actions): (impl Stirred + 'static, Vec<Action>)) -> (Box<dyn Stirred>, Vec<Action>) {
    (Box::new(herd), actions)
}
