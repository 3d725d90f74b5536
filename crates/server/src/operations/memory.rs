//! A store for tests: durable as long as it is held, and as unreliable as a test wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::heart::Key;
use super::store::{Entry, Store, StoreError};
use super::table::{Incarnation, Name, Row, Table, name};

/// A row, the key of its operation with the first one, its result.
type Written = (Row, Option<Key>, Option<Box<[u8]>>);

/// What a crash leaves.
#[derive(Debug, Default, Clone)]
pub(crate) struct Disk {
    pub(crate) rows: BTreeMap<i64, Written>,
    pub(crate) effects: Vec<(Key, u64, String)>,
    epochs: BTreeMap<u64, (Incarnation, bool)>,
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
            let mut names: BTreeMap<i64, Name> = BTreeMap::new();
            for (row, key, _) in disk.rows.values() {
                if let Some(key) = key {
                    names.insert(row.row, name(key));
                }
                table.recover(row, names[&row.first]);
            }
        });
        table.recovered();
        Ok(())
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

    fn result(&mut self, row: i64) -> Result<Option<Box<[u8]>>, StoreError> {
        Ok(self.disk(|disk| disk.rows.get(&row).and_then(|(_, _, result)| result.clone())))
    }
}
