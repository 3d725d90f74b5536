//! A table made again from the rows that were written.

use super::{Name, Row, Table};
use crate::operations::heart::{Claim, Class, Event, Record, Settled, State};

impl Table {
    /// So many rows come.
    pub(crate) fn expect_rows(&mut self, rows: u64) {
        // Most operations have two: that they were claimed, and that they are done.
        let operations = usize::try_from(rows / 2).unwrap_or(usize::MAX).min(self.keep.held_max);
        self.records.reserve(operations);
        self.order.reserve(operations);
    }

    /// Takes a row of the history, in their order. `name` is that of its operation where the row is its first.
    pub(crate) fn recover(&mut self, row: &Row, name: Name) {
        self.next_row = self.next_row.max(row.row + 1);
        let class = Class::from_code(row.class).unwrap_or(Class::Once);
        let before = self.records.get(&name).copied();
        let state = match row.event {
            Event::Claimed => {
                let again = before.is_some();
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
        let fingerprint = if before.is_some() && row.fingerprint == [0; 16] {
            before.map(|record| record.fingerprint).unwrap_or_default()
        } else {
            row.fingerprint
        };
        self.place(name, Some(Record { fingerprint, first: row.first, at_ns: row.at_ns, state }));
    }

    /// No row comes any more: those whose results were forgotten before are known to be.
    pub(crate) fn recovered(&mut self) {
        let is_expired = |name: &Name| {
            matches!(self.records.get(name).map(|record| record.state), Some(State::Settled(Settled::Expired { .. })))
        };
        self.expired = self.order.iter().take_while(|name| is_expired(name)).count();
    }

    /// Rows begin here at the least.
    pub(crate) fn skip_rows(&mut self, next: i64) {
        self.next_row = self.next_row.max(next);
    }

    /// Epochs begin here at the least.
    pub(crate) fn skip_epochs(&mut self, next: u64) {
        self.next_epoch = self.next_epoch.max(next);
    }
}
