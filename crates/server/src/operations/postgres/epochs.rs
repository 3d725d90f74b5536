//! Who may write: epochs are given, and taken away from those that are gone.

use tokio_postgres::Error;

use super::PostgresStore;
use super::schema::Say;
use super::session::{Session, Trouble, first_column};
use super::writes::{HistoryRow, Standing, Writes, found};
use crate::clock::monotonic_ns;
use crate::operations::heart::{Event, Record, State, fence};
use crate::operations::store::StoreError;
use crate::operations::table::Incarnation;

/// A member that nobody has seen for so long is gone: it could have come back from the death of its process, or of the
/// database, in less.
const ABSENT_NS: u64 = 5_000_000_000;

/// Members that hold no lock: nobody is connected in their name. A lock's number is in two halves there.
const ABSENT: &str = "SELECT base FROM erlmcp.members m WHERE NOT EXISTS (SELECT 1 FROM pg_locks l \
     WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND ((l.classid::bigint << 32) | l.objid::bigint) = m.base)";

/// The epoch of an incarnation, which may be a new one, and those that it has replaced; none for one that a later
/// incarnation has replaced.
pub(super) async fn connect(
    session: &Session,
    base: u64,
    incarnation: Incarnation,
    now_ns: u64,
) -> Result<Option<(u64, Vec<u64>)>, Trouble> {
    let Incarnation { replica, number, .. } = incarnation;
    let (signed, replica) = (base.cast_signed(), i32::from(replica));
    session.begin().await?;
    let mine = "SELECT epoch, number FROM erlmcp.epochs WHERE base = $1 AND replica = $2 ORDER BY epoch FOR UPDATE";
    let (mut replaced, mut epoch, mut is_replaced) = (Vec::new(), None, false);
    for row in session.client.query(mine, &[&signed, &replica]).await? {
        let of = row.try_get::<_, i64>(0)?.cast_unsigned();
        match row.try_get::<_, i64>(1)?.cast_unsigned() {
            other if other == number => epoch = Some(of),
            other if other > number => is_replaced = true,
            _ => replaced.push(of),
        }
    }
    if epoch.is_some() || is_replaced {
        session.commit(&Writes::default(), base).await?;
        return Ok(epoch.map(|epoch| (epoch, Vec::new())));
    }
    for epoch in &replaced {
        take_away(session, base, *epoch, now_ns).await?;
    }
    let give = "INSERT INTO erlmcp.epochs VALUES (nextval('erlmcp.epoch_numbers'), $1, $2, $3) RETURNING epoch";
    let given = session.client.query_one(give, &[&signed, &replica, &number.cast_signed()]).await?;
    let epoch = given.try_get::<_, i64>(0)?.cast_unsigned();
    session.commit(&Writes::default(), base).await?;
    Ok(Some((epoch, replaced)))
}

/// Of this member's incarnations up to number `up_to` only these live. The epochs of those that do not.
pub(super) async fn living(
    session: &Session,
    base: u64,
    up_to: u64,
    living: &[u64],
    now_ns: u64,
) -> Result<Vec<u64>, Trouble> {
    let living: Vec<i64> = living.iter().map(|number| number.cast_signed()).collect();
    let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
    let gone = "SELECT epoch FROM erlmcp.epochs WHERE base = $1 AND number <= $2 AND number <> ALL ($3) \
                ORDER BY epoch FOR UPDATE";
    session.begin().await?;
    let gone: Vec<i64> = first_column(&session.client.query(gone, &[&base.cast_signed(), &up_to, &living]).await?)?;
    let gone: Vec<u64> = gone.into_iter().map(i64::cast_unsigned).collect();
    for epoch in &gone {
        take_away(session, base, *epoch, now_ns).await?;
    }
    session.commit(&Writes::default(), base).await?;
    Ok(gone)
}

/// Ends an epoch and takes its claims away. It waits until no transaction of this epoch is under way; none comes after it.
async fn take_away(session: &Session, base: u64, epoch: u64, now_ns: u64) -> Result<(), Trouble> {
    let signed = epoch.cast_signed();
    let end = "DELETE FROM erlmcp.epochs WHERE epoch = $1 RETURNING replica";
    let Some(ended) = session.client.query_opt(end, &[&signed]).await? else { return Ok(()) };
    let replica = u16::try_from(ended.try_get::<_, i32>(0)?).unwrap_or(0);
    let running = format!("SELECT name FROM erlmcp.operations WHERE event = {} AND epoch = $1", Event::Claimed.code());
    let running: Vec<Vec<u8>> = first_column(&session.client.query(&running, &[&signed]).await?)?;
    let rows = session.query(Say::Find, &[&running]).await?;
    let operations: Option<Vec<_>> = rows.iter().map(found).collect::<Result<_, Error>>()?;
    let operations =
        operations.ok_or_else(|| Trouble::Refused("an operation was written by a later version of erlmcp".into()))?;
    let numbers = session.numbers(operations.len() + 1).await?;
    let plain = HistoryRow {
        number: 0,
        event: Event::Fenced,
        first: 0,
        epoch,
        replica,
        key: None,
        fingerprint: None,
        hash: None,
        at_ns: now_ns,
    };
    let mut writes = Writes::default();
    for ((name, found), number) in operations.iter().zip(&numbers) {
        let State::Running(claim) = found.record.state else { continue };
        let (event, state) = fence(claim.class);
        let record = Record { state, ..found.record };
        writes.updated.push(Standing::new(name, &record, None));
        writes.history.push(HistoryRow { number: *number, event, first: record.first, ..plain.clone() });
    }
    // The end of the epoch is a row of the history too, which is no operation's.
    if let Some(number) = numbers.last() {
        writes.history.push(HistoryRow { number: *number, first: *number, ..plain });
    }
    session.write(&writes, base).await?;
    Ok(())
}

/// Takes away the epochs of a member that nobody is connected for. Nobody can connect for it meanwhile.
async fn take_all_away(session: &Session, base: u64, gone: i64, now_ns: u64) -> Result<(), Trouble> {
    session.begin().await?;
    let is_gone = session.client.query_one("SELECT pg_try_advisory_xact_lock($1)", &[&gone]).await?;
    if is_gone.try_get(0)? {
        let epochs = "SELECT epoch FROM erlmcp.epochs WHERE base = $1 ORDER BY epoch FOR UPDATE";
        let epochs: Vec<i64> = first_column(&session.client.query(epochs, &[&gone]).await?)?;
        for epoch in epochs {
            take_away(session, base, epoch.cast_unsigned(), now_ns).await?;
        }
        // What it held is counted on.
        let inherit = "WITH gone AS (DELETE FROM erlmcp.members WHERE base = $2 RETURNING held) UPDATE erlmcp.members \
                       SET held = held + (SELECT coalesce(sum(held), 0)::bigint FROM gone) WHERE base = $1";
        session.client.execute(inherit, &[&base.cast_signed(), &gone]).await?;
    }
    session.commit(&Writes::default(), base).await
}

impl PostgresStore {
    /// Looks which members are there. One that has been away for too long, all the time that this one has looked, loses its
    /// epochs; should it come back, its processes are given new ones.
    pub(super) fn look_for_absent(&mut self, now_ns: u64) -> Result<(), StoreError> {
        let absent: Vec<i64> =
            self.transact(async |session| Ok(first_column(&session.client.query(ABSENT, &[]).await?)?))?;
        let seen_ns = monotonic_ns();
        self.absent.retain(|base, _| absent.contains(base));
        let mut gone = Vec::new();
        for base in absent {
            if seen_ns.saturating_sub(*self.absent.entry(base).or_insert(seen_ns)) >= ABSENT_NS {
                gone.push(base);
            }
        }
        for base in gone {
            tracing::warn!("a store that shares the database is gone: the claims of its processes are taken away");
            let own = self.base;
            self.transact(async |session| take_all_away(session, own, base, now_ns).await)?;
            self.absent.remove(&base);
        }
        Ok(())
    }
}
