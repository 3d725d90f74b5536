//! `observe`: a look at a server that runs, without any load.

use erlmcp_load::clock::{RunClock, monotonic_ns};
use erlmcp_record::{ClusterSample, JournalTail};
use tokio::sync::{mpsc, watch};

use crate::StressError;
use crate::clock::seconds_since;
use crate::collector::{self, Figures};
use crate::event::Event;
use crate::target::{Target, Url};

/// Once a second what the server at `url` says of itself, over `samples`, until the user has enough or nobody takes them.
/// An erlmcp cluster of this machine is asked by its control socket, any other server by its page of metrics.
/// `begun` gets what is looked at and where from, before the first sample.
///
/// # Errors
/// Where it does not answer, or says nothing of itself.
pub async fn observe(
    url: &str,
    begun: impl FnOnce(String),
    samples: mpsc::Sender<ClusterSample>,
    mut cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let target = Target::to_look_at(Url::parse(url)?).await?;
    let figures = figures(&target).await;
    if figures == Figures::Nothing {
        return Err(StressError::failed(format!(
            "{} says nothing of itself: it has no /metrics in the format of Prometheus, and is no erlmcp cluster",
            target.url
        )));
    }
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

/// Seconds since the last of a record was written; 0 where nobody knows.
pub fn silent_s(tail: &JournalTail) -> u64 {
    tail.written_at().map_or(0, seconds_since)
}

async fn figures(target: &Target) -> Figures {
    let status = target.status().await;
    let control = status.and_then(|status| status.cluster).map(|cluster| cluster.control);
    match control.filter(|control| target.is_colocated && control.exists()) {
        Some(control) => Figures::Cluster { control },
        None => match target.metrics().await {
            none if none.is_empty() => Figures::Nothing,
            pages => Figures::Server { pages, pid: None },
        },
    }
}
