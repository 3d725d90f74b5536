//! What has become too old goes.

use super::PostgresStore;
use super::session::{Session, Trouble};
use super::writes::Writes;
use crate::operations::heart::{Class, Event};
use crate::operations::store::StoreError;

/// Operations that one sweep lets go of: it is one statement, for which the next batch waits.
const SWEEP_MAX: i64 = 10_000;

/// Results that are older than $1 seconds are dropped, and what could be claimed again can't be any more: of what may have run,
/// with an effect outside, nobody knows.
fn expire_sql() -> String {
    let [done, expired, fenced, unknown] =
        [Event::Done, Event::Expired, Event::Fenced, Event::Indeterminate].map(Event::code);
    let outside = Class::ALL.into_iter().filter(|class| !class.leaves_nothing());
    let outside = outside.map(|class| class.code().to_string()).collect::<Vec<_>>().join(", ");
    format!(
        "WITH old AS (SELECT name FROM erlmcp.operations WHERE event IN ({done}, {fenced}) \
         AND at <= clock_timestamp() - $1::float8 * interval '1 second' ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED), \
         gone AS (UPDATE erlmcp.operations o SET \
         event = CASE WHEN o.event = {fenced} AND o.class IN ({outside}) THEN {unknown} ELSE {expired} END, \
         ticket = CASE WHEN o.event = {done} THEN 1 ELSE 0 END, epoch = 0, last = nextval('erlmcp.numbers'), result = NULL FROM old WHERE o.name = old.name \
         RETURNING o.last, o.event, o.first) INSERT INTO erlmcp.history (number, event, first, epoch, replica, at_ns) \
         SELECT last, event, first, 0, 0, $3 FROM gone"
    )
}

/// The $2 operations that were begun first are not remembered any more, as far as they are settled and older than $1 seconds.
fn forget_sql() -> String {
    let settled = [Event::Cancelled, Event::Expired, Event::Never, Event::Indeterminate];
    let [cancelled, expired, never, indeterminate] = settled.map(Event::code);
    format!(
        "DELETE FROM erlmcp.operations WHERE name IN (SELECT name FROM erlmcp.operations \
         WHERE event IN ({cancelled}, {expired}, {never}, {indeterminate}) \
         AND at <= clock_timestamp() - $1::float8 * interval '1 second' ORDER BY first LIMIT $2 FOR UPDATE SKIP LOCKED)"
    )
}

const PRUNE: &str = "DELETE FROM erlmcp.history WHERE number < (SELECT min(first) FROM erlmcp.operations)";
const COUNT: &str = "SELECT coalesce(sum(held), 0)::bigint FROM erlmcp.members";

async fn expire(session: &Session, base: u64, seconds: f64, now_ns: u64) -> Result<(), Trouble> {
    session.begin().await?;
    session.client.execute(&expire_sql(), &[&seconds, &SWEEP_MAX, &now_ns.cast_signed()]).await?;
    session.commit(&Writes::default(), base).await
}

async fn forget(session: &Session, base: u64, seconds: f64, count: i64) -> Result<(), Trouble> {
    session.begin().await?;
    let forgotten = session.client.execute(&forget_sql(), &[&seconds, &count]).await?;
    let held = "UPDATE erlmcp.members SET held = held - $2 WHERE base = $1";
    let forgotten = i64::try_from(forgotten).unwrap_or(0);
    session.client.execute(held, &[&base.cast_signed(), &forgotten]).await?;
    session.client.execute(PRUNE, &[]).await?;
    session.commit(&Writes::default(), base).await
}

impl PostgresStore {
    /// Counts the operations of all members.
    pub(super) fn count(&mut self) -> Result<(), StoreError> {
        self.held = self.transact(async |session| Ok(session.client.query_one(COUNT, &[]).await?.try_get(0)?))?;
        Ok(())
    }

    /// Drops results that are too old, and, where there is no room, forgets operations that have none any more.
    pub(super) fn let_go(&mut self, now_ns: u64) -> Result<(), StoreError> {
        let (base, held_max) = (self.base, i64::try_from(self.keep.held_max).unwrap_or(i64::MAX));
        #[expect(clippy::cast_precision_loss, reason = "to the microsecond is enough")]
        let seconds = self.keep.retention_ns as f64 / 1e9;
        self.transact(async |session| expire(session, base, seconds, now_ns).await)?;
        self.count()?;
        let excess = self.held - (held_max - held_max / 16);
        if excess > 0 {
            let count = excess.min(SWEEP_MAX);
            self.transact(async |session| forget(session, base, seconds, count).await)?;
            self.count()?;
        }
        Ok(())
    }
}
