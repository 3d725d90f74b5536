//! What is filed, and when. A table has in mind what has changed, until the store has filed under each operation's name the
//! row that says where it stands; what is filed need not be read when the store starts.
//!
//! Names are digests: the next one to be filed may belong on any page of what is filed, and a page is written for it. So what has
//! changed is gathered until there is enough of it, which is a *turn*, and then filed in the order of names, some of it with
//! each transaction. All that is older than the turn before the last is filed, but for claims that run: of those there is a list.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::{Name, Table};
use crate::operations::heart::{Record, State};

/// Where a store stands, beside its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marks {
    /// What rows below this one say is filed, or runs.
    pub(crate) filed: i64,
    /// Rows below this one have been looked at when they were too old, and none of them is to be looked at again.
    pub(crate) swept: i64,
    /// Operations that are kept.
    pub(crate) held: i64,
}

impl Default for Marks {
    fn default() -> Self {
        Self { filed: 1, swept: 1, held: 0 }
    }
}

/// What is to be filed with the next transaction.
#[derive(Debug)]
pub(crate) struct Filing {
    /// In the order of names: where each operation stands.
    pub(crate) rows: Vec<(Name, i64)>,
    /// With the last of a turn: the rows of the claims from before it that run.
    pub(crate) running: Option<Vec<i64>>,
}

/// What had changed before the last turn.
#[derive(Debug, Default)]
pub(super) struct Old {
    pub(super) records: HashMap<Name, Record, RandomState>,
    /// Those that are not filed, the next one last.
    names: Vec<Name>,
    /// So many of them are just being written.
    pending: usize,
}

impl Old {
    /// They were not written.
    pub(super) fn roll_back(&mut self) {
        self.pending = 0;
    }
}

impl Table {
    /// What is to be filed now, at most `max` operations. Holds with the next commit.
    pub(crate) fn file(&mut self, max: usize) -> Filing {
        let Old { records, names, pending } = &mut self.old;
        *pending = max.min(names.len());
        let next = names.iter().rev().take(*pending);
        let rows = next.filter_map(|name| Some((*name, records.get(name)?.last))).collect();
        if *pending < names.len() || self.marks.filed == self.turned {
            return Filing { rows, running: None };
        }
        self.marks.filed = self.turned;
        let of_before = |name: &Name| match self.young.get(name)?.state {
            State::Running(claim) if claim.row < self.turned => Some(claim.row),
            _ => None,
        };
        Filing { rows, running: Some(self.running.iter().filter_map(of_before).collect()) }
    }

    /// The marks, where they have changed since they were last written.
    pub(crate) fn changed_marks(&self) -> Option<Marks> {
        (self.marks != self.durable).then_some(self.marks)
    }

    /// What was to be filed is. Once all of it is, and there is enough for the next turn, that comes.
    pub(super) fn turn(&mut self) {
        let left = self.old.names.len() - self.old.pending;
        self.old.names.truncate(left);
        self.old.pending = 0;
        if self.marks.filed < self.turned {
            return;
        }
        if !self.old.records.is_empty() {
            self.old = Old::default();
        }
        if self.next_row - self.turned < self.keep.unfiled_rows {
            return;
        }
        let mut records = std::mem::take(&mut self.young);
        for name in &self.running {
            let Some(record) = records.get(name).copied() else { continue };
            self.young.insert(*name, record);
            // A claim that runs is not filed, but where its operation stood before.
            if record.last == 0 {
                records.remove(name);
            }
        }
        let mut names: Vec<Name> = records.keys().copied().collect();
        names.sort_unstable();
        names.reverse();
        self.old = Old { records, names, pending: 0 };
        self.turned = self.next_row;
    }
}
