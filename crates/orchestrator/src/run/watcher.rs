use std::time::Duration;

use erlmcp_report::live;
use tokio::sync::mpsc;

/// A reader that takes nothing for so long does not hold up the run.
const SLOWEST: Duration = Duration::from_secs(1);

/// The person who watches, behind a bounded channel.
#[derive(Debug)]
pub(crate) struct Watcher {
    events: mpsc::Sender<live::Event>,
}

impl Watcher {
    pub(crate) fn new(events: mpsc::Sender<live::Event>) -> Self {
        Self { events }
    }

    /// Tells; a line that nobody takes in time is left to run.log.
    pub(crate) async fn show(&self, event: live::Event) {
        let _ = self.events.send_timeout(event, SLOWEST).await;
    }
}
