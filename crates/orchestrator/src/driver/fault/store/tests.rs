use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::FaultDriver;
use super::super::contract::{Subject, local, suite};
use super::super::limit::{Limit, Limited};
use super::*;
use crate::driver::fake::{self, FakeCluster};

/// A cluster whose store is a process of ours, and whose only replica needs it to answer.
struct Stage {
    cluster: FakeCluster,
    store: Arc<Mutex<Child>>,
    status: Value,
    tasks: Vec<JoinHandle<()>>,
}

fn sleeper() -> Child {
    Command::new("sleep").arg("60").spawn().expect("sleep is there")
}

fn pid(store: &Mutex<Child>) -> u32 {
    store.lock().expect("no test panics here").id()
}

fn state(store: &Mutex<Child>) -> Option<char> {
    Process::open(pid(store)).ok()?.state()
}

fn has_room(store: &Mutex<Child>) -> bool {
    Limit::now(Limited::FileSize, pid(store)).is_some_and(|now| now != now.lowered(0))
}

/// Answers one request when the store runs, and refuses where there is none.
async fn answer(mut stream: TcpStream, store: Arc<Mutex<Child>>) {
    let _ = stream.read(&mut [0; 4_096]).await;
    while state(&store) == Some('T') {
        sleep(Duration::from_millis(2)).await;
    }
    let (status, body) = match state(&store) {
        None | Some('Z') => ("503 No", r#"{"error":{"data":{"executed":false,"scope":"store"}}}"#),
        Some(_) => ("200 OK", r#"{"result":{"operation":"x","state":"unknown"}}"#),
    };
    let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes()).await;
}

impl Stage {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.77.3.1:0").await.expect("loopback has many addresses");
        let store = Arc::new(Mutex::new(sleeper()));
        let mut status = fake::status(std::process::id(), &[Some(1)]);
        status["replicas"][0]["address"] = listener.local_addr().expect("it is bound").to_string().into();
        status["store"] = json!({"state": "ready", "pid": pid(&store), "restarts": 0, "path": "/x"});
        let served = Arc::clone(&store);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, Arc::clone(&served)));
            }
        });
        Self { cluster: FakeCluster::new(status.clone()), store, status, tasks: vec![serving] }
    }

    /// From now on somebody sends operations, which are carried out while the store has room.
    fn operate(mut self) -> Arc<Self> {
        let (shown, store, mut status) = (self.cluster.status(), Arc::clone(&self.store), self.status.clone());
        self.tasks.push(tokio::spawn(async move {
            let mut counts = [0, 0];
            loop {
                counts[usize::from(!has_room(&store))] += 1;
                let [done, refused] = counts.map(Value::from);
                let outcomes = json!([{"outcome": "done", "count": done}, {"outcome": "refused", "count": refused}]);
                status["replicas"][0]["snapshot"]["operations"] = json!({ "outcomes": outcomes });
                *shown.lock().expect("no test panics here") = status.clone();
                sleep(Duration::from_millis(10)).await;
            }
        }));
        Arc::new(self)
    }

    /// As a supervisor does.
    fn start_again(&mut self) {
        let mut store = self.store.lock().expect("no test panics here");
        store.wait().expect("it is ours");
        *store = sleeper();
        self.status["store"]["pid"] = store.id().into();
        self.cluster.set(self.status.clone());
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let mut store = self.store.lock().expect("no test panics here");
        let _ = store.kill();
        let _ = store.wait();
    }
}

fn subject(stage: &Stage, good: Fault, in_force: impl Fn() -> bool + Send + 'static) -> Subject<LocalFaults> {
    let (vain, lost) = (Fault::of(Kind::Latency, vec![1]), Fault::of(Kind::Pause, vec![9]));
    Subject { driver: local(stage.cluster.control()), good, vain, lost, in_force: Box::new(in_force) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_store_keeps_the_contract() {
    let stage = Stage::new().await;
    let store = Arc::clone(&stage.store);
    // One that is stopped again and again is seen to be within this time.
    let in_force = move || {
        (0..300).any(|_| {
            std::thread::sleep(Duration::from_millis(2));
            state(&store) == Some('T')
        })
    };
    suite(subject(&stage, Fault { amount: 100, ..Fault::of(Kind::StoreSlow, Vec::new()) }, in_force)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_keeps_the_contract() {
    let stage = Stage::new().await.operate();
    let store = Arc::clone(&stage.store);
    suite(subject(&stage, Fault::of(Kind::StoreFull, Vec::new()), move || !has_room(&store))).await;
}

#[tokio::test]
async fn what_nobody_is_refused_by_shows_nothing() {
    let stage = Stage::new().await;
    let local = local(stage.cluster.control());
    let why = local.inject(&Fault::of(Kind::StoreFull, Vec::new())).await.map(|_| ()).unwrap_err();
    assert_eq!(why, "no operation was refused within 10 s");
    assert!(has_room(&stage.store), "without an effect nothing stays in force");
}

#[tokio::test]
async fn a_killed_store_is_waited_for() {
    let mut stage = Stage::new().await;
    let local = local(stage.cluster.control());
    let (force, injected) = local.inject(&Fault::of(Kind::StoreKilled, Vec::new())).await.expect("it can be killed");
    assert!(state(&stage.store) == Some('Z') && injected.effect_us >= injected.injected_us, "{injected:?}");
    assert_eq!(injected.method, "SIGKILL of the store's process");
    let members = members(&local.status().await.expect("the fake answers"), &local.way);
    assert_eq!(asking::ask(&members[0]).await, asking::Asked::Refused);
    let again = async {
        sleep(Duration::from_millis(100)).await;
        stage.start_again();
        local.clock.now_us()
    };
    let (healed, again_us) = tokio::join!(local.heal(force), again);
    let healed = healed.expect("another one is there");
    assert!(healed.healed_us >= again_us && healed.verified_us >= healed.healed_us, "{healed:?}");
}

#[tokio::test]
async fn what_is_no_store_of_this_cluster_is_left_alone() {
    let mut stage = Stage::new().await;
    let local = local(stage.cluster.control());
    let why = async |kind| local.inject(&Fault::of(kind, Vec::new())).await.map(|_| ()).unwrap_err();
    stage.status["store"]["pid"] = json!(1);
    stage.cluster.set(stage.status.clone());
    assert!(why(Kind::StoreKilled).await.starts_with("process 1 is not a child of the supervisor"));
    stage.status["store"]["state"] = json!("backoff");
    stage.cluster.set(stage.status.clone());
    assert_eq!(why(Kind::StoreSlow).await, "the store is not ready (backoff)");
    stage.status["store"] = Value::Null;
    stage.cluster.set(stage.status.clone());
    assert!(why(Kind::StoreFull).await.starts_with("the cluster has no store of operations"));
    // It may still be starting; stopped or killed it would not come to sleep.
    while matches!(state(&stage.store), Some('R' | 'D')) {
        sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(state(&stage.store), Some('S'));
}
