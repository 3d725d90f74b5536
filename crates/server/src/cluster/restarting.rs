//! The supervisor's part that starts a replica's process, sees it become ready and end, and starts the next one: one_for_one as
//! OTP has it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use super::config::Stopped;
use super::control::Event;
use super::error::ClusterError;
use super::intensity::Next;
use super::messages::{Hello, SPEAKS};
use super::process::{Process, Program, Role};
use super::pulse::Pulse;
use super::slot::{Prober, Slot, Stage};
use super::supervisor::{Phase, START_NS, Supervisor};
use crate::clock::monotonic_ns;

impl Supervisor {
    pub(super) fn start(&mut self, replica: u16, now_ns: u64) {
        let Some(program) = self.slots.get(&replica).map(|slot| Arc::clone(&slot.program)) else { return };
        let launched = self.launch(replica, None, &program);
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        slot.life = slot.lives;
        slot.restarts += u64::from(slot.lives > 1);
        slot.last_words = None;
        slot.stage = Stage::Starting { until_ns: now_ns + START_NS };
        match launched {
            Ok((process, bequest)) => {
                slot.process = Some(process);
                slot.bequest = Some(bequest);
            }
            Err(error) => {
                let (life, reason) = (slot.life, format!("its process cannot be started: {error}"));
                slot.last_words = Some(reason.clone());
                self.ended(replica, life, reason);
            }
        }
    }

    /// Starts a process for a replica, which must be there: its life is the last one of the slot. It takes over what comes
    /// by `inheritance`. Gives the end of the socket by which its own connections will go to the next one.
    pub(super) fn launch(
        &mut self,
        replica: u16,
        inheritance: Option<OwnedFd>,
        path: &Path,
    ) -> io::Result<(Process, OwnedFd)> {
        let cluster = self.reference();
        let slot = self.slots.get_mut(&replica).ok_or(io::ErrorKind::NotFound)?;
        slot.lives += 1;
        let hello = Hello {
            speaks: SPEAKS,
            replica,
            supervisor_pid: std::process::id(),
            shards: self.config.shards,
            limits: self.config.limits.clone(),
            allowed_hosts: self.config.allowed_hosts.clone(),
            admin: self.config.admin.len(),
            entry: self.config.entry.clone(),
            telemetry: self.config.telemetry.clone(),
            cluster,
            session_key: self.endings.key.clone(),
            store: self.keeping.begin((replica, slot.lives), inheritance.is_some()),
            takes_over: inheritance.is_some(),
            nice: self.nice,
        };
        let (bequest, far_end) = UnixStream::pair()?;
        let far_end = OwnedFd::from(far_end);
        let listening = self.shared.iter().chain(&slot.listener).map(AsFd::as_fd);
        let sockets: Vec<_> = listening.chain([far_end.as_fd()]).chain(inheritance.as_ref().map(AsFd::as_fd)).collect();
        // One that lacks is started first of all; one that takes a place which is held can wait for those that serve.
        let nice = inheritance.as_ref().map(|_| self.nice);
        let program = Program { path, role: Role::Replica(replica), arguments: &self.config.arguments, nice };
        let process = Process::start(&program, &hello, &sockets, slot.lives, &self.happenings)?;
        if !process.try_say(&self.endings.all()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok((process, bequest.into()))
    }

    /// A replica takes requests.
    pub(super) fn is_ready(&mut self, replica: u16) {
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        if matches!(slot.stage, Stage::Starting { .. }) {
            slot.stage = Stage::Ready;
            slot.pulse = Pulse::new(monotonic_ns());
            slot.prober = Some(Prober::start(slot, &self.inside, &self.happenings));
            self.is_membership_old = true;
        }
    }

    /// A process is about to end: its connections go with it, so it is no member from now on. The rest follows with its end.
    pub(super) fn closed(&mut self, replica: u16, life: u64) {
        let now_ns = monotonic_ns();
        let is_it = |slot: &&mut Slot| slot.life == life && slot.stage == Stage::Ready;
        let Some(slot) = self.slots.get_mut(&replica).filter(is_it) else { return };
        if slot.leave(now_ns) {
            self.is_membership_old = true;
            self.emit(Event::Down { replica, at_ns: now_ns, reason: "process ends: its channel is closed".into() });
        }
    }

    /// No replica is left that is started again: the failure is the whole cluster's, which ends in order and says so.
    pub(super) fn end_if_worn_out(&mut self) {
        let may_be = !matches!(self.phase, Phase::Starting | Phase::Stopping(_));
        let (mut replicas, mut last) = (0, None);
        for slot in self.slots.values() {
            if slot.stage != Stage::Failed {
                return;
            }
            (replicas, last) = (replicas + 1, Some((slot.replica, slot.last_words.clone().unwrap_or_default())));
        }
        if let Some((replica, reason)) = last.filter(|_| may_be) {
            self.worn_out = Some(ClusterError::WornOut { replicas, replica, reason });
            self.stop(Stopped::InOrder);
        }
    }

    /// A process has ended. It is started again, but for those that were asked to end and those that end too often.
    pub(super) fn ended(&mut self, replica: u16, life: u64, reason: String) {
        let now_ns = monotonic_ns();
        self.keeping.end(replica, life);
        if self.other_ended(replica, life, &reason) {
            return;
        }
        let Some(slot) = self.slots.get_mut(&replica).filter(|slot| slot.life == life) else { return };
        self.is_membership_old = true;
        if matches!(slot.stage, Stage::Draining { .. }) {
            slot.forget_process();
            self.remove_if_gone(replica);
            return;
        }
        let was_starting = matches!(slot.stage, Stage::Starting { .. });
        let said = slot.last_words.take();
        let is_hopeless = was_starting && said.is_some() && matches!(self.phase, Phase::Starting);
        let reason = said.unwrap_or(reason);
        slot.forget_process();
        let has_left = slot.leave(now_ns);
        if let Some(successor) = slot.successor.take() {
            // It comes to take a place that is free already.
            slot.become_process(successor);
            slot.restarts += 1;
            if has_left {
                self.emit(Event::Down { replica, at_ns: now_ns, reason });
            }
            return;
        }
        let next = if is_hopeless { Next::GiveUp } else { slot.intensity.ended(now_ns) };
        if let Next::GiveUp = next {
            slot.stage = Stage::Failed;
            slot.last_words = Some(reason.clone());
            // Nobody will accept there: better a connect that is refused than one that waits.
            slot.listener = None;
            if matches!(self.phase, Phase::Starting) {
                self.fatal = Some(ClusterError::CannotStart { replica, reason: reason.clone() });
            }
        }
        if has_left {
            self.emit(Event::Down { replica, at_ns: now_ns, reason: reason.clone() });
        }
        match next {
            Next::RestartAt(until_ns) => {
                tracing::warn!("replica {replica}: {reason}; it is started again");
                if let Some(slot) = self.slots.get_mut(&replica) {
                    slot.stage = Stage::Backoff { until_ns };
                }
                let delay_ms = until_ns.saturating_sub(now_ns) / 1_000_000;
                self.emit(Event::Restarting { replica, at_ns: now_ns, delay_ms, reason });
            }
            Next::GiveUp if self.fatal.is_some() => {}
            Next::GiveUp => {
                tracing::error!("replica {replica}: {reason}; it ended too often and is not started again");
                self.emit(Event::Failed { replica, at_ns: now_ns, reason });
            }
        }
    }
}
