//! What the page shows, as it comes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use erlmcp_record::{ClusterSample, Entry, JournalError, JournalTail};
use erlmcp_report::live_page::LivePage;
use tokio::sync::{mpsc, watch};

use super::serving::event;
use super::viewers::Viewers;
use crate::{StressError, silent_s};

/// Between two looks at a journal.
const LOOK: Duration = Duration::from_secs(1);

/// Follows the journal on a thread of its own until the run is over, or nobody looks any more.
///
/// # Errors
/// Where there is no journal.
pub(super) fn of_run(folder: PathBuf, viewers: Viewers) -> Result<watch::Receiver<Arc<str>>, StressError> {
    let tail = JournalTail::open(&folder)?;
    let (messages, feed) = watch::channel(event(&LivePage::default()));
    std::thread::spawn(move || {
        let mut page = LivePage::default();
        if let Err(error) = follow(&folder, tail, &mut page, &messages, &viewers) {
            tracing::error!("the record can be followed no longer: {error}");
            page.give_up(&error);
            messages.send_replace(event(&page));
        }
        // What was shown last stays to be looked at.
        while !messages.is_closed() {
            std::thread::sleep(LOOK);
        }
    });
    Ok(feed)
}

fn follow(
    folder: &Path,
    mut tail: JournalTail,
    page: &mut LivePage,
    messages: &watch::Sender<Arc<str>>,
    viewers: &Viewers,
) -> Result<(), JournalError> {
    let mut is_new = false;
    while !messages.is_closed() {
        let rows = tail.read()?;
        for row in &rows {
            is_new |= page.push(row);
        }
        if page.is_over() {
            page.settle(folder)?;
            messages.send_replace(event(page));
            return Ok(());
        }
        if rows.is_empty() {
            is_new |= page.silent_for(silent_s(&tail));
            if page.stands_still() {
                page.settle(folder)?;
            }
            if is_new && viewers.are_there() {
                is_new = false;
                messages.send_replace(event(page));
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
    viewers: Viewers,
) {
    let mut is_new = false;
    while let Some(sample) = samples.recv().await {
        is_new |= page.push(&Entry::Cluster(sample));
        // It is drawn for who looks; who comes later waits for the next second.
        if is_new && viewers.are_there() {
            is_new = false;
            messages.send_replace(event(&page));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use erlmcp_record::JournalWriter;

    use super::*;
    use crate::run::tests::header;

    #[tokio::test]
    async fn a_run_that_was_killed_does_not_go_on_for_ever() {
        // Out of a bundle, and in its own folder.
        for (written_s, state) in [(0, "\"ended without its last row\""), (1, "or stands still: nothing for")] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut journal = JournalWriter::create(folder.path()).expect("a journal");
            journal.append(&Entry::Run(header())).expect("written");
            let sample = ClusterSample { at_us: 5_000_000, second: 5, ..ClusterSample::default() };
            journal.append(&Entry::Cluster(sample)).expect("written");
            journal.flush().expect("written");
            let file =
                std::fs::File::options().append(true).open(folder.path().join("journal.jsonl")).expect("it is there");
            let written = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(written_s);
            file.set_modified(written).expect("the time is set");
            let viewers = Viewers::none_yet();
            let _looking = viewers.enter().expect("there is room");
            let mut feed = of_run(folder.path().to_path_buf(), viewers).expect("there is a journal");
            let said = feed.wait_for(|said| !said.contains("\"goes on\"")).await.expect("it is fed").to_string();
            assert!(said.contains(state) && said.contains("\"points\":6"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_record_that_can_be_read_no_further_does_not_go_on_for_ever() {
        // One has a line that is no row, and one is removed.
        for more in [Some("no row\n"), None] {
            let folder = tempfile::tempdir().expect("a folder");
            let mut journal = JournalWriter::create(folder.path()).expect("a journal");
            journal.append(&Entry::Run(header())).expect("written");
            journal.flush().expect("written");
            let viewers = Viewers::none_yet();
            let _looking = viewers.enter().expect("there is room");
            let mut feed = of_run(folder.path().to_path_buf(), viewers).expect("there is a journal");
            match more {
                Some(line) => {
                    let path = folder.path().join("journal.jsonl");
                    let mut file = std::fs::File::options().append(true).open(path).expect("it is there");
                    file.write_all(line.as_bytes()).expect("written");
                }
                None => folder.close().expect("it is removed"),
            }
            let said = feed.wait_for(|said| !said.contains("\"goes on\"")).await.expect("it is fed").to_string();
            assert!(said.contains("the record can be read no further: "), "{said}");
        }
    }

    #[tokio::test]
    async fn a_page_is_drawn_for_those_who_look() {
        let (messages, mut feed) = watch::channel("nothing yet".into());
        let (samples, taken) = mpsc::channel(8);
        let viewers = Viewers::none_yet();
        let page = LivePage::of_server("http://x".into());
        let feeding = tokio::spawn(of_server(page, taken, messages, viewers.clone()));
        let mut next = 0;
        let mut seconds = async |count: u32| {
            for second in next..next + count {
                let sample = ClusterSample { at_us: u64::from(second) * 1_000_000, second, ..ClusterSample::default() };
                samples.send(sample).await.expect("the feed takes them");
            }
            next += count;
            // This thread is the feed's, too: what is out of the channel has been dealt with.
            while samples.capacity() < samples.max_capacity() {
                tokio::task::yield_now().await;
            }
        };
        seconds(6).await;
        assert!(!feed.has_changed().expect("it goes on"), "nobody looks");
        let looking = viewers.enter().expect("there is room");
        seconds(1).await;
        assert!(feed.has_changed().expect("it goes on"), "somebody looks");
        assert!(feed.borrow_and_update().starts_with("data: {"));
        drop(looking);
        seconds(3).await;
        assert!(!feed.has_changed().expect("it goes on"), "nobody looks any more");
        feeding.abort();
    }
}
