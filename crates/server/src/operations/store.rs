//! Where operations are made durable: what every store can do.

use super::heart::Key;
use super::table::{Incarnation, Row, Table};

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// Nothing was written, and it can be tried again.
    #[error("the store has written nothing: {0}")]
    NotWritten(String),
    /// Nobody knows what was written: it has to be recovered.
    #[error("the store failed: {0}")]
    Broken(String),
}

/// What a transactional tool did, beside the row of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effect<'a> {
    pub(crate) key: &'a Key,
    pub(crate) value: &'a str,
}

/// A part of what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    Row {
        row: Row,
        replica: u16,
        /// With the first row of an operation.
        key: Option<&'a Key>,
        /// With the result.
        kept: Option<(u64, &'a [u8])>,
        effect: Option<Effect<'a>>,
    },
    /// The row is taken back.
    Remove(i64),
    /// The result in this row is not kept any more.
    Forget(i64),
    /// All rows below this one go.
    Prune(i64),
    Epoch(u64, Incarnation),
    /// The epoch ends; that is a row of the history too.
    Fenced {
        row: i64,
        epoch: u64,
        replica: u16,
        at_ns: u64,
    },
}

/// A durable history of operations. One writer at a time.
pub(crate) trait Store: Send + 'static {
    /// Reads all that was written into a new table. `now_ns` is CLOCK_MONOTONIC.
    fn recover(&mut self, table: &mut Table, now_ns: u64) -> Result<(), StoreError>;

    /// Writes all of it, durable before this returns, or nothing of it.
    fn write(&mut self, entries: &[Entry<'_>]) -> Result<(), StoreError>;

    /// The result that was written with a row.
    fn result(&mut self, row: i64) -> Result<Option<Box<[u8]>>, StoreError>;
}
