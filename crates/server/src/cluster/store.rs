//! The process of the store: what the supervisor and it say to each other, and what it does.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Met, Parent, meet_supervisor};
use super::error::ClusterError;
use super::line;
use super::pulse::HEARTBEAT_MS;
use crate::limits::Limits;
use crate::operations::{OpenError, StoreHost, StorePlace};

/// The longest message either way.
pub(super) const STORE_BYTES_MAX: usize = 256 * 1_024;
/// Exports that may be under way.
pub(super) const EXPORTS_MAX: usize = 4;

/// The first message; the listening socket comes with it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct StoreHello {
    pub(super) supervisor_pid: u32,
    /// Of the supervisor: names its processes at the store.
    pub(super) base: u64,
    pub(super) place: StorePlace,
    pub(super) limits: Limits,
    /// A store of this supervisor's has been ready at that place.
    #[serde(default)]
    pub(super) was_ready: bool,
    /// Its nice value, which is not the supervisor's.
    pub(super) nice: i32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToStore {
    /// Of the processes of the supervisor `base` up to number `up_to` only these live.
    Living {
        base: u64,
        up_to: u64,
        living: Vec<u64>,
    },
    Export {
        number: u64,
        to: PathBuf,
    },
    Stop,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FromStore {
    /// It serves. So many operations were there.
    Ready {
        operations: usize,
    },
    Beat,
    /// An export is there, with so many lines, or is not, and why.
    Exported {
        number: u64,
        rows: Result<u64, String>,
    },
    /// It cannot start, for this reason.
    Failed(String),
}

/// How the store's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreEnd {
    /// It was told to.
    Stopped,
    /// It could not start; the supervisor knows why.
    NotStarted,
    /// The supervisor is gone.
    Orphaned,
    /// It cannot write any more, and has to be started anew.
    Broken,
}

/// Runs the store of a cluster until its supervisor ends it. Has to be called in a current-thread runtime, in a process that
/// was started by [`run`](super::run).
///
/// # Errors
/// Where the process was not started so, or the system refuses what it can't work without.
pub async fn run_store() -> Result<StoreEnd, ClusterError> {
    let parent = |hello: &StoreHello| Parent { pid: hello.supervisor_pid, nice: hello.nice };
    let Some(Met { channel, hello, sockets }) = meet_supervisor(parent)? else { return Ok(StoreEnd::Orphaned) };
    let listener = sockets.into_iter().next().map(UnixListener::from).ok_or(ClusterError::NoChannel)?;
    let _ = rustix::thread::set_name(c"erlmcp");
    // A file that may not grow any more is a store without room, not a reason to die.
    let _at_limit = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()))
        .map_err(ClusterError::system("take the signal for files that are too long"))?;
    let (reader, mut writer) = channel.into_split();
    let StoreHello { base, place, limits, was_ready, .. } = hello;
    if was_ready && place.is_missing() {
        let why = format!(
            "its file {place} is missing or empty, and was not: put it back, or start the cluster anew without it"
        );
        let _ = line::write(&mut writer, &FromStore::Failed(why)).await;
        return Ok(StoreEnd::NotStarted);
    }
    match opened(StoreHost::start(place, base, listener, limits), &mut writer).await {
        Ok(mut host) => {
            // The channel breaks only with its other end.
            let end = live(&host, BufReader::new(reader), &mut writer).await.unwrap_or(StoreEnd::Orphaned);
            if end == StoreEnd::Stopped {
                host.end(base).await;
            }
            Ok(end)
        }
        Err(error) => {
            let _ = line::write(&mut writer, &FromStore::Failed(error.to_string())).await;
            Ok(StoreEnd::NotStarted)
        }
    }
}

/// Waits until the store is opened. A database that does not answer is not a process that is stuck.
async fn opened(
    opening: impl Future<Output = Result<StoreHost, OpenError>>,
    writer: &mut OwnedWriteHalf,
) -> Result<StoreHost, OpenError> {
    let mut ticks = interval(Duration::from_millis(HEARTBEAT_MS));
    tokio::pin!(opening);
    loop {
        tokio::select! {
            opened = &mut opening => return opened,
            // Without its supervisor this process ends anyway.
            _ = ticks.tick() => drop(line::write(writer, &FromStore::Beat).await),
        }
    }
}

async fn live(
    host: &StoreHost,
    mut reader: BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
) -> io::Result<StoreEnd> {
    let mut ticks = interval(Duration::from_millis(HEARTBEAT_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut line = Vec::new();
    let (wanted, mut exports) = mpsc::channel::<(u64, PathBuf)>(EXPORTS_MAX);
    let (exported, mut done) = mpsc::channel(EXPORTS_MAX);
    let exporting = async {
        while let Some((number, to)) = exports.recv().await {
            let rows = host.export(to).await;
            if exported.send(FromStore::Exported { number, rows }).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await
    };
    tokio::pin!(exporting);
    line::write(writer, &FromStore::Ready { operations: host.recovered }).await?;
    loop {
        tokio::select! {
            read = line::read_line(&mut reader, &mut line, STORE_BYTES_MAX) => {
                if !read? {
                    return Ok(StoreEnd::Orphaned);
                }
                let message = line::parse(&line)?;
                line.clear();
                match message {
                    ToStore::Living { base, up_to, living } => host.living(base, up_to, living).await,
                    ToStore::Stop => return Ok(StoreEnd::Stopped),
                    ToStore::Export { number, to } => {
                        if wanted.try_send((number, to)).is_err() {
                            let rows = Err("too many exports are asked for at once".to_string());
                            line::write(writer, &FromStore::Exported { number, rows }).await?;
                        }
                    }
                }
            }
            _ = ticks.tick() => line::write(writer, &FromStore::Beat).await?,
            Some(exported) = done.recv() => line::write(writer, &exported).await?,
            () = &mut exporting => {}
            () = host.writer_ended() => return Ok(StoreEnd::Broken),
        }
    }
}
