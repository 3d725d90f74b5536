//! What is too old: results are forgotten, and where there is no room the oldest operations are.

use super::{Change, Name, Row, Table, record};
use crate::operations::heart::{Event, Record, Settled, State};

/// Some rows of operations, in order, each with its operation's fingerprint. Those are left out whose result is forgotten.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) rows: Vec<(Name, Row)>,
    /// The number after the last that was read.
    pub(crate) next: i64,
}

/// The operations that go, and the row below which there is nothing then.
#[derive(Debug)]
pub(crate) struct Oldest {
    pub(crate) names: Vec<Name>,
    pub(crate) below: i64,
}

impl Table {
    /// What was last changed by then is too old. None: nothing can be.
    pub(crate) fn too_old_ns(&self, now_ns: u64) -> Option<u64> {
        now_ns.checked_sub(self.keep.retention_ns)
    }

    /// The first row that was not looked at when it was too old.
    pub(crate) fn swept(&self) -> i64 {
        self.marks.swept
    }

    /// So many operations are to go, as far as they may.
    pub(crate) fn excess(&self) -> usize {
        self.len().saturating_sub(self.keep.held_max - self.keep.held_max / 16)
    }

    /// Takes results and what may be claimed again out of rows that are too old, and gives what has to be written of it. What is
    /// filed of those that may be claimed again has to be recalled before.
    pub(crate) fn expire(&mut self, page: &Page) -> Vec<Change> {
        let mut changes = Vec::new();
        for (name, row) in &page.rows {
            let before = match row.event {
                // Nothing comes after it but this.
                Event::Done => record(row, 0),
                Event::Fenced => match self.get(name) {
                    Some(before) if before.last == row.row && matches!(before.state, State::Open(_)) => before,
                    _ => continue,
                },
                _ => continue,
            };
            let (event, settled) = match before.state {
                State::Done { row, .. } => {
                    changes.push(Change::Forget(row));
                    (Event::Expired, Settled::Expired { executed: true })
                }
                // It may have run, and what it did is outside.
                State::Open(class) if !class.leaves_nothing() => (Event::Indeterminate, Settled::Indeterminate),
                _ => (Event::Expired, Settled::Expired { executed: false }),
            };
            let ticket = u64::from(settled.executed() == Some(true));
            // Its age stays what it was.
            let row = self.write(*name, Record { state: State::Settled(settled), ..before }, event, 0, ticket);
            changes.push(Change::Write(row));
        }
        self.marks.swept = self.marks.swept.max(page.next);
        changes
    }

    /// What goes of the operations that were begun first, of which this page has the first rows: as many as there are too many, and
    /// none that is younger than `too_old_ns`. Those of them that are filed have to be recalled before. Once that is durable,
    /// [`Table::let_go`] is told.
    pub(crate) fn oldest(&mut self, page: &Page, too_old_ns: u64) -> Option<Oldest> {
        let excess = self.excess();
        let (mut names, mut stays) = (Vec::new(), None);
        self.oldest_may_go = false;
        for (name, row) in page.rows.iter().filter(|(_, row)| row.row == row.first) {
            let is_over = |one: Record| matches!(one.state, State::Settled(_)) && one.at_ns <= too_old_ns;
            let may_go = self.get(name).is_none_or(is_over);
            if !may_go || names.len() == excess {
                (self.oldest_may_go, stays) = (may_go, Some(row.row));
                break;
            }
            names.push(*name);
        }
        let below = stays.unwrap_or(page.next);
        if excess == 0 || (stays.is_some() && names.is_empty()) {
            return None;
        }
        self.marks.held -= i64::try_from(names.len()).unwrap_or(0);
        self.marks.swept = self.marks.swept.max(below);
        Some(Oldest { names, below })
    }

    /// Those that went are not there any more.
    pub(crate) fn let_go(&mut self, names: &[Name]) {
        for name in names {
            self.young.remove(name);
            self.old.records.remove(name);
        }
    }
}
