//! Where operations are made durable: what every store can do.

use super::heart::{Key, Record};
use super::table::{Incarnation, Marks, Name, Page, Row, Table};

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
    /// This row says where the operation stands.
    File(Name, i64),
    /// The operation is not kept any more.
    Unfile(Name),
    /// The rows of the claims that run, of those below [`Marks::filed`].
    Running(Vec<i64>),
    Mark(Marks),
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
    /// Makes a new table go on from what was written, of which it reads nothing that is filed. `now_ns` is CLOCK_MONOTONIC.
    fn recover(&mut self, table: &mut Table, now_ns: u64) -> Result<(), StoreError>;

    /// Writes all of it, durable before this returns, or nothing of it.
    fn write(&mut self, entries: &[Entry<'_>]) -> Result<(), StoreError>;

    /// Those of these operations that are filed, and where they stand.
    fn find(&mut self, names: &[Name]) -> Result<Vec<(Name, Record)>, StoreError>;

    /// The rows from this one on, at most `max`, and none after one that was written later than `until_ns`.
    fn page(&mut self, from: i64, until_ns: u64, max: usize) -> Result<Page, StoreError>;

    /// The result that was written with a row.
    fn result(&mut self, row: i64) -> Result<Option<Box<[u8]>>, StoreError>;
}
