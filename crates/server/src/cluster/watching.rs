//! The supervisor's part that hears what replicas say, judges them, and tells them of each other.

use super::control::Event;
use super::membership::{Turn, Verdict, watch_lists};
use super::messages::{FromReplica, ListChange, Member, Membership, ToReplica};
use super::owing::Process;
use super::pulse::{self, FENCING_TIME_MS, Judgement};
use super::slot::{Slot, Stage};
use super::supervisor::Supervisor;
use crate::clock::monotonic_ns;

impl Supervisor {
    pub(super) fn said(&mut self, replica: u16, life: u64, message: FromReplica) {
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        let is_successor = slot.successor.as_ref().is_some_and(|successor| successor.life == life);
        match message {
            FromReplica::Ready if is_successor => self.succeed(replica),
            FromReplica::Failed(reason) if is_successor => {
                slot.successor.iter_mut().for_each(|successor| successor.last_words = Some(reason.clone()));
            }
            // Of sessions every process has its say; of the rest only the one that is the replica.
            FromReplica::Heard(word) => self.heard((replica, life), word),
            FromReplica::EndSessions(ended) => self.endings.wait((replica, life), ended),
            FromReplica::KnowsEnded { batch } => self.endings.known(batch, replica, life),
            FromReplica::Changed(change) => self.changed(Some((replica, life)), change),
            FromReplica::Drained { cut: 0 } => {}
            FromReplica::Drained { cut } => {
                tracing::warn!("replica {replica} cut {cut} connections that were still busy when its time was over");
            }
            _ if slot.life != life => {}
            FromReplica::Ready => self.is_ready(replica),
            FromReplica::Leaving => self.leaving(replica, life),
            FromReplica::Beat => {
                slot.pulse.beat();
                slot.is_starved = false;
            }
            FromReplica::Blocked { shard, for_ms } => {
                let reason = format!(
                    "fenced: shard {shard} was blocked for {for_ms} ms by a tool that works or waits in place; make it a \
                     queued one, or raise shard_stall_max_ms"
                );
                self.fence(replica, monotonic_ns(), reason);
            }
            FromReplica::Snapshot(snapshot) => slot.snapshot = Some(snapshot),
            FromReplica::Probe { replica: watched, good, at_ns } => {
                let Some(slot) = self.slots.get_mut(&watched) else { return };
                if slot.watcher == Some(replica) && slot.stage == Stage::Ready {
                    let turn = slot.reach.peer(Verdict { good, at_ns });
                    self.turn(watched, turn);
                }
            }
            FromReplica::Failed(reason) => slot.last_words = Some(reason),
        }
    }

    /// The data path has found out something.
    pub(super) fn turn(&mut self, replica: u16, turn: Option<Turn>) {
        let Some(slot) = self.slots.get_mut(&replica).filter(|slot| slot.stage == Stage::Ready) else { return };
        match turn {
            None => return,
            Some(Turn::In) => {
                slot.enter();
                self.emit(Event::Up { replica, at_ns: monotonic_ns() });
            }
            Some(Turn::Out { since_ns }) => {
                if slot.leave(since_ns) {
                    let reason = format!("no answer on {}", slot.address);
                    tracing::warn!("replica {replica}: {reason}; it is no member until it answers");
                    self.emit(Event::Down { replica, at_ns: since_ns, reason });
                }
            }
        }
        self.is_membership_old = true;
    }

    /// The process path: are there heartbeats?
    pub(super) fn judge(&mut self, replica: u16, now_ns: u64) {
        let Some(slot) = self.slots.get_mut(&replica) else { return };
        let Some(pid) = slot.process.as_ref().map(|process| process.pid) else { return };
        match slot.pulse.judge(now_ns, || pulse::look(pid)) {
            Judgement::Alive => {}
            Judgement::Starved => {
                if !std::mem::replace(&mut slot.is_starved, true) {
                    tracing::warn!("replica {replica} is starved: it sends no heartbeats, yet it works");
                }
            }
            Judgement::Stuck if slot.last_words.is_some() => {}
            Judgement::Stuck => {
                let reason = format!("fenced: no heartbeat and no CPU progress for {} s", FENCING_TIME_MS / 1_000);
                self.fence(replica, now_ns, reason);
            }
        }
    }

    /// Kills a process that is no use to anyone; it is started again.
    fn fence(&mut self, replica: u16, now_ns: u64, reason: String) {
        let Some(slot) = self.slots.get_mut(&replica).filter(|slot| slot.stage == Stage::Ready) else { return };
        slot.last_words = Some(reason.clone());
        slot.kill();
        let has_left = slot.leave(now_ns);
        self.is_membership_old = true;
        self.emit(Event::Fenced { replica, at_ns: now_ns, reason: reason.clone() });
        if has_left {
            self.emit(Event::Down { replica, at_ns: now_ns, reason });
        }
    }

    /// Tells every replica who belongs to the cluster and whom it watches, where that has changed.
    pub(super) fn spread_membership(&mut self) {
        let ready: Vec<(u16, bool)> =
            self.slots.values().filter(|s| s.stage == Stage::Ready).map(|s| (s.replica, s.is_member)).collect();
        let member = |replica: u16| self.slots.get(&replica).map(|slot| Member { replica, address: slot.address });
        let members: Vec<Member> =
            ready.iter().filter(|(_, is_member)| *is_member).filter_map(|(replica, _)| member(*replica)).collect();
        let comes_back = |slot: &Slot| !matches!(slot.stage, Stage::Draining { .. } | Stage::Failed);
        let away = self.slots.values().filter(|slot| !slot.is_member && comes_back(slot));
        let away: Vec<u16> = away.map(|slot| slot.replica).collect();
        let told = |watch: Vec<u16>| Membership {
            members: members.clone(),
            away: away.clone(),
            watch: watch.into_iter().filter_map(member).collect(),
        };
        let lists: Vec<(u16, Membership)> =
            watch_lists(&ready).into_iter().map(|(replica, watch)| (replica, told(watch))).collect();
        for (replica, membership) in lists {
            for watched in &membership.watch {
                let Some(slot) = self.slots.get_mut(&watched.replica) else { continue };
                if slot.watcher.replace(replica) != Some(replica) {
                    slot.reach.forget_peer();
                }
            }
            let Some(slot) = self.slots.get_mut(&replica) else { continue };
            let Some(process) = slot.process.as_ref().filter(|_| slot.told.as_ref() != Some(&membership)) else {
                continue;
            };
            let line = ToReplica::Membership(membership.clone()).to_line();
            // Where it is not taken it is said again with a later look.
            slot.told = process.try_say(&line).then_some(membership);
        }
    }

    /// A list has changed in one process: the others tell their subscribers, on other machines as well. Also the one that has
    /// taken its place, and its streams.
    pub(super) fn changed(&mut self, by: Option<Process>, change: ListChange) {
        if let Some(machines) = &self.machines {
            machines.changed(change.clone());
        }
        self.tell_replicas(by, change);
    }

    pub(super) fn tell_replicas(&mut self, by: Option<Process>, change: ListChange) {
        let line = ToReplica::Changed(change).to_line();
        for slot in self.slots.values_mut() {
            let others = slot.processes().filter(|(life, _)| Some((slot.replica, *life)) != by);
            let has_missed = others.fold(false, |missed, (_, process)| missed | !process.try_say(&line));
            slot.has_missed |= has_missed;
        }
    }

    /// Tells replicas that did not take it that anything may have changed, and who is a member.
    pub(super) fn tell_missed(&mut self) {
        for slot in self.slots.values_mut().filter(|slot| slot.stage == Stage::Ready) {
            self.is_membership_old |= slot.told.is_none();
            let Some(process) = slot.process.as_ref().filter(|_| slot.has_missed) else { continue };
            let mut lines = ListChange::EVERYTHING.map(|change| ToReplica::Changed(change).to_line()).into_iter();
            slot.has_missed = !lines.all(|line| process.try_say(&line));
        }
    }
}
