//! What a shared listener answers.

use erlmcp_server::{ClusterPages, ClusterReference, Listening, Server, ServerConfig, bind};
use serde_json::json;

use crate::client::{Client, Texts, stop};

#[test]
fn a_shared_listener_answers_for_the_cluster() {
    let listen = || bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let (own, shared) = (listen(), listen());
    let addresses = [&own, &shared].map(|listener| listener.local_addr().expect("it is bound"));
    let cluster = Some(ClusterReference { control: "/c.sock".to_string(), port: 1, replicas: 2 });
    let config = ServerConfig { cluster, replica: 4, ..ServerConfig::default() };
    let listeners = vec![
        Listening { listener: own, shared: false, admin: false },
        Listening { listener: shared, shared: true, admin: false },
    ];
    let server = Server::start(config, listeners, true).expect("it starts");
    let ask = |place: usize, path: &str| Client::connect(addresses[place]).ask(Texts(addresses[place]).get(path));

    for place in [0, 1] {
        assert!(ask(place, "/metrics").body.contains("erlmcp_connections{replica=\"4\",kind=\"mcp\"} 0\n"));
    }
    let pages = ClusterPages { metrics: "x 1\n".to_string(), status: json!({"replicas": 2}), taken_at_ns: 0 };
    server.set_cluster_pages(pages);
    let metrics = ask(1, "/metrics").body;
    assert!(metrics.starts_with("x 1\n") && metrics.contains("\nerlmcp_snapshot_age_seconds "), "{metrics}");
    let status = ask(1, "/status").json();
    assert_eq!((&status["replicas"], &status["cluster"]["control"]), (&json!(2), &json!("/c.sock")));
    assert!(status["snapshot_age_ms"].as_u64().is_some_and(|age| age > 0));
    assert_eq!(ask(0, "/status").json()["replica"], 4);
    assert_eq!(ask(0, "/status").json()["cluster"]["replicas"], 2);
    stop(server);
}
