//! The history and the effects as lines of text, for an audit by others.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use erlmcp_protocol::operation::short;
use rusqlite::{Connection, OpenFlags, Row};

use crate::operations::heart::Event;
use crate::operations::seeded::Bug;

const HISTORY: &str = "SELECT h.row, h.event, c.principal, c.operation, h.epoch, h.replica, c.fingerprint, h.hash, h.at_ns \
     FROM history h JOIN history c ON c.row = h.first ORDER BY h.row";
const EFFECTS: &str =
    "SELECT effect, principal, operation, epoch, replica, fingerprint, at_ns FROM effects ORDER BY effect";

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("the store cannot be read: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("the file cannot be written: {0}")]
    File(#[from] io::Error),
}

/// One line: all but its number.
struct Line {
    row: i64,
    event: Event,
    principal: String,
    operation: String,
    epoch: i64,
    replica: u16,
    fingerprint: Option<u64>,
    hash: Option<u64>,
    at_ns: i64,
}

fn history(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        row: row.get(0)?,
        event: Event::from_code(row.get(1)?).ok_or(rusqlite::Error::InvalidQuery)?,
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

fn write(out: &mut impl Write, number: u64, event: &str, line: &Line) -> io::Result<()> {
    let text = |text: &str| if text.is_empty() { "-".to_string() } else { text.replace(['\t', '\n', '\r'], " ") };
    let digits = |digest: Option<u64>| digest.map_or("-".to_string(), |digest| format!("{digest:016x}"));
    writeln!(
        out,
        "{number}\t{event}\t{}\t{}\t{}\t{}\t{}\t{}\t{}",
        text(&line.principal),
        text(&line.operation),
        line.epoch,
        line.replica,
        digits(line.fingerprint),
        digits(line.hash),
        line.at_ns
    )
}

/// Writes the store at `store` to the file `to`, which is whole once it is there. Gives the number of lines.
///
/// The reader has a connection of its own: it sees one moment of the store, and the writer does not wait for it.
pub(crate) fn export(store: &Path, to: &Path) -> Result<u64, ExportError> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let snapshot = connection.unchecked_transaction()?;
    let mut name = to.as_os_str().to_os_string();
    name.push(".part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&name)?);
    let mut select = snapshot.prepare(HISTORY)?;
    let mut rows = select.query([])?;
    let mut select_effects = snapshot.prepare(EFFECTS)?;
    let mut effects = select_effects.query([])?;
    let mut number = 0;
    let mut next_effect = effects.next()?.map(effect).transpose()?;
    loop {
        let row = rows.next()?.map(history).transpose()?;
        while let Some(line) = next_effect.take_if(|line| row.as_ref().is_none_or(|row| line.row <= row.row)) {
            number += 1;
            write(&mut out, number, "effect", &line)?;
            next_effect = effects.next()?.map(effect).transpose()?;
        }
        let Some(line) = row else { break };
        if line.event == Event::Done && Bug::CutsRecords.strikes() {
            continue;
        }
        number += 1;
        write(&mut out, number, &line.event.to_string(), &line)?;
        if line.event == Event::Claimed {
            number += 1;
            write(&mut out, number, "started", &line)?;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&name, to)?;
    Ok(number)
}
