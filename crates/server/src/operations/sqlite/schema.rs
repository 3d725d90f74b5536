//! The tables, and what is said to them often.

use rusqlite::{Connection, OptionalExtension};

/// Another number is another layout.
const VERSION: i64 = 2;
/// It had no table of what is filed: its whole history is read once more.
const VERSION_UNFILED: i64 = 1;

/// Pages after which the log is brought into the file: with the default each commit of a busy store would do so.
const CHECKPOINT_PAGES: i64 = 4_000;
/// Pages in memory, KiB: the inner ones of what is filed, where each operation is looked for, and as many of the others as there is
/// room for.
const CACHE_KIB: i64 = 65_536;

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
CREATE TABLE IF NOT EXISTS filed (name BLOB PRIMARY KEY, row INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS running (row INTEGER PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS marks (
    mark INTEGER PRIMARY KEY,
    filed INTEGER NOT NULL,
    swept INTEGER NOT NULL,
    held INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS epochs_living ON epochs (fenced) WHERE fenced = 0;
INSERT OR IGNORE INTO marks SELECT 1, 1, 1, count(*) FROM history WHERE operation IS NOT NULL;
";

/// Rows of the history, each with its operation's fingerprint and key, which are in that one's first row.
macro_rules! rows {
    ($of:literal) => {
        concat!(
            "SELECT h.row, h.event, h.first, h.epoch, h.ticket, h.class, c.fingerprint, h.at_ns, c.principal, \
             c.operation, h.result IS NOT NULL FROM ",
            $of
        )
    };
}

/// From a row on, in order.
pub(super) const ROWS: &str =
    rows!("history h LEFT JOIN history c ON c.row = h.first WHERE h.row >= ?1 ORDER BY h.row");
/// Of the claims that ran at the last turn, those that have not been taken back.
pub(super) const RUNNING: &str =
    rows!("running k CROSS JOIN history h ON h.row = k.row JOIN history c ON c.row = h.first");
/// Where an operation stands that is filed.
pub(super) const FILED: &str =
    rows!("filed f JOIN history h ON h.row = f.row JOIN history c ON c.row = h.first WHERE f.name = ?1");
pub(super) const MARKS: &str = "SELECT filed, swept, held FROM marks WHERE mark = 1";
pub(super) const NEXT_ROW: &str = "SELECT coalesce(max(row), 0) + 1 FROM history";
pub(super) const NEXT_EPOCH: &str = "SELECT coalesce(max(epoch), 0) + 1 FROM epochs";
pub(super) const LIVING: &str = "SELECT epoch, base, replica, number FROM epochs WHERE fenced = 0";
pub(super) const BOOT: &str = "SELECT value FROM facts WHERE name = 'boot'";

pub(super) const INSERT_ROW: &str =
    "INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
pub(super) const INSERT_FENCED: &str = "INSERT INTO history (row, event, first, epoch, replica, ticket, class, at_ns) \
     VALUES (?1, ?2, ?1, ?3, ?4, 0, 0, ?5)";
pub(super) const INSERT_EFFECT: &str = "INSERT INTO effects VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
pub(super) const FILE: &str = "INSERT OR REPLACE INTO filed VALUES (?1, ?2)";
pub(super) const UNFILE: &str = "DELETE FROM filed WHERE name = ?1";
pub(super) const MARK: &str = "UPDATE marks SET filed = ?1, swept = ?2, held = ?3";

/// Why a file cannot be a store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
    #[error("it is of another version of erlmcp (layout {found}, not {VERSION})")]
    Layout { found: i64 },
    #[error("its file is missing or empty, and was not: put it back")]
    Missing,
    #[error("it has an event that this version of erlmcp does not know ({code})")]
    Event { code: i64 },
}

/// Makes a connection one that writes durably, and the tables where they are missing and `may_begin`.
pub(super) fn prepare(connection: &Connection, may_begin: bool) -> Result<(), Unfit> {
    // Whoever waits for a lock here waits for a mistake: nobody else writes.
    connection.busy_timeout(std::time::Duration::ZERO)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    // All may have been in the log, which is not there any more.
    if version == 0 && !may_begin {
        return Err(Unfit::Missing);
    }
    if ![0, VERSION_UNFILED].contains(&version) {
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

/// When the machine was started, as far as a store knows it. The clock began anew then: what rows below `row` say is kept as long
/// as if it were of `at_ns`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Boot {
    row: i64,
    at_ns: u64,
}

impl Boot {
    /// The time of a row.
    pub(super) fn at_ns(self, row: i64, at_ns: u64) -> u64 {
        if row < self.row { self.at_ns } else { at_ns }
    }

    /// What a store was told when it was first opened since then; else that is now, and the next row is this one.
    pub(super) fn remember(connection: &Connection, row: i64, at_ns: u64) -> rusqlite::Result<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim();
        let told: Option<String> = connection.query_row(BOOT, [], |found| found.get(0)).optional()?;
        let known = told.and_then(|told| {
            let mut numbers = told.strip_prefix(boot)?.split_whitespace();
            Some(Self { row: numbers.next()?.parse().ok()?, at_ns: numbers.next()?.parse().ok()? })
        });
        if let Some(known) = known {
            return Ok(known);
        }
        connection.execute("INSERT OR REPLACE INTO facts VALUES ('boot', ?1)", [format!("{boot} {row} {at_ns}")])?;
        Ok(Self { row, at_ns })
    }
}
