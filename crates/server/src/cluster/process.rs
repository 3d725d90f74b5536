//! The process of one replica, or of the store: started, listened to, spoken to, and seen to its end.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};

use super::handover;
use super::happening::Happening;
use super::line;
use super::messages::{FROM_REPLICA_BYTES_MAX, Line, TO_REPLICA_WAITING_MAX};
use super::priority;

/// How long the last words of a replica that ended are waited for.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Whose process it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Replica(u16),
    Store,
}

/// What is started.
#[derive(Debug, Clone, Copy)]
pub(super) struct Program<'a> {
    pub(super) path: &'a Path,
    pub(super) role: Role,
    /// What it is told beside its role.
    pub(super) arguments: &'a [String],
    /// The nice value that it begins with; None: the supervisor's, until it knows its own.
    pub(super) nice: Option<i32>,
}

/// A process, from the supervisor's side.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: u32,
    lines: mpsc::Sender<Line>,
    kill: Arc<Notify>,
}

impl Process {
    /// Starts `program replica` or `program store` with the sockets. The parent-death signal of a process follows the thread that started
    /// it, so this has to be called on the main thread.
    pub(super) fn start(
        program: &Program<'_>,
        hello: &impl Serialize,
        sockets: &[BorrowedFd<'_>],
        life: u64,
        happenings: &mpsc::Sender<Happening>,
    ) -> io::Result<Self> {
        let (channel, far_end) = StdUnixStream::pair()?;
        handover::send(&channel, hello, sockets)?;
        channel.set_nonblocking(true)?;
        let channel = UnixStream::from_std(channel)?;
        let mut command = Command::new(program.path);
        match program.role {
            Role::Replica(replica) => command.args(["replica", "--replica", &replica.to_string()]),
            Role::Store => command.arg("store"),
        };
        command
            .arg0("erlmcp")
            .args(program.arguments)
            .stdin(Stdio::from(OwnedFd::from(far_end)))
            .stdout(Stdio::null())
            // A group of its own: Ctrl-C is for the supervisor, which then ends the replicas in order.
            .process_group(0)
            .kill_on_drop(true);
        let child = match program.nice {
            Some(nice) => priority::start_at(nice, || command.spawn())?,
            None => command.spawn()?,
        };
        let pid = child.id().ok_or(io::ErrorKind::NotFound)?;
        let (lines, waiting) = mpsc::channel(TO_REPLICA_WAITING_MAX);
        let kill = Arc::new(Notify::new());
        let (reader, writer) = channel.into_split();
        let speaker = tokio::spawn(speak(writer, waiting));
        let owner = Owner { role: program.role, life, happenings: happenings.clone() };
        let killed = Arc::clone(&kill);
        tokio::spawn(async move {
            let reason = owner.live(child, reader, &killed).await;
            speaker.abort();
            let life = owner.life;
            owner
                .tell(match owner.role {
                    Role::Replica(replica) => Happening::Ended { replica, life, reason },
                    Role::Store => Happening::StoreEnded { life, reason },
                })
                .await;
        });
        Ok(Self { pid, lines, kill })
    }

    /// Says something. False where the process leaves so much unread that it was not taken: what must not be missed is owed.
    #[must_use]
    pub(super) fn try_say(&self, line: &Line) -> bool {
        self.lines.try_send(Arc::clone(line)).is_ok()
    }

    /// True where all that was said has been taken: what is large and soon out of date is only said then.
    pub(super) fn is_listening(&self) -> bool {
        self.lines.capacity() == self.lines.max_capacity()
    }

    /// SIGKILL. Its end is told as any other.
    pub(super) fn kill(&self) {
        self.kill.notify_one();
    }
}

/// Writes what is said, in order.
async fn speak(mut writer: OwnedWriteHalf, mut waiting: mpsc::Receiver<Line>) {
    while let Some(line) = waiting.recv().await {
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
    // The supervisor has forgotten this process, not the other way round: the channel stays open until it has ended.
    std::future::pending::<()>().await;
}

struct Owner {
    role: Role,
    life: u64,
    happenings: mpsc::Sender<Happening>,
}

impl Owner {
    async fn tell(&self, happening: Happening) {
        // A supervisor that is gone needs to know nothing.
        let _ = self.happenings.send(happening).await;
    }

    /// Long before the end of a process that has many connections: the kernel closes those first.
    async fn tell_closed(&self) {
        if let Role::Replica(replica) = self.role {
            self.tell(Happening::Closed { replica, life: self.life }).await;
        }
    }

    /// Passes on what the process says until its process has ended; why it did, as a sentence.
    async fn live(&self, mut child: Child, reader: OwnedReadHalf, kill: &Notify) -> String {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        let mut listens = true;
        let status = loop {
            tokio::select! {
                status = child.wait() => break status,
                () = kill.notified() => drop(child.start_kill()),
                read = line::read_line(&mut reader, &mut line, FROM_REPLICA_BYTES_MAX), if listens => {
                    listens = matches!(read, Ok(true)) && self.pass_on(&mut line).await;
                    if !listens {
                        // It ends or it babbles; either way it is over.
                        let _ = child.start_kill();
                        self.tell_closed().await;
                    }
                }
            }
        };
        let last_words = async {
            while matches!(line::read_line(&mut reader, &mut line, FROM_REPLICA_BYTES_MAX).await, Ok(true)) {
                if !self.pass_on(&mut line).await {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
        match status {
            Ok(status) => describe(status),
            Err(error) => format!("process lost: {error}"),
        }
    }

    /// False where the line is no message, in no version.
    async fn pass_on(&self, line: &mut Vec<u8>) -> bool {
        let life = self.life;
        let happening = match self.role {
            Role::Replica(replica) => {
                line::parse_known(line).map(|known| known.map(|message| Happening::Said { replica, life, message }))
            }
            Role::Store => line::parse(line).map(|message| Some(Happening::StoreSaid { life, message })),
        };
        line.clear();
        match happening {
            Ok(happening) => {
                if let Some(happening) = happening {
                    self.tell(happening).await;
                }
                true
            }
            Err(error) => {
                tracing::warn!("{:?} says what nobody understands: {error}", self.role);
                false
            }
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("process ended: signal {signal}"),
        (None, Some(code)) => format!("process ended: exit code {code}"),
        (None, None) => "process ended".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        assert_eq!(describe(ExitStatus::from_raw(9)), "process ended: signal 9");
        assert_eq!(describe(ExitStatus::from_raw(3 << 8)), "process ended: exit code 3");
    }
}
