//! What an export reads from the file.

use std::io;
use std::path::Path;

use erlmcp_protocol::operation::short;
use rusqlite::{Connection, OpenFlags, Row};

use super::schema::Unfit;
use crate::operations::export::{Line, write_lines};
use crate::operations::heart::Event;

const HISTORY: &str = "SELECT h.row, h.event, c.principal, c.operation, h.epoch, h.replica, c.fingerprint, h.hash, h.at_ns \
     FROM history h JOIN history c ON c.row = h.first ORDER BY h.row";
const EFFECTS: &str =
    "SELECT effect, principal, operation, epoch, replica, fingerprint, at_ns FROM effects ORDER BY effect";

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("the store cannot be read: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("the store cannot be read: {0}")]
    Unfit(#[from] Unfit),
    #[error("the file cannot be written: {0}")]
    File(#[from] io::Error),
}

fn history(row: &Row<'_>) -> Result<Line, ExportError> {
    let code = row.get(1)?;
    Ok(Line {
        row: row.get(0)?,
        event: Event::from_code(code).ok_or(Unfit::Event { code })?,
        principal: row.get::<_, Option<String>>(2)?.unwrap_or_default(),
        operation: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        epoch: row.get(4)?,
        replica: row.get(5)?,
        fingerprint: row.get::<_, Option<Vec<u8>>>(6)?.map(|digest| short(&digest)),
        hash: row.get::<_, Option<i64>>(7)?.map(i64::cast_unsigned),
        at_ns: row.get(8)?,
    })
}

fn effect(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        row: row.get(0)?,
        event: Event::Done,
        principal: row.get(1)?,
        operation: row.get(2)?,
        epoch: row.get(3)?,
        replica: row.get(4)?,
        fingerprint: Some(short(&row.get::<_, Vec<u8>>(5)?)),
        hash: None,
        at_ns: row.get(6)?,
    })
}

/// Writes the store at `store` to the file `to`, which is whole once it is there. Gives the number of lines.
///
/// The reader has a connection of its own: it sees one moment of the store, and the writer does not wait for it.
pub(crate) fn export(store: &Path, to: &Path) -> Result<u64, ExportError> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let snapshot = connection.unchecked_transaction()?;
    let mut select = snapshot.prepare(HISTORY)?;
    let mut rows = select.query([])?;
    let mut select_effects = snapshot.prepare(EFFECTS)?;
    let mut effects = select_effects.query([])?;
    write_lines(to, || rows.next()?.map(history).transpose(), || Ok(effects.next()?.map(effect).transpose()?))
}
