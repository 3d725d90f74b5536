//! One connection to the database, and what its errors say of what was written.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::types::{FromSql, ToSql};
use tokio_postgres::{Client, Error, NoTls, Row};

use super::address::PostgresAddress;
use super::schema::{self, Say, Statements, Unfit};
use super::writes::Writes;

/// For a connection, and until it can be used.
const CONNECT: Duration = Duration::from_secs(4);

/// Classes of errors that are about data: data exceptions, constraints, limits of the program.
const UNFIT: [&str; 3] = ["22", "23", "54"];

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// The database said no, and nothing was written.
    #[error("{0}")]
    Refused(String),
    /// It does not take what a row holds, and nothing was written: without that one the rest may be.
    #[error("{0}")]
    Unfit(String),
    /// Somebody else was faster, and nothing was written: it can be done again at once.
    #[error("{0}")]
    Raced(String),
    /// The connection can't be used any more.
    #[error("{why}")]
    Lost {
        why: String,
        /// It may have been written, and may still be.
        in_doubt: bool,
    },
}

impl Trouble {
    /// Of an error before the transaction was to end.
    fn early(error: &Error) -> Self {
        let why = sentence(error);
        let Some(said) = error.as_db_error() else { return Self::Lost { why, in_doubt: false } };
        // What is fatal ends the connection.
        if said.parsed_severity() != Some(Severity::Error) {
            return Self::Lost { why, in_doubt: false };
        }
        let raced = [SqlState::UNIQUE_VIOLATION, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE];
        if raced.contains(said.code()) {
            return Self::Raced(why);
        }
        let is_unfit = UNFIT.iter().any(|class| said.code().code().starts_with(class));
        if is_unfit { Self::Unfit(why) } else { Self::Refused(why) }
    }

    /// Of an error of the end itself: whatever it says, nobody here knows how the transaction ended.
    fn late(error: &Error) -> Self {
        Self::Lost { why: sentence(error), in_doubt: true }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::early(&error)
    }
}

/// All that an error says: the outermost text alone is only "db error".
pub(crate) fn sentence(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_string();
    }
    let mut text = error.to_string();
    let mut inner = std::error::Error::source(error);
    while let Some(error) = inner {
        text = format!("{text}: {error}");
        inner = error.source();
    }
    text
}

/// A connection that holds its member's lock: no other connection of this member has anything under way.
pub(super) struct Session {
    pub(super) client: Client,
    statements: Statements,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // The socket is closed with it.
        self.driver.abort();
    }
}

impl Session {
    /// Connects. Where an earlier connection of this member has a transaction under way, its end is waited for: what came of
    /// it is then in the database.
    pub(super) async fn open(address: &PostgresAddress, base: u64) -> Result<Self, String> {
        match tokio::time::timeout(CONNECT, Self::connect(address, base)).await {
            Ok(opened) => opened,
            Err(_) => Err(format!("it has not answered within {} s", CONNECT.as_secs())),
        }
    }

    async fn connect(address: &PostgresAddress, base: u64) -> Result<Self, String> {
        let config = address.config("erlmcp store").map_err(|error| error.to_string())?;
        let (client, connection) = config.connect(NoTls).await.map_err(|error| sentence(&error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the connection to PostgreSQL ended: {}", sentence(&error));
            }
        });
        let prepared = async {
            schema::prepare(&client).await?;
            client.query("SELECT pg_advisory_lock($1)", &[&base.cast_signed()]).await?;
            let enrol = "INSERT INTO erlmcp.members VALUES ($1, 0) ON CONFLICT DO NOTHING";
            client.execute(enrol, &[&base.cast_signed()]).await?;
            Ok::<_, Unfit>(Statements::prepare(&client).await?)
        };
        match prepared.await {
            Ok(statements) => Ok(Self { client, statements, driver }),
            Err(error) => {
                driver.abort();
                Err(match error {
                    Unfit::Sql(error) => sentence(&error),
                    error => error.to_string(),
                })
            }
        }
    }

    pub(super) async fn query(&self, say: Say, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Error> {
        self.client.query(self.statements.get(say), values).await
    }

    pub(super) async fn begin(&self) -> Result<(), Error> {
        self.client.batch_execute("BEGIN").await
    }

    /// Numbers for rows.
    pub(super) async fn numbers(&self, count: usize) -> Result<Vec<i64>, Error> {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        first_column(&self.query(Say::Numbers, &[&count]).await?)
    }

    /// Writes; more comes in the same transaction.
    pub(super) async fn write(&self, writes: &Writes<'_>, base: u64) -> Result<(), Error> {
        writes.write(&self.client, &self.statements, base).await
    }

    /// Writes, and ends the transaction.
    pub(super) async fn commit(&self, writes: &Writes<'_>, base: u64) -> Result<(), Trouble> {
        let (written, ended) = tokio::join!(
            biased;
            self.write(writes, base),
            self.client.batch_execute("COMMIT"),
        );
        match (written, ended) {
            (Ok(()), Ok(())) => Ok(()),
            // The end of a transaction that has failed undoes it.
            (Err(error), Ok(())) => Err(Trouble::early(&error)),
            (Ok(()), Err(error)) => Err(Trouble::late(&error)),
            (Err(error), Err(_)) => match Trouble::early(&error) {
                // It is not known how much came through before the connection broke.
                Trouble::Lost { why, .. } => Err(Trouble::Lost { why, in_doubt: true }),
                trouble => Err(trouble),
            },
        }
    }

    /// Ends a transaction that was refused. False where the connection can't be used any more.
    pub(super) async fn roll_back(&self) -> bool {
        self.client.batch_execute("ROLLBACK").await.is_ok()
    }
}

/// What a statement gave, where that is one column.
pub(super) fn first_column<T: for<'a> FromSql<'a>>(rows: &[Row]) -> Result<Vec<T>, Error> {
    rows.iter().map(|row| row.try_get(0)).collect()
}
