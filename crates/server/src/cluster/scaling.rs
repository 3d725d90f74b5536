//! The supervisor's part that changes the number of replicas, up to the orderly end.

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::REPLICAS_MAX;
use super::address::replica_address;
use super::config::Stopped;
use super::control::{Event, refusal, refusal_for_now};
use super::error::ClusterError;
use super::messages::ToReplica;
use super::slot::{Slot, Stage};
use super::supervisor::{Phase, Supervisor};
use crate::clock::monotonic_ns;
use crate::engine::bind;

/// New replicas that are no members after this time make the answer an error; they are still supervised.
const SCALE_NS: u64 = 60_000_000_000;
/// What a drain may take beyond its limits before the replica is killed.
const DRAIN_GRACE_MS: u64 = 3_000;

impl Supervisor {
    /// Begins the way to another number of replicas. Those that have failed get a new chance.
    pub(super) fn scale(&mut self, replicas: u16, answer: oneshot::Sender<Value>) {
        let grown = match self.is_steady() {
            true if (1..=REPLICAS_MAX).contains(&replicas) => self.grow(replicas),
            true => Err(ClusterError::Replicas { asked: replicas }),
            false => Err(ClusterError::Busy),
        };
        let awaited = match grown {
            Ok(awaited) => awaited,
            Err(error) => {
                let _ = answer.send(match error {
                    ClusterError::Busy => refusal_for_now(error),
                    _ => refusal(error),
                });
                return;
            }
        };
        let going: Vec<u16> = self.slots.keys().copied().filter(|replica| *replica > replicas).collect();
        for replica in going {
            self.drain(replica);
        }
        self.phase = Phase::Scaling { replicas, awaited, until_ns: monotonic_ns() + SCALE_NS, answer };
        self.is_membership_old = true;
    }

    /// It runs, and none of its replicas is on its way out: after a scaling that has failed some may be.
    pub(super) fn is_steady(&self) -> bool {
        let is_going = |slot: &Slot| matches!(slot.stage, Stage::Draining { .. });
        matches!(self.phase, Phase::Running) && !self.slots.values().any(is_going)
    }

    /// Binds what is missing, all or nothing; the replicas that start now.
    fn grow(&mut self, replicas: u16) -> Result<Vec<u16>, ClusterError> {
        let lacking = |replica: &u16| self.slots.get(replica).is_none_or(|slot| slot.stage == Stage::Failed);
        let lacking: Vec<u16> = (1..=replicas).filter(lacking).collect();
        let mut bound = Vec::with_capacity(lacking.len());
        for &replica in &lacking {
            bound.push((replica, bind(replica_address(replica, self.port))?));
        }
        for (replica, listener) in bound {
            match self.slots.get_mut(&replica) {
                Some(failed) => failed.revive(listener),
                None => self.add(replica, listener),
            }
        }
        Ok(lacking)
    }

    /// Lets a replica finish and go. Its own socket is given up here, so that connects are refused as soon as the
    /// replica has accepted what was waiting.
    fn drain(&mut self, replica: u16) {
        let limits = &self.config.limits;
        let patience_ms = limits.drain_lead_ms + limits.drain_timeout_ms + limits.shutdown_timeout_ms + DRAIN_GRACE_MS;
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        slot.is_member = false;
        slot.prober = None;
        slot.listener = None;
        // It takes no place any more.
        slot.successor.iter().for_each(|successor| successor.process.kill());
        if slot.process.is_none() {
            slot.stage = Stage::Draining { until_ns: 0 };
            self.remove_if_gone(replica);
            return;
        }
        if matches!(slot.stage, Stage::Draining { .. }) {
            return;
        }
        slot.stage = Stage::Draining { until_ns: monotonic_ns() + patience_ms * 1_000_000 };
        let life = slot.life;
        self.tell((replica, life), &ToReplica::Drain);
    }

    /// The end of the cluster.
    pub(super) fn stop(&mut self, how: Stopped) {
        self.shared.clear();
        let replicas: Vec<u16> = self.slots.keys().copied().collect();
        for replica in replicas {
            self.drain(replica);
        }
        if how == Stopped::AtOnce {
            self.slots.values().flat_map(Slot::processes).for_each(|(_, process)| process.kill());
        }
        // A client that waits for a scale is told by the loss of its sender.
        self.phase = Phase::Stopping(how);
    }

    /// After every happening: is something reached that was waited for?
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.is_membership_old) {
            self.spread_membership();
        }
        self.spread_endings();
        self.say_owed();
        self.go_on_updating();
        let is_up = |slot: &Slot| slot.is_member;
        match &self.phase {
            Phase::Starting if self.slots.values().all(is_up) => self.phase = Phase::Running,
            Phase::Scaling { replicas, awaited, until_ns, .. } => {
                let slots = |replica: &&u16| self.slots.get(*replica);
                let failed = awaited.iter().find(|r| slots(r).is_none_or(|slot| slot.stage == Stage::Failed));
                let waits = awaited.iter().find(|r| !slots(r).is_some_and(is_up));
                let leaves = self.slots.keys().any(|replica| replica > replicas);
                let is_over = monotonic_ns() >= *until_ns;
                let result = match (failed, waits) {
                    (Some(failed), _) => Err(format!("replica {failed} cannot start: see `erlmcp cluster status`")),
                    (None, Some(replica)) if is_over => {
                        Err(format!("replica {replica} did not come up in {} s", SCALE_NS / 1_000_000_000))
                    }
                    (None, None) if !leaves => Ok(*replicas),
                    _ => return,
                };
                self.scaled(result);
            }
            _ => {}
        }
    }

    fn scaled(&mut self, result: Result<u16, String>) {
        let Phase::Scaling { answer, .. } = std::mem::replace(&mut self.phase, Phase::Running) else { return };
        let answered = match result {
            Ok(replicas) => {
                self.emit(Event::Scaled { replicas, at_ns: monotonic_ns() });
                json!({"ok": true, "replicas": replicas})
            }
            Err(sentence) => refusal(sentence),
        };
        // A client that went away doesn't undo what it asked for.
        let _ = answer.send(answered);
    }
}
