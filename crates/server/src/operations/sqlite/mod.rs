//! The store in a SQLite file: a write-ahead log, synced at every commit. One process writes, so that nobody waits for a
//! lock: SQLite's own way to wait is to sleep.
//!
//! What it reads when it starts is bounded: the rows that are not filed, the list of claims that run, the epochs that live, and one
//! row of marks, which has what would have to be counted. All else is found by an index when it is asked for.

mod export;
mod recovery;
mod schema;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, getrlimit};

pub(crate) use export::export;
use schema::{Boot, Unfit};

use super::heart::{Event, Key, Record};
use super::opening::OpenError;
use super::store::{Entry, Store, StoreError};
use super::table::{Incarnation, Marks, Name, Page, Table};

/// How often, and after which time, a file that is in use is looked at again.
const TRIES: u32 = 50;
const TRY: Duration = Duration::from_millis(20);

/// A store in a file.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    connection: Connection,
    path: PathBuf,
    boot: Boot,
    /// A commit has failed in the middle: its frames may lie in the log.
    is_in_doubt: bool,
    /// Says to other processes that the file is in use.
    _lock: File,
}

fn broken(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::NotWritten(error.to_string()),
        Some(ErrorCode::SystemIoFailure) if is_at_limit(error) => {
            StoreError::NotWritten(format!("files of this process may not be longer (ulimit -f): {error}"))
        }
        _ => StoreError::Broken(error.to_string()),
    }
}

fn unfit(error: Unfit) -> StoreError {
    match error {
        Unfit::Sql(error) => broken(&error),
        error => StoreError::Broken(error.to_string()),
    }
}

/// The system took no more bytes because this process may write none: as with a full disk the frame that ends a
/// transaction was not written, so there is no doubt.
fn is_at_limit(error: &rusqlite::Error) -> bool {
    let is_write = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_WRITE);
    is_write && getrlimit(Resource::Fsize).current.is_some()
}

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// Where another process has it, or it is no store.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |why: String| OpenError::Failed { place: path.display().to_string(), why };
        let mut beside = path.as_os_str().to_os_string();
        beside.push("-lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&beside);
        let lock = lock.map_err(|error| failed(error.to_string()))?;
        take(&lock).map_err(|_| OpenError::InUse(path.to_path_buf()))?;
        let connection = connect(path, OpenFlags::default()).map_err(|error| failed(error.to_string()))?;
        Ok(Self { connection, path: path.to_path_buf(), boot: Boot::default(), is_in_doubt: false, _lock: lock })
    }
}

/// Locks a file. Whoever had it may just be dying.
fn take(lock: &File) -> rustix::io::Result<()> {
    for _ in 0..TRIES {
        if flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Ok(());
        }
        std::thread::sleep(TRY);
    }
    flock(lock, FlockOperation::NonBlockingLockExclusive)
}

/// There is no file, or nothing in it: a store that opened it now would begin anew.
pub(crate) fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).map_or(0, |file| file.len()) == 0
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Unfit> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    schema::prepare(&connection, flags.contains(OpenFlags::SQLITE_OPEN_CREATE))?;
    Ok(connection)
}

/// Opens a file that was there before, and does not begin anew.
fn reconnect(path: &Path) -> Result<Connection, Unfit> {
    // SQLite would remove the log that lies beside an empty one.
    if is_missing(path) {
        return Err(Unfit::Missing);
    }
    connect(path, OpenFlags::default() - OpenFlags::SQLITE_OPEN_CREATE)
}

impl Store for SqliteStore {
    fn recover(&mut self, table: &mut Table, now_ns: u64) -> Result<(), StoreError> {
        // What failed before may have to do with this connection: a new one reads what is really there.
        self.connection = reconnect(&self.path).map_err(unfit)?;
        if self.is_in_doubt {
            schema::bury(&self.connection).map_err(|error| broken(&error))?;
            self.is_in_doubt = false;
        }
        self.boot = recovery::read(&self.connection, table, now_ns).map_err(unfit)?;
        Ok(())
    }

    fn write(&mut self, entries: &[Entry<'_>]) -> Result<(), StoreError> {
        let written = || {
            let transaction = self.connection.unchecked_transaction()?;
            {
                let mut rows = transaction.prepare_cached(schema::INSERT_ROW)?;
                let mut effects = transaction.prepare_cached(schema::INSERT_EFFECT)?;
                for entry in entries {
                    put(&transaction, &mut rows, &mut effects, entry)?;
                }
            }
            transaction.commit()
        };
        let written = written().map_err(|error| broken(&error));
        self.is_in_doubt |= matches!(written, Err(StoreError::Broken(_)));
        written
    }

    fn find(&mut self, names: &[Name]) -> Result<Vec<(Name, Record)>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let find = || {
            // One for all of them: each statement alone would lock the file.
            let view = self.connection.unchecked_transaction()?;
            let mut found = Vec::new();
            for name in names {
                found.extend(recovery::find(&view, self.boot, name)?.map(|record| (*name, record)));
            }
            Ok(found)
        };
        find().map_err(unfit)
    }

    fn page(&mut self, from: i64, until_ns: u64, max: usize) -> Result<Page, StoreError> {
        recovery::page(&self.connection, self.boot, from, until_ns, max).map_err(unfit)
    }

    fn result(&mut self, row: i64) -> Result<Option<Box<[u8]>>, StoreError> {
        let read = || {
            let mut select = self.connection.prepare_cached("SELECT result FROM history WHERE row = ?1")?;
            let result = select.query_row([row], |found| found.get::<_, Option<Vec<u8>>>(0)).optional()?;
            Ok(result.flatten().map(Vec::into_boxed_slice))
        };
        read().map_err(|error| broken(&error))
    }
}

fn put(
    connection: &Connection,
    rows: &mut CachedStatement<'_>,
    effects: &mut CachedStatement<'_>,
    entry: &Entry<'_>,
) -> rusqlite::Result<()> {
    match entry {
        Entry::Row { row, replica, key, kept, effect } => {
            let (hash, result) = kept.unzip();
            let fingerprint = (row.event == Event::Claimed).then_some(&row.fingerprint[..]);
            let values = params![
                row.row,
                row.event.code(),
                row.first,
                row.epoch.cast_signed(),
                replica,
                row.ticket.cast_signed(),
                row.class,
                key.map(|key| &*key.principal),
                key.map(|key| &*key.operation),
                fingerprint,
                hash.map(u64::cast_signed),
                row.at_ns.cast_signed(),
                result,
            ];
            rows.execute(values)?;
            if let Some(effect) = effect {
                let Key { principal, operation } = effect.key;
                let epoch = row.epoch.cast_signed();
                let at_ns = row.at_ns.cast_signed();
                let values = params![
                    row.row,
                    &**principal,
                    &**operation,
                    epoch,
                    replica,
                    &row.fingerprint[..],
                    at_ns,
                    effect.value
                ];
                effects.execute(values)?;
            }
        }
        Entry::Remove(row) => drop(connection.execute("DELETE FROM history WHERE row = ?1", [row])?),
        Entry::Forget(row) => drop(connection.execute("UPDATE history SET result = NULL WHERE row = ?1", [row])?),
        Entry::Prune(row) => drop(connection.execute("DELETE FROM history WHERE row < ?1", [row])?),
        Entry::File(name, row) => drop(connection.prepare_cached(schema::FILE)?.execute(params![&name[..], row])?),
        Entry::Unfile(name) => drop(connection.prepare_cached(schema::UNFILE)?.execute([&name[..]])?),
        Entry::Running(rows) => list_running(connection, rows)?,
        Entry::Mark(Marks { filed, swept, held }) => {
            connection.prepare_cached(schema::MARK)?.execute([filed, swept, held])?;
        }
        Entry::Epoch(epoch, Incarnation { base, replica, number }) => {
            let values = params![epoch.cast_signed(), base.cast_signed(), replica, number.cast_signed()];
            connection.execute("INSERT INTO epochs VALUES (?1, ?2, ?3, ?4, 0)", values)?;
        }
        Entry::Fenced { row, epoch, replica, at_ns } => {
            connection.execute("UPDATE epochs SET fenced = 1 WHERE epoch = ?1", [epoch.cast_signed()])?;
            let values = params![row, Event::Fenced.code(), epoch.cast_signed(), replica, at_ns.cast_signed()];
            connection.execute(schema::INSERT_FENCED, values)?;
        }
    }
    Ok(())
}

/// In place of the list before.
fn list_running(connection: &Connection, rows: &[i64]) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM running", [])?;
    let mut insert = connection.prepare_cached("INSERT INTO running VALUES (?1)")?;
    rows.iter().try_for_each(|row| insert.execute([row]).map(drop))
}

#[cfg(test)]
mod tests;
