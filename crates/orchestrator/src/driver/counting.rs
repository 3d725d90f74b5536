//! Numbers of replicas that a run changes, and that are as they were again whatever becomes of it.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::watchdog::{Debt, Ticket, Watchdog};

/// Remembers how many there were before the first change.
#[derive(Debug, Clone)]
pub(super) struct Counting {
    watchdog: Watchdog,
    /// The number before, and what gives it back.
    before: Arc<Mutex<Option<(Ticket, u16)>>>,
}

impl Counting {
    pub(super) fn new(watchdog: Watchdog) -> Self {
        Self { watchdog, before: Arc::default() }
    }

    /// Makes a change to this number, one at a time. Before the first one the watchdog is given the `debt` of how many there
    /// are `now`; it is paid where a change has led back there.
    ///
    /// # Errors
    /// Where the change fails, or may not be, as a sentence.
    pub(super) async fn change<T>(
        &self,
        number: u16,
        (now, debt): (impl Future<Output = Result<u16, String>>, impl FnOnce(u16) -> Debt),
        change: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        let mut before = self.before.lock().await;
        if before.is_none() {
            let (ticket, now) = (self.watchdog.ticket(), now.await?);
            self.watchdog.hold(ticket, vec![debt(now)]).await?;
            *before = Some((ticket, now));
        }
        let changed = change.await;
        if let Some((ticket, _)) = before.take_if(|(_, was)| *was == number && changed.is_ok()) {
            self.watchdog.release(ticket).await.map_err(|error| error.to_string())?;
        }
        changed
    }
}
