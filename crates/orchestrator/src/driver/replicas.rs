//! More replicas of a local cluster and fewer, and as many again as there were, whatever becomes of the run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::control::{self, ControlError, Done};
use super::counting::Counting;
use super::protocol::Status;
use super::watchdog::{Debt, Watchdog};

/// Replicas that go are drained first, and one after the other at worst.
pub(super) const SCALED_WITHIN: Duration = Duration::from_secs(120);

/// Changes their number, and remembers how it was.
#[derive(Debug)]
pub(super) struct Replicas {
    control: PathBuf,
    /// None where the cluster ends with the run.
    counting: Option<Counting>,
}

impl Replicas {
    pub(super) fn new(control: PathBuf, watchdog: Option<Watchdog>) -> Self {
        Self { control, counting: watchdog.map(Counting::new) }
    }

    /// Returns when there are as many; says what the cluster is then.
    ///
    /// # Errors
    /// Where that is not so in time, as a sentence.
    pub(super) async fn change(&self, number: u16) -> Result<Status, String> {
        let control = &self.control;
        let change = async { scale(control, number).await.map_err(|error| error.to_string()) };
        match &self.counting {
            Some(counting) => {
                let now = async { Ok(u16::try_from(self.status().await?.replicas.len()).unwrap_or(u16::MAX)) };
                let debt = |number| Debt::Replicas { control: control.clone(), number };
                counting.change(number, (now, debt), change).await?;
            }
            None => change.await?,
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
    let request = ("scale", Some(("replicas", u64::from(number))));
    control::insist("scale", SCALED_WITHIN, || control::ask::<Done>(control, request, SCALED_WITHIN)).await.map(drop)
}
