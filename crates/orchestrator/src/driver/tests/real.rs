//! The driver against the real cluster: `ERLMCP_BINARY=target/debug/erlmcp cargo test -p erlmcp-orchestrator real:: --
//! --ignored --nocapture`. Ignored, since this crate's tests do not build the binary; the whole way is tested there.

use std::process::Stdio;

use tokio::process::Command;

use super::*;
use crate::collector::{self, Figures};
use crate::event::{Healed, Injected};

const BINARY: &str = "ERLMCP_BINARY";

fn binary() -> PathBuf {
    PathBuf::from(std::env::var_os(BINARY).expect("ERLMCP_BINARY names the erlmcp command"))
}

#[allow(clippy::print_stderr, reason = "these tests are run to see the times")]
fn show(text: std::fmt::Arguments<'_>) {
    eprintln!("{text}");
}

/// What is told until all of it is true, in any order.
#[derive(Default)]
struct Told {
    down_us: Option<u64>,
    up_us: Option<u64>,
    ready_us: Option<u64>,
    injected: Option<Injected>,
    healed: Option<Healed>,
}

impl Told {
    async fn until(&mut self, events: &mut mpsc::Receiver<Event>, replica: u16, is_enough: impl Fn(&Told) -> bool) {
        let told = async {
            while !is_enough(self) {
                match events.recv().await.expect("the driver goes on") {
                    Event::Replica { replica: at, at_us, change: Change::Down } if at == replica => {
                        self.down_us.get_or_insert(at_us);
                    }
                    Event::Replica { replica: at, at_us, change: Change::Up } if at == replica => {
                        self.up_us = Some(at_us);
                    }
                    Event::Answer(Answer::Ready { replica: at, at_us }) if at == replica => self.ready_us = at_us,
                    Event::Answer(Answer::Injected { outcome, .. }) => {
                        self.injected = Some(outcome.expect("it has an effect"))
                    }
                    Event::Answer(Answer::Healed { outcome, .. }) => {
                        self.healed = Some(outcome.expect("it can be undone"))
                    }
                    _ => {}
                }
            }
        };
        timeout(SOON, told).await.expect("a cluster of nothing but idle replicas is quick");
    }

    fn show(&self, what: &str) {
        let effect = self.injected.as_ref().map_or(0, |injected| injected.effect_us);
        let after = |at: Option<u64>| at.map(|at| (at as f64 - effect as f64) / 1e3);
        let (injected, healed) = (&self.injected, &self.healed);
        let (down, up, ready) = (after(self.down_us), after(self.up_us), after(self.ready_us));
        show(format_args!(
            "{what}: {injected:?} {healed:?}; ms after the effect: down {down:?}, up {up:?}, ready {ready:?}"
        ));
    }
}

async fn kill_and_cut_off(driver: &LocalCluster, events: &mut mpsc::Receiver<Event>) {
    let mut told = Told::default();
    driver.ask(inject(1, Kind::Kill, 2));
    told.until(events, 2, |told| told.injected.is_some()).await;
    driver.ask(Ask::AwaitReady { replica: 2 });
    told.until(events, 2, |told| told.down_us.is_some() && told.up_us.is_some() && told.ready_us.is_some()).await;
    told.show("killed");

    let mut told = Told::default();
    driver.ask(inject(2, Kind::Partition, 3));
    told.until(events, 3, |told| told.injected.is_some() && told.down_us.is_some()).await;
    driver.ask(Ask::Heal { id: 2 });
    told.until(events, 3, |told| told.healed.is_some()).await;
    driver.ask(Ask::AwaitReady { replica: 3 });
    told.until(events, 3, |told| told.up_us.is_some() && told.ready_us.is_some()).await;
    told.show("cut off");
}

#[tokio::test]
#[ignore = "needs the erlmcp binary"]
async fn a_cluster_of_its_own_is_started_broken_and_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (sender, mut events) = mpsc::channel(256);
    let clock = clock();
    let started = LocalCluster::start(&binary(), 3, &folder.path().join("cluster.log"), clock, sender.clone()).await;
    let mut driver = started.expect("it comes up");
    show(format_args!("started after {} ms: {:?}, {:?}", clock.now_us() / 1_000, driver.endpoints(), driver.queue()));
    let figures = Figures::Cluster { control: driver.control().to_path_buf() };
    show(format_args!("{}", collector::describe(&figures)));
    let (samples, mut sampled) = mpsc::channel(16);
    let (_moved, moves) = tokio::sync::watch::channel(Vec::new());
    let collecting = collector::start((figures, None), moves, clock, samples);
    for _ in 0..2 {
        let Some(Event::Sample(sample)) = timeout(SOON, sampled.recv()).await.expect("one a second") else { panic!() };
        show(format_args!("{sample:?}"));
        assert!(sample.replicas.len() == 3 && sample.missing.is_none(), "{sample:?}");
        assert!(sample.replicas.iter().all(|one| one.memory_bytes > Some(0) && one.connections == Some(0)));
    }
    collecting.abort();
    kill_and_cut_off(&driver, &mut events).await;
    let (pids, began_us) = (pids(&driver).await, clock.now_us());
    // A fault in force is undone first.
    driver.ask(inject(3, Kind::Partition, 1));
    let left = driver.abandon().await;
    show(format_args!("abandoned in {} ms: {left:?}", (clock.now_us() - began_us) / 1_000));
    assert_eq!(left, Leftovers::default());
    assert!(pids.iter().all(|pid| Process::open(*pid).is_err()), "{pids:?}");
}

async fn pids(driver: &LocalCluster) -> Vec<u32> {
    let status = control::status(driver.control()).await.expect("it answers");
    status.replicas.iter().filter_map(|one| one.pid).collect()
}

#[tokio::test]
#[ignore = "needs the erlmcp binary"]
async fn a_running_one_is_attached_to_and_left_running() {
    let folder = tempfile::tempdir().expect("a folder");
    let control = folder.path().join("control.sock");
    let mut command = Command::new(binary());
    command.args(["cluster", "--replicas", "3", "--listen", "127.0.0.1:0", "--tied", "--control"]).arg(&control);
    let running = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
    let mut running = running.expect("the command can be run");
    let complete = async {
        while !control::status(&control).await.is_ok_and(|status| status.is_complete(3)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, complete).await.expect("it comes up");
    let (sender, mut events) = mpsc::channel(256);
    let attached = LocalCluster::attach((control.as_path(), Way::default()), clock(), sender).await;
    let mut driver = attached.expect("it is this user's own");
    assert!(!driver.lacks().contains_key(&Kind::Kill) && !driver.lacks().contains_key(&Kind::Partition));
    // Packets may not be dropped: its process is stopped for a while.
    let Link { control: at, clock, events: sender, .. } = driver.link.clone();
    let local = LocalFaults { clock, ..local_of_tests(&at) };
    driver.replicas = Arc::new(Replicas::new(at, Some(local.watchdog.clone())));
    driver.desk = Desk::open(local, sender);
    kill_and_cut_off(&driver, &mut events).await;
    driver.ask(Ask::Scale { replicas: 4 });
    let scaled = answer(&mut events).await;
    assert!(matches!(scaled, Answer::Scaled(Ok(_))), "{scaled:?}");
    assert_eq!(driver.endpoints().len(), 4);
    assert_eq!(driver.abandon().await, Leftovers::default());
    // It is left as it was found.
    let status = control::status(&control).await.expect("it runs on");
    assert!(status.is_complete(3), "{status:?}");
    let _: Done = control::ask(&control, ("stop", None), SOON).await.expect("it stops");
    let ended = timeout(SOON, running.wait()).await.expect("it stops soon").expect("it is our child");
    assert!(ended.success(), "{ended:?}");
}
