//! The driver in a real cluster (deploy/kubernetes/test.sh --contract), and what its API answered there: the imitation of the other
//! tests has to answer alike.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::ToSocketAddrs;

use serde_json::Value;

use super::tests::Cluster;
use super::*;

const SERVICE: &str = "mcp.load.svc.cluster.local";
const PORT: u16 = 8080;
const RECORDED: &str = include_str!("recorded.jsonl");

/// The chart's release `mcp` in the namespace `load`.
pub(in crate::driver) struct RealKubernetes {
    pub(in crate::driver) driver: Kubernetes,
}

impl RealKubernetes {
    pub(in crate::driver) async fn find(proxy: &str) -> Self {
        let mut addresses: Vec<_> = (SERVICE, PORT).to_socket_addrs().expect("its Service has a name").collect();
        addresses.sort();
        let endpoints: Vec<_> = (1..).zip(addresses).collect();
        let (door, clock) =
            (((SERVICE.into(), PORT), Way::default()), RunClock::new(erlmcp_load::clock::monotonic_ns()));
        let access = Access::find((Some(proxy), Some("load")), Path::new("/nowhere"), |_| None).expect("it is a proxy");
        // Longer than a node takes, and less than the contract waits.
        let pace = Pace { gone_within: Duration::from_secs(5), ..Pace::default() };
        let driver = Kubernetes::find_by(access, &endpoints, door, clock, pace).await.expect("it has pods");
        Self { driver }
    }

    async fn finalizers(&self, pod: &str, finalizers: &[&str]) {
        let path = self.driver.api.access.path("/api/v1", &format!("pods/{pod}"));
        assert!(self.driver.api.patch(&path, &json!({"metadata": {"finalizers": finalizers}})).await.expect("it may"));
    }

    /// What is deleted of its pod stays; says which it is.
    pub(in crate::driver) async fn hold(&self, replica: u16) -> String {
        let pod = self.driver.pods(&[replica]).expect("it is there")[0].1.name.clone();
        self.finalizers(&pod, &["erlmcp.test/hold"]).await;
        pod
    }

    /// What stayed goes, and another one is there in its place.
    pub(in crate::driver) async fn let_go(&self, pod: &str) {
        self.finalizers(pod, &[]).await;
        self.all_ready(3).await;
    }

    /// One is killed and replaced, and they are more and fewer, and at the end as many as before.
    pub(in crate::driver) async fn kill_and_scale(&self) {
        self.driver.inject(&Fault::of(Kind::Kill, vec![3])).await.expect("it may be killed");
        self.all_ready(3).await;
        assert_eq!(self.driver.cannot_scale(), None);
        assert_eq!(self.driver.scale(4).await.expect("it may be scaled").len(), 4);
        assert_eq!(self.driver.scale(2).await.expect("it may be scaled").len(), 2);
        assert_eq!(self.driver.end().await, Vec::<String>::new());
        self.all_ready(3).await;
    }

    async fn all_ready(&self, count: usize) {
        let ready = async || {
            let (found, _) = pods(&self.driver.api, PORT).await.expect("the API answers");
            found.iter().filter(|pod| pod.is_ready).count()
        };
        let are = async {
            while ready().await != count {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(Duration::from_secs(60), are).await.expect("in time");
    }
}

/// Asks the API itself, past the driver.
pub(in crate::driver) fn is_cut_off(proxy: &str) -> bool {
    let authority = proxy.trim_start_matches("http://");
    let has = |path: &str| {
        let mut stream = std::net::TcpStream::connect(authority).expect("kubectl proxy listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer.contains("\"name\":")
    };
    has("/apis/networking.k8s.io/v1/namespaces/load/networkpolicies?labelSelector=erlmcp.fault")
        || has("/api/v1/namespaces/load/pods?labelSelector=erlmcp.cut-off")
}

/// One question and its answer.
struct Exchange {
    asked: String,
    body: Value,
    status: u64,
    answer: Value,
}

/// What was asked and answered, in its order; ids are those of the imitation, which numbers them.
fn recorded() -> Vec<Exchange> {
    let line_with = |what: &str| {
        let line = RECORDED.lines().find(|line| line.contains(what)).expect(what);
        serde_json::from_str::<Value>(line).expect("a line is JSON")
    };
    let (list, held) = (line_with(r#""kind": "PodList""#), line_with("erlmcp.test/hold"));
    let mut ids: Vec<_> =
        list["answer"]["items"].as_array().expect("a list").iter().map(|pod| text(&pod["metadata"]["uid"])).collect();
    // The imitation's second pod is the one that cannot be deleted.
    let stays = text(&held["answer"]["metadata"]["uid"]);
    let at = ids.iter().position(|id| *id == stays).expect("it was listed");
    ids.swap(1, at);
    let renamed =
        (0..).zip(&ids).fold(RECORDED.to_string(), |all, (number, id)| all.replace(id, &format!("u{number}")));
    let exchange = |line: &str| {
        let mut line = serde_json::from_str::<Value>(line).expect("a line is JSON");
        let asked = format!("{} {}", text(&line["method"]), text(&line["path"]));
        let status = line["status"].as_u64().expect("a number");
        Exchange { asked, body: line["body"].take(), status, answer: line["answer"].take() }
    };
    renamed.lines().map(exchange).collect()
}

fn method_of(asked: &str) -> &str {
    asked.split(' ').next().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_string()
}

/// Where `said` has something that `real` has not, or of another type.
fn beyond(said: &Value, real: &Value, at: &str) -> Option<String> {
    match (said, real) {
        (Value::Object(said), Value::Object(real)) => said.iter().find_map(|(name, one)| match real.get(name) {
            Some(of) => beyond(one, of, &format!("{at}/{name}")),
            None => Some(format!("{at}/{name}")),
        }),
        // One of the real ones is such a one.
        (Value::Array(said), Value::Array(real)) => said.iter().find_map(|one| {
            let found: Vec<_> = real.iter().map(|of| beyond(one, of, &format!("{at}/*"))).collect();
            if found.iter().any(Option::is_none) {
                None
            } else {
                Some(found.into_iter().flatten().next().unwrap_or(format!("{at}/*")))
            }
        }),
        (said, real) if std::mem::discriminant(said) == std::mem::discriminant(real) => None,
        _ => Some(at.to_string()),
    }
}

/// The imitation is asked what the real one was asked. It knows nothing of what controllers and nodes do: which pods there are it is told
/// by each list.
#[test]
fn the_imitation_answers_as_a_real_cluster_did() {
    let (mut imitation, mut kinds) = (Cluster::new(3), BTreeMap::<String, usize>::new());
    for Exchange { asked, body, status, answer } in recorded() {
        if method_of(&asked) == "GET" && !asked.ends_with("labelSelector=erlmcp.cut-off") {
            imitation.learn(&answer);
        }
        let (said_status, said) = imitation.answer(&asked, &body);
        assert_eq!(said_status[..3], status.to_string(), "{asked} {body}: {answer}");
        let at = (status < 300).then(|| beyond(&said, &answer, "")).flatten();
        assert_eq!(at, None, "{asked}: the real one has none of it: {said}");
        *kinds.entry(format!("{} {status}", method_of(&asked))).or_default() += 1;
    }
    for kind in ["GET 200", "GET 404", "POST 201", "PATCH 200", "DELETE 200"] {
        assert!(kinds.contains_key(kind), "{kind} was not recorded: {kinds:?}");
    }
}

#[test]
fn what_a_real_cluster_lists_is_read() {
    let lists = recorded().into_iter().filter(|one| one.asked.contains("/pods?labelSelector=erlmcp.chaos"));
    let mut most = 0;
    for Exchange { answer, .. } in lists {
        let (found, _) = super::pod::read(&answer, PORT).expect("it is a list");
        for pod in &found {
            assert!(pod.unit.name.starts_with("mcp-") && pod.unit.address.port() == PORT, "{pod:?}");
            assert_eq!(pod.controller, ("StatefulSet".to_string(), "mcp".to_string()));
        }
        most = most.max(found.iter().filter(|pod| pod.is_ready).count());
    }
    assert_eq!(most, 4, "it was scaled to as many");
}
