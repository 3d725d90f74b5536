//! The tables, and what is said to them often.

use tokio_postgres::{Client, Error, Statement};

use crate::operations::heart::Event;

/// Another number is another layout.
const VERSION: i32 = 1;
/// Held while the tables are made: two stores may start at once.
pub(crate) const MAKING: i64 = 0x0065_726c_6d63_7000;

/// For every session. It writes durably; it never waits for long, so that what holds a lock and is gone is known to be gone;
/// each statement finds few rows by an index, though its plan may be older than the rows.
const SETTINGS: &str = "
SET client_min_messages = warning;
SET lock_timeout = '2s';
SET idle_in_transaction_session_timeout = '5s';
SET tcp_keepalives_idle = 3;
SET tcp_keepalives_interval = 1;
SET tcp_keepalives_count = 3;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET plan_cache_mode = force_generic_plan;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
";

const TABLES: &str = "
CREATE SEQUENCE erlmcp.numbers;
CREATE SEQUENCE erlmcp.epoch_numbers;
CREATE TABLE erlmcp.members (base bigint PRIMARY KEY, held bigint NOT NULL);
CREATE TABLE erlmcp.epochs (
    epoch bigint PRIMARY KEY,
    base bigint NOT NULL,
    replica integer NOT NULL,
    number bigint NOT NULL
);
CREATE TABLE erlmcp.operations (
    name bytea PRIMARY KEY,
    event smallint NOT NULL,
    epoch bigint NOT NULL,
    ticket bigint NOT NULL,
    class smallint NOT NULL,
    last bigint NOT NULL,
    first bigint NOT NULL,
    again boolean NOT NULL,
    fingerprint bytea NOT NULL,
    result bytea,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX operations_first ON erlmcp.operations (first);
CREATE TABLE erlmcp.history (
    number bigint PRIMARY KEY,
    event smallint NOT NULL,
    first bigint NOT NULL,
    epoch bigint NOT NULL,
    replica integer NOT NULL,
    principal text,
    operation text,
    fingerprint bytea,
    hash bigint,
    at_ns bigint NOT NULL
);
CREATE TABLE erlmcp.effects (
    number bigint PRIMARY KEY,
    principal text NOT NULL,
    operation text NOT NULL,
    epoch bigint NOT NULL,
    replica integer NOT NULL,
    fingerprint bytea NOT NULL,
    at_ns bigint NOT NULL,
    value text NOT NULL
);
CREATE TABLE erlmcp.layout (version integer NOT NULL);
";

/// Of those that run, and of those that have something to let go of.
fn indices() -> String {
    let (claimed, done, fenced) = (Event::Claimed.code(), Event::Done.code(), Event::Fenced.code());
    format!(
        "CREATE INDEX operations_running ON erlmcp.operations (epoch) WHERE event = {claimed};
         CREATE INDEX operations_kept ON erlmcp.operations (at) WHERE event IN ({done}, {fenced});"
    )
}

/// A statement that every session has prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// Those of the epochs $1 that live; they live until the transaction has ended.
    Living,
    /// The operations with the names $1; nobody else changes them until the transaction has ended.
    Find,
    /// So many numbers of rows. They are asked for under the locks, so that each operation's and each epoch's rows are in
    /// the order in which things happened.
    Numbers,
    Insert,
    Update,
    Delete,
    /// Rows of the history are taken back.
    Unwrite,
    History,
    Effects,
    /// This member holds so many operations more.
    Grow,
}

const STATEMENTS: [(Say, &str); 10] = [
    (Say::Living, "SELECT epoch, replica FROM erlmcp.epochs WHERE epoch = ANY($1) ORDER BY epoch FOR SHARE"),
    (
        Say::Find,
        "SELECT name, event, epoch, ticket, class, last, first, again, fingerprint, result FROM erlmcp.operations \
         WHERE name = ANY($1) ORDER BY name FOR UPDATE",
    ),
    (Say::Numbers, "SELECT nextval('erlmcp.numbers') FROM generate_series(1, $1::bigint)"),
    (
        Say::Insert,
        "INSERT INTO erlmcp.operations (name, event, epoch, ticket, class, last, first, again, fingerprint, result) \
         SELECT * FROM unnest($1::bytea[], $2::smallint[], $3::bigint[], $4::bigint[], $5::smallint[], $6::bigint[], \
         $7::bigint[], $8::boolean[], $9::bytea[], $10::bytea[])",
    ),
    (
        Say::Update,
        "UPDATE erlmcp.operations o SET event = n.event, epoch = n.epoch, ticket = n.ticket, class = n.class, \
         last = n.last, first = n.first, again = n.again, fingerprint = n.fingerprint, result = n.result, \
         at = clock_timestamp() FROM unnest($1::bytea[], $2::smallint[], $3::bigint[], $4::bigint[], $5::smallint[], \
         $6::bigint[], $7::bigint[], $8::boolean[], $9::bytea[], $10::bytea[]) \
         AS n(name, event, epoch, ticket, class, last, first, again, fingerprint, result) WHERE o.name = n.name",
    ),
    (Say::Delete, "DELETE FROM erlmcp.operations WHERE name = ANY($1)"),
    (Say::Unwrite, "DELETE FROM erlmcp.history WHERE number = ANY($1)"),
    (
        Say::History,
        "INSERT INTO erlmcp.history SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], \
         $5::integer[], $6::text[], $7::text[], $8::bytea[], $9::bigint[], $10::bigint[])",
    ),
    (
        Say::Effects,
        "INSERT INTO erlmcp.effects SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], \
         $5::integer[], $6::bytea[], $7::bigint[], $8::text[])",
    ),
    (Say::Grow, "UPDATE erlmcp.members SET held = held + $2 WHERE base = $1"),
];

/// The statements of one session.
#[derive(Debug)]
pub(super) struct Statements(Vec<Statement>);

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let mut prepared = Vec::with_capacity(STATEMENTS.len());
        for (_, text) in STATEMENTS {
            prepared.push(client.prepare(text).await?);
        }
        Ok(Self(prepared))
    }

    pub(super) fn get(&self, say: Say) -> &Statement {
        &self.0[say as usize]
    }
}

/// Why a database cannot be a store.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Sql(#[from] Error),
    #[error("its schema erlmcp is of another version of erlmcp (layout {0}, not {VERSION})")]
    Layout(i32),
}

/// Makes a session one that writes durably, and the tables where they are missing.
pub(super) async fn prepare(client: &Client) -> Result<(), Unfit> {
    client.batch_execute(SETTINGS).await?;
    if let Some(version) = layout(client).await? {
        return if version == VERSION { Ok(()) } else { Err(Unfit::Layout(version)) };
    }
    client.batch_execute("BEGIN").await?;
    let made = make(client).await;
    client.batch_execute(if made.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    made
}

async fn make(client: &Client) -> Result<(), Unfit> {
    client.query("SELECT pg_advisory_xact_lock($1)", &[&MAKING]).await?;
    match layout(client).await? {
        // Another store has made them meanwhile.
        Some(VERSION) => return Ok(()),
        Some(version) => return Err(Unfit::Layout(version)),
        None => {}
    }
    let has_schema: bool = client.query_one("SELECT to_regnamespace('erlmcp') IS NOT NULL", &[]).await?.try_get(0)?;
    if !has_schema {
        client.batch_execute("CREATE SCHEMA erlmcp").await?;
    }
    client.batch_execute(TABLES).await?;
    client.batch_execute(&indices()).await?;
    client.execute("INSERT INTO erlmcp.layout VALUES ($1)", &[&VERSION]).await?;
    Ok(())
}

async fn layout(client: &Client) -> Result<Option<i32>, Error> {
    let is_there: bool = client.query_one("SELECT to_regclass('erlmcp.layout') IS NOT NULL", &[]).await?.try_get(0)?;
    if !is_there {
        return Ok(None);
    }
    let found = client.query_opt("SELECT version FROM erlmcp.layout", &[]).await?;
    found.map(|row| row.try_get(0)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_is_found_by_its_name() {
        for (place, (say, _)) in STATEMENTS.into_iter().enumerate() {
            assert_eq!(say as usize, place);
        }
    }
}
