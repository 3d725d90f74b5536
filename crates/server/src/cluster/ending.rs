//! The ends of sessions on their way to all replicas: who ended one is told so when every replica knows.

use std::collections::{BTreeSet, VecDeque};

use super::messages::{Line, ToReplica};
use super::owing::{Owed, Process};
use super::slot::Slot;
use super::supervisor::Supervisor;
use crate::clock::unix_seconds;
use crate::limits::Limits;
use crate::session::{Ended, Held, Revoked, SessionKey, Word};

/// What the supervisor knows of sessions.
#[derive(Debug)]
pub(super) struct Endings {
    pub(super) key: SessionKey,
    /// All that have ended: what a new replica must know.
    known: Revoked,
    /// What clients wish: a new replica must know that too.
    held: Held,
    /// Those that other machines have told of, and that are not spread yet.
    coming: Revoked,
    /// What replicas have said and is not spread yet; each replica waits for an answer before it says more.
    waiting: VecDeque<(Process, Vec<Ended>)>,
    spreading: Option<Spreading>,
    batches: u64,
}

/// A batch that not all replicas know yet.
#[derive(Debug)]
struct Spreading {
    batch: u64,
    askers: Vec<Process>,
    /// At most two a replica.
    awaited: BTreeSet<Process>,
    /// Other machines can know, or can't be told.
    is_written: bool,
}

/// Sessions that clients have ended here, for other machines.
#[derive(Debug, PartialEq, Eq)]
struct Batch {
    number: u64,
    floor: u32,
    ended: Vec<Ended>,
}

impl Endings {
    pub(super) fn new(limits: &Limits, key: Option<SessionKey>) -> Self {
        Self {
            key: key.unwrap_or_else(SessionKey::random),
            known: Revoked::new(limits.sessions_revoked_max),
            held: Held::new(limits.sessions_held_max, limits.stream_resources_max),
            coming: Revoked::new(limits.sessions_revoked_max),
            waiting: VecDeque::new(),
            spreading: None,
            batches: 0,
        }
    }

    /// The first message to a new process.
    pub(super) fn all(&self) -> Line {
        let (floor, ended) = self.all_ended();
        ToReplica::SessionsEnded { batch: 0, floor, ended, words: self.held.words() }.to_line()
    }

    pub(super) fn all_ended(&self) -> (u32, Vec<Ended>) {
        (self.known.floor(), self.known.all())
    }

    /// On other machines sessions have ended.
    pub(super) fn wait_from_elsewhere(&mut self, floor: u32, ended: Vec<Ended>) {
        self.coming.raise(floor);
        ended.into_iter().for_each(|one| self.coming.insert(one));
    }

    /// Other machines can know of a batch.
    pub(super) fn written(&mut self, batch: u64) {
        self.spreading.iter_mut().filter(|spreading| spreading.batch == batch).for_each(|one| one.is_written = true);
    }

    /// Other machines can't be told of anything.
    pub(super) fn nothing_is_written(&mut self) {
        self.spreading.iter_mut().for_each(|spreading| spreading.is_written = true);
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

    /// What a client wishes for its session.
    pub(super) fn wished(&self, word: &Word) {
        self.held.take(word, unix_seconds());
    }

    /// Forgets what processes that are gone have asked for.
    fn forget(&mut self, lives: impl Fn(Process) -> bool) {
        self.waiting.retain(|(process, _)| lives(*process));
        if let Some(spreading) = &mut self.spreading {
            spreading.awaited.retain(|process| lives(*process));
        }
    }

    /// Adds what is to be said now, to these processes; what other machines are to be told of.
    fn next(&mut self, processes: &[Process], owed: &mut Owed) -> Option<Batch> {
        let is_known = |spreading: &mut Spreading| spreading.is_written && spreading.awaited.is_empty();
        if let Some(spreading) = self.spreading.take_if(is_known) {
            let line = ToReplica::AllKnow.to_line();
            owed.extend(spreading.askers.into_iter().map(|process| (process, Line::clone(&line))));
        }
        if self.spreading.is_some() || (self.waiting.is_empty() && self.coming.is_empty()) {
            return None;
        }
        let (askers, own): (Vec<Process>, Vec<Vec<Ended>>) = self.waiting.drain(..).unzip();
        let (own, floor) = (own.concat(), self.known.floor());
        own.iter().for_each(|one| self.known.insert(*one));
        let mut ended = own.clone();
        self.known.raise(self.coming.floor());
        for one in self.coming.take() {
            if !self.known.has(one) {
                self.known.insert(one);
                ended.push(one);
            }
        }
        if ended.is_empty() && askers.is_empty() && self.known.floor() == floor {
            return None;
        }
        self.batches += 1;
        let (number, floor) = (self.batches, self.known.floor());
        ended.iter().for_each(|one| self.held.forget(one.id));
        let line = ToReplica::SessionsEnded { batch: number, floor, ended, words: Vec::new() }.to_line();
        owed.extend(processes.iter().map(|process| (*process, Line::clone(&line))));
        let awaited = processes.iter().copied().collect();
        self.spreading = Some(Spreading { batch: number, askers, awaited, is_written: true });
        (!own.is_empty()).then_some(Batch { number, floor, ended: own })
    }
}

impl Supervisor {
    /// After every happening: brings the ends of sessions further on their way.
    pub(super) fn spread_endings(&mut self) {
        let endings = &mut self.endings;
        if endings.waiting.is_empty() && endings.coming.is_empty() && endings.spreading.is_none() {
            return;
        }
        let slots = &self.slots;
        endings.forget(|(replica, life)| slots.get(&replica).is_some_and(|slot| slot.process_of(life).is_some()));
        let lives = |slot: &Slot| slot.processes().map(|(life, _)| (slot.replica, life)).collect::<Vec<_>>();
        let processes: Vec<Process> = slots.values().flat_map(lives).collect();
        if let Some(Batch { number, floor, ended }) = endings.next(&processes, &mut self.owed)
            && let Some(machines) = &mut self.machines
            && machines.ended(number, floor, ended)
            && let Some(spreading) = &mut endings.spreading
        {
            spreading.is_written = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Said;

    const ALL: [Process; 2] = [(1, 1), (2, 1)];

    fn ended(id: u128) -> Vec<Ended> {
        vec![Ended { epoch: 9, id }]
    }

    /// What other machines are told of, and what is said to whom.
    fn next(endings: &mut Endings, processes: &[Process]) -> (Option<Batch>, Vec<(Process, String)>) {
        let mut owed = Owed::new();
        let batch = endings.next(processes, &mut owed);
        let text = |line: &Line| String::from_utf8_lossy(line).trim_end().to_string();
        (batch, owed.into_iter().map(|(process, line)| (process, text(&line))).collect())
    }

    fn said(endings: &mut Endings, processes: &[Process]) -> Vec<(Process, String)> {
        next(endings, processes).1
    }

    #[test]
    fn who_ended_a_session_is_told_when_all_know() {
        let mut endings = Endings::new(&Limits::default(), None);
        endings.wait((1, 1), ended(5));
        let line = r#"{"sessions_ended":{"batch":1,"floor":0,"ended":[{"epoch":9,"id":5}]}}"#.to_string();
        assert_eq!(said(&mut endings, &ALL), [((1, 1), line.clone()), ((2, 1), line)]);
        endings.wait((2, 1), ended(6));
        endings.known(1, 1, 1);
        endings.known(1, 2, 7);
        endings.known(9, 2, 1);
        assert_eq!(said(&mut endings, &ALL), [], "replica 2 does not know yet");
        endings.known(1, 2, 1);
        let said = said(&mut endings, &ALL);
        assert_eq!(said[0], ((1, 1), r#""all_know""#.to_string()));
        assert!(said.len() == 3 && said[1].1.contains(r#""batch":2"#), "the next batch follows: {said:?}");
        let all = String::from_utf8_lossy(&endings.all()).into_owned();
        assert!(all.contains(r#""id":5"#) && all.contains(r#""id":6"#), "{all}");
    }

    #[test]
    fn what_ended_elsewhere_is_spread_once_and_not_told_back() {
        let mut endings = Endings::new(&Limits::default(), None);
        endings.wait_from_elsewhere(4, ended(5));
        let line = r#"{"sessions_ended":{"batch":1,"floor":4,"ended":[{"epoch":9,"id":5}]}}"#.to_string();
        assert_eq!(next(&mut endings, &ALL[..1]), (None, vec![((1, 1), line)]));
        endings.known(1, 1, 1);
        endings.wait_from_elsewhere(3, ended(5));
        assert_eq!(next(&mut endings, &ALL), (None, vec![]), "all of that was known");
        assert_eq!(endings.all_ended(), (4, ended(5)));
    }

    #[test]
    fn who_ended_a_session_waits_for_the_database_only_while_it_is_there() {
        let mut endings = Endings::new(&Limits::default(), None);
        for (number, has_database) in [(1, true), (2, false)] {
            endings.wait((1, 1), ended(number.into()));
            let batch = Batch { number, floor: 0, ended: ended(number.into()) };
            assert_eq!(next(&mut endings, &ALL[..1]).0, Some(batch));
            endings.spreading.as_mut().expect("it is on its way").is_written = false;
            endings.known(number, 1, 1);
            endings.written(number + 1);
            assert_eq!(said(&mut endings, &ALL[..1]), [], "it is not written");
            if has_database {
                endings.written(number);
            } else {
                endings.nothing_is_written();
            }
            assert_eq!(said(&mut endings, &ALL[..1]), [((1, 1), r#""all_know""#.to_string())]);
        }
    }

    #[test]
    fn a_process_that_is_gone_is_not_waited_for() {
        let mut endings = Endings::new(&Limits::default(), None);
        endings.wait((1, 1), ended(5));
        next(&mut endings, &ALL);
        endings.known(1, 1, 1);
        endings.forget(|process| process != (2, 1));
        assert_eq!(said(&mut endings, &ALL[..1]), [((1, 1), r#""all_know""#.to_string())]);
    }

    #[test]
    fn large_ids_survive_the_way() {
        let message = ToReplica::SessionsEnded { batch: 1, floor: 2, ended: ended(u128::MAX), words: Vec::new() };
        let back = super::super::line::parse::<ToReplica>(&message.to_line()).expect("it was written here");
        assert!(matches!(back, ToReplica::SessionsEnded { ended: back, .. } if back == ended(u128::MAX)));
    }

    #[test]
    fn a_new_process_is_told_what_sessions_wish_that_have_not_ended() {
        let mut endings = Endings::new(&Limits::default(), None);
        for session in [5, 6] {
            let word = Word { session, expires: 90, said: Said::Level("error".into()) };
            assert!(endings.held.take(&word, 0));
        }
        endings.wait((1, 1), ended(5));
        next(&mut endings, &ALL);
        let all = String::from_utf8_lossy(&endings.all()).into_owned();
        let words = r#""words":[{"session":6,"expires":90,"said":{"level":"error"}}]"#;
        assert!(all.contains(words), "{all}");
    }
}
