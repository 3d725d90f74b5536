//! What an export reads from the database.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use erlmcp_protocol::operation::short;
use tokio_postgres::{Client, Error, NoTls, Portal, Row, Transaction};

use super::address::{AddressError, PostgresAddress};
use super::session::sentence;
use crate::operations::export::{Line, write_lines};
use crate::operations::heart::Event;

/// Rows of one answer.
const PAGE: i32 = 10_000;

const HISTORY: &str = "SELECT h.number, h.event, c.principal, c.operation, h.epoch, h.replica, c.fingerprint, h.hash, \
     h.at_ns FROM erlmcp.history h JOIN erlmcp.history c ON c.number = h.first ORDER BY h.number";

/// What was done, by the log of effects.
fn effects_sql() -> String {
    format!(
        "SELECT number, {}::smallint, principal, operation, epoch, replica, fingerprint, NULL::bigint, at_ns \
         FROM erlmcp.effects ORDER BY number",
        Event::Done.code()
    )
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("PostgreSQL cannot be read: {}", sentence(.0))]
    Store(#[from] Error),
    #[error("the database has an event that this version does not know")]
    Unknown,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the file cannot be written: {0}")]
    File(#[from] io::Error),
}

fn line(row: &Row) -> Result<Line, ExportError> {
    let text = |place| row.try_get::<_, Option<String>>(place).map(Option::unwrap_or_default);
    Ok(Line {
        row: row.try_get(0)?,
        event: Event::from_code(row.try_get::<_, i16>(1)?.into()).ok_or(ExportError::Unknown)?,
        principal: text(2)?,
        operation: text(3)?,
        epoch: row.try_get(4)?,
        replica: u16::try_from(row.try_get::<_, i32>(5)?).unwrap_or(0),
        fingerprint: row.try_get::<_, Option<&[u8]>>(6)?.map(short),
        hash: row.try_get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
        at_ns: row.try_get(8)?,
    })
}

/// The rows of a statement, a page at a time.
struct Pages<'a> {
    runtime: &'a tokio::runtime::Runtime,
    transaction: &'a Transaction<'a>,
    portal: Portal,
    page: VecDeque<Row>,
    is_over: bool,
}

impl<'a> Pages<'a> {
    fn of(runtime: &'a tokio::runtime::Runtime, transaction: &'a Transaction<'a>, sql: &str) -> Result<Self, Error> {
        let portal = runtime.block_on(transaction.bind(sql, &[]))?;
        Ok(Self { runtime, transaction, portal, page: VecDeque::new(), is_over: false })
    }

    fn next(&mut self) -> Result<Option<Line>, ExportError> {
        if self.page.is_empty() && !self.is_over {
            self.page = self.runtime.block_on(self.transaction.query_portal(&self.portal, PAGE))?.into();
            self.is_over = self.page.is_empty();
        }
        self.page.pop_front().map(|row| line(&row)).transpose()
    }
}

/// Writes what the database has, of all members, to the file `to`, which is whole once it is there. Gives the number of
/// lines. Not to be called in async code.
///
/// It has a connection of its own: it sees one moment of the store, and no writer waits for it.
pub(crate) fn export(address: &PostgresAddress, to: &Path) -> Result<u64, ExportError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = address.config("erlmcp store")?;
    let (mut client, connection): (Client, _) = runtime.block_on(config.connect(NoTls))?;
    runtime.spawn(connection);
    let snapshot = client.build_transaction().isolation_level(tokio_postgres::IsolationLevel::RepeatableRead);
    let snapshot = runtime.block_on(snapshot.read_only(true).start())?;
    let mut history = Pages::of(&runtime, &snapshot, HISTORY)?;
    let mut effects = Pages::of(&runtime, &snapshot, &effects_sql())?;
    write_lines(to, || history.next(), || effects.next())
}
