//! `observe`: a look at a server that runs, without any load.

use std::io::ErrorKind;
use std::time::SystemTime;

use erlmcp_load::clock::{RunClock, monotonic_ns};
use erlmcp_record::{ClusterSample, JournalTail};
use erlmcp_report::board::FOR_GOOD;
use tokio::sync::{mpsc, watch};

use crate::StressError;
use crate::clock::seconds_since;
use crate::collector::{self, Figures};
use crate::event::Event;
use crate::target::{Target, Unread, Url};

/// Once a second what the server at `url` says of itself, over `samples`, until the user has enough or nobody takes them.
/// An erlmcp cluster of this machine is asked by its control socket, any other server by its page of metrics.
/// `begun` gets what is looked at and where from, before the first sample.
///
/// # Errors
/// Where it does not answer, or says nothing of itself that can be read.
pub async fn observe(
    url: &str,
    begun: impl FnOnce(String),
    samples: mpsc::Sender<ClusterSample>,
    mut cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let target = Target::to_look_at(Url::parse(url)?).await?;
    let figures = figures(&target).await.map_err(|why| StressError::failed(untold(&target.url, &why)))?;
    begun(format!("{} by {}", target.url, collector::describe(&figures)));
    let (events, mut taken) = mpsc::channel(8);
    let (_moved, moves) = watch::channel(Vec::new());
    let collecting = collector::start((figures, None), moves, RunClock::new(monotonic_ns()), events);
    loop {
        let event = tokio::select! {
            event = taken.recv() => event,
            _ = cancel.wait_for(|count| *count > 0) => None,
        };
        let is_wanted = match event {
            Some(Event::Sample(sample)) => samples.send(*sample).await.is_ok(),
            Some(_) => true,
            None => false,
        };
        if !is_wanted {
            break;
        }
    }
    collecting.abort();
    Ok(())
}

/// Seconds since the last of a record was written; 0 where nobody knows, [`FOR_GOOD`] where it came out of a bundle, which
/// has no times, or is no longer there.
pub fn silent_s(tail: &JournalTail) -> u64 {
    match tail.written_at() {
        Ok(at) if at == SystemTime::UNIX_EPOCH => FOR_GOOD,
        Ok(at) => seconds_since(at),
        Err(error) if error.kind() == ErrorKind::NotFound => FOR_GOOD,
        Err(_) => 0,
    }
}

async fn figures(target: &Target) -> Result<Figures, Unread> {
    let status = target.status().await;
    let cluster = target.cluster(status.as_ref()).await;
    match cluster.filter(|cluster| target.is_colocated && cluster.control.exists()) {
        Some(cluster) => Ok(Figures::Cluster { control: cluster.control }),
        None => target.metrics().await.map(|pages| Figures::Server { pages, pid: None }),
    }
}

fn untold(url: &Url, why: &Unread) -> String {
    let instead = match why.is_guarded() {
        true => "; an erlmcp server shows it plainly at the address of its --admin-listen: observe that one",
        false => "",
    };
    format!("{url} says nothing of itself: no cluster of this user on this machine answers there, and {why}{instead}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guarded_has_another_address() {
        let url = Url::parse("https://localhost").expect("a URL");
        let told = [Unread::Guarded(401), Unread::Missing(404)].map(|why| untold(&url, &why));
        assert_eq!(told.each_ref().map(|text| text.contains("--admin-listen")), [true, false], "{told:?}");
        assert!(told[0].contains("HTTP 401") && told[1].ends_with("(HTTP 404)"), "{told:?}");
    }
}
