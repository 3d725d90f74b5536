//! More replicas, fewer replicas.

use serde_json::json;

use super::{Cluster, get, is_alive};

#[test]
fn up_and_down_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let first = cluster.pid(1);
    let mut events = cluster.watch();
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 3})), json!({"ok": true, "replicas": 3}));
    let pids = cluster.pids();
    for replica in 1..=3 {
        assert_eq!(get(cluster.own(replica), "/ready").expect("it listens").0, 200);
    }
    events.expect("up", 2);
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 1})), json!({"ok": true, "replicas": 1}));
    assert_eq!(cluster.pids(), [first], "the highest numbers go");
    assert!(!pids[1..].iter().copied().any(is_alive));
    assert!(get(cluster.own(2), "/ready").is_none());
    assert_eq!(get(cluster.shared, "/ready").expect("it listens").0, 200);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 1);
    let refused = |request| {
        let answer = cluster.ask(request);
        assert_eq!(answer["ok"], false, "{answer}");
        answer["error"].as_str().expect("a sentence").to_string()
    };
    assert!(refused(json!({"op": "scale", "replicas": 0})).contains("1 to 1000 replicas"));
    let taken = std::net::TcpListener::bind(cluster.own(3)).expect("free");
    assert!(refused(json!({"op": "scale", "replicas": 4})).contains(&format!("{} is in use", cluster.own(3))));
    drop(taken);
    assert_eq!(cluster.pids().len(), 1);
    assert!(refused(json!({"op": "dance"})).starts_with("not a request: "));
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 2}))["ok"], true);
}
