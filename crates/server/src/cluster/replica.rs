//! One replica: a server whose sockets, limits and orders come from its supervisor.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::channel::{Met, Parent, meet_supervisor};
use super::descriptors::descriptors_for;
use super::error::ClusterError;
use super::line;
use super::membership::Verdict;
use super::messages::{
    FROM_REPLICA_BYTES_MAX, FromReplica, Hello, ListChange, SPEAKS, TO_REPLICA_BYTES_MAX, ToReplica,
};
use super::pulse::HEARTBEAT_MS;
use super::watch::Watch;
use crate::answer::ServerInfo;
use crate::clock::{monotonic_ns, unix_seconds};
use crate::engine::{ClusterPages, Drained, Listening, Place, Server, ServerConfig, Shared, Stalled, Updates};
use crate::metrics::counters::Outcome;
use crate::queue::{Answer, ReplyTo};
use crate::session::{Ending, Sessions, Word};
use crate::tools::Registry;

/// A shard that has not polled for so long does not turn: no heartbeat.
const LOOPS_TURN_NS: u64 = 500_000_000;
/// A snapshot goes with every so many heartbeats' times.
const BEATS_A_SNAPSHOT: u64 = 3;
/// Ends of sessions that may wait; more are refused.
const ENDINGS_WAITING_MAX: usize = 4_096;
/// Words of clients that may wait; more are refused.
const WORDS_WAITING_MAX: usize = 256;
/// Ends of sessions in one message, which has to stay short.
const ENDINGS_A_MESSAGE: usize = 1_024;
/// Verdicts of probes that may wait.
const VERDICTS_WAITING_MAX: usize = 64;

/// How a replica ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaEnd {
    /// It was told to, and has finished what it had.
    Drained,
    /// It could not start; the supervisor knows why and tells the user.
    NotStarted,
    /// The supervisor is gone.
    Orphaned,
}

/// Runs a replica until its supervisor ends it. Has to be called in a current-thread runtime, in a process that was
/// started by [`run`](super::run).
///
/// # Errors
/// Where the process was not started so, or the system refuses what a replica can't work without.
pub async fn run_replica(info: ServerInfo, registry: Registry) -> Result<ReplicaEnd, ClusterError> {
    let parent = |hello: &Hello| Parent { pid: hello.supervisor_pid, nice: hello.nice };
    let Some(Met { channel, hello, sockets }) = meet_supervisor(parent)? else { return Ok(ReplicaEnd::Orphaned) };
    let Endowment { listening: sockets, bequest, inheritance } = endowment(&hello, sockets)?;
    // The program was started by its descriptor, which is no name; failing that, `ps` shows another one.
    let _ = rustix::thread::set_name(c"erlmcp");
    let (reader, mut writer) = channel.into_split();
    let mut reader = BufReader::new(reader);
    let Ok(Some(sessions)) = sessions(&hello, &mut reader).await else { return Ok(ReplicaEnd::Orphaned) };
    let (sessions, endings, words) = sessions;
    if hello.speaks > SPEAKS {
        let (own, other) = (SPEAKS, hello.speaks);
        let reason =
            format!("its supervisor is of a later version (it speaks {other}, not {own}): use a program of that one");
        let _ = line::write(&mut writer, &FromReplica::Failed(reason)).await;
        return Ok(ReplicaEnd::NotStarted);
    }
    let source = sockets.last().and_then(|own| own.listener.local_addr().ok()).map(|address| address.ip());
    let config = ServerConfig {
        limits: hello.limits,
        info,
        registry,
        shards: hello.shards,
        replica: hello.replica,
        allowed_hosts: hello.allowed_hosts,
        store: None,
        entry: hello.entry,
        telemetry: hello.telemetry,
        cluster: Some(hello.cluster),
        // The supervisor's word has the key.
        session_key: None,
    };
    let enough = descriptors_for(&config.limits);
    match enough.and_then(|_| Ok(Server::start_in_cluster(config, sockets, sessions, Some(hello.store))?)) {
        Ok(server) => {
            if let Some(inheritance) = inheritance {
                server.take_over(inheritance).map_err(ClusterError::system("start a thread"))?;
            }
            let (verdicts, judged) = mpsc::channel(VERDICTS_WAITING_MAX);
            let inside = server.shared().peers.inside.clone();
            let watch = Watch::new(source, inside, verdicts);
            let shared = server.shared();
            let mut replica = Replica {
                server: Some(server),
                draining: None,
                bequest: Some(bequest),
                is_leaving: false,
                watch,
                writer,
                shared,
                endings,
                words,
                asked: Vec::new(),
            };
            let terminate = signal(SignalKind::terminate()).map_err(ClusterError::system("watch for signals"))?;
            // The channel breaks only with its other end.
            Ok(replica.live(reader, judged, terminate).await.unwrap_or(ReplicaEnd::Orphaned))
        }
        Err(error) => {
            // Should the supervisor be gone, nobody needs to know.
            let _ = line::write(&mut writer, &FromReplica::Failed(error.to_string())).await;
            Ok(ReplicaEnd::NotStarted)
        }
    }
}

/// The sockets that come with the first message.
struct Endowment {
    listening: Vec<Listening>,
    /// By which connections go to the process that takes this one's place.
    bequest: StdUnixStream,
    /// By which those of the process come whose place this one takes.
    inheritance: Option<StdUnixStream>,
}

fn endowment(hello: &Hello, mut sockets: Vec<OwnedFd>) -> Result<Endowment, ClusterError> {
    let inheritance = if hello.takes_over { sockets.pop().map(StdUnixStream::from) } else { None };
    let bequest = sockets.pop().map(StdUnixStream::from).ok_or(ClusterError::NoChannel)?;
    let own = sockets.len().saturating_sub(1);
    let admin = own.saturating_sub(hello.admin)..own;
    let listening = |(place, socket)| Listening {
        listener: TcpListener::from(socket),
        shared: place < own,
        admin: admin.contains(&place),
    };
    let listening = sockets.into_iter().enumerate().map(listening).collect();
    Ok(Endowment { listening, bequest, inheritance })
}

/// The sessions of the cluster, once the supervisor has told which have ended: what clients end here comes out of the
/// other end. None where the supervisor is gone.
async fn sessions(
    hello: &Hello,
    reader: &mut BufReader<OwnedReadHalf>,
) -> io::Result<Option<(Sessions, mpsc::Receiver<Ending>, mpsc::Receiver<Word>)>> {
    let mut line = Vec::new();
    if !line::read_line(reader, &mut line, TO_REPLICA_BYTES_MAX).await? {
        return Ok(None);
    }
    let ToReplica::SessionsEnded { floor, ended, words: wishes, .. } = line::parse(&line)? else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (sender, endings) = mpsc::channel(ENDINGS_WAITING_MAX);
    let (words, heard) = mpsc::channel(WORDS_WAITING_MAX);
    let sessions = Sessions::new(&hello.session_key, &hello.limits, hello.replica).in_cluster(sender, words);
    let now_s = unix_seconds();
    sessions.revoke(floor, &ended, now_s);
    for wish in &wishes {
        sessions.take(wish, now_s);
    }
    Ok(Some((sessions, endings, heard)))
}

struct Replica {
    /// None once it drains.
    server: Option<Server>,
    draining: Option<JoinHandle<Drained>>,
    /// By which connections go to the process that takes this one's place, until they do.
    bequest: Option<StdUnixStream>,
    /// The supervisor was told that this process is to end.
    is_leaving: bool,
    watch: Watch,
    writer: OwnedWriteHalf,
    shared: Arc<Shared>,
    /// Sessions that clients end here.
    endings: mpsc::Receiver<Ending>,
    /// What their clients say that others may have to know.
    words: mpsc::Receiver<Word>,
    /// Who waits until all replicas know of those that the supervisor was told of last.
    asked: Vec<ReplyTo>,
}

impl Replica {
    async fn live(
        &mut self,
        mut reader: BufReader<OwnedReadHalf>,
        mut judged: mpsc::Receiver<(u16, Verdict)>,
        mut terminate: Signals,
    ) -> io::Result<ReplicaEnd> {
        let mut ticks = interval(Duration::from_millis(HEARTBEAT_MS));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut beats = 0;
        let mut line = Vec::new();
        let outbox = self.server.as_ref().map(Server::outbox).unwrap_or_default();
        self.say(&FromReplica::Ready).await?;
        loop {
            tokio::select! {
                read = line::read_line(&mut reader, &mut line, TO_REPLICA_BYTES_MAX) => {
                    if !read? {
                        return Ok(ReplicaEnd::Orphaned);
                    }
                    let message = line::parse_known(&line)?;
                    line.clear();
                    // Of all kinds, in all versions, only the pages have something behind them.
                    if let Some(message) = message {
                        let text = behind(&message, &mut reader).await?;
                        self.obey(message, text).await?;
                    }
                }
                _ = ticks.tick() => {
                    self.beat(beats).await?;
                    beats += 1;
                }
                Some((replica, Verdict { good, at_ns })) = judged.recv() => {
                    self.say(&FromReplica::Probe { replica, good, at_ns }).await?;
                }
                changes = outbox.next() => self.tell(changes).await?,
                Some(ending) = self.endings.recv(), if self.asked.is_empty() => self.pass_on(ending).await?,
                Some(word) = self.words.recv() => self.say(&FromReplica::Heard(word)).await?,
                // Who says so twice does not want to wait.
                _ = terminate.recv() => match std::mem::replace(&mut self.is_leaving, true) {
                    false => self.say(&FromReplica::Leaving).await?,
                    true => self.drain(),
                },
                drained = over(&mut self.draining) => {
                    self.draining = None;
                    // The last calls may have changed something, and clients said something, just now.
                    self.tell(outbox.take()).await?;
                    while let Ok(word) = self.words.try_recv() {
                        self.say(&FromReplica::Heard(word)).await?;
                    }
                    self.say(&FromReplica::Drained { cut: drained.cut }).await?;
                    return Ok(ReplicaEnd::Drained);
                }
            }
        }
    }

    /// Tells what has changed here.
    async fn tell(&mut self, (lists, updates): (u32, Updates)) -> io::Result<()> {
        for change in ListChange::of(lists, &updates) {
            self.say(&FromReplica::Changed(change)).await?;
        }
        Ok(())
    }

    async fn say(&mut self, message: &FromReplica) -> io::Result<()> {
        let line = line::to_line(message);
        if line.len() > FROM_REPLICA_BYTES_MAX {
            // Its supervisor would take it for nonsense, and this replica for a broken one.
            tracing::warn!("{} bytes for the supervisor are too many to be said", line.len());
            return Ok(());
        }
        self.writer.write_all(&line).await
    }

    async fn beat(&mut self, beats: u64) -> io::Result<()> {
        let Some(server) = &self.server else {
            // It drains, and is not stuck: its calls have the time of the drain.
            return if self.draining.is_some() { self.say(&FromReplica::Beat).await } else { Ok(()) };
        };
        let blocked = server.look();
        let turns = monotonic_ns().saturating_sub(server.last_poll_ns()) < LOOPS_TURN_NS;
        let snapshot = beats.is_multiple_of(BEATS_A_SNAPSHOT).then(|| Box::new(server.snapshot()));
        for Stalled { shard, for_ms } in blocked {
            self.say(&FromReplica::Blocked { shard, for_ms }).await?;
        }
        if turns {
            self.say(&FromReplica::Beat).await?;
        }
        match snapshot {
            Some(snapshot) => self.say(&FromReplica::Snapshot(snapshot)).await,
            None => Ok(()),
        }
    }

    /// `text` is what followed the message.
    async fn obey(&mut self, message: ToReplica, text: String) -> io::Result<()> {
        match (message, &self.server) {
            (ToReplica::SessionsEnded { batch, floor, ended, .. }, _) => {
                self.shared.sessions_ended(floor, &ended);
                return self.say(&FromReplica::KnowsEnded { batch }).await;
            }
            (ToReplica::AllKnow, _) => self.all_know(),
            (ToReplica::Heard(word), _) => {
                self.shared.sessions.take(&word, unix_seconds());
            }
            (ToReplica::Membership(membership), _) => {
                tracing::debug!(members = membership.members.len(), "membership");
                let members = membership.members.iter().map(|member| (member.replica, Place::At(member.address)));
                let away = membership.away.iter().map(|replica| (*replica, Place::Away));
                self.shared.peers.set(members.chain(away).collect());
                self.watch.set(membership.watch);
            }
            (ToReplica::Pages { status, taken_at_ns, .. }, Some(server)) => {
                server.set_cluster_pages(ClusterPages { metrics: text, status, taken_at_ns });
            }
            (ToReplica::Changed(change), Some(server)) => change.tell(server),
            (ToReplica::Drain, _) => self.drain(),
            (ToReplica::HandOver, _) => self.hand_over(),
            (_, None) => {}
        }
        Ok(())
    }

    /// Tells the supervisor of sessions that have ended here: of this one, and of those behind it.
    async fn pass_on(&mut self, first: Ending) -> io::Result<()> {
        let mut ended = Vec::new();
        let mut next = Some(first);
        while let Some(Ending { ended: one, reply }) = next {
            ended.push(one);
            self.asked.push(reply);
            next = if ended.len() < ENDINGS_A_MESSAGE { self.endings.try_recv().ok() } else { None };
        }
        self.say(&FromReplica::EndSessions(ended)).await
    }

    /// All replicas know: the clients have their answers.
    fn all_know(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        // A shard that is far behind must not keep this loop from its heartbeats.
        tokio::spawn(async move {
            for reply in asked {
                let answer = Answer { status: 204, body: Vec::new(), outcome: Outcome::Ok, retry_after_ms: None };
                reply.send(answer).await;
            }
        });
    }

    fn drain(&mut self) {
        match self.server.take() {
            Some(server) => {
                server.drain();
                self.wait_for_end(server);
            }
            // While connections go to another process: what is left is ended.
            None => self.shared.drain(),
        }
    }

    /// Another process has taken this one's place.
    fn hand_over(&mut self) {
        let (Some(mut server), Some(bequest)) = (self.server.take(), self.bequest.take()) else { return };
        if let Err(error) = server.hand_over(bequest) {
            tracing::warn!("connections cannot be handed over: {error}");
            server.drain();
        }
        self.wait_for_end(server);
    }

    fn wait_for_end(&mut self, server: Server) {
        self.watch.set(Vec::new());
        self.draining = Some(tokio::task::spawn_blocking(move || server.join()));
    }
}

/// The text that follows a message, for those that have one.
async fn behind(message: &ToReplica, reader: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let ToReplica::Pages { metrics_bytes, .. } = message else { return Ok(String::new()) };
    if *metrics_bytes > TO_REPLICA_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; *metrics_bytes];
    reader.read_exact(&mut text).await?;
    String::from_utf8(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// The end of the drain; never without one.
async fn over(draining: &mut Option<JoinHandle<Drained>>) -> Drained {
    match draining {
        // A drain that broke is over too.
        Some(drained) => drained.await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}
