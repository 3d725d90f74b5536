use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::net::{TcpListener, UnixListener};

use super::*;
use crate::driver::fake::{heard, say};
use crate::driver::locked;
use crate::event::{Change, Event};

/// An engine with the tasks of one service, as the real one lists them. Its second container cannot be paused, and nobody
/// may break its third one.
pub(in crate::driver) struct FakeSwarm {
    folder: tempfile::TempDir,
    pub(in crate::driver) service: Arc<FakeService>,
    pub(in crate::driver) port: u16,
}

#[derive(Default)]
pub(in crate::driver) struct FakeService {
    pub(in crate::driver) is_paused: AtomicBool,
    is_killed: AtomicBool,
    /// The first slot has a task again.
    is_replaced: AtomicBool,
    /// How many tasks it is told to have.
    number: AtomicU64,
    asked: Mutex<Vec<String>>,
}

impl FakeSwarm {
    pub(in crate::driver) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the socket");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("it is ours");
        let service = Arc::new(FakeService { number: AtomicU64::new(2), ..FakeService::default() });
        tokio::spawn(serve(listener, Arc::clone(&service)));
        let replica = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let port = replica.local_addr().expect("it is bound").port();
        tokio::spawn(ready(replica, format!("Host: tasks.s:{port}\r\n")));
        Self { folder, service, port }
    }

    fn engine(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        (1..=3).map(|last| (u16::from(last), SocketAddr::from(([127, 0, 0, last], self.port)))).collect()
    }

    pub(in crate::driver) async fn driver(&self) -> Swarm {
        self.driver_by("tasks.s").await
    }

    async fn driver_by(&self, name: &str) -> Swarm {
        let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
        let authority = (name.to_string(), self.port);
        let found = Swarm::find(&self.engine(), &self.endpoints(), (authority, Way::default()), clock).await;
        found.expect("it has tasks")
    }
}

/// A replica: it is ready for those who ask by the service's name.
async fn ready(listener: TcpListener, host: String) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some((_, head, _)) = heard(&mut stream).await else { continue };
        say(&mut stream, if head.contains(&host) { "200 OK" } else { "403 Forbidden" }, None).await;
    }
}

async fn serve(listener: UnixListener, service: Arc<FakeService>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some((line, _, body)) = heard(&mut stream).await else { continue };
        let line = line.replace("/v1.41", "");
        locked(&service.asked).push(line.clone());
        let (status, body) = service.answer(&line, &body);
        say(&mut stream, status, body).await;
    }
}

impl FakeService {
    fn answer(&self, line: &str, body: &str) -> (&'static str, Option<Value>) {
        let set = |flag: &AtomicBool, value| {
            flag.store(value, Ordering::Relaxed);
            ("204 No Content", None)
        };
        let state = |running: bool, paused: bool| Some(json!({"State": {"Running": running, "Paused": paused}}));
        let is_killed = self.is_killed.load(Ordering::Relaxed);
        match line {
            "GET /containers/json?filters=%7B%22label%22%3A%5B%22erlmcp.chaos%3Dtrue%22%5D%7D" => {
                ("200 OK", Some(self.list()))
            }
            "POST /containers/c1/pause" => set(&self.is_paused, true),
            "POST /containers/c1/unpause" => set(&self.is_paused, false),
            "POST /containers/c1/kill?signal=KILL" => set(&self.is_killed, true),
            "GET /containers/c1/json" if is_killed => ("404 Not Found", Some(json!({"message": "no such container"}))),
            "GET /containers/c1/json" => ("200 OK", state(true, self.is_paused.load(Ordering::Relaxed))),
            "GET /services/svc" => ("200 OK", Some(self.described())),
            "POST /services/svc/update?version=41" => {
                let spec: Value = serde_json::from_str(body).expect("bodies are JSON");
                self.number
                    .store(spec["Mode"]["Replicated"]["Replicas"].as_u64().expect("a number"), Ordering::Relaxed);
                ("200 OK", Some(json!({"Warnings": null})))
            }
            "POST /containers/c2/pause" => ("204 No Content", None),
            "GET /containers/c2/json" => ("200 OK", state(true, false)),
            other => panic!("nobody asks this: {other}"),
        }
    }

    fn described(&self) -> Value {
        let template = json!({"ContainerSpec": {"Labels": {"erlmcp.chaos": "true"}}});
        let mode = json!({"Replicated": {"Replicas": self.number.load(Ordering::Relaxed)}});
        json!({"ID": "svc", "Version": {"Index": 41}, "Spec": {"Name": "e_s", "Mode": mode, "TaskTemplate": template}})
    }

    fn list(&self) -> Value {
        let container = |id: &str, slot: u8, ip: &str| {
            let is_paused = id == "c1" && self.is_paused.load(Ordering::Relaxed);
            json!({"Id": id, "State": if is_paused { "paused" } else { "running" },
                "Labels": {"erlmcp.chaos": "true", "com.docker.swarm.service.id": "svc",
                    "com.docker.swarm.task.name": format!("e_s.{slot}.x{id}")},
                "NetworkSettings": {"Networks": {"e_mcp": {"IPAddress": ip}}}})
        };
        let mut listed = vec![container("c2", 2, "127.0.0.2")];
        match (self.is_killed.load(Ordering::Relaxed), self.is_replaced.load(Ordering::Relaxed)) {
            (false, _) => listed.push(container("c1", 1, "127.0.0.1")),
            (true, true) => listed.push(container("c4", 1, "127.0.0.4")),
            (true, false) => {}
        }
        listed.into()
    }
}

fn named(last: &[u8]) -> BTreeSet<IpAddr> {
    last.iter().map(|last| IpAddr::from([127, 0, 0, *last])).collect()
}

#[tokio::test]
async fn a_killed_task_leaves_the_name_and_its_slot_comes_back_at_another_address() {
    let fake = FakeSwarm::new().await;
    let swarm = fake.driver().await;
    assert_eq!(swarm.service().held(), 2, "nobody may break the third one");
    let mut out = BTreeSet::new();
    assert!(swarm.look(&named(&[1, 2, 3]), &mut out).await.is_empty());
    let (_, injected) = swarm.inject(&Fault::of(Kind::Kill, vec![1])).await.expect("it may be killed");
    assert_eq!(injected.method, "SIGKILL of the container");
    let down = swarm.look(&named(&[2, 3]), &mut out).await;
    assert!(matches!(down[..], [Event::Replica { replica: 1, change: Change::Down, .. }]), "{down:?}");
    assert!(swarm.look(&named(&[2, 3]), &mut out).await.is_empty(), "told once");
    fake.service.is_replaced.store(true, Ordering::Relaxed);
    assert!(swarm.look(&named(&[2, 3]), &mut out).await.is_empty(), "its name does not lead to the new one yet");
    let back = swarm.look(&named(&[2, 3, 4]), &mut out).await;
    let [Event::Moved(endpoints), Event::Replica { replica: 1, change: Change::Up, .. }] = &back[..] else {
        panic!("{back:?}")
    };
    let mut last: Vec<(u16, String)> = endpoints.iter().map(|(at, address)| (*at, address.ip().to_string())).collect();
    last.sort();
    assert_eq!(last, [(1, "127.0.0.4".into()), (2, "127.0.0.2".into()), (3, "127.0.0.3".into())]);
    let why = swarm.inject(&Fault::of(Kind::Kill, vec![3])).await.map(drop).expect_err("it lacks the label");
    assert_eq!(why, "replica 3 is no container with the label erlmcp.chaos=true on this engine");
    let killed = locked(&fake.service.asked).iter().filter(|line| line.contains("/kill")).count();
    assert_eq!(killed, 1);
}

#[tokio::test]
async fn a_service_that_nobody_may_break_is_refused() {
    let fake = FakeSwarm::new().await;
    let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
    let endpoints = [(1, SocketAddr::from(([127, 0, 0, 3], fake.port)))];
    let authority = ("tasks.s".into(), fake.port);
    let found = Swarm::find(&fake.engine(), &endpoints, (authority, Way::default()), clock).await;
    let why = found.map(drop).expect_err("it has no label");
    assert!(why.contains("erlmcp.chaos=true") && why.contains("docker.sock"), "{why}");
}

#[tokio::test]
async fn what_a_run_left_paused_goes_on_when_the_next_one_begins() {
    let fake = FakeSwarm::new().await;
    fake.service.is_paused.store(true, Ordering::Relaxed);
    fake.driver().await;
    assert!(!fake.service.is_paused.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_service_has_as_many_tasks_again_as_before() {
    let fake = FakeSwarm::new().await;
    // A name that leads to one address.
    let swarm = fake.driver_by("127.0.0.1").await;
    let number = || fake.service.number.load(Ordering::Relaxed);
    assert_eq!(swarm.cannot_scale().await, None);
    let endpoints = swarm.scale(1).await.expect("its containers have the label");
    assert_eq!((number(), endpoints), (1, vec![(1, SocketAddr::from(([127, 0, 0, 1], fake.port)))]));
    assert_eq!(swarm.service().held(), 1);
    assert_eq!(swarm.end().await, Vec::<String>::new());
    assert_eq!(number(), 2);
}
