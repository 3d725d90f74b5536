//! What the page shows, as it comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use erlmcp_record::{ClusterSample, Entry, JournalError, JournalTail};
use erlmcp_report::live_page::LivePage;
use tokio::sync::{mpsc, watch};

use super::serving::event;
use crate::StressError;

/// Between two looks at a journal.
const LOOK: Duration = Duration::from_secs(1);

/// Follows the journal on a thread of its own until the run is over, or nobody looks any more.
///
/// # Errors
/// Where there is no journal.
pub(super) fn of_run(folder: PathBuf) -> Result<watch::Receiver<Arc<str>>, StressError> {
    let tail = JournalTail::open(&folder)?;
    let (messages, feed) = watch::channel(event(&LivePage::default()));
    std::thread::spawn(move || {
        if let Err(error) = follow(&folder, tail, &messages) {
            tracing::error!("the record can be followed no longer: {error}");
        }
        // What was shown last stays to be looked at.
        while !messages.is_closed() {
            std::thread::sleep(LOOK);
        }
    });
    Ok(feed)
}

fn follow(folder: &Path, mut tail: JournalTail, messages: &watch::Sender<Arc<str>>) -> Result<(), JournalError> {
    let mut page = LivePage::default();
    let mut is_new = false;
    while !messages.is_closed() {
        let rows = tail.read()?;
        for row in &rows {
            is_new |= page.push(row);
        }
        if page.is_over() {
            page.settle(folder)?;
            messages.send_replace(event(&page));
            return Ok(());
        }
        if rows.is_empty() {
            if std::mem::take(&mut is_new) {
                messages.send_replace(event(&page));
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(())
}

pub(super) async fn of_server(
    mut page: LivePage,
    mut samples: mpsc::Receiver<ClusterSample>,
    messages: watch::Sender<Arc<str>>,
) {
    while let Some(sample) = samples.recv().await {
        if page.push(&Entry::Cluster(sample)) {
            messages.send_replace(event(&page));
        }
    }
}
