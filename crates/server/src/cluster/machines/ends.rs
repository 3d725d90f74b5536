//! Sessions that have ended, as the database keeps them for clusters that were not there to hear of it.

use tokio_postgres::{Client, Error};

use crate::clock::unix_seconds;
use crate::operations::MAKING;
use crate::session::{Ended, oldest_epoch};

const TABLE: &str = "CREATE TABLE IF NOT EXISTS erlmcp.ended \
     (cluster text, epoch bigint, id bytea, PRIMARY KEY (cluster, epoch, id))";
const WRITE: &str = "INSERT INTO erlmcp.ended SELECT $1, * FROM unnest($2::bigint[], $3::bytea[]) \
     ON CONFLICT DO NOTHING RETURNING epoch, id";

/// What is older than sessions by so much goes, whosever key it was.
const ANY_KEY_S: u64 = 7 * 86_400;

/// The rows of one session key. An empty id stands for all sessions that were signed before its epoch.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    /// The fingerprint of the key.
    pub(super) of: String,
    pub(super) lifetime_s: u64,
    /// More are not kept by anybody: the oldest epoch ends as a whole.
    pub(super) held_max: u64,
}

/// Those that have ended, and the epoch before which all have.
pub(in crate::cluster) type AllEnded = (u32, Vec<Ended>);

fn ended(epoch: i64, id: &[u8]) -> Option<Ended> {
    Some(Ended { epoch: u32::try_from(epoch).ok()?, id: u128::from_be_bytes(id.try_into().ok()?) })
}

impl Ends {
    /// Makes the table where it is missing. It is no part of the store's layout: earlier versions pass over it.
    pub(super) async fn prepare(&self, client: &Client) -> Result<(), Error> {
        let is_there = client.query_one("SELECT to_regclass('erlmcp.ended') IS NOT NULL", &[]).await?;
        if is_there.try_get(0)? {
            return Ok(());
        }
        client.batch_execute("BEGIN").await?;
        let made = async {
            client.query("SELECT pg_advisory_xact_lock($1)", &[&MAKING]).await?;
            let has_schema = client.query_one("SELECT to_regnamespace('erlmcp') IS NOT NULL", &[]).await?;
            if !has_schema.try_get(0)? {
                client.batch_execute("CREATE SCHEMA erlmcp").await?;
            }
            client.batch_execute(TABLE).await
        };
        let made = made.await;
        client.batch_execute(if made.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        made
    }

    fn oldest(&self) -> i64 {
        oldest_epoch(unix_seconds(), self.lifetime_s).into()
    }

    /// All that is written, as far as it still matters.
    pub(super) async fn all(&self, client: &Client) -> Result<AllEnded, String> {
        let limit = i64::try_from(self.held_max).unwrap_or(i64::MAX).saturating_add(2);
        // With more rows than that the oldest epoch of those that are read ends as a whole, and so do those before it.
        let read = "SELECT epoch, id FROM erlmcp.ended WHERE cluster = $1 AND epoch >= $2 ORDER BY epoch DESC LIMIT $3";
        let rows = client.query(read, &[&self.of, &self.oldest(), &limit]).await;
        let rows = rows.map_err(|error| crate::operations::sentence(&error))?;
        let (mut floor, mut all) = (0, Vec::with_capacity(rows.len()));
        for row in &rows {
            let (Ok(epoch), Ok(id)) = (row.try_get::<_, i64>(0), row.try_get::<_, &[u8]>(1)) else { continue };
            match ended(epoch, id) {
                Some(ended) => all.push(ended),
                None => floor = floor.max(u32::try_from(epoch).unwrap_or(0)),
            }
        }
        Ok((floor, all))
    }

    /// Writes those that are not there yet, which it gives.
    pub(super) async fn write(&self, client: &Client, floor: u32, ends: &[Ended]) -> Result<Vec<Ended>, Error> {
        let oldest = self.oldest();
        let rows = ends.iter().map(|ended| (i64::from(ended.epoch), ended.id.to_be_bytes().to_vec()));
        let rows = rows.chain((floor > 0).then(|| (i64::from(floor), Vec::new())));
        let (epochs, ids): (Vec<i64>, Vec<Vec<u8>>) = rows.filter(|(epoch, _)| *epoch >= oldest).unzip();
        let new = client.query(WRITE, &[&self.of, &epochs, &ids]).await?;
        let row = |row: &tokio_postgres::Row| Ok(ended(row.try_get(0)?, row.try_get(1)?));
        new.iter().map(row).filter_map(Result::transpose).collect()
    }

    /// Forgets sessions whose time is over anyway.
    pub(super) async fn sweep(&self, client: &Client) -> Result<(), Error> {
        let over = "DELETE FROM erlmcp.ended WHERE epoch < $3 OR (cluster = $1 AND (epoch < $2 OR epoch < \
                    (SELECT max(epoch) FROM erlmcp.ended WHERE cluster = $1 AND id = '')))";
        // Nobody may come back with a key that is not used any more.
        let long_over = oldest_epoch(unix_seconds(), self.lifetime_s + ANY_KEY_S);
        client.execute(over, &[&self.of, &self.oldest(), &i64::from(long_over)]).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_session_or_a_floor() {
        let id = u128::MAX - 7;
        assert_eq!(ended(9, &id.to_be_bytes()), Some(Ended { epoch: 9, id }));
        assert_eq!((ended(9, b""), ended(-1, &[0; 16]), ended(1 << 40, &[0; 16])), (None, None, None));
    }
}
