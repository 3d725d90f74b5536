use std::time::Duration;

use erlmcp_report::live;
use tokio::sync::mpsc;

/// A reader that takes nothing for so long does not hold up the run.
const SLOWEST: Duration = Duration::from_secs(1);

/// The person who watches, behind a bounded channel.
#[derive(Debug)]
pub(crate) struct Watcher {
    events: mpsc::Sender<live::Event>,
    /// It took nothing for too long, and is not waited for until it takes something again.
    is_stalled: bool,
}

impl Watcher {
    pub(crate) fn new(events: mpsc::Sender<live::Event>) -> Self {
        Self { events, is_stalled: false }
    }

    /// Tells; a line that nobody takes in time is left to run.log.
    pub(crate) async fn show(&mut self, event: live::Event) {
        self.is_stalled = match self.is_stalled {
            true => self.events.try_send(event).is_err(),
            false => self.events.send_timeout(event, SLOWEST).await.is_err(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(text: &str) -> live::Event {
        live::Event::Note { text: text.into() }
    }

    #[tokio::test]
    async fn a_watcher_that_sleeps_holds_up_the_run_once() {
        let (events, mut received) = mpsc::channel(1);
        let mut watcher = Watcher::new(events);
        watcher.show(note("taken")).await;
        watcher.show(note("waited for, and left out")).await;
        let no_more_waiting = async {
            for _ in 0..100 {
                watcher.show(note("left out at once")).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), no_more_waiting).await.expect("100 lines would be 100 s");
        assert!(matches!(received.recv().await, Some(live::Event::Note { text }) if text == "taken"));
        watcher.show(note("awake again")).await;
        assert!(matches!(received.recv().await, Some(live::Event::Note { text }) if text == "awake again"));
        assert!(!watcher.is_stalled);
    }
}
