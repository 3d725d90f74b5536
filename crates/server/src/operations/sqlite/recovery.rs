//! What is read back: when a store starts, what it does not find otherwise, which does not depend on how long its history is; and
//! later single operations, and rows for their age.

use rusqlite::{Connection, Row as Found, Rows, types::ValueRef};

use super::schema::{self, Boot, Unfit};
use crate::operations::heart::{Event, Fingerprint, Record};
use crate::operations::table::{Incarnation, Marks, Name, Page, Row, Table, name_of, record};

/// Makes a new table go on where the store stands.
pub(super) fn read(connection: &Connection, table: &mut Table, now_ns: u64) -> Result<Boot, Unfit> {
    read_epochs(connection, table)?;
    let marks = connection
        .query_row(schema::MARKS, [], |row| Ok(Marks { filed: row.get(0)?, swept: row.get(1)?, held: row.get(2)? }))?;
    table.resume(marks, connection.query_row(schema::NEXT_ROW, [], |row| row.get(0))?);
    let boot = Boot::remember(connection, table.next_row(), now_ns)?;
    let mut running = connection.prepare(schema::RUNNING)?;
    fill(connection, boot, table, running.query([])?)?;
    let mut unfiled = connection.prepare(schema::ROWS)?;
    fill(connection, boot, table, unfiled.query([marks.filed])?)?;
    Ok(boot)
}

fn read_epochs(connection: &Connection, table: &mut Table) -> rusqlite::Result<()> {
    table.skip_epochs(connection.query_row(schema::NEXT_EPOCH, [], |row| row.get::<_, i64>(0))?.cast_unsigned());
    let mut select = connection.prepare(schema::LIVING)?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let [epoch, base, number] = [row.get::<_, i64>(0)?, row.get(1)?, row.get(3)?].map(i64::cast_unsigned);
        table.admit(epoch, Incarnation { base, replica: row.get(2)?, number });
    }
    Ok(())
}

/// Puts rows in the table, in their order.
fn fill(connection: &Connection, boot: Boot, table: &mut Table, mut rows: Rows<'_>) -> Result<(), Unfit> {
    while let Some(row) = rows.next()? {
        if let Some((name, row)) = read_row(row, boot)? {
            table.recover(name, &row, || find(connection, boot, &name))?;
        }
    }
    Ok(())
}

/// Where an operation stands, if it is filed.
pub(super) fn find(connection: &Connection, boot: Boot, name: &Name) -> Result<Option<Record>, Unfit> {
    let mut select = connection.prepare_cached(schema::FILED)?;
    let mut rows = select.query([&name[..]])?;
    let found = rows.next()?.map(|row| read_row(row, boot)).transpose()?;
    Ok(found.flatten().map(|(_, row)| record(&row, 0)))
}

/// The rows from this one on, at most `max`, and none after one that was written later than `until_ns`.
pub(super) fn page(connection: &Connection, boot: Boot, from: i64, until_ns: u64, max: usize) -> Result<Page, Unfit> {
    let mut page = Page { rows: Vec::new(), next: from };
    let mut select = connection.prepare_cached(schema::ROWS)?;
    let mut rows = select.query([from])?;
    for _ in 0..max {
        let Some(row) = rows.next()? else { break };
        let number = row.get(0)?;
        if boot.at_ns(number, row.get::<_, i64>(7)?.cast_unsigned()) > until_ns {
            break;
        }
        page.next = number + 1;
        let has_result: bool = row.get(10)?;
        page.rows.extend(read_row(row, boot)?.filter(|(_, row)| row.event != Event::Done || has_result));
    }
    Ok(page)
}

/// A row of the history with the name of its operation. None where it is no operation's, or one's that is not kept.
fn read_row(row: &Found<'_>, boot: Boot) -> Result<Option<(Name, Row)>, Unfit> {
    // A row that this version does not know is of a later one, whose history nobody here can judge.
    let code = row.get(1)?;
    let event = Event::from_code(code).ok_or(Unfit::Event { code })?;
    let name = match (row.get_ref(8)?, row.get_ref(9)?) {
        (_, ValueRef::Null) => return Ok(None),
        (ValueRef::Null, operation) => name_of("", text(operation)?),
        (principal, operation) => name_of(text(principal)?, text(operation)?),
    };
    let number = row.get(0)?;
    let read = Row {
        row: number,
        event,
        first: row.get(2)?,
        epoch: row.get::<_, i64>(3)?.cast_unsigned(),
        ticket: row.get::<_, i64>(4)?.cast_unsigned(),
        class: row.get(5)?,
        fingerprint: row.get::<_, Option<Fingerprint>>(6)?.unwrap_or_default(),
        at_ns: boot.at_ns(number, row.get::<_, i64>(7)?.cast_unsigned()),
    };
    Ok(Some((name, read)))
}

fn text(value: ValueRef<'_>) -> rusqlite::Result<&str> {
    Ok(value.as_str()?)
}
