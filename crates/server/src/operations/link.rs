//! A replica's end of the way to its store: connects, says again what was not answered, hands answers to who waits.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval};

use super::heart::{Command, Outcome};
use super::host::{more, speak};
use super::keeper::Reply;
use super::table::Incarnation;
use super::unanswered::Unanswered;
use super::wire::{FromStore, ToStore, write_command};
use super::writer::{Order, Orders};

/// Between two tries to reach a store.
const RECONNECT: Duration = Duration::from_millis(50);
/// What the store could not do is tried again after this time.
const RETRY: Duration = Duration::from_millis(100);

/// Where the store is.
pub(crate) enum Way {
    /// A process with this socket.
    Socket(PathBuf),
    /// In this process.
    Here(Orders),
}

/// What the store said to one command; none where it could not carry it out.
pub(crate) type Said = Option<Reply>;
type Waiter = oneshot::Sender<Said>;

/// The way from this process to its store.
pub(crate) struct Link {
    way: Way,
    incarnation: Incarnation,
    unanswered: Mutex<Unanswered<Waiter>>,
    news: Notify,
    /// Zero before the store has given one.
    epoch: AtomicU64,
    /// It let somebody wait in vain, and has said nothing since.
    is_late: AtomicBool,
    /// False while another process has this one's place at the store.
    has_place: watch::Sender<bool>,
}

impl Link {
    pub(crate) fn new(way: Way, incarnation: Incarnation, unanswered_max: usize, has_place: bool) -> Arc<Self> {
        Arc::new(Self {
            way,
            incarnation,
            unanswered: Mutex::new(Unanswered::new(unanswered_max)),
            news: Notify::new(),
            epoch: AtomicU64::new(0),
            is_late: AtomicBool::new(false),
            has_place: watch::Sender::new(has_place),
        })
    }

    /// The process that had this one's place has ended: this one speaks.
    pub(crate) fn take_place(&self) {
        self.has_place.send_replace(true);
    }

    fn unanswered(&self) -> MutexGuard<'_, Unanswered<Waiter>> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The epoch of this process; zero before its store has given it one.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// What a store of this process alone is told at the end.
    pub(crate) fn nobody_lives(&self) -> Order {
        Order::Living { base: self.incarnation.base, up_to: u64::MAX, living: Vec::new() }
    }

    /// Commands without an answer.
    pub(crate) fn backlog(&self) -> u64 {
        self.unanswered().len() as u64
    }

    /// It let somebody wait in vain, and has said nothing since. What it says late counts, too: it works.
    pub(crate) fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    /// A claim has ended, and the store has not heard of it.
    pub(crate) fn owes_an_end(&self) -> bool {
        self.unanswered().has_ends()
    }

    /// Asks the store. `Err`: it did not answer in time, or there is too much that it has not answered; a claim is then
    /// given back should it be granted, and what ends a claim is said until it is heard.
    pub(crate) async fn ask(&self, command: Command, patience: Duration) -> Result<Said, ()> {
        let (waiter, mut answer) = oneshot::channel();
        self.unanswered().add(command, Some(waiter)).map_err(|_| ())?;
        self.news.notify_one();
        match tokio::time::timeout(patience, &mut answer).await {
            Ok(said) => Ok(said.unwrap_or(None)),
            Err(_) => {
                answer.close();
                // It may have come between.
                let said = answer.try_recv().map_err(|_| ());
                self.is_late.fetch_or(said.is_err(), Ordering::Relaxed);
                said
            }
        }
    }

    /// Connects and speaks, again and again, until this incarnation is over.
    pub(crate) async fn run(self: Arc<Self>) {
        // The sender is our own: it is not gone.
        let _ = self.has_place.subscribe().wait_for(|has_place| *has_place).await;
        loop {
            match self.converse().await {
                Ok(()) => break,
                Err(error) => tracing::debug!("the way to the store broke: {error}"),
            }
            tokio::time::sleep(RECONNECT).await;
        }
        tracing::error!("another process has taken this one's place at the store: it takes no operations any more");
        loop {
            for waiter in self.unanswered().end() {
                let fenced = Reply { outcome: Outcome::Fenced, result: None };
                let _ = waiter.send(Some(fenced));
            }
            self.news.notified().await;
        }
    }

    async fn connect(&self) -> io::Result<UnixStream> {
        match &self.way {
            Way::Socket(path) => UnixStream::connect(path).await,
            Way::Here(orders) => {
                let (near, far) = UnixStream::pair()?;
                tokio::spawn(speak(far, orders.clone()));
                Ok(near)
            }
        }
    }

    /// One connection. Ends well where a later incarnation has taken this one's place.
    async fn converse(&self) -> io::Result<()> {
        let (mut reader, mut writer) = self.connect().await?.into_split();
        let mut out = Vec::new();
        ToStore::Hello(self.incarnation).write(&mut out, 0).map_err(io::Error::other)?;
        writer.write_all(&out).await?;
        let mut bytes = Vec::new();
        loop {
            match FromStore::read(&bytes).map_err(io::Error::other)? {
                Some((used, _, FromStore::Welcome(epoch))) => {
                    bytes.drain(..used);
                    self.epoch.store(epoch, Ordering::Release);
                    break;
                }
                Some((_, _, FromStore::Superseded)) => return Ok(()),
                Some(_) => return Err(io::ErrorKind::InvalidData.into()),
                None => more(&mut reader, &mut bytes).await?,
            }
        }
        self.unanswered().reconnected();
        let mut retries = interval(RETRY);
        retries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let speaking = async {
            loop {
                let mut out = Vec::new();
                let write = |number, command: &_| {
                    // Who asked gives up in its time: on another connection this would be no shorter.
                    if let Err(error) = write_command(&mut out, number, command) {
                        tracing::error!("a command for the store is not sent: {error}");
                    }
                };
                self.unanswered().unsent(|waiter| !waiter.is_closed(), write);
                writer.write_all(&out).await?;
                self.news.notified().await;
            }
        };
        let hearing = async {
            loop {
                self.hear(&mut bytes)?;
                more(&mut reader, &mut bytes).await?;
            }
        };
        let insisting = async {
            loop {
                retries.tick().await;
                if self.unanswered().retry() {
                    self.news.notify_one();
                }
            }
        };
        tokio::select! {
            spoke = speaking => spoke,
            heard = hearing => heard,
            () = insisting => Ok(()),
        }
    }

    /// Hands the answers at the front of `bytes` to who waits.
    fn hear(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut at = 0;
        while let Some((used, number, said)) = FromStore::read(&bytes[at..]).map_err(io::Error::other)? {
            at += used;
            self.is_late.store(false, Ordering::Relaxed);
            let said = match said {
                FromStore::Done(reply) => Some(reply),
                FromStore::Unavailable => None,
                FromStore::Welcome(_) | FromStore::Superseded => return Err(io::ErrorKind::InvalidData.into()),
            };
            let told = self.unanswered().answered(number, said.as_ref());
            if let Some((waiter, command)) = told
                && let Err(Some(reply)) = waiter.send(said)
            {
                self.unanswered().unwanted(&command, Some(&reply));
                self.news.notify_one();
            }
        }
        bytes.drain(..at);
        Ok(())
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("incarnation", &self.incarnation).finish_non_exhaustive()
    }
}
