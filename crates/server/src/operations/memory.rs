//! A store for tests: durable as long as it is held, and as unreliable as a test wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::heart::{Event, Key, Record};
use super::store::{Entry, Store, StoreError};
use super::table::{Incarnation, Marks, Name, Page, Row, Table, name, record};

/// A row, the key of its operation with the first one, its result.
type Written = (Row, Option<Key>, Option<Box<[u8]>>);

/// What a crash leaves.
#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    pub(crate) rows: BTreeMap<i64, Written>,
    pub(crate) effects: Vec<(Key, u64, String)>,
    epochs: BTreeMap<u64, (Incarnation, bool)>,
    filed: BTreeMap<Name, i64>,
    running: Vec<i64>,
    marks: Marks,
    /// What happens to the next write.
    pub(crate) next: Fate,
    pub(crate) writes: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    #[default]
    Good,
    /// There is no room.
    Full,
    /// It fails, and nothing was written.
    Lost,
    /// It fails, and all was written.
    Written,
}

/// Shares its disk with whoever holds another one of it, as a store that is opened again does.
#[derive(Debug, Default, Clone)]
pub(crate) struct MemoryStore(pub(crate) Arc<Mutex<Disk>>);

impl MemoryStore {
    pub(crate) fn disk<T>(&self, look: impl FnOnce(&mut Disk) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Disk {
    fn put(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Row { row, key, kept, effect, .. } => {
                let kept = kept.map(|(_, result)| result.into());
                let twice = self.rows.insert(row.row, (row.clone(), key.cloned(), kept));
                assert!(twice.is_none(), "row {} is there twice", row.row);
                if let Some(effect) = effect {
                    self.effects.push((effect.key.clone(), row.epoch, effect.value.to_string()));
                }
            }
            Entry::Remove(row) => assert!(self.rows.remove(row).is_some(), "row {row} is not there"),
            Entry::Forget(row) => {
                if let Some((_, _, result)) = self.rows.get_mut(row) {
                    *result = None;
                }
            }
            Entry::Prune(row) => self.rows = self.rows.split_off(row),
            Entry::File(name, row) => {
                self.filed.insert(*name, *row);
            }
            Entry::Unfile(name) => {
                self.filed.remove(name);
            }
            Entry::Running(rows) => self.running.clone_from(rows),
            Entry::Mark(marks) => self.marks = *marks,
            Entry::Epoch(epoch, incarnation) => {
                assert!(self.epochs.insert(*epoch, (*incarnation, true)).is_none(), "epoch {epoch} is there twice");
            }
            Entry::Fenced { epoch, .. } => {
                if let Some((_, lives)) = self.epochs.get_mut(epoch) {
                    *lives = false;
                }
            }
        }
    }

    /// A row with the name and the fingerprint of its operation. None where that is not kept.
    fn read(&self, row: &Row) -> Option<(Name, Row)> {
        let (first, key, _) = self.rows.get(&row.first)?;
        Some((name(key.as_ref()?), Row { fingerprint: first.fingerprint, ..row.clone() }))
    }

    fn find(&self, name: &Name) -> Option<Record> {
        let (row, _, _) = self.rows.get(self.filed.get(name)?)?;
        self.read(row).map(|(_, row)| record(&row, 0))
    }
}

impl Store for MemoryStore {
    fn recover(&mut self, table: &mut Table, _: u64) -> Result<(), StoreError> {
        self.disk(|disk| {
            for (epoch, (incarnation, lives)) in &disk.epochs {
                table.skip_epochs(epoch + 1);
                if *lives {
                    table.admit(*epoch, *incarnation);
                }
            }
            table.resume(disk.marks, disk.rows.last_key_value().map_or(1, |(row, _)| row + 1));
            let running = disk.running.iter().filter_map(|row| disk.rows.get(row));
            let unfiled = disk.rows.range(disk.marks.filed..).map(|(_, written)| written);
            for (name, row) in running.chain(unfiled).filter_map(|(row, _, _)| disk.read(row)) {
                table.recover(name, &row, || Ok::<_, StoreError>(disk.find(&name)))?;
            }
            Ok(())
        })
    }

    fn write(&mut self, entries: &[Entry<'_>]) -> Result<(), StoreError> {
        self.disk(|disk| {
            disk.writes += 1;
            match std::mem::take(&mut disk.next) {
                Fate::Full => return Err(StoreError::NotWritten("a test's".to_string())),
                Fate::Lost => return Err(StoreError::Broken("a test's".to_string())),
                fate => {
                    entries.iter().for_each(|entry| disk.put(entry));
                    if fate == Fate::Written {
                        return Err(StoreError::Broken("a test's".to_string()));
                    }
                }
            }
            Ok(())
        })
    }

    fn find(&mut self, names: &[Name]) -> Result<Vec<(Name, Record)>, StoreError> {
        Ok(self.disk(|disk| names.iter().filter_map(|name| Some((*name, disk.find(name)?))).collect()))
    }

    fn page(&mut self, from: i64, until_ns: u64, max: usize) -> Result<Page, StoreError> {
        Ok(self.disk(|disk| {
            let mut page = Page { rows: Vec::new(), next: from };
            for (row, _, result) in disk.rows.range(from..).take(max).map(|(_, written)| written) {
                if row.at_ns > until_ns {
                    break;
                }
                page.next = row.row + 1;
                let is_forgotten = row.event == Event::Done && result.is_none();
                page.rows.extend(disk.read(row).filter(|_| !is_forgotten));
            }
            page
        }))
    }

    fn result(&mut self, row: i64) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(self.disk(|disk| disk.rows.get(&row).and_then(|(_, _, result)| result.clone())))
    }
}
