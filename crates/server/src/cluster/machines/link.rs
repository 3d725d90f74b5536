//! The way to the other clusters: one connection to the database, by which letters go and come.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket, Statement};

use super::super::happening::Happening;
use super::super::messages::ListChange;
use super::ends::Ends;
use super::letter::{Letter, Presence, Text};
use super::{Order, Said};
use crate::clock::monotonic_ns;
use crate::engine::Outbox;
use crate::operations::{PostgresAddress, sentence};

/// One place for all letters.
const CHANNEL: &str = "erlmcp_cluster";
/// Between two words that this one is there.
const BEAT: Duration = Duration::from_secs(1);
/// Its own letters come back as all others do: where they don't, those of others don't come either.
const DEAF_NS: u64 = 4_000_000_000;
/// Until the database has done what it was asked.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two tries to connect: at first, and at most.
const RECONNECT: Duration = Duration::from_millis(50);
const RECONNECT_MAX: Duration = Duration::from_secs(1);
/// Orders that are carried out together.
const ORDERS_TOGETHER: usize = 256;
/// Beats between two looks at sessions whose time is over.
const BEATS_A_SWEEP: u64 = 60;

const TELL: &str = "SELECT pg_notify($1, letter) FROM unnest($2::text[]) AS letter";

/// Where the letters of a supervisor come from and go to.
pub(super) struct Link {
    pub(super) address: PostgresAddress,
    pub(super) base: u64,
    /// The fingerprint of the session key.
    pub(super) of: String,
    pub(super) presence: watch::Receiver<Presence>,
    /// What changed here, for the others.
    pub(super) outbox: Arc<Outbox>,
    /// What changed elsewhere, for the replicas here.
    pub(super) inbox: Arc<Outbox>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) happenings: mpsc::Sender<Happening>,
    pub(super) ends: Ends,
}

/// A connection on which letters come.
struct Session {
    client: Client,
    tell: Statement,
    driver: Driver,
    heard: Arc<Heard>,
}

/// Moves the connection on, and says why it ended; the socket is closed with it.
struct Driver(JoinHandle<String>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the connection's own task leaves for who speaks on it.
struct Heard {
    /// When a letter of this supervisor came back at last.
    own_ns: AtomicU64,
    /// Somebody wants to know who is there.
    asked: Notify,
}

/// Why a session is over.
enum End {
    /// The supervisor wants no more.
    Over,
    Lost(String),
}

impl Link {
    /// Keeps a connection until the supervisor wants no more.
    pub(super) async fn run(mut self) {
        let mut pause = RECONNECT;
        loop {
            let why = match patiently(self.open()).await {
                Err(why) => why,
                Ok(session) => {
                    pause = RECONNECT;
                    match self.live(session).await {
                        End::Over => return,
                        End::Lost(why) => why,
                    }
                }
            };
            self.say(Said::Unlinked { why }).await;
            // What is ordered now is known to the supervisor, which says it again; only the end matters.
            let waiting = async { while !matches!(self.orders.recv().await, None | Some(Order::Bye)) {} };
            if timeout(pause, waiting).await.is_ok() {
                return;
            }
            pause = (pause * 2).min(RECONNECT_MAX);
        }
    }

    async fn say(&self, said: Said) {
        // A supervisor that is gone needs to know nothing.
        let _ = self.happenings.send(Happening::Machines(said)).await;
    }

    async fn open(&self) -> Result<Session, String> {
        let mut config = self.address.config("erlmcp cluster").map_err(|error| error.to_string())?;
        config
            .keepalives_idle(Duration::from_secs(3))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        let (client, connection) = config.connect(NoTls).await.map_err(|error| sentence(&error))?;
        let heard = Arc::new(Heard { own_ns: AtomicU64::new(monotonic_ns()), asked: Notify::new() });
        let ear = Ear {
            base: self.base,
            of: self.of.clone(),
            inbox: Arc::clone(&self.inbox),
            happenings: self.happenings.clone(),
            heard: Arc::clone(&heard),
        };
        let driver = Driver(tokio::spawn(ear.listen(connection)));
        let prepared = async {
            self.ends.prepare(&client).await?;
            client.batch_execute(&format!("LISTEN {CHANNEL}")).await?;
            client.prepare(TELL).await
        };
        let tell = prepared.await.map_err(|error| sentence(&error))?;
        Ok(Session { client, tell, driver, heard })
    }

    /// Until the connection is lost. What changed while there was none may be anything.
    async fn live(&mut self, mut session: Session) -> End {
        let begun = async {
            // Whatever is told from now on is heard, and what was told before has been written.
            let ended = self.ends.all(&session.client).await?;
            self.say(Said::Linked { ended }).await;
            let presence = Presence { asks: true, ..self.presence.borrow().clone() };
            self.tell(&session, vec![Text::Here(presence)]).await
        };
        if let Err(why) = patiently(begun).await {
            return End::Lost(why);
        }
        ListChange::EVERYTHING.into_iter().for_each(|change| change.put(&self.inbox));
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0;
        let mut together = Vec::with_capacity(ORDERS_TOGETHER);
        loop {
            let done = tokio::select! {
                _ = beats.tick() => {
                    count += 1;
                    self.beat(&session, count).await
                }
                () = session.heard.asked.notified() => self.be_here(&session).await,
                (lists, updates) = self.outbox.next() => {
                    let changes = ListChange::of(lists, &updates);
                    let told = self.tell(&session, changes.iter().cloned().map(Text::Changed).collect()).await;
                    if told.is_err() {
                        // They are told on the next connection, perhaps once more.
                        changes.into_iter().for_each(|change| change.put(&self.outbox));
                    }
                    told
                }
                count = self.orders.recv_many(&mut together, ORDERS_TOGETHER) => {
                    match self.obey(&session, std::mem::take(&mut together)).await {
                        Ok(is_over) if is_over || count == 0 => return End::Over,
                        done => done.map(drop),
                    }
                }
                ended = &mut session.driver.0 => Err(ended.unwrap_or_else(|error| error.to_string())),
            };
            if let Err(why) = done {
                return End::Lost(why);
            }
        }
    }

    async fn beat(&self, session: &Session, count: u64) -> Result<(), String> {
        if monotonic_ns().saturating_sub(session.heard.own_ns.load(Ordering::Relaxed)) >= DEAF_NS {
            return Err("nothing is heard through it any more".to_string());
        }
        self.be_here(session).await?;
        if count.is_multiple_of(BEATS_A_SWEEP) {
            patiently(self.ends.sweep(&session.client)).await?;
        }
        Ok(())
    }

    async fn be_here(&self, session: &Session) -> Result<(), String> {
        let presence = self.presence.borrow().clone();
        self.tell(session, vec![Text::Here(presence)]).await
    }

    /// True where the supervisor wants no more.
    async fn obey(&mut self, session: &Session, orders: Vec<Order>) -> Result<bool, String> {
        let mut words = Vec::new();
        for order in orders {
            match order {
                Order::Heard(word) => words.push(Text::Heard(word)),
                Order::Ended { batch, floor, ended } => {
                    self.tell(session, std::mem::take(&mut words)).await?;
                    let written = self.ends.write(&session.client, floor, &ended);
                    let new = patiently(written).await?;
                    let letters = Text::write_ended(floor, &new, self.base, &self.of);
                    self.post(session, letters).await?;
                    self.say(Said::Written { batch }).await;
                }
                Order::Bye => {
                    // What changed with the last calls here.
                    let (lists, updates) = self.outbox.take();
                    words.extend(ListChange::of(lists, &updates).into_iter().map(Text::Changed));
                    words.push(Text::Gone);
                    self.tell(session, words).await?;
                    return Ok(true);
                }
            }
        }
        self.tell(session, words).await.map(|()| false)
    }

    async fn tell(&self, session: &Session, texts: Vec<Text>) -> Result<(), String> {
        let write = |text: Text| match text {
            Text::Changed(change) => Text::write_change(change, self.base, &self.of),
            text => text.write(self.base, &self.of),
        };
        let count = texts.len();
        let letters: Vec<String> = texts.into_iter().filter_map(write).collect();
        if letters.len() < count {
            tracing::warn!(
                "a session's answer to a question is too long to be told to other machines: it stays on this one"
            );
        }
        self.post(session, letters).await
    }

    async fn post(&self, session: &Session, letters: Vec<String>) -> Result<(), String> {
        if letters.is_empty() {
            return Ok(());
        }
        patiently(session.client.execute(&session.tell, &[&CHANNEL, &letters])).await.map(drop)
    }
}

/// Waits as long as the database is given for an answer.
async fn patiently<T, E: Why>(work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(PATIENCE, work).await {
        Ok(done) => done.map_err(Why::why),
        Err(_) => Err(format!("it has not answered within {} s", PATIENCE.as_secs())),
    }
}

trait Why {
    fn why(self) -> String;
}

impl Why for tokio_postgres::Error {
    fn why(self) -> String {
        sentence(&self)
    }
}

impl Why for String {
    fn why(self) -> String {
        self
    }
}

/// Hears what comes on a connection, which goes on only while it is listened to.
struct Ear {
    base: u64,
    of: String,
    inbox: Arc<Outbox>,
    happenings: mpsc::Sender<Happening>,
    heard: Arc<Heard>,
}

impl Ear {
    /// To the end of the connection; why it ended.
    async fn listen(self, mut connection: Connection<Socket, NoTlsStream>) -> String {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                None => return "it has ended the connection".to_string(),
                Some(Err(error)) => return sentence(&error),
                Some(Ok(AsyncMessage::Notification(notification))) => self.take(notification.payload()).await,
                Some(Ok(_)) => {}
            }
        }
    }

    async fn take(&self, payload: &str) {
        let Some(Letter { from, is_ours, text }) = Letter::read(payload, &self.of) else {
            tracing::debug!("somebody else writes to {CHANNEL}");
            return;
        };
        if from == self.base {
            self.heard.own_ns.store(monotonic_ns(), Ordering::Relaxed);
            return;
        }
        match text {
            Some(Text::Here(presence)) => {
                if presence.asks {
                    self.heard.asked.notify_one();
                }
                self.tell(Said::Here { from, is_ours, presence }).await;
            }
            Some(Text::Gone) => self.tell(Said::Gone { from }).await,
            _ if !is_ours => {}
            Some(Text::Changed(change)) => change.put(&self.inbox),
            Some(Text::Heard(word)) => self.tell(Said::Heard(word)).await,
            Some(Text::Ended { floor, ended }) => self.tell(Said::Ended { floor, ended }).await,
            // Of a later version, which may have told of anything.
            None => ListChange::EVERYTHING.into_iter().for_each(|change| change.put(&self.inbox)),
        }
    }

    async fn tell(&self, said: Said) {
        // The supervisor takes what happens whatever else it does: this never waits for long.
        let _ = self.happenings.send(Happening::Machines(said)).await;
    }
}
