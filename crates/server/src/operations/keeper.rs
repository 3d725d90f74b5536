//! A store and what it keeps in mind: batches of commands in, durable outcomes out.

use super::heart::{Command, Event, Outcome};
use super::seeded::Bug;
use super::store::{Effect, Entry, Store, StoreError};
use super::table::{Change, Filing, Incarnation, Keep, Name, Oldest, Row, Table, name};

/// Rows that one sweep looks at, and those that it looks at where nothing has to go.
const SWEEP_MAX: usize = 50_000;
const SWEEP_MIN: usize = 64;

/// What a command is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) outcome: Outcome,
    /// With [`Outcome::Done`].
    pub(crate) result: Option<Box<[u8]>>,
}

/// What carries out commands durably. Results of what was not written are never given.
pub(crate) trait Deciding: Send + 'static {
    /// False for an epoch whose incarnation may not write any more.
    fn lives(&self, epoch: u64) -> bool;

    /// Carries out commands in their order, each by the incarnation with its epoch; all together or none, but for those that
    /// can never be, each of which is answered as by a full store.
    ///
    /// # Errors
    /// Where nothing was carried out, as far as anybody may rely on.
    fn execute(&mut self, batch: &[(u64, Command)], now_ns: u64) -> Result<Vec<Reply>, StoreError>;

    /// An incarnation begins, or comes back: its epoch. None where a later one has taken its place.
    fn connect(&mut self, incarnation: Incarnation, now_ns: u64) -> Result<Option<u64>, StoreError>;

    /// Of the incarnations of `base` up to number `up_to` only these live. Where the store is `base`'s alone, no others do.
    fn living(&mut self, base: u64, up_to: u64, living: &[u64], now_ns: u64) -> Result<(), StoreError>;

    /// Lets go of what is too old. To be called now and then.
    fn sweep(&mut self, now_ns: u64) -> Result<(), StoreError>;
}

/// A store with its table. After a failure that leaves the store in doubt everything is read from it again.
pub(crate) struct Keeper<S: Store> {
    store: S,
    table: Table,
    keep: Keep,
    in_doubt: bool,
}

impl<S: Store> Keeper<S> {
    pub(crate) fn open(mut store: S, keep: Keep, now_ns: u64) -> Result<Self, StoreError> {
        let mut table = Table::new(keep);
        store.recover(&mut table, now_ns)?;
        Ok(Self { store, table, keep, in_doubt: false })
    }

    /// Operations that are kept.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn be_sure(&mut self, now_ns: u64) -> Result<(), StoreError> {
        if self.in_doubt {
            let mut table = Table::new(self.keep);
            self.store.recover(&mut table, now_ns)?;
            self.table = table;
            self.in_doubt = false;
        }
        Ok(())
    }

    /// Does something with the store, and is in doubt where that breaks.
    fn with_store<T>(&mut self, act: impl FnOnce(&mut S) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let done = act(&mut self.store);
        self.in_doubt |= matches!(done, Err(StoreError::Broken(_)));
        done
    }

    /// Has in mind where these operations stand.
    fn recall(&mut self, names: impl Iterator<Item = Name>) -> Result<(), StoreError> {
        let unknown: Vec<Name> = names.filter(|name| !self.table.knows(name)).collect();
        let filed = self.with_store(|store| store.find(&unknown))?;
        self.table.recall(filed);
        Ok(())
    }

    /// Adds to a transaction what is to be filed with it. Where there is none, nobody waits for it.
    fn file(&mut self, entries: &mut Vec<Entry<'_>>) {
        if entries.is_empty() {
            return;
        }
        // Twice as many as it has: what is to be filed is so before as much more is.
        let Filing { rows, running } = self.table.file(2 * entries.len());
        entries.extend(rows.into_iter().map(|(name, row)| Entry::File(name, row)));
        entries.extend(running.map(Entry::Running));
    }

    /// Writes, and makes the table agree with what came of it.
    fn settle(&mut self, mut entries: Vec<Entry<'_>>) -> Result<(), StoreError> {
        entries.extend(self.table.changed_marks().map(Entry::Mark));
        let written = if entries.is_empty() { Ok(()) } else { self.with_store(|store| store.write(&entries)) };
        match written {
            Ok(()) => self.table.commit(),
            Err(_) => self.table.roll_back(),
        }
        written
    }

    fn fence(&mut self, epochs: &[u64], now_ns: u64) -> Result<(), StoreError> {
        for &epoch in epochs {
            let Some(incarnation) = self.table.incarnation(epoch) else { continue };
            let changes = self.table.fence(epoch, now_ns);
            let rows = changes.into_iter().map(|change| entry_of(incarnation.replica, change, None));
            let row = self.table.take_row();
            let over = Entry::Fenced { row, epoch, replica: incarnation.replica, at_ns: now_ns };
            let entries = rows.chain([over]).collect();
            if let Err(error) = self.settle(entries) {
                // Not fenced, then: who asks again begins anew.
                self.table.admit(epoch, incarnation);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Results and claims that are too old go.
    fn expire(&mut self, too_old_ns: u64) -> Result<(), StoreError> {
        let swept = self.table.swept();
        let page = self.with_store(|store| store.page(swept, too_old_ns, SWEEP_MAX))?;
        let fenced = page.rows.iter().filter(|(_, row)| row.event == Event::Fenced);
        self.recall(fenced.map(|(name, _)| *name))?;
        let changes = self.table.expire(&page);
        let mut entries = changes.into_iter().map(|change| entry_of(0, change, None)).collect();
        self.file(&mut entries);
        self.settle(entries)
    }

    /// Where there is no room, operations go that are too old.
    fn drop_oldest(&mut self, too_old_ns: u64) -> Result<(), StoreError> {
        let max = self.table.excess().saturating_mul(4).clamp(SWEEP_MIN, SWEEP_MAX);
        let page = self.with_store(|store| store.page(0, u64::MAX, max))?;
        let firsts = page.rows.iter().filter(|(_, row)| row.row == row.first);
        self.recall(firsts.map(|(name, _)| *name))?;
        let Some(Oldest { names, below }) = self.table.oldest(&page, too_old_ns) else { return Ok(()) };
        self.settle(names.iter().map(|name| Entry::Unfile(*name)).chain([Entry::Prune(below)]).collect())?;
        self.table.let_go(&names);
        Ok(())
    }
}

impl<S: Store> Deciding for Keeper<S> {
    fn lives(&self, epoch: u64) -> bool {
        self.table.incarnation(epoch).is_some()
    }

    fn execute(&mut self, batch: &[(u64, Command)], now_ns: u64) -> Result<Vec<Reply>, StoreError> {
        self.be_sure(now_ns)?;
        let names: Vec<Name> = batch.iter().map(|(_, command)| name(command.key())).collect();
        self.recall(names.iter().copied())?;
        let mut entries = Vec::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for ((epoch, command), name) in batch.iter().zip(names) {
            let (outcome, change) = match command {
                Command::Finish { .. } if Bug::DropsResults.strikes() => (Outcome::Stored, None),
                command => self.table.apply(name, command, *epoch, now_ns),
            };
            entries.extend(change.map(|change| entry(&self.table, change, Some(command))));
            outcomes.push(outcome);
        }
        self.file(&mut entries);
        self.settle(entries)?;
        let mut replies = Vec::with_capacity(batch.len());
        for outcome in outcomes {
            let result = match outcome {
                Outcome::Done { row, .. } => self.with_store(|store| store.result(row))?,
                _ => None,
            };
            replies.push(Reply { outcome, result });
        }
        Ok(replies)
    }

    fn connect(&mut self, incarnation: Incarnation, now_ns: u64) -> Result<Option<u64>, StoreError> {
        self.be_sure(now_ns)?;
        let Some((epoch, replaced)) = self.table.connect(incarnation) else { return Ok(None) };
        if self.table.incarnation(epoch).is_some() {
            return Ok(Some(epoch));
        }
        self.fence(&replaced, now_ns)?;
        self.settle(vec![Entry::Epoch(epoch, incarnation)])?;
        self.table.admit(epoch, incarnation);
        Ok(Some(epoch))
    }

    fn living(&mut self, base: u64, up_to: u64, living: &[u64], now_ns: u64) -> Result<(), StoreError> {
        self.be_sure(now_ns)?;
        let gone = self.table.gone(base, up_to, living);
        self.fence(&gone, now_ns)
    }

    fn sweep(&mut self, now_ns: u64) -> Result<(), StoreError> {
        self.be_sure(now_ns)?;
        let Some(too_old_ns) = self.table.too_old_ns(now_ns) else { return Ok(()) };
        self.expire(too_old_ns)?;
        self.drop_oldest(too_old_ns)
    }
}

fn entry<'a>(table: &Table, change: Change, command: Option<&'a Command>) -> Entry<'a> {
    let epoch = match &change {
        Change::Write(row) => row.epoch,
        _ => 0,
    };
    let replica = table.incarnation(epoch).map_or(0, |incarnation| incarnation.replica);
    entry_of(replica, change, command)
}

fn entry_of(replica: u16, change: Change, command: Option<&Command>) -> Entry<'_> {
    let row: Row = match change {
        Change::Write(row) => row,
        Change::Remove(row) => return Entry::Remove(row),
        Change::Forget(row) => return Entry::Forget(row),
    };
    let key = command.map(Command::key);
    let (kept, effect) = match command {
        Some(Command::Finish { key, hash, result, effect, .. }) => {
            (Some((*hash, &**result)), effect.as_deref().map(|value| Effect { key, value }))
        }
        _ => (None, None),
    };
    let key = key.filter(|_| row.first == row.row);
    Entry::Row { row, replica, key, kept, effect }
}

#[cfg(test)]
pub(crate) mod contract;
