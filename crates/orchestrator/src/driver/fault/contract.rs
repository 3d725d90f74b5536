//! What every driver keeps, checked against each of them: an effect that was seen, a heal that was seen, nothing left
//! where there was no effect, and nothing left at the end.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::process::Process;
use super::{Commands, Desk, FaultDriver, Groups, LocalFaults, Order};
use crate::collector::Way;
use crate::driver::fake::{self, FakeCluster};
use crate::driver::kubernetes::real::{self as real_kubernetes, RealKubernetes};
use crate::driver::kubernetes::tests::FakeKubernetes;
use crate::driver::locked;
use crate::driver::swarm::tests::FakeSwarm;
use crate::driver::watchdog::{Watchdog, program_of_tests};
use crate::event::{Answer, Event};
use crate::fault::{CommandFault, Fault, Kind};

const SOON: Duration = Duration::from_secs(30);

/// A cluster whose replica 1 is a process of ours, with a listener of ours at its address.
pub(super) struct Stage {
    pub(super) cluster: FakeCluster,
    replica: Child,
    _listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Stage {
    pub(super) fn new(last: u8, fence_after_ms: Option<u64>) -> Self {
        let listener =
            TcpListener::bind((std::net::Ipv4Addr::new(127, 77, 2, last), 0)).expect("loopback has many addresses");
        let address = listener.local_addr().expect("it is bound");
        let replica = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let mut status = fake::status(std::process::id(), &[Some(replica.id()), None]);
        status["replicas"][0]["address"] = Value::from(address.to_string());
        status["fence_after_ms"] = json!(fence_after_ms);
        Self { cluster: FakeCluster::new(status), replica, _listener: listener, address }
    }

    pub(super) fn pid(&self) -> u32 {
        self.replica.id()
    }

    fn is_stopped(&self) -> bool {
        Process::open(self.pid()).expect("it is there").state() == Some('T')
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.replica.kill();
        let _ = self.replica.wait();
    }
}

fn clock() -> RunClock {
    RunClock::new(erlmcp_load::clock::monotonic_ns())
}

/// With signals only.
pub(in crate::driver) fn local(control: &Path) -> LocalFaults {
    let none = || Err("no cgroups in this test".to_string());
    LocalFaults {
        control: control.to_path_buf(),
        way: Way::default(),
        clock: clock(),
        nft: Err("no nft in this test".into()),
        groups: Groups { proc: "/proc".into(), cpu: none(), memory: none() },
        watchdog: Watchdog::new(program_of_tests()),
        front: Default::default(),
        own: None,
    }
}

/// A driver, and what can be seen of it.
pub(super) struct Subject<D> {
    pub(super) driver: D,
    /// Does something that lasts.
    pub(super) good: Fault,
    /// Is begun, and has no effect.
    pub(super) vain: Fault,
    /// Is about something that is not there.
    pub(super) lost: Fault,
    pub(super) in_force: Box<dyn Fn() -> bool + Send>,
}

async fn answer(events: &mut mpsc::Receiver<Event>) -> Answer {
    match timeout(SOON, events.recv()).await.expect("the desk answers").expect("the desk goes on") {
        Event::Answer(answer) => answer,
        other => panic!("{other:?}"),
    }
}

/// The contract.
pub(super) async fn suite<D: FaultDriver>(subject: Subject<D>) {
    let Subject { driver, good, vain, lost, in_force } = subject;
    let (sender, mut events) = mpsc::channel(16);
    let desk = Desk::open(driver, sender);
    let order = async |order| desk.send(order).await.expect("it takes orders");
    assert!(!in_force());

    order(Order::Heal(1)).await;
    let Answer::Healed { id: 1, outcome: Err(_) } = answer(&mut events).await else { panic!("nothing to heal") };
    for (id, fault) in [(2, lost), (3, vain)] {
        order(Order::Inject(id, fault)).await;
        let told = answer(&mut events).await;
        assert!(matches!(&told, Answer::Injected { outcome: Err(why), .. } if !why.is_empty()), "{told:?}");
        assert!(!in_force(), "without an effect nothing stays in force");
    }

    order(Order::Inject(4, good.clone())).await;
    let told = answer(&mut events).await;
    let Answer::Injected { id: 4, outcome: Ok(injected) } = told else { panic!("{told:?}") };
    assert!(in_force() && injected.injected_us <= injected.effect_us && !injected.method.is_empty(), "{injected:?}");
    order(Order::Inject(4, good.clone())).await;
    let Answer::Injected { id: 4, outcome: Err(_) } = answer(&mut events).await else { panic!("it is there already") };
    assert!(in_force());

    order(Order::Heal(4)).await;
    let told = answer(&mut events).await;
    let Answer::Healed { id: 4, outcome: Ok(healed) } = told else { panic!("{told:?}") };
    assert!(injected.effect_us <= healed.healed_us && healed.healed_us <= healed.verified_us, "{healed:?}");
    assert!(!in_force());
    order(Order::Heal(4)).await;
    let Answer::Healed { id: 4, outcome: Err(_) } = answer(&mut events).await else { panic!("it was healed") };

    // Healed before it was there, and at the end.
    order(Order::Inject(5, good.clone())).await;
    order(Order::Heal(5)).await;
    for _ in 0..2 {
        let told = answer(&mut events).await;
        let is_good =
            matches!(&told, Answer::Injected { id: 5, outcome: Ok(_) } | Answer::Healed { id: 5, outcome: Ok(_) });
        assert!(is_good, "{told:?}");
    }
    assert!(!in_force());
    order(Order::Inject(6, good)).await;
    assert!(matches!(answer(&mut events).await, Answer::Injected { id: 6, outcome: Ok(_) }));
    assert!(in_force());
    let (done, all) = tokio::sync::oneshot::channel();
    order(Order::End(done)).await;
    let stuck = timeout(SOON, all).await.expect("in time").expect("it answers");
    assert_eq!(stuck, Vec::<String>::new());
    assert!(!in_force());
}

#[tokio::test]
async fn local_keeps_the_contract() {
    let stage = Arc::new(Stage::new(1, None));
    let seen = Arc::clone(&stage);
    suite(Subject {
        driver: local(stage.cluster.control()),
        good: Fault::of(Kind::Pause, vec![1]),
        // Nothing serves behind the listener, so nothing can be seen to be served no more.
        vain: Fault::of(Kind::Latency, vec![1]),
        lost: Fault::of(Kind::Pause, vec![9]),
        in_force: Box::new(move || seen.is_stopped()),
    })
    .await;
}

#[tokio::test]
async fn swarm_keeps_the_contract() {
    let fake = FakeSwarm::new().await;
    let service = Arc::clone(&fake.service);
    suite(Subject {
        driver: fake.driver().await,
        good: Fault::of(Kind::Partition, vec![1]),
        // The engine says that it was done, and it was not.
        vain: Fault::of(Kind::Pause, vec![2]),
        lost: Fault::of(Kind::Pause, vec![9]),
        in_force: Box::new(move || service.is_paused.load(Ordering::Relaxed)),
    })
    .await;
}

#[tokio::test]
async fn kubernetes_keeps_the_contract() {
    let fake = FakeKubernetes::new().await;
    let cluster = Arc::clone(&fake.cluster);
    suite(Subject {
        driver: fake.driver().await,
        good: Fault::of(Kind::Partition, vec![1]),
        // The API says that it was done, and it was not.
        vain: Fault::of(Kind::Kill, vec![2]),
        lost: Fault::of(Kind::Partition, vec![9]),
        in_force: Box::new(move || locked(&cluster).is_cut_off()),
    })
    .await;
}

/// With `kubectl proxy` where the variable says, and the chart's release `mcp` in the namespace `load`: deploy/kubernetes/test.sh.
#[tokio::test]
#[ignore = "needs a cluster: deploy/kubernetes/test.sh --contract"]
async fn kubernetes_keeps_the_contract_in_a_cluster() {
    let proxy =
        std::env::var("ERLMCP_TEST_KUBE_API").expect("ERLMCP_TEST_KUBE_API=http://127.0.0.1:PORT of kubectl proxy");
    let cluster = RealKubernetes::find(&proxy).await;
    let held = cluster.hold(2).await;
    suite(Subject {
        driver: cluster.driver.clone(),
        good: Fault::of(Kind::Partition, vec![1]),
        // It has a finalizer, so the API has it still.
        vain: Fault::of(Kind::Kill, vec![2]),
        lost: Fault::of(Kind::Partition, vec![9]),
        in_force: Box::new({
            let proxy = proxy.clone();
            move || real_kubernetes::is_cut_off(&proxy)
        }),
    })
    .await;
    cluster.let_go(&held).await;
    RealKubernetes::find(&proxy).await.kill_and_scale().await;
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Makes a file, and sees it.
fn touching(file: &Path) -> CommandFault {
    let path = file.to_str().expect("plain");
    CommandFault {
        name: "touch".into(),
        inject: words(&["touch", path]),
        effect: words(&["test", "-e", path]),
        heal: words(&["rm", "-f", path]),
        verify: words(&["test", "!", "-e", path]),
        within: Duration::from_secs(5),
    }
}

fn by_command(command: CommandFault, replicas: Vec<u16>) -> Fault {
    Fault { command: Some(Arc::new(command)), ..Fault::of(Kind::Command, replicas) }
}

fn commands() -> Commands {
    let addresses = [(1, "127.0.0.1:9".parse().expect("an address"))].into();
    Commands { clock: clock(), watchdog: Watchdog::new(program_of_tests()), addresses }
}

#[tokio::test]
async fn command_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    let file: PathBuf = folder.path().join("broken");
    let vain = CommandFault { effect: words(&["false"]), within: Duration::from_millis(300), ..touching(&file) };
    let seen = file.clone();
    suite(Subject {
        driver: commands(),
        good: by_command(touching(&file), vec![1]),
        vain: by_command(vain, vec![1]),
        lost: by_command(touching(&file), vec![9]),
        in_force: Box::new(move || seen.exists()),
    })
    .await;
}

#[tokio::test]
async fn what_only_happened_takes_no_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let command = CommandFault { heal: Vec::new(), verify: Vec::new(), ..touching(&folder.path().join("broken")) };
    let (sender, mut events) = mpsc::channel(16);
    let desk = Desk::open(commands(), sender);
    for id in 0..=super::desk::IN_FORCE_MAX as u32 {
        desk.send(Order::Inject(id, by_command(command.clone(), vec![1]))).await.expect("it takes orders");
        let told = answer(&mut events).await;
        assert!(matches!(told, Answer::Injected { outcome: Ok(_), .. }), "{told:?}");
    }
}

#[tokio::test]
async fn a_local_cluster_takes_commands_too() {
    let stage = Stage::new(2, None);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("broken");
    let command = CommandFault { heal: Vec::new(), verify: Vec::new(), ..touching(&file) };
    let said = CommandFault {
        inject: words(&["sh", "-c", "echo {replica} {address} > $0", file.to_str().expect("plain")]),
        ..command
    };
    let local = local(stage.cluster.control());
    let (force, _) = local.inject(&by_command(said, vec![1])).await.expect("it can be run");
    assert!(matches!(force, super::force::Force::Past), "without a heal there is nothing to undo");
    assert_eq!(std::fs::read_to_string(&file).expect("it was written"), format!("1 {}\n", stage.address));
}

#[tokio::test]
async fn a_command_that_fails_is_quoted() {
    let failing =
        CommandFault { inject: words(&["sh", "-c", "echo no such database >&2; exit 3"]), ..touching(Path::new("x")) };
    let why = commands().inject(&by_command(failing, vec![])).await.map(|_| ()).unwrap_err();
    assert!(why.contains("no such database"), "{why}");
    let absent = CommandFault { inject: words(&["/nonexistent/x"]), ..touching(Path::new("x")) };
    let why = commands().inject(&by_command(absent, vec![])).await.map(|_| ()).unwrap_err();
    assert!(why.contains("cannot be run"), "{why}");
}
