//! A batch of commands, decided on the operations that the database has locked for it. Without IO: what was found goes in,
//! what has to be written comes out.

use std::collections::{BTreeMap, HashMap};

use super::writes::{EffectRow, HistoryRow, Standing, Writes};
use crate::operations::heart::{Command, Decision, Event, Key, Outcome, Record, State, decide};
use crate::operations::keeper::Reply;
use crate::operations::seeded::Bug;
use crate::operations::table::{Name, following, name};

/// What the database has of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) record: Record,
    pub(super) result: Option<Box<[u8]>>,
}

/// An operation that the batch touches.
struct Place {
    was_there: bool,
    is_changed: bool,
    now: Option<Found>,
}

/// What a batch is decided on.
pub(super) struct Plan<'a> {
    batch: &'a [(u64, Command)],
    names: Vec<Name>,
    places: BTreeMap<Name, Place>,
    /// The epochs that live, and whose they are.
    living: HashMap<u64, u16>,
    history: BTreeMap<i64, HistoryRow<'a>>,
    unwritten: Vec<i64>,
    effects: Vec<EffectRow<'a>>,
    /// No other operation can be taken.
    is_full: bool,
    now_ns: u64,
}

impl<'a> Plan<'a> {
    pub(super) fn new(batch: &'a [(u64, Command)], is_full: bool, now_ns: u64) -> Self {
        let names: Vec<Name> = batch.iter().map(|(_, command)| name(command.key())).collect();
        let place = |name: &Name| (*name, Place { was_there: false, is_changed: false, now: None });
        Self {
            batch,
            places: names.iter().map(place).collect(),
            names,
            living: HashMap::new(),
            history: BTreeMap::new(),
            unwritten: Vec::new(),
            effects: Vec::new(),
            is_full,
            now_ns,
        }
    }

    /// The names of its operations, in order.
    pub(super) fn names(&self) -> Vec<&[u8]> {
        self.places.keys().map(|name| &name[..]).collect()
    }

    /// The epochs of its commands.
    pub(super) fn epochs(&self) -> Vec<u64> {
        let mut epochs: Vec<u64> = self.batch.iter().map(|(epoch, _)| *epoch).collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs
    }

    pub(super) fn lives(&mut self, epoch: u64, replica: u16) {
        self.living.insert(epoch, replica);
    }

    /// The epochs of its commands that do not live.
    pub(super) fn dead(&self) -> Vec<u64> {
        self.epochs().into_iter().filter(|epoch| !self.living.contains_key(epoch)).collect()
    }

    pub(super) fn found(&mut self, name: Name, found: Found) {
        self.places.insert(name, Place { was_there: true, is_changed: false, now: Some(found) });
    }

    /// Decides, with a number for the row of each command.
    pub(super) fn decide(&mut self, numbers: &[i64]) -> Vec<Reply> {
        let batch = self.batch;
        let commands = batch.iter().zip(numbers).enumerate();
        commands.map(|(at, ((epoch, command), number))| self.one(at, *epoch, command, *number)).collect()
    }

    fn one(&mut self, at: usize, epoch: u64, command: &'a Command, number: i64) -> Reply {
        let plain = |outcome| Reply { outcome, result: None };
        let replica = self.living.get(&epoch).copied();
        if replica.is_none() && !matches!(command, Command::Ask { .. }) {
            return plain(Outcome::Fenced);
        }
        if matches!(command, Command::Finish { .. }) && Bug::DropsResults.strikes() {
            return plain(Outcome::Stored);
        }
        let Some(place) = self.names.get(at).and_then(|name| self.places.get_mut(name)) else {
            return plain(Outcome::Fenced);
        };
        let before = place.now.as_ref().map(|found| found.record);
        match decide(before.as_ref(), command, epoch, number) {
            Decision::Same(outcome @ Outcome::Done { .. }) => {
                Reply { outcome, result: place.now.as_ref().and_then(|found| found.result.clone()) }
            }
            Decision::Same(outcome) => plain(outcome),
            Decision::Changes(_, Event::Claimed | Event::Never, _) if before.is_none() && self.is_full => {
                plain(Outcome::Full)
            }
            Decision::Changes(outcome, event, state) => {
                let (record, _) = following(before.as_ref(), command, state, number, self.now_ns);
                let (row, effect) = rows(command, event, &record, epoch, replica.unwrap_or(0), number);
                self.history.insert(number, row);
                self.effects.extend(effect);
                let result = match command {
                    Command::Finish { result, .. } => Some(result.clone()),
                    _ => None,
                };
                (place.is_changed, place.now) = (true, Some(Found { record, result }));
                plain(outcome)
            }
            Decision::TakenBack(outcome, claim) => {
                let open = |record: Record| Found {
                    record: Record { state: State::Open(claim.class), ..record },
                    result: None,
                };
                (place.is_changed, place.now) = (true, before.filter(|_| claim.again).map(open));
                if self.history.remove(&claim.row).is_none() {
                    self.unwritten.push(claim.row);
                }
                plain(outcome)
            }
        }
    }

    /// What has to be written before anything is answered.
    pub(super) fn writes(&self) -> Writes<'_> {
        let mut writes = Writes { history: self.history.values().cloned().collect(), ..Writes::default() };
        writes.unwritten.clone_from(&self.unwritten);
        writes.effects.clone_from(&self.effects);
        for (name, place) in self.places.iter().filter(|(_, place)| place.is_changed) {
            match (place.was_there, &place.now) {
                (false, None) => {}
                (true, None) => writes.deleted.push(name),
                (was_there, Some(Found { record, result })) => {
                    let standing = Standing::new(name, record, result.as_deref());
                    let into = if was_there { &mut writes.updated } else { &mut writes.inserted };
                    into.push(standing);
                }
            }
        }
        writes
    }
}

fn rows<'a>(
    command: &'a Command,
    event: Event,
    record: &Record,
    epoch: u64,
    replica: u16,
    number: i64,
) -> (HistoryRow<'a>, Option<EffectRow<'a>>) {
    let key: &Key = command.key();
    let (hash, value) = match command {
        Command::Finish { hash, effect, .. } => (Some(*hash), effect.as_deref()),
        _ => (None, None),
    };
    let row = HistoryRow {
        number,
        event,
        first: record.first,
        epoch,
        replica,
        key: (record.first == number).then_some(key),
        fingerprint: (event == Event::Claimed).then_some(record.fingerprint),
        hash,
        at_ns: record.at_ns,
    };
    let effect = value.map(|value| EffectRow { key, value, fingerprint: record.fingerprint, row: row.clone() });
    (row, effect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::heart::{Abandoned, Class, Settled};

    fn key(operation: &str) -> Key {
        Key { principal: Box::default(), operation: operation.into() }
    }

    fn claim(operation: &str, ticket: u64) -> Command {
        Command::Claim { key: key(operation), ticket, class: Class::Transactional, fingerprint: [7; 16] }
    }

    fn finish(operation: &str, ticket: u64) -> Command {
        Command::Finish { key: key(operation), ticket, hash: 1, result: Box::from(*b"{}"), effect: Some("x".into()) }
    }

    /// The outcomes of a batch of epoch 1, which lives, on what was found.
    fn decided<'a>(batch: &'a [(u64, Command)], found: Option<(&str, State)>, first: i64) -> (Plan<'a>, Vec<Outcome>) {
        let mut plan = Plan::new(batch, false, 0);
        plan.lives(1, 4);
        if let Some((operation, state)) = found {
            let record = Record { fingerprint: [7; 16], first: 1, last: 1, at_ns: 0, state };
            plan.found(name(&key(operation)), Found { record, result: Some(Box::from(*b"{}")) });
        }
        let numbers: Vec<i64> = (first..).take(batch.len()).collect();
        let replies = plan.decide(&numbers);
        (plan, replies.into_iter().map(|reply| reply.outcome).collect())
    }

    #[test]
    fn what_a_batch_begins_it_can_end() {
        let batch = [(1, claim("a", 1)), (1, claim("a", 2)), (1, finish("a", 1)), (2, claim("b", 1))];
        let (plan, outcomes) = decided(&batch, None, 10);
        assert_eq!(outcomes, [Outcome::Granted, Outcome::Running { epoch: 1 }, Outcome::Stored, Outcome::Fenced]);
        let writes = plan.writes();
        assert_eq!((writes.inserted.len(), writes.updated.len(), writes.deleted.len()), (1, 0, 0));
        assert_eq!(writes.history.iter().map(|row| (row.number, row.first)).collect::<Vec<_>>(), [(10, 10), (12, 10)]);
        assert_eq!(writes.effects.len(), 1);
        assert_eq!(plan.dead(), [2]);
    }

    #[test]
    fn a_claim_that_is_taken_back_leaves_nothing() {
        let back = || (1, Command::Abandon { key: key("a"), ticket: 1, how: Abandoned::Unstarted });
        let batch = [(1, claim("a", 1)), back()];
        let (plan, outcomes) = decided(&batch, None, 10);
        assert_eq!(outcomes, [Outcome::Granted, Outcome::Ended]);
        assert!(plan.writes().is_empty());
        let running =
            crate::operations::heart::Claim { epoch: 1, ticket: 1, class: Class::Transactional, row: 5, again: true };
        let batch = [back()];
        let (plan, _) = decided(&batch, Some(("a", State::Running(running))), 10);
        let writes = plan.writes();
        assert_eq!((writes.updated.len(), writes.deleted.len(), &writes.unwritten[..]), (1, 0, &[5][..]));
        let (plan, _) = {
            let running = State::Running(crate::operations::heart::Claim { again: false, ..running });
            decided(&batch, Some(("a", running)), 10)
        };
        assert_eq!((plan.writes().updated.len(), plan.writes().deleted.len()), (0, 1));
    }

    #[test]
    fn a_full_store_takes_no_other_operation() {
        let batch = [(1, claim("a", 1)), (1, Command::Ask { key: key("b"), settle: true }), (1, claim("c", 1))];
        let mut plan = Plan::new(&batch, true, 0);
        plan.lives(1, 4);
        let record =
            Record { fingerprint: [7; 16], first: 1, last: 1, at_ns: 0, state: State::Settled(Settled::Never) };
        plan.found(name(&key("c")), Found { record, result: None });
        let outcomes: Vec<Outcome> = plan.decide(&[1, 2, 3]).into_iter().map(|reply| reply.outcome).collect();
        assert_eq!(outcomes, [Outcome::Full, Outcome::Full, Outcome::Settled(Settled::Never)]);
        assert!(plan.writes().is_empty());
    }
}
