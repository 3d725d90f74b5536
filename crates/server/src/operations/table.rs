//! The operations that a store has in mind, and the epochs of those who work on them. In memory, without IO: a change
//! gives the rows that make it durable, and can be taken back until they are. What is not in mind is *filed*, and the store
//! finds it by its name.

mod filing;
mod recovery;
mod sweep;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use filing::Old;
pub(crate) use filing::{Filing, Marks};
use foldhash::fast::RandomState;
pub(crate) use recovery::record;
use ring::digest::{Context, SHA256};
pub(crate) use sweep::{Oldest, Page};

use super::heart::{Command, Decision, Event, Fingerprint, Key, Outcome, Record, State, decide, fence};
use super::seeded::Bug;

/// An operation's key as it is kept in mind: half a digest, which is shorter than most keys and never longer.
pub(crate) type Name = [u8; 16];

pub(crate) fn name(key: &Key) -> Name {
    name_of(&key.principal, &key.operation)
}

pub(crate) fn name_of(principal: &str, operation: &str) -> Name {
    // No operation's id has a line break.
    half(&[principal, "\n", operation])
}

/// The first half of the SHA-256 of a text that comes in parts.
pub(crate) fn half(parts: &[&str]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part.as_bytes()));
    let mut half = [0; 16];
    half.iter_mut().zip(context.finish().as_ref()).for_each(|(place, byte)| *place = *byte);
    half
}

/// The record that a command leaves, with this row, and the ticket in that row.
pub(crate) fn following(
    before: Option<&Record>,
    command: &Command,
    state: State,
    row: i64,
    now_ns: u64,
) -> (Record, u64) {
    let fingerprint = match command {
        Command::Claim { fingerprint, .. } => *fingerprint,
        _ => before.map(|record| record.fingerprint).unwrap_or_default(),
    };
    let ticket = match command {
        Command::Claim { ticket, .. } | Command::Finish { ticket, .. } => *ticket,
        _ => 0,
    };
    let (first, last) = before.map_or((row, 0), |record| (record.first, record.last));
    (Record { fingerprint, first, last, at_ns: now_ns, state }, ticket)
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) row: i64,
    pub(crate) event: Event,
    /// The operation's first row.
    pub(crate) first: i64,
    pub(crate) epoch: u64,
    pub(crate) ticket: u64,
    /// [`Class::code`](super::heart::Class::code).
    pub(crate) class: u8,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) at_ns: u64,
}

/// What has to be written before an outcome is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    Write(Row),
    /// The row is taken back.
    Remove(i64),
    /// The result in this row is not kept any more.
    Forget(i64),
}

/// One incarnation of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Incarnation {
    /// Of the supervisor, or of the lone server: random.
    pub(crate) base: u64,
    pub(crate) replica: u16,
    /// Grows from one process of a supervisor to the next.
    pub(crate) number: u64,
}

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keep {
    /// Operations.
    pub(crate) held_max: usize,
    pub(crate) retention_ns: u64,
    /// After so many rows what they say is filed. About twice as many are read when a store starts, at most.
    pub(crate) unfiled_rows: i64,
}

/// An undone change: what was in mind before.
type Before = (Name, Option<Record>);

#[derive(Debug)]
pub(crate) struct Table {
    keep: Keep,
    /// What has changed since the last turn, and what runs.
    young: HashMap<Name, Record, RandomState>,
    old: Old,
    /// What is filed of the operations that are asked for now.
    recalled: HashMap<Name, Record, RandomState>,
    /// Bounded by what replicas may have unsettled.
    running: HashSet<Name, RandomState>,
    marks: Marks,
    /// As they were last written.
    durable: Marks,
    /// The first row since the last turn.
    turned: i64,
    /// The oldest operation may go, where there is no room.
    oldest_may_go: bool,
    /// Who may write.
    live: HashMap<u64, Incarnation>,
    next_epoch: u64,
    next_row: i64,
    undo: Vec<Before>,
}

impl Table {
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            young: HashMap::default(),
            old: Old::default(),
            recalled: HashMap::default(),
            running: HashSet::default(),
            marks: Marks::default(),
            durable: Marks::default(),
            turned: Marks::default().filed,
            oldest_may_go: false,
            live: HashMap::new(),
            next_epoch: 1,
            next_row: 1,
            undo: Vec::new(),
        }
    }

    /// Operations that are kept, in mind or filed.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.marks.held).unwrap_or(0)
    }

    /// An operation of which nothing is known is new, or has to be recalled first.
    pub(crate) fn knows(&self, name: &Name) -> bool {
        self.young.contains_key(name) || self.old.records.contains_key(name)
    }

    /// What is filed of operations that are not in mind; holds until it is called again.
    pub(crate) fn recall(&mut self, filed: Vec<(Name, Record)>) {
        self.recalled = filed.into_iter().collect();
    }

    fn get(&self, name: &Name) -> Option<Record> {
        [&self.young, &self.old.records, &self.recalled].into_iter().find_map(|records| records.get(name)).copied()
    }

    /// Carries out a command for the operation with this name, of the incarnation with this epoch. The change holds when
    /// [`Table::commit`] says so.
    pub(crate) fn apply(
        &mut self,
        name: Name,
        command: &Command,
        epoch: u64,
        now_ns: u64,
    ) -> (Outcome, Option<Change>) {
        if !self.live.contains_key(&epoch) && !matches!(command, Command::Ask { .. }) {
            return (Outcome::Fenced, None);
        }
        let before = self.get(&name);
        match decide(before.as_ref(), command, epoch, self.next_row) {
            Decision::Same(outcome) => (outcome, None),
            Decision::Changes(_, Event::Claimed | Event::Never, _) if before.is_none() && self.is_full() => {
                (Outcome::Full, None)
            }
            Decision::Changes(outcome, event, state) => {
                let (record, ticket) = following(before.as_ref(), command, state, self.next_row, now_ns);
                self.marks.held += i64::from(before.is_none());
                let row = self.write(name, record, event, epoch, ticket);
                (outcome, Some(Change::Write(row)))
            }
            Decision::TakenBack(outcome, claim) => {
                let after =
                    before.filter(|_| claim.again).map(|record| Record { state: State::Open(claim.class), ..record });
                match after {
                    // A sweep may have passed its row while it ran.
                    Some(record) => self.marks.swept = self.marks.swept.min(record.last),
                    None => self.marks.held -= 1,
                }
                self.set(name, after);
                (outcome, Some(Change::Remove(claim.row)))
            }
        }
    }

    /// A number for a row that is no operation's.
    pub(crate) fn take_row(&mut self) -> i64 {
        self.next_row += 1;
        self.next_row - 1
    }

    fn is_full(&self) -> bool {
        self.len() >= self.keep.held_max && !self.oldest_may_go
    }

    /// Sets a record, and gives the row of it.
    fn write(&mut self, name: Name, record: Record, event: Event, epoch: u64, ticket: u64) -> Row {
        let class = match record.state {
            State::Running(claim) => claim.class.code(),
            State::Open(class) => class.code(),
            State::Done { .. } | State::Settled(_) => 0,
        };
        let row = Row {
            row: self.next_row,
            event,
            first: record.first,
            epoch,
            ticket,
            class,
            fingerprint: record.fingerprint,
            at_ns: record.at_ns,
        };
        self.next_row += 1;
        let last = if matches!(record.state, State::Running(_)) { record.last } else { row.row };
        self.set(name, Some(Record { last, ..record }));
        row
    }

    fn set(&mut self, name: Name, after: Option<Record>) {
        let before = self.place(name, after);
        self.undo.push((name, before));
    }

    /// The same without a way back; what was in mind before.
    fn place(&mut self, name: Name, after: Option<Record>) -> Option<Record> {
        match after.map(|record| record.state) {
            Some(State::Running(_)) => self.running.insert(name),
            _ => self.running.remove(&name),
        };
        match after {
            Some(record) => self.young.insert(name, record),
            None => self.young.remove(&name),
        }
    }

    /// What was applied since the last commit is durable.
    pub(crate) fn commit(&mut self) {
        self.undo.clear();
        if self.undo.capacity() > 65_536 {
            self.undo = Vec::new();
        }
        self.durable = self.marks;
        self.turn();
    }

    /// What was applied since the last commit is not, and is taken back. Numbers of rows are not used again.
    pub(crate) fn roll_back(&mut self) {
        while let Some((name, before)) = self.undo.pop() {
            self.place(name, before);
        }
        self.marks = self.durable;
        self.old.roll_back();
    }

    /// Takes the claims of an epoch away. Also to be committed.
    pub(crate) fn fence(&mut self, epoch: u64, now_ns: u64) -> Vec<Change> {
        self.live.remove(&epoch);
        let mut changes = Vec::new();
        for name in self.running.clone() {
            let Some(record) = self.young.get(&name).copied() else { continue };
            if let State::Running(claim) = record.state
                && claim.epoch == epoch
            {
                let (event, state) = fence(claim.class);
                let row = self.write(name, Record { at_ns: now_ns, state, ..record }, event, epoch, claim.ticket);
                changes.push(Change::Write(row));
                if Bug::WritesFenced.strikes() {
                    let state = State::Done { epoch, ticket: claim.ticket, row: self.next_row };
                    let row = self.write(name, Record { at_ns: now_ns, state, ..record }, Event::Done, epoch, 0);
                    changes.push(Change::Write(row));
                }
            }
        }
        changes
    }

    /// The epochs whose incarnations are not there any more, for those of this base up to this number; of another base all.
    pub(crate) fn gone(&self, base: u64, up_to: u64, living: &[u64]) -> Vec<u64> {
        let is_gone = |of: &Incarnation| of.base != base || (of.number <= up_to && !living.contains(&of.number));
        let mut gone: Vec<u64> = self.live.iter().filter(|(_, of)| is_gone(of)).map(|(epoch, _)| *epoch).collect();
        gone.sort_unstable();
        gone
    }

    /// The epoch of an incarnation, which may be a new one; none for one that a later incarnation has replaced. The epochs
    /// that have to be fenced first.
    pub(crate) fn connect(&mut self, incarnation: Incarnation) -> Option<(u64, Vec<u64>)> {
        let of_replica = |of: &&Incarnation| of.replica == incarnation.replica;
        if let Some((epoch, _)) = self.live.iter().find(|(_, of)| **of == incarnation) {
            return Some((*epoch, Vec::new()));
        }
        let is_later = |of: &Incarnation| of.base == incarnation.base && of.number > incarnation.number;
        if self.live.values().filter(of_replica).any(is_later) {
            return None;
        }
        let mut replaced: Vec<u64> =
            self.live.iter().filter(|(_, of)| of.replica == incarnation.replica).map(|(epoch, _)| *epoch).collect();
        replaced.sort_unstable();
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        Some((epoch, replaced))
    }

    /// An epoch is durable: its incarnation may write.
    pub(crate) fn admit(&mut self, epoch: u64, incarnation: Incarnation) {
        self.next_epoch = self.next_epoch.max(epoch + 1);
        self.live.insert(epoch, incarnation);
    }

    /// Who may write with this epoch.
    pub(crate) fn incarnation(&self, epoch: u64) -> Option<Incarnation> {
        self.live.get(&epoch).copied()
    }
}
