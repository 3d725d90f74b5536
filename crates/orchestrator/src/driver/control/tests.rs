use super::super::fake::{self, FakeCluster};
use super::*;

#[tokio::test]
async fn a_status_is_asked_and_understood() {
    let cluster = FakeCluster::new(fake::status(77, &[Some(4711), None]));
    let status = status(cluster.control()).await.expect("the fake answers");
    assert_eq!((status.pid, status.replicas.len(), status.fence_after_ms), (77, 2, None));
    assert_eq!(status.replica(1).and_then(|one| one.pid), Some(4711));
    assert_eq!(status.replica(2).and_then(|one| one.down_since_ns), Some(7_000_000_000));
    assert_eq!(cluster.asked(), [r#"{"op":"status"}"#]);
}

#[tokio::test]
async fn one_connection_takes_many_requests() {
    let cluster = FakeCluster::new(fake::status(77, &[Some(4711)]));
    let mut connection = Connection::open(cluster.control()).await.expect("the fake listens");
    for _ in 0..3 {
        connection.status(ANSWER_WITHIN).await.expect("the fake answers");
    }
    let _: Done = connection.ask(("scale", Some(("replicas", 5))), ANSWER_WITHIN).await.expect("it scales");
    assert_eq!(cluster.asked().last().map(String::as_str), Some(r#"{"op":"scale","replicas":5}"#));
    let (uid, pid) = connection.peer().expect("the kernel knows");
    assert_eq!((uid, pid), (rustix::process::geteuid().as_raw(), Some(std::process::id() as i32)));
}

#[tokio::test]
async fn what_went_wrong_is_said_in_a_sentence() {
    let cluster = FakeCluster::new(serde_json::json!({"ok": true, "pid": "x"}));
    let error = |result: Result<Status, ControlError>| result.map(|_| ()).unwrap_err().to_string();
    let text = error(status(cluster.control()).await);
    assert!(text.starts_with("the cluster's answer to \"status\" is not understood"), "{text}");
    let text = error(ask(cluster.control(), ("dance", None), ANSWER_WITHIN).await);
    assert_eq!(text, "the cluster refused: there is no such operation");
    let text = error(status(Path::new("/nowhere/control.sock")).await);
    assert!(text.starts_with("no cluster answers at /nowhere/control.sock: "), "{text}");
    // A watcher's connection takes no more requests: what is asked there stays without an answer.
    let mut connection = Connection::open(cluster.control()).await.expect("the fake listens");
    let _: Done = connection.ask(("watch", None), ANSWER_WITHIN).await.expect("it watches");
    let text = error(connection.status(Duration::from_millis(20)).await);
    assert!(text.starts_with("the cluster did not answer \"status\" within "), "{text}");
}
