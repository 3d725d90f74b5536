//! More replicas of a local cluster and fewer, and as many again as there were, whatever becomes of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::control::{self, ControlError, Done};
use super::protocol::Status;
use super::watchdog::{Debt, Ticket, Watchdog};

/// Replicas that go are drained first, and one after the other at worst.
pub(super) const SCALED_WITHIN: Duration = Duration::from_secs(120);
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Changes their number, and remembers how it was.
#[derive(Debug)]
pub(super) struct Replicas {
    control: PathBuf,
    /// None where the cluster ends with the run.
    watchdog: Option<Watchdog>,
    /// The number before the first change, and what gives it back.
    before: Mutex<Option<(Ticket, u16)>>,
}

impl Replicas {
    pub(super) fn new(control: PathBuf, watchdog: Option<Watchdog>) -> Self {
        Self { control, watchdog, before: Mutex::default() }
    }

    /// Returns when there are as many; says what the cluster is then.
    ///
    /// # Errors
    /// Where that is not so in time, as a sentence.
    pub(super) async fn change(&self, number: u16) -> Result<Status, String> {
        let mut before = self.before.lock().await;
        if let Some(watchdog) = self.watchdog.as_ref().filter(|_| before.is_none()) {
            let (ticket, status) = (watchdog.ticket(), self.status().await?);
            let now = u16::try_from(status.replicas.len()).unwrap_or(u16::MAX);
            watchdog.hold(ticket, vec![Debt::Replicas { control: self.control.clone(), number: now }]).await?;
            *before = Some((ticket, now));
        }
        scale(&self.control, number).await.map_err(|error| error.to_string())?;
        if let (Some((ticket, _)), Some(watchdog)) = (before.take_if(|(_, was)| *was == number), &self.watchdog) {
            watchdog.release(ticket).await.map_err(|error| error.to_string())?;
        }
        self.status().await
    }

    async fn status(&self) -> Result<Status, String> {
        control::status(&self.control).await.map_err(|error| error.to_string())
    }
}

/// Sees to it that the cluster has so many again; one that is gone has none.
///
/// # Errors
/// Where it does not take it in time, as a sentence.
pub(super) async fn give_back(control: &Path, number: u16) -> Result<(), String> {
    match scale(control, number).await {
        Ok(()) | Err(ControlError::Unreachable { .. }) => Ok(()),
        Err(why) => Err(format!(
            "the cluster may still have another number of replicas than before ({why}): erlmcp cluster scale {number}"
        )),
    }
}

/// While another change is under way it asks again.
async fn scale(control: &Path, number: u16) -> Result<(), ControlError> {
    let scaled = async {
        loop {
            let request = ("scale", Some(("replicas", u64::from(number))));
            match control::ask::<Done>(control, request, SCALED_WITHIN).await {
                Err(ControlError::NotNow(why)) => tracing::debug!("asked again: {why}"),
                outcome => return outcome.map(drop),
            }
            sleep(AGAIN_AFTER).await;
        }
    };
    let late = ControlError::Silent { op: "scale".into(), within: SCALED_WITHIN };
    timeout(SCALED_WITHIN, scaled).await.unwrap_or(Err(late))
}
