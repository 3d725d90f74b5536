//! The tables, and what is said to them often.

use rusqlite::{Connection, OptionalExtension};

/// Another number is another layout.
const VERSION: i64 = 1;

/// Pages after which the log is brought into the file: with the default each commit of a busy store would do so.
const CHECKPOINT_PAGES: i64 = 4_000;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS history (
    row INTEGER PRIMARY KEY,
    event INTEGER NOT NULL,
    first INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    ticket INTEGER NOT NULL,
    class INTEGER NOT NULL,
    principal TEXT,
    operation TEXT,
    fingerprint BLOB,
    hash INTEGER,
    at_ns INTEGER NOT NULL,
    result BLOB
) STRICT;
CREATE TABLE IF NOT EXISTS effects (
    effect INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    operation TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    at_ns INTEGER NOT NULL,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS epochs (
    epoch INTEGER PRIMARY KEY,
    base INTEGER NOT NULL,
    replica INTEGER NOT NULL,
    number INTEGER NOT NULL,
    fenced INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

pub(super) const INSERT_ROW: &str =
    "INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
pub(super) const INSERT_FENCED: &str = "INSERT INTO history (row, event, first, epoch, replica, ticket, class, at_ns) \
     VALUES (?1, ?2, ?1, ?3, ?4, 0, 0, ?5)";
pub(super) const INSERT_EFFECT: &str = "INSERT INTO effects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const SELECT_ROWS: &str = "SELECT row, event, first, epoch, ticket, class, fingerprint, at_ns, principal, \
     operation FROM history ORDER BY row";

/// How many rows there are, at most: none is read for it.
pub(super) const COUNT_ROWS: &str =
    "SELECT coalesce((SELECT max(row) FROM history) - (SELECT min(row) FROM history) + 1, 0)";

/// Why a file cannot be a store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("it is of another version of erlmcp (layout {found}, not {VERSION})")]
    Layout { found: i64 },
    #[error("it has an event that this version of erlmcp does not know ({code})")]
    Event { code: i64 },
}

/// Makes a connection one that writes durably, and the tables where they are missing.
pub(super) fn prepare(connection: &Connection) -> Result<(), Unfit> {
    // Whoever waits for a lock here waits for a mistake: nobody else writes.
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    if version != 0 {
        return Err(Unfit::Layout { found: version });
    }
    connection.execute_batch(TABLES)?;
    Ok(connection.pragma_update(None, "user_version", VERSION)?)
}

/// Writes a transaction over one whose commit has failed. A whole transaction may lie in the log that this process takes
/// for not written; without this it would come back to life with the next process, after everybody was told that it is not
/// there.
pub(super) fn bury(connection: &Connection) -> rusqlite::Result<()> {
    let count = "INSERT INTO facts VALUES ('doubts', '1') ON CONFLICT (name) DO UPDATE SET value = value + 1";
    connection.execute(count, []).map(drop)
}

/// True where the machine has run on since this was last called.
pub(super) fn remember_boot(connection: &Connection) -> rusqlite::Result<bool> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let before: Option<String> =
        connection.query_row("SELECT value FROM facts WHERE name = 'boot'", [], |row| row.get(0)).optional()?;
    if before.as_deref() == Some(boot.trim()) {
        return Ok(true);
    }
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('boot', ?1)", [boot.trim()])?;
    Ok(false)
}
