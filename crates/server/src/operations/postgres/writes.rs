//! What one transaction writes, as arrays: one statement a table, however many rows.

use tokio_postgres::{Client, Error, Row};

use super::plan::Found;
use super::schema::{Say, Statements};
use crate::operations::heart::{Claim, Class, Event, Fingerprint, Key, Record, Settled, State};
use crate::operations::table::Name;

/// A row of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HistoryRow<'a> {
    pub(super) number: i64,
    pub(super) event: Event,
    pub(super) first: i64,
    pub(super) epoch: u64,
    pub(super) replica: u16,
    /// With the first row of an operation.
    pub(super) key: Option<&'a Key>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) hash: Option<u64>,
    pub(super) at_ns: u64,
}

/// An effect, beside the row of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EffectRow<'a> {
    pub(super) key: &'a Key,
    pub(super) value: &'a str,
    pub(super) fingerprint: Fingerprint,
    pub(super) row: HistoryRow<'a>,
}

/// Where an operation stands, as its row has it: the event that brought it there, and what belongs to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing<'a> {
    name: &'a [u8],
    event: Event,
    epoch: u64,
    ticket: u64,
    class: u8,
    last: i64,
    first: i64,
    again: bool,
    fingerprint: Fingerprint,
    result: Option<&'a [u8]>,
}

impl<'a> Standing<'a> {
    pub(super) fn new(name: &'a [u8], record: &Record, result: Option<&'a [u8]>) -> Self {
        let Record { fingerprint, first, state, .. } = *record;
        let plain = Self {
            name,
            event: Event::Fenced,
            epoch: 0,
            ticket: 0,
            class: 0,
            last: 0,
            first,
            again: false,
            fingerprint,
            result: None,
        };
        match state {
            State::Running(Claim { epoch, ticket, class, row, again }) => {
                Self { event: Event::Claimed, epoch, ticket, class: class.code(), last: row, again, ..plain }
            }
            State::Open(class) => Self { class: class.code(), ..plain },
            State::Done { epoch, ticket, row } => {
                Self { event: Event::Done, epoch, ticket, last: row, result, ..plain }
            }
            State::Settled(Settled::Never) => Self { event: Event::Never, ..plain },
            State::Settled(Settled::Cancelled) => Self { event: Event::Cancelled, ..plain },
            State::Settled(Settled::Indeterminate) => Self { event: Event::Indeterminate, ..plain },
            // As in the history: what was done and is forgotten has this in place of a ticket.
            State::Settled(Settled::Expired { executed }) => {
                Self { event: Event::Expired, ticket: u64::from(executed), ..plain }
            }
        }
    }
}

/// The state that a row of the operations says; none for one of a later version of erlmcp.
fn state(event: Event, epoch: u64, ticket: u64, class: Class, row: i64, again: bool) -> State {
    match event {
        Event::Claimed => State::Running(Claim { epoch, ticket, class, row, again }),
        Event::Done => State::Done { epoch, ticket, row },
        Event::Cancelled => State::Settled(Settled::Cancelled),
        Event::Expired => State::Settled(Settled::Expired { executed: ticket != 0 }),
        Event::Never => State::Settled(Settled::Never),
        Event::Indeterminate => State::Settled(Settled::Indeterminate),
        Event::Fenced => State::Open(class),
    }
}

/// Reads a row of [`Say::Find`]. `Ok(None)`: this version does not know what it says, and nobody here can judge it.
pub(super) fn found(row: &Row) -> Result<Option<(Name, Found)>, Error> {
    let event = Event::from_code(row.try_get::<_, i16>(1)?.into());
    let class = u8::try_from(row.try_get::<_, i16>(4)?).ok().and_then(Class::from_code);
    let name: Result<Name, _> = row.try_get::<_, &[u8]>(0)?.try_into();
    let fingerprint: Result<Fingerprint, _> = row.try_get::<_, &[u8]>(8)?.try_into();
    let (Some(event), Some(class), Ok(name), Ok(fingerprint)) = (event, class, name, fingerprint) else {
        return Ok(None);
    };
    let (epoch, ticket) = (row.try_get::<_, i64>(2)?.cast_unsigned(), row.try_get::<_, i64>(3)?.cast_unsigned());
    let state = state(event, epoch, ticket, class, row.try_get(5)?, row.try_get(7)?);
    let record = Record { fingerprint, first: row.try_get(6)?, last: 0, at_ns: 0, state };
    let result = row.try_get::<_, Option<Vec<u8>>>(9)?.map(Vec::into_boxed_slice);
    Ok(Some((name, Found { record, result })))
}

/// All that one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Writes<'a> {
    pub(super) inserted: Vec<Standing<'a>>,
    pub(super) updated: Vec<Standing<'a>>,
    pub(super) deleted: Vec<&'a [u8]>,
    pub(super) history: Vec<HistoryRow<'a>>,
    /// Rows of the history that are taken back.
    pub(super) unwritten: Vec<i64>,
    pub(super) effects: Vec<EffectRow<'a>>,
}

fn column<T, U>(rows: &[T], of: impl Fn(&T) -> U) -> Vec<U> {
    rows.iter().map(of).collect()
}

impl Writes<'_> {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let operations = self.inserted.len() + self.updated.len() + self.deleted.len();
        operations + self.history.len() + self.unwritten.len() + self.effects.len() == 0
    }

    /// Operations that there are more, as the member `base` counts them.
    pub(super) fn growth(&self) -> i64 {
        let count = |of: &Vec<_>| i64::try_from(of.len()).unwrap_or(0);
        count(&self.inserted) - i64::try_from(self.deleted.len()).unwrap_or(0)
    }

    /// Writes all of it, without waiting in between. The first error is the one that matters: the transaction has failed
    /// then, and nothing of it will be there.
    pub(super) async fn write(&self, client: &Client, statements: &Statements, base: u64) -> Result<(), Error> {
        let say = |say| statements.get(say);
        let done = tokio::join!(
            biased;
            standings(client, say(Say::Insert), &self.inserted),
            standings(client, say(Say::Update), &self.updated),
            self.delete(client, statements),
            self.history(client, say(Say::History)),
            self.effects(client, say(Say::Effects)),
            self.grow(client, say(Say::Grow), base),
        );
        done.0.and(done.1).and(done.2).and(done.3).and(done.4).and(done.5)
    }

    async fn delete(&self, client: &Client, statements: &Statements) -> Result<(), Error> {
        let deleted = async {
            match self.deleted.is_empty() {
                true => Ok(0),
                false => client.execute(statements.get(Say::Delete), &[&self.deleted]).await,
            }
        };
        let unwritten = async {
            match self.unwritten.is_empty() {
                true => Ok(0),
                false => client.execute(statements.get(Say::Unwrite), &[&self.unwritten]).await,
            }
        };
        let (deleted, unwritten) = tokio::join!(biased; deleted, unwritten);
        deleted.and(unwritten).map(drop)
    }

    async fn history(&self, client: &Client, statement: &tokio_postgres::Statement) -> Result<(), Error> {
        let rows = &self.history[..];
        if rows.is_empty() {
            return Ok(());
        }
        let number = column(rows, |row| row.number);
        let event = column(rows, |row| i16::from(row.event.code()));
        let first = column(rows, |row| row.first);
        let epoch = column(rows, |row| row.epoch.cast_signed());
        let replica = column(rows, |row| i32::from(row.replica));
        let principal = column(rows, |row| row.key.map(|key| &*key.principal));
        let operation = column(rows, |row| row.key.map(|key| &*key.operation));
        let fingerprint: Vec<Option<&[u8]>> =
            rows.iter().map(|row| row.fingerprint.as_ref().map(|print| &print[..])).collect();
        let hash = column(rows, |row| row.hash.map(u64::cast_signed));
        let at_ns = column(rows, |row| row.at_ns.cast_signed());
        client
            .execute(
                statement,
                &[&number, &event, &first, &epoch, &replica, &principal, &operation, &fingerprint, &hash, &at_ns],
            )
            .await
            .map(drop)
    }

    async fn effects(&self, client: &Client, statement: &tokio_postgres::Statement) -> Result<(), Error> {
        let rows = &self.effects[..];
        if rows.is_empty() {
            return Ok(());
        }
        let number = column(rows, |effect| effect.row.number);
        let principal = column(rows, |effect| &*effect.key.principal);
        let operation = column(rows, |effect| &*effect.key.operation);
        let epoch = column(rows, |effect| effect.row.epoch.cast_signed());
        let replica = column(rows, |effect| i32::from(effect.row.replica));
        let fingerprint: Vec<&[u8]> = rows.iter().map(|effect| &effect.fingerprint[..]).collect();
        let at_ns = column(rows, |effect| effect.row.at_ns.cast_signed());
        let value = column(rows, |effect| effect.value);
        client
            .execute(statement, &[&number, &principal, &operation, &epoch, &replica, &fingerprint, &at_ns, &value])
            .await
            .map(drop)
    }

    async fn grow(&self, client: &Client, statement: &tokio_postgres::Statement, base: u64) -> Result<(), Error> {
        match self.growth() {
            0 => Ok(()),
            growth => client.execute(statement, &[&base.cast_signed(), &growth]).await.map(drop),
        }
    }
}

async fn standings(client: &Client, statement: &tokio_postgres::Statement, rows: &[Standing<'_>]) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let name = column(rows, |row| row.name);
    let event = column(rows, |row| i16::from(row.event.code()));
    let epoch = column(rows, |row| row.epoch.cast_signed());
    let ticket = column(rows, |row| row.ticket.cast_signed());
    let class = column(rows, |row| i16::from(row.class));
    let last = column(rows, |row| row.last);
    let first = column(rows, |row| row.first);
    let again = column(rows, |row| row.again);
    let fingerprint: Vec<&[u8]> = rows.iter().map(|row| &row.fingerprint[..]).collect();
    let result = column(rows, |row| row.result);
    client
        .execute(statement, &[&name, &event, &epoch, &ticket, &class, &last, &first, &again, &fingerprint, &result])
        .await
        .map(drop)
}
