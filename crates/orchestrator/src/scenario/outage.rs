use erlmcp_record::{Entry, FaultRow};

use super::episodes::Episodes;
use super::victim;
use crate::action::Action;
use crate::event::{Answer, Change, Event, Healed, Injected};
use crate::machine::{Facts, Observation, Place};

/// One replica's outage: the fault's row, and what agents and cluster told of it.
#[derive(Debug)]
pub(super) struct Outage {
    pub(super) fault: FaultRow,
    episodes: Episodes,
    /// When the cluster took the replica back.
    rejoined_us: Option<u64>,
    pub(super) inconclusive: Option<String>,
}

impl Outage {
    pub(super) fn new(place: &Place, scenario: &str) -> Self {
        let fault = FaultRow {
            id: place.first_id,
            phase: place.phase,
            scenario: scenario.into(),
            method: String::new(),
            replica: None,
            injected_us: 0,
            effect_us: None,
            cluster_detected_us: None,
            healed_us: None,
            heal_verified_us: None,
            ready_us: None,
            note: None,
        };
        Self { fault, episodes: Episodes::default(), rejoined_us: None, inconclusive: None }
    }

    /// Draws the replica to break and expects an episode from each agent that has connections there.
    pub(super) fn choose(&mut self, place: &Place, seen: &Observation<'_>) -> Option<u16> {
        let drawn = victim::draw(seen.world, place.run.seed, place.first_id);
        self.fault.replica = drawn;
        self.fault.injected_us = seen.now_us;
        match drawn {
            Some(replica) => self.episodes = Episodes::expect(replica, seen.world, seen.now_us),
            None => self.inconclusive = Some("no replica had connections to lose".into()),
        }
        drawn
    }

    pub(super) fn injected(&mut self, injected: &Injected) -> Action {
        self.fault.method.clone_from(&injected.method);
        self.fault.injected_us = injected.injected_us;
        self.fault.effect_us = Some(injected.effect_us);
        self.row()
    }

    /// The fault had no effect that could be seen: the scenario shows nothing.
    pub(super) fn failed(&mut self, why: &str) -> Action {
        self.inconclusive = Some(why.into());
        self.fault.note = Some(why.into());
        self.row()
    }

    pub(super) fn healed(&mut self, healed: &Result<Healed, String>) -> Action {
        match healed {
            Ok(healed) => {
                self.fault.healed_us = Some(healed.healed_us);
                self.fault.heal_verified_us = Some(healed.verified_us);
            }
            Err(why) => self.fault.note = Some(why.clone()),
        }
        self.row()
    }

    /// What agents and cluster tell, whenever they tell it.
    pub(super) fn observe(&mut self, event: &Event) -> Vec<Action> {
        self.episodes.observe(event);
        let ours = self.fault.replica;
        match event {
            Event::Replica { replica, at_us, change: Change::Down } if Some(*replica) == ours => {
                self.rejoined_us = None;
                if self.fault.cluster_detected_us.is_some() {
                    return Vec::new();
                }
                self.fault.cluster_detected_us = Some(*at_us);
            }
            Event::Replica { replica, at_us, change: Change::Up } if Some(*replica) == ours => {
                self.rejoined_us = Some(*at_us);
                return Vec::new();
            }
            Event::Answer(Answer::Ready { replica, at_us }) if Some(*replica) == ours => {
                self.fault.ready_us = Some(*at_us);
            }
            _ => return Vec::new(),
        }
        vec![self.row()]
    }

    /// Cluster and clients both know that the replica is lost.
    pub(super) fn is_detected(&self) -> bool {
        self.fault.cluster_detected_us.is_some() && self.episodes.all_detected()
    }

    /// The replica is ready, is a member where it had been put out, and every affected connection is served.
    pub(super) fn is_recovered(&self) -> bool {
        let is_member = self.fault.cluster_detected_us.is_none() || self.rejoined_us.is_some();
        self.fault.ready_us.is_some() && is_member && self.episodes.all_served()
    }

    /// A connection was lost to it for the first time, or everything is served: a reason to tell.
    pub(super) fn text(&self) -> String {
        let between = |from_us: Option<u64>, at_us: Option<u64>| match (at_us, from_us) {
            (Some(at), Some(from)) => format!("{:.2} s", at.saturating_sub(from) as f64 / 1e6),
            _ => "not seen".into(),
        };
        let since = |at_us: Option<u64>| between(self.fault.effect_us, at_us);
        let (affected, served) = self.episodes.counts();
        // As the report has it: what was undone is ready so long after that.
        let (from_us, from) = match self.fault.healed_us {
            Some(healed_us) => (Some(healed_us), " after the heal"),
            None => (self.fault.effect_us, ""),
        };
        let from = if self.fault.ready_us.is_some() { from } else { "" };
        format!(
            "detected by cluster {}, by clients {}; {served} of {affected} connections served again {}; ready {}{from}",
            since(self.fault.cluster_detected_us),
            since(self.episodes.detected_us()),
            since(self.episodes.served_us()),
            between(from_us, self.fault.ready_us),
        )
    }

    pub(super) fn row(&self) -> Action {
        Action::Row(Entry::Fault(self.fault.clone()))
    }

    pub(super) fn facts(&self, blocks: Vec<u32>) -> Facts {
        Facts {
            inconclusive: self.inconclusive.clone(),
            faults: vec![self.fault.id],
            blocks,
            text: self.text(),
            ..Facts::default()
        }
    }
}
