//! A store of either kind, opened: its writer, and what else can be asked of it.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{MissedTickBehavior, interval};

use super::keeper::Keeper;
use super::place::StorePlace;
use super::postgres::{self, PostgresStore};
use super::sqlite::{self, SqliteStore};
use super::table::Keep;
use super::wire::CONTENT_BYTES_MAX;
use super::writer::{self, Order, Orders};
use crate::clock::monotonic_ns;
use crate::limits::Limits;

/// Between two looks of a store that has nothing to write.
const LOOK: Duration = Duration::from_secs(1);
/// Rows after which what they say is filed: fewer are read faster when a store starts, more fall together on fewer pages.
const UNFILED_ROWS: i64 = 131_072;

/// Why a store can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the store {} is in use: stop the server that has it, or name another one with --store", .0.display())]
    InUse(PathBuf),
    /// Results may be longer than what a replica and its store can send each other.
    #[error("operation_result_bytes_max = {bytes} is more than a store takes: {max} at most")]
    ResultsTooLong {
        /// `Limits::operation_result_bytes_max`.
        bytes: u64,
        /// What it may be.
        max: u64,
    },
    /// It can't be made or read.
    #[error("cannot open the store {place}: {why}; name another one with --store")]
    Failed {
        /// Where it is.
        place: String,
        /// What went wrong.
        why: String,
    },
}

impl Keep {
    pub(crate) fn from_limits(limits: &Limits) -> Self {
        Self {
            held_max: usize::try_from(limits.operations_held_max).unwrap_or(usize::MAX),
            retention_ns: limits.operation_retention_ms.saturating_mul(1_000_000),
            unfiled_rows: UNFILED_ROWS,
        }
    }
}

/// A store with its writer.
pub(crate) struct Opened {
    pub(crate) orders: Orders,
    pub(crate) writer: JoinHandle<()>,
    /// How many operations it had.
    pub(crate) operations: usize,
}

/// Opens a store for the processes of `base`. Takes its time, and is not to be called in async code.
pub(crate) fn open(place: &StorePlace, base: u64, limits: &Limits) -> Result<Opened, OpenError> {
    let (bytes, max) = (limits.operation_result_bytes_max, CONTENT_BYTES_MAX as u64);
    if bytes > max {
        return Err(OpenError::ResultsTooLong { bytes, max });
    }
    let failed = |why: String| OpenError::Failed { place: place.to_string(), why };
    let keep = Keep::from_limits(limits);
    let (operations, started) = match place {
        StorePlace::File(path) => {
            let keeper = Keeper::open(SqliteStore::open(path)?, keep, monotonic_ns());
            let keeper = keeper.map_err(|error| failed(error.to_string()))?;
            (keeper.len(), writer::start(keeper))
        }
        StorePlace::Postgres(address) => {
            let store = PostgresStore::open(address, base, keep).map_err(failed)?;
            (store.len(), writer::start(store))
        }
    };
    let (orders, writer) = started.map_err(|error| failed(error.to_string()))?;
    Ok(Opened { orders, writer, operations })
}

/// Has a store look around now and then, also while nobody asks it for anything, until it has ended.
pub(crate) async fn look_around(orders: Orders) {
    let weak = orders.downgrade();
    drop(orders);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(orders) = weak.upgrade() else { break };
        // One that has much to do looks around anyway.
        if let Err(TrySendError::Closed(_)) = orders.try_send(Order::Look) {
            break;
        }
    }
}

/// Writes history and effects to a file; the number of its lines, or a sentence that says why there are none. Not to be
/// called in async code.
pub(crate) fn export(place: &StorePlace, to: &Path) -> Result<u64, String> {
    match place {
        StorePlace::File(path) => sqlite::export(path, to).map_err(|error| error.to_string()),
        StorePlace::Postgres(address) => postgres::export(address, to).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_to_fit_into_a_frame() {
        let limits = Limits { operation_result_bytes_max: 4 << 20, ..Limits::default() };
        let opened = open(&StorePlace::File("nowhere/at/all".into()), 1, &limits);
        assert!(matches!(opened, Err(OpenError::ResultsTooLong { bytes: 4_194_304, max: 2_064_384 })));
    }
}
