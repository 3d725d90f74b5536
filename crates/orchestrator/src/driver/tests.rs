mod real;

use rustix::process::Signal;

use super::fake::FakeCluster;
use super::fault::process::Process;
use super::*;
use crate::event::Change;

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

fn sleeper() -> std::process::Child {
    std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there")
}

#[tokio::test]
async fn an_attached_cluster_is_asked_watched_and_left_running() {
    let mut replicas = [sleeper(), sleeper()];
    let pids = [Some(replicas[0].id()), Some(replicas[1].id())];
    let cluster = FakeCluster::new(fake::status(std::process::id(), &pids));
    let (sender, mut events) = mpsc::channel(64);
    let attached = LocalCluster::attach(cluster.control(), clock(), sender).await;
    let mut driver = attached.expect("it is this user's own");
    assert_eq!(driver.shared().to_string(), "127.0.0.1:8080");
    let endpoints: Vec<_> = driver.endpoints().into_iter().map(|(at, address)| (at, address.to_string())).collect();
    assert_eq!(endpoints, [(1, "127.77.9.11:8080".to_string()), (2, "127.77.9.12:8080".to_string())]);
    assert_eq!(driver.queue(), QueueFacts { workers: 100, places: 1_000 });
    assert_eq!((driver.no_kill(), driver.no_partition()), (None, None));

    driver.ask(Ask::Workers);
    assert_eq!(answer(&mut events).await, Answer::Workers(Some((10, 100))));
    driver.ask(Ask::Scale { replicas: 2 });
    assert_eq!(answer(&mut events).await, Answer::Scaled(Ok(())));
    assert!(cluster.asked().contains(&r#"{"op":"scale","replicas":2}"#.to_string()));
    driver.ask(Ask::Heal);
    assert_eq!(answer(&mut events).await, Answer::Healed(Err("no replica is cut off".into())));

    driver.ask(Ask::Kill { replica: 2 });
    let Answer::Injected(Ok(injected)) = answer(&mut events).await else { panic!("our child can be killed") };
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
async fn a_fault_in_force_is_undone_when_the_run_is_abandoned() {
    let mut replica = sleeper();
    let cluster = FakeCluster::new(fake::status(std::process::id(), &[Some(replica.id()), Some(replica.id())]));
    let (sender, mut events) = mpsc::channel(64);
    let link = Link { control: cluster.control().to_path_buf(), clock: clock(), events: sender };
    let status = control::status(cluster.control()).await.expect("the fake answers");
    let mut driver = LocalCluster::connect(link, status, None).await.expect("it is watched");
    let Link { control: at, clock, events: sender } = driver.link.clone();
    driver.desk = Desk::open(at, clock, sender, Err("it is not".into()));
    driver.ask(Ask::Partition { replica: 1 });
    let Answer::Injected(Ok(injected)) = answer(&mut events).await else { panic!("our child can be stopped") };
    assert!(injected.method.starts_with("process stopped (SIGSTOP) for 1.6 s"), "{injected:?}");
    driver.ask(Ask::Partition { replica: 2 });
    let Answer::Injected(Err(why)) = answer(&mut events).await else { panic!("one at a time") };
    assert_eq!(why, "another replica is cut off: that is healed first");
    assert_eq!(driver.abandon().await, Leftovers::default());
    let process = Process::open(replica.id()).expect("it is there");
    assert_ne!(process.state(), Some('T'));
    driver.ask(Ask::Kill { replica: 1 });
    let Answer::Injected(Err(why)) = answer(&mut events).await else { panic!("it is over") };
    assert!(why.starts_with("no fault can be ordered"), "{why}");
    process.signal(Signal::KILL).expect("it is a child");
    replica.wait().expect("it is a child");
}

#[tokio::test]
async fn a_cluster_of_the_runs_own_is_gone_afterwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = own::tests::supervisor(folder.path(), "polite");
    let (sender, mut events) = mpsc::channel(64);
    let started = LocalCluster::start(&binary, 2, &folder.path().join("log"), clock(), sender).await;
    let mut driver = started.expect("the supervisor comes up");
    let pids: Vec<u32> = locked(&driver.status).replicas.iter().filter_map(|one| one.pid).collect();
    driver.ask(Ask::Kill { replica: 1 });
    assert!(matches!(answer(&mut events).await, Answer::Injected(Ok(_))));
    assert_eq!(driver.abandon().await, Leftovers::default());
    assert!(pids.iter().all(|pid| Process::open(*pid).is_err()), "{pids:?} were waited for by their supervisor");
}

#[tokio::test]
async fn nobody_there_is_said_in_a_sentence() {
    let (sender, _events) = mpsc::channel(64);
    let attached = LocalCluster::attach(Path::new("/nowhere/x.sock"), clock(), sender).await;
    let why = attached.map(|_| ()).unwrap_err().to_string();
    assert!(why.starts_with("the cluster cannot be used: no cluster answers at /nowhere/x.sock: "), "{why}");
}
