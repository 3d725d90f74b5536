//! The ends of sessions on their way to all replicas: who ended one is told so when every replica knows.

use std::collections::{BTreeSet, VecDeque};

use super::messages::{Line, ToReplica};
use super::slot::Slot;
use super::supervisor::Supervisor;
use crate::limits::Limits;
use crate::session::{Ended, Revoked, SessionKey, Word};

/// A process: the replica that it is, and which of its lives.
type Process = (u16, u64);

/// Messages that may be owed before words of clients are dropped.
const OWED_MAX: usize = 4_096;

/// What the supervisor knows of sessions.
#[derive(Debug)]
pub(super) struct Endings {
    pub(super) key: SessionKey,
    /// All that have ended: what a new replica must know.
    known: Revoked,
    /// What replicas have said and is not spread yet; each replica waits for an answer before it says more.
    waiting: VecDeque<(Process, Vec<Ended>)>,
    spreading: Option<Spreading>,
    /// Messages that a replica had no room for.
    owed: Vec<(Process, Line)>,
    batches: u64,
}

/// A batch that not all replicas know yet.
#[derive(Debug)]
struct Spreading {
    batch: u64,
    askers: Vec<Process>,
    /// At most two a replica.
    awaited: BTreeSet<Process>,
}

impl Endings {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            key: SessionKey::random(),
            known: Revoked::new(limits.sessions_revoked_max),
            waiting: VecDeque::new(),
            spreading: None,
            owed: Vec::new(),
            batches: 0,
        }
    }

    /// The first message to a new process.
    pub(super) fn all(&self) -> Line {
        ToReplica::SessionsEnded { batch: 0, floor: self.known.floor(), ended: self.known.all() }.to_line()
    }

    /// A replica's clients have ended sessions.
    pub(super) fn wait(&mut self, by: Process, ended: Vec<Ended>) {
        self.waiting.push_back((by, ended));
    }

    /// A process knows of a batch.
    pub(super) fn known(&mut self, batch: u64, replica: u16, life: u64) {
        let Some(spreading) = self.spreading.as_mut().filter(|spreading| spreading.batch == batch) else { return };
        spreading.awaited.remove(&(replica, life));
    }

    /// Forgets what processes that are gone were owed or have asked for.
    fn forget(&mut self, lives: impl Fn(Process) -> bool) {
        self.owed.retain(|(process, _)| lives(*process));
        self.waiting.retain(|(process, _)| lives(*process));
        if let Some(spreading) = &mut self.spreading {
            spreading.awaited.retain(|process| lives(*process));
        }
    }

    /// What is to be said now, to these processes.
    fn next(&mut self, processes: &[Process]) {
        if self.spreading.as_ref().is_some_and(|spreading| spreading.awaited.is_empty())
            && let Some(spreading) = self.spreading.take()
        {
            let line = ToReplica::AllKnow.to_line();
            self.owed.extend(spreading.askers.into_iter().map(|process| (process, Line::clone(&line))));
        }
        if self.spreading.is_some() || self.waiting.is_empty() {
            return;
        }
        let (askers, ended): (Vec<Process>, Vec<Vec<Ended>>) = self.waiting.drain(..).unzip();
        let ended = ended.concat();
        ended.iter().for_each(|one| self.known.insert(*one));
        self.batches += 1;
        let line = ToReplica::SessionsEnded { batch: self.batches, floor: self.known.floor(), ended }.to_line();
        self.owed.extend(processes.iter().map(|process| (*process, Line::clone(&line))));
        let awaited = processes.iter().copied().collect();
        self.spreading = Some(Spreading { batch: self.batches, askers, awaited });
    }
}

impl Supervisor {
    /// A client has said something that may concern another replica.
    pub(super) fn heard(&mut self, by: Process, word: Word) {
        let line = ToReplica::Heard(word).to_line();
        for slot in self.slots.values() {
            for (life, process) in slot.processes().filter(|(life, _)| (slot.replica, *life) != by) {
                // One that leaves so much unread is stuck, or will be told too late anyway.
                if !process.try_say(&line) && self.endings.owed.len() < OWED_MAX {
                    self.endings.owed.push(((slot.replica, life), Line::clone(&line)));
                }
            }
        }
    }

    /// After every happening: brings the ends of sessions further on their way.
    pub(super) fn spread_endings(&mut self) {
        let endings = &mut self.endings;
        if endings.waiting.is_empty() && endings.spreading.is_none() && endings.owed.is_empty() {
            return;
        }
        let slots = &self.slots;
        let process = |(replica, life)| slots.get(&replica).and_then(|slot| slot.process_of(life));
        endings.forget(|of| process(of).is_some());
        let lives = |slot: &Slot| slot.processes().map(|(life, _)| (slot.replica, life)).collect::<Vec<_>>();
        let processes: Vec<Process> = slots.values().flat_map(lives).collect();
        endings.next(&processes);
        endings.owed.retain(|(of, line)| !process(*of).is_some_and(|process| process.try_say(line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Process; 2] = [(1, 1), (2, 1)];

    fn ended(id: u128) -> Vec<Ended> {
        vec![Ended { epoch: 9, id }]
    }

    fn said(endings: &mut Endings) -> Vec<(Process, String)> {
        let text = |line: &Line| String::from_utf8_lossy(line).trim_end().to_string();
        endings.owed.drain(..).map(|(process, line)| (process, text(&line))).collect()
    }

    #[test]
    fn who_ended_a_session_is_told_when_all_know() {
        let mut endings = Endings::new(&Limits::default());
        endings.wait((1, 1), ended(5));
        endings.next(&ALL);
        let line = r#"{"sessions_ended":{"batch":1,"floor":0,"ended":[{"epoch":9,"id":5}]}}"#.to_string();
        assert_eq!(said(&mut endings), [((1, 1), line.clone()), ((2, 1), line)]);
        endings.wait((2, 1), ended(6));
        endings.known(1, 1, 1);
        endings.known(1, 2, 7);
        endings.known(9, 2, 1);
        endings.next(&ALL);
        assert_eq!(said(&mut endings), [], "replica 2 does not know yet");
        endings.known(1, 2, 1);
        endings.next(&ALL);
        let said = said(&mut endings);
        assert_eq!(said[0], ((1, 1), r#""all_know""#.to_string()));
        assert!(said.len() == 3 && said[1].1.contains(r#""batch":2"#), "the next batch follows: {said:?}");
        let all = String::from_utf8_lossy(&endings.all()).into_owned();
        assert!(all.contains(r#""id":5"#) && all.contains(r#""id":6"#), "{all}");
    }

    #[test]
    fn a_process_that_is_gone_is_not_waited_for() {
        let mut endings = Endings::new(&Limits::default());
        endings.wait((1, 1), ended(5));
        endings.next(&ALL);
        said(&mut endings);
        endings.known(1, 1, 1);
        endings.forget(|process| process != (2, 1));
        endings.next(&ALL[..1]);
        assert_eq!(said(&mut endings), [((1, 1), r#""all_know""#.to_string())]);
    }

    #[test]
    fn large_ids_survive_the_way() {
        let line = ToReplica::SessionsEnded { batch: 1, floor: 2, ended: ended(u128::MAX) }.to_line();
        let back = super::super::line::parse::<ToReplica>(&line).expect("it was written here");
        assert!(matches!(back, ToReplica::SessionsEnded { ended: back, .. } if back == ended(u128::MAX)));
    }
}
