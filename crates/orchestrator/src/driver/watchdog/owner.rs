//! The run's side: what is to be undone is told here, and undone here where the watchdog is gone.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::keeper::pay;
use super::{Debt, RENEW_EVERY, Reply, Request};
use crate::event::HealError;

/// All that a watchdog does takes seconds, but for the user's own commands, which have bounds of their own.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
const ENDS_WITHIN: Duration = Duration::from_secs(10);
const WAITING_MAX: usize = 64;

/// How a helper process of this program is started.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Program {
    pub(in crate::driver) binary: PathBuf,
    pub(in crate::driver) arguments: Vec<String>,
    pub(in crate::driver) environment: Vec<(String, String)>,
}

impl Program {
    /// This program itself, with one of its hidden commands.
    pub(in crate::driver) fn of(command: &str) -> Self {
        // Not the path: the file may have been replaced since.
        Self { binary: "/proc/self/exe".into(), arguments: vec![command.into()], environment: Vec::new() }
    }

    /// Starts it with a socket as its standard input; the other end comes back.
    pub(in crate::driver) fn start(&self) -> Result<(Child, UnixStream), String> {
        let failed = |error: std::io::Error| format!("a helper process cannot be started: {error}");
        let (ours, theirs) = StdStream::pair().map_err(failed)?;
        ours.set_nonblocking(true).map_err(failed)?;
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        // A process group of its own: Ctrl-C is for the run, which undoes things in order.
        command.process_group(0).stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        Ok((child, UnixStream::from_std(ours).map_err(failed)?))
    }
}

/// Names what is to be undone together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::driver) struct Ticket(u64);

#[derive(Debug)]
enum Order {
    Hold(u64, Vec<Debt>, oneshot::Sender<Vec<String>>),
    Release(u64, oneshot::Sender<Result<(), HealError>>),
    End(oneshot::Sender<Vec<String>>),
}

/// The run's hold on its watchdog. The process is started with the first thing that must be undone.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Watchdog {
    orders: mpsc::Sender<Order>,
    tickets: Arc<AtomicU64>,
    /// How long that may take which is held, beyond an answer: milliseconds.
    owed_ms: Arc<AtomicU64>,
}

impl Watchdog {
    pub(in crate::driver) fn new(program: Program) -> Self {
        let (orders, waiting) = mpsc::channel(WAITING_MAX);
        let owed_ms = Arc::default();
        let (debts, early) = (BTreeMap::new(), BTreeMap::new());
        tokio::spawn(Owner { program, link: None, debts, early, owed_ms: Arc::clone(&owed_ms) }.work(waiting));
        Self { orders, tickets: Arc::default(), owed_ms }
    }

    /// A name for what will have to be undone.
    pub(in crate::driver) fn ticket(&self) -> Ticket {
        Ticket(self.tickets.fetch_add(1, Ordering::Relaxed))
    }

    /// How long it may take to undo all that is held, and as long again to see that it is undone.
    pub(in crate::driver) fn undone_within(&self) -> Duration {
        ANSWER_WITHIN + 2 * Duration::from_millis(self.owed_ms.load(Ordering::Relaxed))
    }

    /// Returns when the watchdog knows of it: only then may it be done.
    pub(in crate::driver) async fn hold(&self, ticket: Ticket, debts: Vec<Debt>) -> Result<(), String> {
        let stuck = self.tell(|answer| Order::Hold(ticket.0, debts, answer)).await.unwrap_or_else(|gone| gone);
        if stuck.is_empty() { Ok(()) } else { Err(stuck.join("; ")) }
    }

    /// Undoes what was held under that name; nothing where it was undone so before.
    ///
    /// # Errors
    /// Where it is still in force, and where it was undone before this.
    pub(in crate::driver) async fn release(&self, ticket: Ticket) -> Result<(), HealError> {
        let gone = |gone: Vec<String>| Err(HealError::Stuck(gone.join("; ")));
        self.tell(|answer| Order::Release(ticket.0, answer)).await.unwrap_or_else(gone)
    }

    /// Undoes what was begun where the effect did not come, and says both: why it did not, and what is stuck.
    pub(in crate::driver) async fn give_up(&self, ticket: Ticket, why: String) -> String {
        match self.release(ticket).await {
            Ok(()) => why,
            Err(stuck) => format!("{why}; {stuck}"),
        }
    }

    /// Undoes everything and ends the process; what could not be undone.
    pub(in crate::driver) async fn end(&self) -> Vec<String> {
        self.tell(Order::End).await.unwrap_or_else(|gone| gone)
    }

    async fn tell<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Vec<String>> {
        let (answer, answered) = oneshot::channel();
        let gone = || vec!["nothing is undone any more: the run is at its end".to_string()];
        self.orders.send(order(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())
    }
}

#[derive(Debug)]
struct Link {
    child: Child,
    answers: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
}

#[derive(Debug)]
struct Owner {
    program: Program,
    link: Option<Link>,
    /// The same that the watchdog holds, for the case that it dies.
    debts: BTreeMap<u64, Vec<Debt>>,
    /// What came of those that were undone and that nobody has released: no more than there were debts.
    early: BTreeMap<u64, HealError>,
    owed_ms: Arc<AtomicU64>,
}

impl Owner {
    async fn work(mut self, mut waiting: mpsc::Receiver<Order>) {
        let mut ticks = interval(RENEW_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let owed: Duration = self.debts.values().flatten().map(Debt::within).sum();
            self.owed_ms.store(owed.as_millis() as u64, Ordering::Relaxed);
            let order = tokio::select! {
                biased;
                // First of all: what it held is undone then.
                () = ended(&mut self.link) => {
                    self.undo_all("the watchdog was killed").await;
                    continue;
                }
                _ = ticks.tick() => {
                    self.renew().await;
                    continue;
                }
                order = waiting.recv() => order,
            };
            match order {
                Some(Order::Hold(ticket, debts, answer)) => drop(answer.send(self.hold(ticket, debts).await)),
                Some(Order::Release(ticket, answer)) => drop(answer.send(self.release(ticket).await)),
                Some(Order::End(answer)) => {
                    let stuck = self.end().await;
                    let _ = answer.send(stuck);
                    return;
                }
                None => return drop(self.end().await),
            }
        }
    }

    async fn renew(&mut self) {
        let Some(link) = &mut self.link else { return };
        let line = serde_json::to_string(&Request::Renew).unwrap_or_default() + "\n";
        // Where it cannot be written the process has ended, which is found out in a moment.
        let _ = timeout(RENEW_EVERY, link.writing.write_all(line.as_bytes())).await;
    }

    async fn hold(&mut self, ticket: u64, debts: Vec<Debt>) -> Vec<String> {
        if self.link.is_none() {
            match self.program.start() {
                Ok((child, stream)) => {
                    let (reading, writing) = stream.into_split();
                    self.link = Some(Link { child, answers: BufReader::new(reading), writing });
                }
                Err(why) => return vec![why],
            }
        }
        match self.ask(&Request::Hold { ticket, debts: debts.clone() }, ANSWER_WITHIN).await {
            Ok(reply) if reply.stuck.is_empty() => {
                self.debts.entry(ticket).or_default().extend(debts);
                Vec::new()
            }
            Ok(reply) => reply.stuck,
            Err(why) => {
                self.undo_all(&why).await;
                vec![format!("nothing would undo it: {why}")]
            }
        }
    }

    async fn release(&mut self, ticket: u64) -> Result<(), HealError> {
        if let Some(outcome) = self.early.remove(&ticket) {
            return Err(outcome);
        }
        let Some(debts) = self.debts.remove(&ticket) else { return Ok(()) };
        let within = ANSWER_WITHIN + debts.iter().map(Debt::within).sum::<Duration>();
        let (stuck, early) = match self.ask(&Request::Release { ticket }, within).await {
            Ok(reply) => (reply.stuck, None),
            Err(why) => {
                let stuck = pay(&debts).await;
                self.undo_all(&why).await;
                // It may have undone it before it ended.
                (stuck, Some(why))
            }
        };
        match early {
            _ if !stuck.is_empty() => Err(HealError::Stuck(stuck.join("; "))),
            Some(why) => Err(HealError::Early(why)),
            None => Ok(()),
        }
    }

    async fn ask(&mut self, request: &Request, within: Duration) -> Result<Reply, String> {
        let gone = || "the watchdog does not answer".to_string();
        let link = self.link.as_mut().ok_or_else(gone)?;
        let text = serde_json::to_string(request).map_err(|error| error.to_string())? + "\n";
        let exchange = async {
            link.writing.write_all(text.as_bytes()).await.ok()?;
            let mut line = String::new();
            link.answers.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            serde_json::from_str(&line).ok()
        };
        timeout(within, exchange).await.ok().flatten().ok_or_else(gone)
    }

    /// The watchdog is of no use any more: what it held is undone here.
    async fn undo_all(&mut self, why: &str) {
        if let Some(mut link) = self.link.take() {
            let _ = link.child.start_kill();
            let _ = timeout(ENDS_WITHIN, link.child.wait()).await;
        }
        for (ticket, debts) in std::mem::take(&mut self.debts).into_iter().rev() {
            tracing::warn!("{why}: a fault is undone before its time");
            let stuck = pay(&debts).await;
            for one in &stuck {
                tracing::error!("not undone: {one}");
            }
            let is_undone = stuck.is_empty();
            let outcome = if is_undone { HealError::Early(why.into()) } else { HealError::Stuck(stuck.join("; ")) };
            self.early.insert(ticket, outcome);
        }
    }

    /// Each of what is left is undone, then the process ends by itself.
    async fn end(&mut self) -> Vec<String> {
        let mut stuck = Vec::new();
        while let Some(ticket) = self.debts.keys().chain(self.early.keys()).max().copied() {
            if let Err(HealError::Stuck(why)) = self.release(ticket).await {
                stuck.push(why);
            }
        }
        if let Some(Link { mut child, answers, writing }) = self.link.take() {
            drop((answers, writing));
            if timeout(ENDS_WITHIN, child.wait()).await.is_err() {
                let _ = child.start_kill();
                let _ = timeout(ENDS_WITHIN, child.wait()).await;
            }
        }
        stuck
    }
}

/// When the watchdog's process ends, which it does not while it is needed.
async fn ended(link: &mut Option<Link>) {
    match link {
        Some(link) => drop(link.child.wait().await),
        None => std::future::pending().await,
    }
}
