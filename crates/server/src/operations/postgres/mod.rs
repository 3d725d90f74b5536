//! The store in a PostgreSQL database, which the stores of several machines share.
//!
//! What is decided is decided on rows that the transaction has locked, and nothing is kept in mind from one transaction to
//! the next: the claims, results and epochs of the other members are there at once. A *member* is the store of one cluster,
//! or of one lone server; it holds an advisory lock for as long as it is connected, by which the others see that it lives.
//! Where the end of a transaction is not known, the whole batch is asked again on another connection, once the first one's
//! transaction is over: each command says by epoch and ticket whether it was carried out.

mod address;
mod epochs;
mod export;
mod plan;
mod schema;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

pub use address::{AddressError, PostgresAddress};
pub(crate) use export::export;
use plan::Plan;
pub(crate) use schema::MAKING;
use schema::Say;
pub(crate) use session::sentence;
use session::{Session, Trouble};
use tokio_postgres::types::ToSql;

use super::heart::{Command, Outcome};
use super::keeper::{Deciding, Reply};
use super::store::StoreError;
use super::table::{Incarnation, Keep};
use crate::clock::monotonic_ns;

/// One transaction. Later it is in doubt, and asked for anew.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often a transaction is begun again: after races, and after lost connections.
const RACES_MAX: u32 = 20;
const LOSSES_MAX: u32 = 2;
/// Commands of a batch that cannot be carried out for what they or their rows hold; with more it is no matter of single ones.
const UNFIT_MAX: usize = 32;
/// Between two tries to connect: at first, and at most.
const RECONNECT_NS: u64 = 50_000_000;
const RECONNECT_MAX_NS: u64 = 1_000_000_000;

/// A store in a database.
pub(crate) struct PostgresStore {
    runtime: tokio::runtime::Runtime,
    address: PostgresAddress,
    /// Names this member.
    base: u64,
    keep: Keep,
    session: Option<Session>,
    /// Since when there is no connection, and the next try.
    away: Option<Away>,
    /// The epochs of this member's processes, as far as they are known to live. Bounded by its replicas.
    epochs: HashSet<u64>,
    /// Members that nobody has seen since then. Bounded by those that there are.
    absent: HashMap<i64, u64>,
    /// Operations of all members, when they were last counted.
    held: i64,
}

#[derive(Debug, Clone)]
struct Away {
    why: String,
    next_ns: u64,
    pause_ns: u64,
}

impl PostgresStore {
    /// Connects, and makes the tables where they are missing. Not to be called in async code.
    ///
    /// # Errors
    /// A sentence without its end, that says why this is no store now.
    pub(crate) fn open(address: &PostgresAddress, base: u64, keep: Keep) -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let session = runtime.block_on(Session::open(address, base))?;
        let mut store = Self {
            runtime,
            address: address.clone(),
            base,
            keep,
            session: Some(session),
            away: None,
            epochs: HashSet::new(),
            absent: HashMap::new(),
            held: 0,
        };
        store.count().map_err(|error| error.to_string())?;
        Ok(store)
    }

    /// Operations that are kept, of all members.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.held).unwrap_or(0)
    }

    /// There is a connection. Else a sentence says why not; nothing waits for a database that was not there a moment ago.
    fn be_connected(&mut self) -> Result<(), String> {
        if self.session.as_ref().is_some_and(|session| !session.client.is_closed()) {
            return Ok(());
        }
        self.session = None;
        // While nobody looked, they may have come and gone.
        self.absent.clear();
        let now_ns = monotonic_ns();
        if let Some(away) = self.away.as_ref().filter(|away| away.next_ns > now_ns) {
            return Err(away.why.clone());
        }
        match self.runtime.block_on(Session::open(&self.address, self.base)) {
            Ok(session) => {
                if self.away.take().is_some() {
                    tracing::info!("connected to PostgreSQL again");
                }
                self.session = Some(session);
                Ok(())
            }
            Err(why) => {
                let why = format!("PostgreSQL cannot be reached: {why}");
                let before = self.away.as_ref().map_or(RECONNECT_NS / 2, |away| away.pause_ns);
                let pause_ns = (before * 2).min(RECONNECT_MAX_NS);
                self.away = Some(Away { why: why.clone(), next_ns: monotonic_ns() + pause_ns, pause_ns });
                Err(why)
            }
        }
    }

    /// Does one transaction, until it is known what came of it. `work` begins and ends it, and has to come to the same when
    /// it is done twice.
    fn transact<T>(&mut self, work: impl AsyncFn(&Session) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let (mut races, mut losses) = (0, 0);
        let mut is_in_doubt = false;
        loop {
            let failed = |why: String, is_in_doubt| match is_in_doubt {
                true => StoreError::Broken(why),
                false => StoreError::NotWritten(why),
            };
            self.be_connected().map_err(|why| failed(why, is_in_doubt))?;
            let Some(session) = &self.session else { return Err(failed("there is no connection".into(), is_in_doubt)) };
            let done = self.runtime.block_on(async {
                match tokio::time::timeout(PATIENCE, work(session)).await {
                    Ok(Err(trouble @ (Trouble::Refused(_) | Trouble::Unfit(_) | Trouble::Raced(_)))) => {
                        let rolled_back = tokio::time::timeout(PATIENCE, session.roll_back()).await;
                        (Err(trouble), rolled_back.unwrap_or(false))
                    }
                    Ok(done) => (done, true),
                    Err(_) => {
                        let why = format!("PostgreSQL has not answered within {} s", PATIENCE.as_secs());
                        (Err(Trouble::Lost { why, in_doubt: true }), false)
                    }
                }
            });
            let (done, is_good) = done;
            if !is_good {
                self.session = None;
            }
            match done {
                Ok(done) => return Ok(done),
                Err(Trouble::Raced(_)) if races < RACES_MAX => races += 1,
                Err(Trouble::Lost { in_doubt, .. }) if losses < LOSSES_MAX => {
                    losses += 1;
                    is_in_doubt |= in_doubt;
                    self.session = None;
                }
                Err(Trouble::Lost { why, in_doubt }) => {
                    self.session = None;
                    return Err(failed(why, is_in_doubt || in_doubt));
                }
                Err(trouble) => return Err(failed(trouble.to_string(), is_in_doubt)),
            }
        }
    }

    /// Carries out all of these commands together. The inner error: it does not take what one of them holds.
    fn together(&mut self, batch: &[(u64, Command)], now_ns: u64) -> Result<Result<Vec<Reply>, String>, StoreError> {
        let (base, is_full) = (self.base, self.is_full());
        let carried = self.transact(async |session| match carry_out(session, base, batch, is_full, now_ns).await {
            Err(Trouble::Unfit(why)) if session.roll_back().await => Ok(Err(why)),
            carried => carried.map(Ok),
        })?;
        Ok(carried.map(|carried| {
            self.forget_epochs(&carried.dead);
            self.held += carried.growth;
            carried.replies
        }))
    }

    fn forget_epochs(&mut self, gone: &[u64]) {
        self.epochs.retain(|epoch| !gone.contains(epoch));
    }

    fn is_full(&self) -> bool {
        self.len() >= self.keep.held_max
    }
}

/// What came of a batch: its answers, epochs that do not live, and how many operations there are more.
struct Carried {
    replies: Vec<Reply>,
    dead: Vec<u64>,
    growth: i64,
}

async fn carry_out(
    session: &Session,
    base: u64,
    batch: &[(u64, Command)],
    is_full: bool,
    now_ns: u64,
) -> Result<Carried, Trouble> {
    let mut plan = Plan::new(batch, is_full, now_ns);
    let epochs: Vec<i64> = plan.epochs().into_iter().map(u64::cast_signed).collect();
    let names = plan.names();
    let (wanted_epochs, wanted_names): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) = ([&epochs], [&names]);
    // In this order, and without waiting in between.
    let (begun, living, places, numbers) = tokio::join!(
        biased;
        session.begin(),
        session.query(Say::Living, &wanted_epochs),
        session.query(Say::Find, &wanted_names),
        session.numbers(batch.len()),
    );
    begun?;
    for row in living? {
        let replica = u16::try_from(row.try_get::<_, i32>(1)?).unwrap_or(0);
        plan.lives(row.try_get::<_, i64>(0)?.cast_unsigned(), replica);
    }
    for row in places? {
        let Some((name, found)) = writes::found(&row)? else {
            return Err(Trouble::Unfit("an operation was written by a later version of erlmcp".into()));
        };
        plan.found(name, found);
    }
    let replies = plan.decide(&numbers?);
    let writes = plan.writes();
    session.commit(&writes, base).await?;
    Ok(Carried { replies, dead: plan.dead(), growth: writes.growth() })
}

impl Deciding for PostgresStore {
    fn lives(&self, epoch: u64) -> bool {
        self.epochs.contains(&epoch)
    }

    /// A command that the database does not take for what it holds fails alone: what is with it is carried out in smaller
    /// batches around it.
    fn execute(&mut self, batch: &[(u64, Command)], now_ns: u64) -> Result<Vec<Reply>, StoreError> {
        let (mut replies, mut count, mut unfit) = (Vec::with_capacity(batch.len()), batch.len(), 0);
        while replies.len() < batch.len() {
            let some = &batch[replies.len()..batch.len().min(replies.len() + count)];
            match self.together(some, now_ns) {
                Ok(Ok(more)) => {
                    replies.extend(more);
                    count *= 2;
                }
                Ok(Err(_)) if some.len() > 1 => count = some.len() / 2,
                Ok(Err(why)) if unfit < UNFIT_MAX => {
                    tracing::warn!("an operation cannot be kept: {why}");
                    replies.push(Reply { outcome: Outcome::NotWritten, result: None });
                    unfit += 1;
                }
                // Some are carried out already.
                Ok(Err(why)) => return Err(StoreError::Broken(why)),
                Err(StoreError::NotWritten(why)) if !replies.is_empty() => return Err(StoreError::Broken(why)),
                Err(error) => return Err(error),
            }
        }
        Ok(replies)
    }

    fn connect(&mut self, incarnation: Incarnation, now_ns: u64) -> Result<Option<u64>, StoreError> {
        let (base, keep) = (self.base, Incarnation { base: self.base, ..incarnation });
        let connected = self.transact(async |session| epochs::connect(session, base, keep, now_ns).await)?;
        if let Some((epoch, fenced)) = &connected {
            self.forget_epochs(fenced);
            self.epochs.insert(*epoch);
        }
        Ok(connected.map(|(epoch, _)| epoch))
    }

    fn living(&mut self, _: u64, up_to: u64, living: &[u64], now_ns: u64) -> Result<(), StoreError> {
        let base = self.base;
        let fenced = self.transact(async |session| epochs::living(session, base, up_to, living, now_ns).await)?;
        self.forget_epochs(&fenced);
        Ok(())
    }

    fn sweep(&mut self, now_ns: u64) -> Result<(), StoreError> {
        self.look_for_absent(now_ns)?;
        self.let_go(now_ns)
    }
}
