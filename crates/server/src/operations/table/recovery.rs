//! A table made again from what was written.

use super::{Marks, Name, Row, Table};
use crate::operations::heart::{Claim, Class, Event, Record, Settled, State};

/// Where a row leaves its operation. `before`: the row that said so before a claim.
pub(crate) fn record(row: &Row, before: i64) -> Record {
    let class = Class::from_code(row.class).unwrap_or(Class::Once);
    let state = match row.event {
        Event::Claimed => {
            let again = row.row != row.first;
            State::Running(Claim { epoch: row.epoch, ticket: row.ticket, class, row: row.row, again })
        }
        Event::Done => State::Done { epoch: row.epoch, ticket: row.ticket, row: row.row },
        Event::Cancelled => State::Settled(Settled::Cancelled),
        // What was done and is forgotten has this in place of a ticket.
        Event::Expired => State::Settled(Settled::Expired { executed: row.ticket != 0 }),
        Event::Never => State::Settled(Settled::Never),
        Event::Indeterminate => State::Settled(Settled::Indeterminate),
        Event::Fenced => State::Open(class),
    };
    let last = if row.event == Event::Claimed { before } else { row.row };
    Record { fingerprint: row.fingerprint, first: row.first, last, at_ns: row.at_ns, state }
}

impl Table {
    /// Goes on where a store stands, with a row that has at least this number. Numbers of rows are not used again: those that
    /// were pruned or taken back may have been the last ones.
    pub(crate) fn resume(&mut self, marks: Marks, next_row: i64) {
        (self.marks, self.durable, self.turned) = (marks, marks, marks.filed);
        self.next_row = next_row.max(marks.filed).max(marks.swept);
    }

    /// Takes a row of the operation with this name: first those of the claims that ran at the last turn, then all that are not filed, in
    /// their order. `filed` finds the operation.
    pub(crate) fn recover<E>(
        &mut self,
        name: Name,
        row: &Row,
        filed: impl FnOnce() -> Result<Option<Record>, E>,
    ) -> Result<(), E> {
        let before = match self.young.get(&name) {
            // Only where a claim is taken back does it matter what was there before.
            _ if row.event != Event::Claimed || row.row == row.first => 0,
            Some(record) => record.last,
            None => filed()?.map_or(0, |record| record.last),
        };
        self.place(name, Some(record(row, before)));
        Ok(())
    }

    /// The number of the next row.
    pub(crate) fn next_row(&self) -> i64 {
        self.next_row
    }

    /// Epochs begin here at the least.
    pub(crate) fn skip_epochs(&mut self, next: u64) {
        self.next_epoch = self.next_epoch.max(next);
    }
}
