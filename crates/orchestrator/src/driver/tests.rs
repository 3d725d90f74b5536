mod real;

use rustix::process::Signal;

use super::fake::FakeCluster;
use super::fault::local_of_tests;
use super::fault::process::Process;
use super::*;
use crate::event::{Change, Injected};
use crate::fault::Fault;

const SOON: Duration = Duration::from_secs(30);

fn clock() -> RunClock {
    RunClock::new(erlmcp_load::clock::monotonic_ns())
}

/// The next answer; what replicas do meanwhile is passed over.
async fn answer(events: &mut mpsc::Receiver<Event>) -> Answer {
    let answered = async {
        loop {
            match events.recv().await.expect("the driver goes on") {
                Event::Answer(answer) => return answer,
                Event::Replica { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    };
    timeout(SOON, answered).await.expect("the driver answers")
}

fn inject(id: u32, kind: Kind, replica: u16) -> Ask {
    Ask::Inject { id, fault: Fault::of(kind, vec![replica]) }
}

/// What came of an injection.
async fn injected(id: u32, events: &mut mpsc::Receiver<Event>) -> Result<Injected, String> {
    match answer(events).await {
        Answer::Injected { id: at, outcome } if at == id => outcome,
        other => panic!("{other:?}"),
    }
}

fn sleeper() -> std::process::Child {
    std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there")
}

#[tokio::test]
async fn an_attached_cluster_is_asked_watched_and_left_running() {
    let mut replicas = [sleeper(), sleeper()];
    let pids = [Some(replicas[0].id()), Some(replicas[1].id())];
    let cluster = FakeCluster::new(fake::status(std::process::id(), &pids));
    let (sender, mut events) = mpsc::channel(64);
    let attached = LocalCluster::attach((cluster.control(), Way::default()), clock(), sender).await;
    let mut driver = attached.expect("it is this user's own");
    assert_eq!(driver.shared().to_string(), "127.0.0.1:8080");
    let endpoints: Vec<_> = driver.endpoints().into_iter().map(|(at, address)| (at, address.to_string())).collect();
    assert_eq!(endpoints, [(1, "127.77.9.11:8080".to_string()), (2, "127.77.9.12:8080".to_string())]);
    assert_eq!(driver.queue(), QueueFacts { workers: 100, places: 1_000 });
    assert!(!driver.lacks().contains_key(&Kind::Kill) && !driver.lacks().contains_key(&Kind::Partition));
    assert!(driver.lacks().contains_key(&Kind::Supervisor));

    driver.ask(Ask::Workers);
    assert_eq!(answer(&mut events).await, Answer::Workers(Some((10, 100))));
    driver.ask(Ask::Scale { replicas: 2 });
    assert!(matches!(answer(&mut events).await, Answer::Scaled(Ok(_))));
    assert!(cluster.asked().contains(&r#"{"op":"scale","replicas":2}"#.to_string()));
    driver.ask(Ask::Heal { id: 3 });
    assert_eq!(
        answer(&mut events).await,
        Answer::Healed { id: 3, outcome: Err(HealError::Otherwise("fault 3 is not in force".into())) }
    );

    driver.ask(inject(4, Kind::Kill, 2));
    let injected = injected(4, &mut events).await.expect("our child can be killed");
    assert_eq!(injected.method, "SIGKILL of the process");
    cluster.tell(r#"{"event":"down","replica":2,"at_ns":1,"reason":"process ended: signal 9"}"#);
    let told = timeout(SOON, events.recv()).await.expect("it is told").expect("the driver goes on");
    assert!(matches!(told, Event::Replica { replica: 2, change: Change::Down, .. }), "{told:?}");

    assert_eq!(driver.abandon().await, Leftovers::default());
    assert_eq!(driver.abandon().await, Leftovers::default());
    assert!(!cluster.asked().iter().any(|line| line.contains("stop")), "it is not the run's own");
    assert!(replicas[0].try_wait().expect("it is a child").is_none(), "nothing happened to the other one");
    for replica in &mut replicas {
        let _ = replica.kill();
        replica.wait().expect("it is a child");
    }
}

#[tokio::test]
async fn an_attached_cluster_has_its_number_again_whenever_the_run_ends() {
    let pid = Some(std::process::id());
    let mut status = fake::status(std::process::id(), &[pid, pid]);
    status["scale_ms"] = 700.into();
    let cluster = FakeCluster::new(status);
    let (sender, _events) = mpsc::channel(64);
    let attached = LocalCluster::attach((cluster.control(), Way::default()), clock(), sender).await;
    let mut driver = attached.expect("it is this user's own");
    let is_asked = || cluster.asked().iter().any(|line| line.contains("scale"));
    driver.ask(Ask::Scale { replicas: 5 });
    while !is_asked() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // As a scenario that is cut does.
    driver.ask(Ask::Scale { replicas: 2 });
    assert_eq!(driver.abandon().await, Leftovers::default());
    let status = cluster.status();
    assert_eq!(locked(&status)["scaled"], 2, "{:?}", cluster.asked());
}

#[tokio::test]
async fn a_fault_in_force_is_undone_when_the_run_is_abandoned() {
    let mut replica = sleeper();
    let cluster = FakeCluster::new(fake::status(std::process::id(), &[Some(replica.id()), Some(replica.id())]));
    let (sender, mut events) = mpsc::channel(64);
    let (control, way) = (cluster.control().to_path_buf(), Way::default());
    let link = Link { control, way, clock: clock(), events: sender };
    let status = control::status(cluster.control()).await.expect("the fake answers");
    let mut driver = LocalCluster::connect(link, status, None).await.expect("it is watched");
    let Link { control: at, clock, events: sender, .. } = driver.link.clone();
    driver.desk = Desk::open(LocalFaults { clock, ..local_of_tests(&at) }, sender);
    driver.ask(inject(1, Kind::Partition, 1));
    let done = injected(1, &mut events).await.expect("our child can be stopped");
    assert!(done.method.starts_with("process stopped (SIGSTOP) for 1.6 s"), "{done:?}");
    driver.ask(inject(1, Kind::Partition, 2));
    assert_eq!(injected(1, &mut events).await.unwrap_err(), "fault 1 is there already");
    assert_eq!(driver.abandon().await, Leftovers::default());
    let process = Process::open(replica.id()).expect("it is there");
    assert_ne!(process.state(), Some('T'));
    driver.ask(inject(2, Kind::Kill, 1));
    let why = injected(2, &mut events).await.expect_err("it is over");
    assert!(why.starts_with("no fault can be ordered"), "{why}");
    process.signal(Signal::KILL).expect("it is a child");
    replica.wait().expect("it is a child");
}

#[tokio::test]
async fn a_cluster_of_the_runs_own_is_gone_afterwards() {
    let folder = own::tests::folder();
    let binary = own::tests::supervisor(folder.path(), "polite");
    let (sender, mut events) = mpsc::channel(64);
    let started = LocalCluster::start(&binary, 2, &folder.path().join("log"), clock(), sender).await;
    let mut driver = started.expect("the supervisor comes up");
    let pids: Vec<u32> = locked(&driver.status).replicas.iter().filter_map(|one| one.pid).collect();
    driver.ask(inject(1, Kind::Kill, 1));
    injected(1, &mut events).await.expect("its own child can be killed");
    assert_eq!(driver.abandon().await, Leftovers::default());
    assert!(pids.iter().all(|pid| Process::open(*pid).is_err()), "{pids:?} were waited for by their supervisor");
}

#[tokio::test]
async fn nobody_there_is_said_in_a_sentence() {
    let (sender, _events) = mpsc::channel(64);
    let attached = LocalCluster::attach((Path::new("/nowhere/x.sock"), Way::default()), clock(), sender).await;
    let why = attached.map(|_| ()).unwrap_err().to_string();
    assert!(why.starts_with("the cluster cannot be used: no cluster answers at /nowhere/x.sock: "), "{why}");
}
