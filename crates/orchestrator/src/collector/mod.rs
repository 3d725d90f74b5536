//! The server's side of a run: once a second a [`ClusterSample`].

mod cluster;
mod exposition;
pub(crate) mod kernel;
mod machine;
mod page;
mod process;
mod scrape;

use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::{ClusterSample, ReplicaSample};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::event::Event;
use cluster::Cluster;
use machine::Machine;
pub(crate) use page::{Answered, Page, whole_answer};

const SECOND_US: u64 = 1_000_000;
/// The server is asked, and then /proc read; both end within the second.
const ASKED_WITHIN: Duration = Duration::from_millis(500);
const READ_WITHIN: Duration = Duration::from_millis(450);
/// Reasons for missing figures that a sample names; more of them are only counted.
const REASONS_MAX: usize = 3;

/// Where the server's figures come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Figures {
    /// A cluster of this machine and user: its control socket, and /proc of its processes.
    Cluster { control: PathBuf },
    /// Any other server: its page of metrics, its process or both.
    Server { metrics: Option<Page>, pid: Option<u32> },
    /// Nothing of the server; the kernel's figures all the same.
    Nothing,
}

/// What the run's record says of the source.
pub(crate) fn describe(figures: &Figures) -> String {
    match figures {
        Figures::Cluster { control } => format!("erlmcp cluster ({}) and /proc", control.display()),
        Figures::Server { metrics: Some(page), pid: Some(pid) } => {
            format!("http://{}{} and pid {pid}", page.host, page.path)
        }
        Figures::Server { metrics: Some(page), pid: None } => format!("http://{}{}", page.host, page.path),
        Figures::Server { metrics: None, pid: Some(pid) } => format!("pid {pid}"),
        Figures::Server { metrics: None, pid: None } | Figures::Nothing => {
            "none: the target has no page of metrics that is known, and no --target-pid was given".into()
        }
    }
}

/// True where there is such a process, and its memory may be read.
pub(crate) fn can_read(pid: u32) -> bool {
    process::figures(pid, &RunClock::new(0))
        .is_some_and(|figures| figures.anonymous_bytes.or(figures.rss_bytes).is_some())
}

/// Begins to sample, at each whole second of the run's clock, until the handle is aborted or nobody listens. `proxy` is the
/// process of the run's fault proxy, where it has one.
pub(crate) fn start(
    (figures, proxy): (Figures, Option<u32>),
    clock: RunClock,
    events: mpsc::Sender<Event>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut collector = Collector::new(figures, proxy);
        loop {
            let second = clock.now_us() / SECOND_US + 1;
            let wait_us = (second * SECOND_US).saturating_sub(clock.now_us());
            sleep(Duration::from_micros(wait_us)).await;
            let sample = collector.sample(second, &clock).await;
            if events.send(Event::Sample(Box::new(sample))).await.is_err() {
                return;
            }
        }
    })
}

#[derive(Debug)]
struct Collector {
    source: Source,
    machine: Machine,
    proxy: Option<u32>,
}

#[derive(Debug)]
enum Source {
    Cluster(Cluster),
    Server { metrics: Option<Page>, pid: Option<u32> },
}

impl Collector {
    fn new(figures: Figures, proxy: Option<u32>) -> Self {
        let source = match figures {
            Figures::Cluster { control } => Source::Cluster(Cluster::new(control)),
            Figures::Server { metrics, pid } => Source::Server { metrics, pid },
            Figures::Nothing => Source::Server { metrics: None, pid: None },
        };
        Self { source, machine: Machine::new(), proxy }
    }

    /// The sample at the end of the second before `end`, which it is a sample of.
    async fn sample(&mut self, end: u64, clock: &RunClock) -> ClusterSample {
        let at_us = clock.now_us();
        let (mut replicas, mut missing) = match &mut self.source {
            Source::Cluster(cluster) => ask(cluster).await,
            Source::Server { metrics, pid } => server(metrics.as_ref(), *pid).await,
        };
        let pids = replicas.iter().map(|one| one.pid).collect();
        let kernel = match self.machine.read(pids, READ_WITHIN, *clock).await {
            Ok((processes, kernel)) => {
                for (replica, figures) in replicas.iter_mut().zip(processes) {
                    match (figures, replica.pid) {
                        (Some(figures), _) => figures.fill(replica),
                        (None, Some(pid)) => missing.push(format!("process {pid} cannot be read")),
                        (None, None) => {}
                    }
                }
                kernel
            }
            Err(why) => {
                missing.push(why);
                Default::default()
            }
        };
        let second = end.saturating_sub(1) as u32;
        let (proxy_cpu_us, proxy_cpu_read_us) = self.proxy.and_then(|proxy| process::cpu_us(proxy, clock)).unzip();
        ClusterSample { at_us, second, replicas, kernel, proxy_cpu_us, proxy_cpu_read_us, missing: reasons(&missing) }
    }
}

async fn ask(cluster: &mut Cluster) -> (Vec<ReplicaSample>, Vec<String>) {
    match cluster.status(ASKED_WITHIN).await {
        Ok(status) => {
            let (replicas, missing): (_, Vec<_>) = status.replicas.iter().map(cluster::replica).unzip();
            (replicas, missing.into_iter().flatten().collect())
        }
        Err(error) => (Vec::new(), vec![error.to_string()]),
    }
}

/// A process is that of the only replica; where a page names several it is not known whose it is.
async fn server(metrics: Option<&Page>, pid: Option<u32>) -> (Vec<ReplicaSample>, Vec<String>) {
    let mut missing = Vec::new();
    let mut replicas = match metrics {
        Some(page) => scrape::scrape(page, ASKED_WITHIN).await.unwrap_or_else(|why| {
            missing.push(why);
            Vec::new()
        }),
        None => Vec::new(),
    };
    if let Some(pid) = pid {
        match replicas.as_mut_slice() {
            [] => replicas.push(ReplicaSample { pid: Some(pid), ready: true, ..ReplicaSample::default() }),
            [one] => one.pid = Some(pid),
            _ => missing.push(format!("process {pid} is one of several replicas")),
        }
    }
    (replicas, missing)
}

fn reasons(missing: &[String]) -> Option<String> {
    let named = missing.iter().take(REASONS_MAX).map(String::as_str).collect::<Vec<_>>().join("; ");
    match missing.len().checked_sub(REASONS_MAX) {
        None | Some(0) => Some(named).filter(|named| !named.is_empty()),
        Some(more) => Some(format!("{named}; and {more} more")),
    }
}

#[cfg(test)]
mod tests;
