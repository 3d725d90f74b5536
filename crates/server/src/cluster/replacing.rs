//! The supervisor's part that puts a new process in the place of one that was told to end: the old one serves until the new
//! one does, then hands its connections over. No connect is refused, no connection is lost.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::messages::ToReplica;
use super::slot::{Other, Slot, Stage};
use super::supervisor::{START_NS, Supervisor};
use crate::clock::monotonic_ns;

/// What handing over may take beyond the limits of a drain before the process is killed.
const HANDING_GRACE_MS: u64 = 3_000;

impl Supervisor {
    /// A replica's process was told to end, not by us.
    pub(super) fn leaving(&mut self, replica: u16, life: u64) {
        let Some(slot) = self.slots.get_mut(&replica).filter(|slot| slot.life == life) else { return };
        if slot.stage != Stage::Ready || slot.successor.is_some() || slot.leaving.is_some() {
            // There is nobody who could take its place in order: it ends as it can, and what follows is what follows any end.
            self.tell((replica, life), &ToReplica::Drain);
            return;
        }
        let program = Arc::clone(&slot.program);
        if let Err(error) = self.launch_successor(replica, program) {
            tracing::warn!("nobody can take the place of replica {replica}: {error}");
            self.tell((replica, life), &ToReplica::Drain);
        }
    }

    /// Starts the process that is to take a replica's place.
    pub(super) fn launch_successor(&mut self, replica: u16, program: Arc<Path>) -> io::Result<()> {
        let slot = self.slots.get(&replica).ok_or(io::ErrorKind::NotFound)?;
        // Should that process never be ready, another one may still take the place.
        let inheritance = slot.bequest.as_ref().map(OwnedFd::try_clone).transpose()?;
        let (process, bequest) = self.launch(replica, inheritance, &program)?;
        let slot = self.slots.get_mut(&replica).ok_or(io::ErrorKind::NotFound)?;
        tracing::info!("another process takes the place of replica {replica}");
        let until_ns = monotonic_ns() + START_NS;
        let (life, bequest) = (slot.lives, Some(bequest));
        slot.successor = Some(Other { life, process, bequest, program, last_words: None, until_ns });
        Ok(())
    }

    /// The process that is to take a replica's place takes requests: it is the replica now.
    pub(super) fn succeed(&mut self, replica: u16) {
        let limits = &self.config.limits;
        let patience_ms = limits.drain_timeout_ms + limits.shutdown_timeout_ms + HANDING_GRACE_MS;
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        let Some(successor) = slot.successor.take() else { return };
        let before = slot.process.take().map(|process| Other {
            life: slot.life,
            process,
            bequest: None,
            program: Arc::clone(&slot.program),
            last_words: None,
            until_ns: monotonic_ns() + patience_ms * 1_000_000,
        });
        let life = slot.life;
        slot.leaving = before;
        slot.become_process(successor);
        slot.replacements += 1;
        slot.told = None;
        slot.snapshot = None;
        self.tell((replica, life), &ToReplica::HandOver);
        self.is_ready(replica);
    }

    /// One of the processes beside the replica's own has ended; false where it was none of them.
    pub(super) fn other_ended(&mut self, replica: u16, life: u64, reason: &str) -> bool {
        let Some(slot) = self.slots.get_mut(&replica) else { return false };
        let is_it = |other: &mut Other| other.life == life;
        if slot.leaving.take_if(is_it).is_some() {
            tracing::debug!("the process whose place replica {replica} has taken: {reason}");
            self.remove_if_gone(replica);
            return true;
        }
        let Some(successor) = slot.successor.take_if(is_it) else { return false };
        let reason = successor.last_words.unwrap_or_else(|| reason.to_string());
        tracing::warn!("the process that was to take the place of replica {replica}: {reason}");
        let serving = slot.life;
        if !self.is_updating(replica) {
            self.tell((replica, serving), &ToReplica::Drain);
        }
        self.remove_if_gone(replica);
        self.update_failed(replica, &reason);
        true
    }

    /// A replica that goes is gone when no process of it is left.
    pub(super) fn remove_if_gone(&mut self, replica: u16) {
        let is_gone = |slot: &Slot| matches!(slot.stage, Stage::Draining { .. }) && slot.processes().next().is_none();
        if self.slots.get(&replica).is_some_and(is_gone) {
            self.slots.remove(&replica);
        }
    }

    /// Every look: has one of the processes beside the replica's own taken too long?
    pub(super) fn look_at_others(&mut self, replica: u16, now_ns: u64) {
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        for other in slot.successor.iter_mut().chain(&mut slot.leaving).filter(|other| other.until_ns <= now_ns) {
            other.last_words = Some("its process was not ready, or not over, in time".to_string());
            other.process.kill();
        }
    }
}
