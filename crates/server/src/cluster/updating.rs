//! The supervisor's part that puts processes of another program in the place of its replicas', one after the other: a new
//! version, say. Each hands its connections over to the next one, and none ends before that one takes requests.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::address::replica_address;
use super::control::{refusal, refusal_for_now};
use super::error::ClusterError;
use super::slot::{Slot, Stage};
use super::supervisor::{Phase, Supervisor};
use crate::clock::monotonic_ns;
use crate::engine::bind;

/// A replica that is no member of the cluster so long after its turn has come ends the update.
const TURN_NS: u64 = 90_000_000_000;

/// An update under way.
#[derive(Debug)]
pub(super) struct Update {
    program: Arc<Path>,
    /// Whose turn has not come.
    left: VecDeque<u16>,
    /// Whose turn it is, and until when.
    turn: Option<(u16, u64)>,
    done: u16,
    answer: oneshot::Sender<Value>,
}

impl Supervisor {
    /// Begins to put another program in the place of this one.
    pub(super) fn update(&mut self, program: PathBuf, answer: oneshot::Sender<Value>) {
        let refused = match self.is_steady() {
            true if program.is_absolute() => None,
            true => Some(refusal("`program` has to be an absolute path")),
            false => Some(refusal_for_now(ClusterError::Busy)),
        };
        if let Some(refused) = refused {
            let _ = answer.send(refused);
            return;
        }
        tracing::info!("the replicas are to be of {}", program.display());
        let left = self.slots.keys().copied().collect();
        self.phase = Phase::Updating(Update { program: program.into(), left, turn: None, done: 0, answer });
    }

    /// After every happening: is it the next one's turn?
    pub(super) fn go_on_updating(&mut self) {
        let Phase::Updating(update) = &mut self.phase else { return };
        if let Some((replica, until_ns)) = update.turn {
            let slot = self.slots.get(&replica);
            let has_failed = slot.is_none_or(|slot| slot.stage == Stage::Failed);
            let is_over = slot.is_some_and(|slot| slot.is_member && slot.successor.is_none() && slot.leaving.is_none());
            if has_failed || (!is_over && monotonic_ns() >= until_ns) {
                return self.update_failed(replica, "it is no member of the cluster");
            }
            if !is_over {
                return;
            }
            update.turn = None;
            update.done += 1;
        }
        let program = Arc::clone(&update.program);
        // One that is starting, or being replaced for another reason, is let be until that is over.
        let next = update.left.front().and_then(|replica| self.slots.get(replica));
        let is_settled = |slot: &Slot| {
            let is_alone = slot.successor.is_none() && slot.leaving.is_none();
            is_alone && matches!(slot.stage, Stage::Ready | Stage::Backoff { .. } | Stage::Failed)
        };
        if next.is_some_and(|slot| !is_settled(slot)) {
            return;
        }
        match update.left.pop_front() {
            Some(replica) => {
                update.turn = Some((replica, monotonic_ns() + TURN_NS));
                if let Err(error) = self.take_turn(replica, program) {
                    self.update_failed(replica, &error.to_string());
                }
            }
            None => {
                self.program = program;
                let Phase::Updating(update) = std::mem::replace(&mut self.phase, Phase::Running) else { return };
                tracing::info!("{} replicas are of {}", update.done, update.program.display());
                // Whoever asked may have gone.
                let _ = update.answer.send(json!({"ok": true, "replicas": update.done}));
            }
        }
    }

    fn take_turn(&mut self, replica: u16, program: Arc<Path>) -> Result<(), ClusterError> {
        let Some(slot) = self.slots.get_mut(&replica) else { return Ok(()) };
        if slot.stage == Stage::Ready {
            return self.launch_successor(replica, program).map_err(ClusterError::system("start its process"));
        }
        // It has no process that could hand anything over: the next one is of the new program.
        slot.program = program;
        if slot.stage == Stage::Failed {
            slot.revive(bind(replica_address(replica, self.port))?);
        }
        Ok(())
    }

    /// Is it this replica's turn?
    pub(super) fn is_updating(&self, replica: u16) -> bool {
        matches!(&self.phase, Phase::Updating(update) if update.turn.is_some_and(|(of, _)| of == replica))
    }

    /// The replica whose turn it is has not come to run the new program. The others stay as they are.
    pub(super) fn update_failed(&mut self, replica: u16, reason: &str) {
        if !self.is_updating(replica) {
            return;
        }
        let Phase::Updating(update) = std::mem::replace(&mut self.phase, Phase::Running) else { return };
        let Update { program, done, answer, .. } = update;
        let sentence = format!(
            "replica {replica} cannot be of {}: {reason}; {done} replicas are, the others go on as they were: mend it and \
             update again, or go back by an update to the program before",
            program.display()
        );
        tracing::warn!("{sentence}");
        let _ = answer.send(refusal(sentence));
    }
}
