//! The control socket: one request a line, one answer a line; several clients at once.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::getuid;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::BufReader;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use super::error::ClusterError;
use super::happening::Happening;
use super::line;
use super::messages::ListChange;

const CLIENTS_MAX: usize = 64;
const REQUEST_BYTES_MAX: usize = 64 * 1_024;
/// Events that a watcher may be behind; one that is further behind misses the oldest.
pub(super) const EVENTS_WAITING_MAX: usize = 1_024;

/// What a client may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// All that the supervisor knows.
    Status,
    /// Another number of replicas; answered when it is reached.
    Scale {
        /// Replicas wanted.
        replicas: u16,
    },
    /// Replicas of another program in the place of these, one after the other; answered when that is done.
    Update {
        /// An absolute path.
        program: PathBuf,
    },
    /// The history and the effects of operations as a file of lines; answered when it is there.
    Effects {
        /// An absolute path.
        to: PathBuf,
    },
    /// The orderly end; answered at once.
    Stop,
    /// From now on a line an event.
    Watch,
    /// A list has changed: subscribers of all replicas are told.
    Notify {
        /// "tools".
        list: String,
    },
}

/// What happens in the cluster, a line for each watcher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    /// Out of membership, since `at_ns`.
    Down { replica: u16, at_ns: u64, reason: String },
    /// A member again.
    Up { replica: u16, at_ns: u64 },
    /// Its process has ended and is started again after `delay_ms`.
    Restarting { replica: u16, at_ns: u64, delay_ms: u64, reason: String },
    /// Killed by the supervisor.
    Fenced { replica: u16, at_ns: u64, reason: String },
    /// Not started again.
    Failed { replica: u16, at_ns: u64, reason: String },
    /// There are now so many replicas.
    Scaled { replicas: u16, at_ns: u64 },
}

pub(super) fn refusal(sentence: impl std::fmt::Display) -> Value {
    json!({"ok": false, "error": sentence.to_string()})
}

/// The same where it is worth while to ask again.
pub(super) fn refusal_for_now(sentence: impl std::fmt::Display) -> Value {
    json!({"ok": false, "error": sentence.to_string(), "again": true})
}

/// The socket in the file system; removed at the end.
#[derive(Debug)]
pub(super) struct ControlSocket {
    path: PathBuf,
    inode: u64,
}

impl ControlSocket {
    /// Makes the socket, for this user alone. One that nobody answers is what a killed cluster left: it is replaced.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), ClusterError> {
        let failed = |source| ClusterError::Control { path: path.to_path_buf(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
            // A folder of another user could be swapped under us.
            let owner = fs::metadata(folder).map_err(failed)?.uid();
            if ![0, getuid().as_raw()].contains(&owner) {
                return Err(failed(io::Error::other("its folder belongs to another user")));
            }
        }
        if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            match std::os::unix::net::UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(failed)?;
                }
                // A backlog that is full refuses too, with another error: somebody lives there.
                _ => return Err(ClusterError::ControlTaken(path.to_path_buf())),
            }
        }
        let listener = UnixListener::bind(path).map_err(failed)?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(failed)?;
        let inode = fs::metadata(path).map_err(failed)?.ino();
        Ok((Self { path: path.to_path_buf(), inode }, listener))
    }
}

impl Drop for ControlSocket {
    /// Another cluster may have taken the path over since.
    fn drop(&mut self) {
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // What can't be removed is replaced by the next cluster.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Serves clients until it is dropped or the supervisor is gone.
pub(super) async fn serve(
    listener: UnixListener,
    happenings: mpsc::Sender<Happening>,
    events: broadcast::Sender<Event>,
) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    let mut clients = tokio::task::JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("the control socket cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while clients.try_join_next().is_some() {}
        let is_ours = stream.peer_cred().is_ok_and(|peer| [0, getuid().as_raw()].contains(&peer.uid()));
        if is_ours {
            let (happenings, events) = (happenings.clone(), events.clone());
            clients.spawn(async move {
                // A client that went away, or sent nonsense, concerns nobody else.
                let _ = serve_client(stream, happenings, events).await;
                drop(place);
            });
        }
    }
}

async fn serve_client(
    mut stream: UnixStream,
    happenings: mpsc::Sender<Happening>,
    events: broadcast::Sender<Event>,
) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut watched: Option<broadcast::Receiver<Event>> = None;
    loop {
        tokio::select! {
            read = line::read_line(&mut reader, &mut line, REQUEST_BYTES_MAX) => {
                if !read? {
                    return Ok(());
                }
                let request = line::parse::<Request>(&line);
                line.clear();
                let answer = match request {
                    Ok(Request::Watch) => {
                        watched = Some(events.subscribe());
                        json!({"ok": true})
                    }
                    Ok(request) => ask(&happenings, request).await,
                    Err(error) => refusal(format_args!("not a request: {error}")),
                };
                line::write(&mut writer, &answer).await?;
            }
            event = next(&mut watched) => line::write(&mut writer, &event).await?,
        }
    }
}

/// The next event of a client that watches.
async fn next(watched: &mut Option<broadcast::Receiver<Event>>) -> Event {
    let Some(events) = watched else { return std::future::pending().await };
    loop {
        match events.recv().await {
            Ok(event) => return event,
            Err(broadcast::error::RecvError::Lagged(missed)) => tracing::warn!("a watcher missed {missed} events"),
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}

async fn ask(happenings: &mpsc::Sender<Happening>, request: Request) -> Value {
    let asked = match request {
        Request::Notify { list } => match list.as_str() {
            "tools" => Happening::Changed(ListChange::Tools),
            "prompts" => Happening::Changed(ListChange::Prompts),
            "resources" => Happening::Changed(ListChange::Resources),
            _ => {
                let lists = "tools, prompts and resources are lists";
                return refusal(format_args!("there is no list of {list:?}: {lists}"));
            }
        },
        request => {
            let (answer, answered) = oneshot::channel();
            let stopping = refusal("the cluster is stopping");
            if happenings.send(Happening::Asked { request, answer }).await.is_err() {
                return stopping;
            }
            return answered.await.unwrap_or(stopping);
        }
    };
    match happenings.send(asked).await {
        Ok(()) => json!({"ok": true}),
        Err(_) => refusal("the cluster is stopping"),
    }
}
