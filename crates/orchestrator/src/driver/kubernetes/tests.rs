use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::driver::fake::{heard, say};
use crate::driver::locked;
use crate::event::{Change, Event};

/// The API of a cluster with one StatefulSet, whose pods have the addresses 127.88.0.1, .2 and so on. Only the first one
/// listens, and only there policies are enforced; the second one cannot be deleted; the third one nobody may break.
pub(in crate::driver) struct FakeKubernetes {
    api: u16,
    port: u16,
    pub(in crate::driver) cluster: Arc<Mutex<Cluster>>,
}

pub(in crate::driver) struct Cluster {
    /// By name: id, and the label that cuts it off.
    pods: BTreeMap<String, (String, Option<String>)>,
    number: u64,
    /// Pods beside these, as the API has them.
    others: Vec<Value>,
    /// Names, and the label that each selects.
    policies: BTreeMap<String, String>,
    enforces: bool,
    /// The first pod is not ready while it has a label that cuts it off.
    is_shy: bool,
    forbids: &'static str,
    asked: Vec<String>,
}

impl Cluster {
    pub(super) fn new(number: u64) -> Self {
        let pods = (0..number).map(|index| (format!("mcp-{index}"), (format!("u{index}"), None))).collect();
        let (policies, asked, others) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { pods, number, others, policies, enforces: true, is_shy: false, forbids: "", asked }
    }

    /// Has from now on the pods that a real one had, or one of them.
    pub(super) fn learn(&mut self, answer: &Value) {
        let pod = |pod: &Value| {
            let (name, id) = (pod["metadata"]["name"].as_str()?, pod["metadata"]["uid"].as_str()?);
            let label = pod["metadata"]["labels"]["erlmcp.cut-off"].as_str();
            Some((name.to_string(), (id.to_string(), label.map(String::from))))
        };
        match answer["kind"].as_str() {
            Some("PodList") => {
                self.pods = answer["items"].as_array().into_iter().flatten().filter_map(pod).collect();
            }
            Some("Pod") => self.pods.extend(pod(answer)),
            _ => {}
        }
    }

    pub(in crate::driver) fn is_cut_off(&self) -> bool {
        !self.policies.is_empty() || self.pods.values().any(|(_, label)| label.is_some())
    }

    /// What the first pod answers, if anything; it is there.
    fn serves(&self) -> (Option<&'static str>, bool) {
        let Some((_, label)) = self.pods.get("mcp-0").filter(|(id, _)| id == "u0") else { return (None, false) };
        let is_cut_off =
            self.enforces && label.as_ref().is_some_and(|label| self.policies.values().any(|one| one == label));
        let is_ready = !(self.is_shy && label.is_some());
        ((!is_cut_off).then_some(if is_ready { "200 OK" } else { "503 Service Unavailable" }), true)
    }

    fn list(&self) -> Value {
        let pod = |(name, (id, _)): (&String, &(String, Option<String>))| {
            // The one that takes the first one's place has another address.
            let last = if id == "u0b" { 77 } else { 1 + name[4..].parse::<u8>().expect("a number") };
            json!({"metadata": {"name": name, "uid": id, "labels": {"erlmcp.chaos": "true"},
                    "ownerReferences": [{"kind": "StatefulSet", "name": "mcp", "uid": "set", "controller": true}]},
                "status": {"podIPs": [{"ip": format!("127.88.0.{last}")}],
                    "conditions": [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "True"}]}})
        };
        json!({"kind": "PodList", "items": self.pods.iter().map(pod).chain(self.others.clone()).collect::<Vec<_>>()})
    }

    fn scaled(&mut self, number: u64) {
        self.number = number;
        self.pods.retain(|name, _| name[4..].parse::<u64>().expect("a number") < number);
        for index in 0..number {
            self.pods.entry(format!("mcp-{index}")).or_insert((format!("u{index}"), None));
        }
    }

    pub(super) fn answer(&mut self, line: &str, body: &Value) -> (&'static str, Value) {
        const PODS: &str = "/api/v1/namespaces/load/pods";
        const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/load/networkpolicies";
        const SCALE: &str = "/apis/apps/v1/namespaces/load/statefulsets/mcp/scale";
        self.asked.push(line.to_string());
        let (method, path) = line.split_once(' ').expect("a request line");
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let ok = |value: Value| ("200 OK", value);
        let none = || ("404 Not Found", json!({"kind": "Status", "message": "there is none"}));
        match (method, path) {
            ("GET", PODS) if query == "labelSelector=erlmcp.cut-off" => ok(json!({"items": []})),
            ("GET", PODS) => ok(self.list()),
            ("GET", SCALE) => ok(json!({"spec": {"replicas": self.number}})),
            ("PATCH", SCALE) => {
                self.scaled(body["spec"]["replicas"].as_u64().expect("a number"));
                ok(json!({}))
            }
            ("GET", POLICIES) => {
                let items: Vec<_> = self.policies.keys().map(|name| json!({"metadata": {"name": name}})).collect();
                ok(json!({"items": items}))
            }
            ("POST", POLICIES) => {
                let name = body["metadata"]["name"].as_str().expect("a name");
                let label = body["spec"]["podSelector"]["matchLabels"]["erlmcp.cut-off"].as_str().expect("a label");
                self.policies.insert(name.into(), label.into());
                ("201 Created", json!({}))
            }
            ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews") => {
                let about = &body["spec"]["resourceAttributes"];
                // The Role names the one whose number may be changed.
                let is_named = about["subresource"] != "scale" || about["name"] == "mcp";
                let is_allowed = is_named && about["namespace"] == "load" && about["resource"] != self.forbids;
                ("201 Created", json!({"status": {"allowed": is_allowed}}))
            }
            _ => match (method, path.strip_prefix(PODS), path.strip_prefix(POLICIES)) {
                ("DELETE", _, Some(name)) => self.policies.remove(&name[1..]).map_or_else(none, |_| ok(json!({}))),
                (_, Some(name), _) => self.pod(method, &name[1..], body).map_or_else(none, ok),
                _ => panic!("nobody asks this: {line}"),
            },
        }
    }

    fn pod(&mut self, method: &str, name: &str, body: &Value) -> Option<Value> {
        let (id, label) = self.pods.get_mut(name)?;
        match method {
            "PATCH" => *label = body["metadata"]["labels"]["erlmcp.cut-off"].as_str().map(String::from),
            "DELETE" => {
                assert_eq!(body["gracePeriodSeconds"], 0);
                assert_eq!(body["preconditions"]["uid"], id.as_str());
                if id != "u1" {
                    self.pods.remove(name);
                }
                return Some(json!({}));
            }
            _ => {}
        }
        Some(json!({"metadata": {"name": name, "uid": id}}))
    }
}

impl FakeKubernetes {
    pub(in crate::driver) async fn new() -> Self {
        let api = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let pod = TcpListener::bind("127.88.0.1:0").await.expect("loopback has many addresses");
        let port = pod.local_addr().expect("it is bound").port();
        let cluster = Cluster::new(2);
        let fake =
            Self { api: api.local_addr().expect("it is bound").port(), port, cluster: Arc::new(Mutex::new(cluster)) };
        tokio::spawn(serve(api, Arc::clone(&fake.cluster)));
        tokio::spawn(serve_pod(pod, Arc::clone(&fake.cluster)));
        fake
    }

    fn access(&self) -> Access {
        let proxy = format!("http://127.0.0.1:{}", self.api);
        Access::find((Some(&proxy), Some("load")), Path::new("/nowhere"), |_| None).expect("it is a proxy")
    }

    pub(in crate::driver) async fn driver(&self) -> Kubernetes {
        // What is not deleted is not waited for; what is cut off is, however slow this machine is.
        let (gone_within, cut_within) = (Duration::from_millis(300), Duration::from_secs(60));
        self.driver_of(2, Pace { attempt: Duration::from_millis(250), gone_within, cut_within }).await
    }

    async fn driver_of(&self, count: u8, pace: Pace) -> Kubernetes {
        let endpoint = |last: u8| (u16::from(last), SocketAddr::from(([127, 88, 0, last], self.port)));
        let endpoints: Vec<_> = (1..=count).map(endpoint).collect();
        let (authority, clock) = (("mcp".into(), self.port), RunClock::new(erlmcp_load::clock::monotonic_ns()));
        let found = Kubernetes::find_by(self.access(), &endpoints, (authority, Way::default()), clock, pace).await;
        found.expect("it has pods")
    }
}

async fn serve(listener: TcpListener, cluster: Arc<Mutex<Cluster>>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let Some((line, _, body)) = heard(&mut stream).await else { continue };
        let body = serde_json::from_str(&body).unwrap_or(Value::Null);
        let (status, answer) = locked(&cluster).answer(&line, &body);
        say(&mut stream, status, Some(answer)).await;
    }
}

/// It keeps silent where it is cut off, and hangs up where it is gone.
async fn serve_pod(listener: TcpListener, cluster: Arc<Mutex<Cluster>>) {
    let mut silent = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (serves, is_there) = locked(&cluster).serves();
        match (serves, is_there) {
            (Some(status), _) if heard(&mut stream).await.is_some() => say(&mut stream, status, None).await,
            (None, true) => silent.push(stream),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_deleted_pod_is_out_until_the_next_one_of_its_name_is_ready() {
    let fake = FakeKubernetes::new().await;
    let kubernetes = fake.driver_of(3, Pace::default()).await;
    assert_eq!(kubernetes.service().held(), 2, "the third one has no label");
    assert_eq!(
        kubernetes.cannot_scale().as_deref(),
        Some("not all of the target's addresses are those of pods that may be broken")
    );
    let mut out = BTreeSet::new();
    let found = async || pods(&kubernetes.api, fake.port).await.expect("the API answers").0;
    assert!(kubernetes.look(&found().await, &mut out).await.is_empty());
    let (_, injected) = kubernetes.inject(&Fault::of(Kind::Kill, vec![1])).await.expect("it may be killed");
    assert_eq!(injected.method, "the pod deleted, without grace");
    let down = kubernetes.look(&found().await, &mut out).await;
    assert!(matches!(down[..], [Event::Replica { replica: 1, change: Change::Down, .. }]), "{down:?}");
    locked(&fake.cluster).pods.insert("mcp-0".into(), ("u0b".into(), None));
    let back = kubernetes.look(&found().await, &mut out).await;
    let [Event::Moved(endpoints), Event::Replica { replica: 1, change: Change::Up, .. }] = &back[..] else {
        panic!("{back:?}")
    };
    assert!(endpoints.contains(&(1, SocketAddr::from(([127, 88, 0, 77], fake.port)))), "{endpoints:?}");
    let why = kubernetes.inject(&Fault::of(Kind::Kill, vec![3])).await.map(drop).expect_err("it lacks the label");
    assert_eq!(why, "replica 3 is no pod with the label erlmcp.chaos=true");
    let deleted = locked(&fake.cluster).asked.iter().filter(|line| line.starts_with("DELETE")).count();
    assert_eq!(deleted, 1);
}

#[tokio::test]
async fn a_policy_that_nobody_enforces_is_no_partition_and_is_taken_away() {
    // An answer is one, whatever it says.
    for is_shy in [false, true] {
        let fake = FakeKubernetes::new().await;
        locked(&fake.cluster).enforces = false;
        locked(&fake.cluster).is_shy = is_shy;
        // Two silences take longer than that, so that a stall of this machine is none.
        let pace = Pace { attempt: Duration::from_secs(1), cut_within: Duration::from_millis(200), ..Pace::default() };
        let kubernetes = fake.driver_of(2, pace).await;
        let why = kubernetes.inject(&Fault::of(Kind::Partition, vec![1])).await.map(drop).expect_err("it answers");
        assert!(why.contains("had no effect") && why.contains("enforces none"), "{why}");
        assert!(!locked(&fake.cluster).is_cut_off());
        let asked = locked(&fake.cluster).asked.clone();
        assert!(asked.iter().any(|line| line.ends_with("networkpolicies/erlmcp-cut-off-u0")), "{asked:?}");
    }
}

#[tokio::test]
async fn what_the_account_may_not_do_is_lacking_and_what_a_run_left_is_undone() {
    let fake = FakeKubernetes::new().await;
    locked(&fake.cluster).forbids = "networkpolicies";
    locked(&fake.cluster).policies.insert("erlmcp-cut-off-old".into(), "old".into());
    let kubernetes = fake.driver().await;
    assert!(!locked(&fake.cluster).is_cut_off());
    let lacks = kubernetes.lacks();
    assert!(!lacks.contains_key(&Kind::Kill));
    let why = &lacks[&Kind::Partition];
    assert!(why.starts_with("the account may not list networkpolicies in the namespace load"), "{why}");
    assert!(lacks[&Kind::Pause].contains("cannot be paused") && lacks.contains_key(&Kind::Loss));
}

#[tokio::test]
async fn pods_are_more_and_fewer_and_at_the_end_as_many_as_before() {
    let fake = FakeKubernetes::new().await;
    let kubernetes = fake.driver().await;
    assert_eq!(kubernetes.cannot_scale(), None);
    let number = || locked(&fake.cluster).number;
    let lasts = |endpoints: Vec<(u16, SocketAddr)>| -> Vec<(u16, String)> {
        endpoints.into_iter().map(|(replica, address)| (replica, address.ip().to_string())).collect()
    };
    let more = lasts(kubernetes.scale(4).await.expect("it may be scaled"));
    let expected: Vec<(u16, String)> = (1..=4).map(|last| (last, format!("127.88.0.{last}"))).collect();
    assert_eq!((number(), more), (4, expected.clone()));
    assert_eq!(lasts(kubernetes.scale(2).await.expect("it may be scaled")), expected[..2]);
    kubernetes.scale(3).await.expect("it may be scaled");
    assert_eq!(kubernetes.end().await, Vec::<String>::new());
    assert_eq!(number(), 2);
}

#[tokio::test]
async fn pods_that_have_ended_or_are_others_hold_up_no_scaling() {
    let fake = FakeKubernetes::new().await;
    let kubernetes = fake.driver().await;
    let pod = |name: &str, owner: &str, status: Value| {
        let owners = json!([{"kind": "StatefulSet", "name": owner, "uid": owner, "controller": true}]);
        json!({"metadata": {"name": name, "uid": name, "ownerReferences": owners}, "status": status})
    };
    locked(&fake.cluster).others = vec![
        pod("evicted", "set", json!({"phase": "Failed", "podIPs": [{"ip": "127.88.0.90"}]})),
        pod("done", "set", json!({"phase": "Succeeded"})),
        pod("theirs", "another", json!({"phase": "Pending"})),
        json!({"metadata": {"name": "bare", "uid": "bare"}, "status": {"phase": "Pending"}}),
    ];
    let scaled = tokio::time::timeout(Duration::from_secs(20), kubernetes.scale(3));
    assert_eq!(scaled.await.expect("nothing holds it up").expect("it may be scaled").len(), 3);
    locked(&fake.cluster).others = vec![pod("mcp-9", "set", json!({"phase": "Pending"}))];
    let scaled = tokio::time::timeout(Duration::from_millis(500), kubernetes.scale(2));
    assert!(scaled.await.is_err(), "one of its own is on its way");
}

#[tokio::test]
async fn pods_that_nobody_may_break_are_refused() {
    let fake = FakeKubernetes::new().await;
    locked(&fake.cluster).pods.clear();
    let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
    let endpoints = [(1, SocketAddr::from(([127, 88, 0, 1], fake.port)))];
    let door = (("mcp".into(), fake.port), Way::default());
    let found = Kubernetes::find_by(fake.access(), &endpoints, door, clock, Pace::default()).await;
    let why = found.map(drop).expect_err("none has the label");
    assert!(why.contains("erlmcp.chaos=true in the namespace load"), "{why}");
}
