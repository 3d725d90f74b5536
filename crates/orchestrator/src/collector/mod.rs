//! The server's side of a run: once a second a [`ClusterSample`].

mod cluster;
pub(crate) mod exposition;
pub(crate) mod kernel;
mod machine;
mod page;
mod process;
mod scrape;
mod servers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::{ClusterSample, ReplicaSample};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::event::Event;
use cluster::Cluster;
use machine::Machine;
pub(crate) use page::{Answered, Page, Way, whole_answer};

const SECOND_US: u64 = 1_000_000;
/// The server is asked, and then /proc read; both end within the second.
const ASKED_WITHIN: Duration = Duration::from_millis(500);
const READ_WITHIN: Duration = Duration::from_millis(450);
/// Reasons for missing figures that a sample names; more of them are only counted.
const REASONS_MAX: usize = 3;

/// Where the server's figures come from.
#[derive(Debug, Clone)]
pub(crate) enum Figures {
    /// A cluster of this machine and user: its control socket, and /proc of its processes.
    Cluster { control: PathBuf },
    /// Any other server: the pages of metrics of its addresses, by endpoint, its process or both.
    Server { pages: Vec<(u16, Page)>, pid: Option<u32> },
    /// Nothing of the server; the kernel's figures all the same.
    Nothing,
}

/// What the run's record says of the source.
pub(crate) fn describe(figures: &Figures) -> String {
    let (pages, pid) = match figures {
        Figures::Cluster { control } => return format!("erlmcp cluster ({}) and /proc", control.display()),
        Figures::Server { pages, pid } => (pages.as_slice(), *pid),
        Figures::Nothing => (&[][..], None),
    };
    let page = pages.first().map(|(_, page)| match pages.len() {
        1 => page.to_string(),
        addresses => format!("{page} at {addresses} addresses"),
    });
    let sources: Vec<String> = page.into_iter().chain(pid.map(|pid| format!("pid {pid}"))).collect();
    match sources.is_empty() {
        false => sources.join(" and "),
        true => "none: the target has no page of metrics that is known, and no --target-pid was given".into(),
    }
}

/// True where there is such a process, and its memory may be read.
pub(crate) fn can_read(pid: u32) -> bool {
    process::figures(pid, &RunClock::new(0))
        .is_some_and(|figures| figures.anonymous_bytes.or(figures.rss_bytes).is_some())
}

/// Begins to sample, at each whole second of the run's clock, until the handle is aborted or nobody listens. `proxy` is the
/// process of the run's fault proxy, where it has one; `moved` tells where the target is from now on.
pub(crate) fn start(
    (figures, proxy): (Figures, Option<u32>),
    mut moved: watch::Receiver<Vec<(u16, SocketAddr)>>,
    clock: RunClock,
    events: mpsc::Sender<Event>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut collector = Collector::new(figures, proxy);
        loop {
            let second = clock.now_us() / SECOND_US + 1;
            let wait_us = (second * SECOND_US).saturating_sub(clock.now_us());
            sleep(Duration::from_micros(wait_us)).await;
            if moved.has_changed().unwrap_or(false) {
                collector.follow(&moved.borrow_and_update());
            }
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
    Server { pages: Vec<(u16, Page)>, pid: Option<u32> },
}

impl Collector {
    fn new(figures: Figures, proxy: Option<u32>) -> Self {
        let source = match figures {
            Figures::Cluster { control } => Source::Cluster(Cluster::new(control)),
            Figures::Server { pages, pid } => Source::Server { pages, pid },
            Figures::Nothing => Source::Server { pages: Vec::new(), pid: None },
        };
        Self { source, machine: Machine::new(), proxy }
    }

    /// A server that has a page has it at these addresses from now on.
    fn follow(&mut self, endpoints: &[(u16, SocketAddr)]) {
        let Source::Server { pages, .. } = &mut self.source else { return };
        let Some((_, page)) = pages.first().filter(|_| !endpoints.is_empty()).cloned() else { return };
        *pages = endpoints.iter().map(|(replica, address)| (*replica, page.at(*address))).collect();
    }

    /// The sample at the end of the second before `end`, which it is a sample of.
    async fn sample(&mut self, end: u64, clock: &RunClock) -> ClusterSample {
        let at_us = clock.now_us();
        let (mut replicas, mut missing) = match &mut self.source {
            Source::Cluster(cluster) => ask(cluster).await,
            Source::Server { pages, pid } => server(pages, *pid).await,
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
        ClusterSample {
            at_us,
            second,
            replicas,
            kernel,
            proxy_cpu_us,
            proxy_cpu_read_us,
            orchestrator_rss_bytes: process::own_rss_bytes(),
            missing: reasons(&missing),
        }
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

/// A process is that of the only replica; where there are several it is not known whose it is.
async fn server(pages: &[(u16, Page)], pid: Option<u32>) -> (Vec<ReplicaSample>, Vec<String>) {
    let (mut replicas, mut missing) = servers::ask(pages).await;
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
