//! A history read back. Millions of operations are the rule, and until they are read nobody is served: one thread reads the
//! rows, and another one puts them in the table.

use std::sync::mpsc::{Receiver, sync_channel};

use rusqlite::{Connection, Row as Found, types::ValueRef};

use super::schema::{self, Unfit};
use crate::operations::heart::{Event, Fingerprint};
use crate::operations::table::{Incarnation, Name, Row, Table, name_of};

/// Rows that go from one thread to the other at once, and how often that many may wait.
const BATCH: usize = 4_096;
const BATCHES: usize = 16;

/// A row as it is read; the first one of an operation has its name.
type Read = (Row, Option<Name>);

/// Reads all that was written into a new table.
pub(super) fn read(connection: &Connection, table: &mut Table, now_ns: u64) -> Result<(), Unfit> {
    let same_boot = schema::remember_boot(connection)?;
    read_epochs(connection, table)?;
    table.expect_rows(connection.query_row(schema::COUNT_ROWS, [], |row| row.get(0))?);
    std::thread::scope(|scope| {
        let (rows, taken) = sync_channel(BATCHES);
        scope.spawn(|| fill(table, taken));
        let mut batch = Vec::with_capacity(BATCH);
        let mut select = connection.prepare(schema::SELECT_ROWS)?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            let (mut row, name) = read_row(row)?;
            // The clock began anew with the machine: what is older than that is kept as long as if it were of now.
            row.at_ns = if same_boot { row.at_ns.min(now_ns) } else { now_ns };
            batch.push((row, name));
            if batch.len() == BATCH {
                // The other thread takes all there are.
                let _ = rows.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
            }
        }
        let _ = rows.send(batch);
        Ok(())
    })
}

fn read_epochs(connection: &Connection, table: &mut Table) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT epoch, base, replica, number, fenced FROM epochs ORDER BY epoch")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let epoch = row.get::<_, i64>(0)?.cast_unsigned();
        table.skip_epochs(epoch + 1);
        if !row.get::<_, bool>(4)? {
            let (base, number) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(3)?.cast_unsigned());
            table.admit(epoch, Incarnation { base, replica: row.get(2)?, number });
        }
    }
    Ok(())
}

/// A row of [`schema::SELECT_ROWS`].
fn read_row(row: &Found<'_>) -> Result<Read, Unfit> {
    // A row that this version does not know is of a later one, whose history nobody here can judge.
    let code = row.get(1)?;
    let event = Event::from_code(code).ok_or(Unfit::Event { code })?;
    let name = match (row.get_ref(8)?, row.get_ref(9)?) {
        (_, ValueRef::Null) => None,
        (ValueRef::Null, operation) => Some(name_of("", text(operation)?)),
        (principal, operation) => Some(name_of(text(principal)?, text(operation)?)),
    };
    let read = Row {
        row: row.get(0)?,
        event,
        first: row.get(2)?,
        epoch: row.get::<_, i64>(3)?.cast_unsigned(),
        ticket: row.get::<_, i64>(4)?.cast_unsigned(),
        class: row.get(5)?,
        fingerprint: row.get::<_, Option<Fingerprint>>(6)?.unwrap_or_default(),
        at_ns: row.get::<_, i64>(7)?.cast_unsigned(),
    };
    Ok((read, name))
}

fn text(value: ValueRef<'_>) -> rusqlite::Result<&str> {
    Ok(value.as_str()?)
}

/// Puts rows in the table, in their order, until none comes any more.
fn fill(table: &mut Table, rows: Receiver<Vec<Read>>) {
    // By first row, in order; what is asked for is mostly near the end.
    let mut names: Vec<(i64, Name)> = Vec::new();
    for (row, name) in rows.into_iter().flatten() {
        names.extend(name.map(|name| (row.row, name)));
        match names.binary_search_by_key(&row.first, |(first, _)| *first) {
            Ok(at) => table.recover(&row, names[at].1),
            // Of an epoch, not of an operation.
            Err(_) => table.skip_rows(row.row + 1),
        }
    }
    table.recovered();
}
