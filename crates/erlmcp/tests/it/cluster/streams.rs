//! What one replica's subscribers have to learn from elsewhere.

use serde_json::{Value, json};

use super::modern::{listen, read_until};
use super::{Cluster, until};

fn of_tools() -> Value {
    json!({"toolsListChanged": true})
}

#[test]
fn a_list_change_reaches_the_streams_of_all_replicas() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let mut streams = [listen(cluster.own(1), of_tools()), listen(cluster.own(2), of_tools())];
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "tools"})), json!({"ok": true}));
    for stream in &mut streams {
        read_until(stream, "notifications/tools/list_changed");
    }
    assert_eq!(cluster.ask(json!({"op": "notify", "list": "spoons"}))["ok"], false);
}

#[test]
fn a_replica_that_goes_ends_its_streams_with_their_result() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(folder.path(), 2);
    let mut stream = listen(cluster.own(2), of_tools());
    until("the stream is counted", || cluster.replica(2)["snapshot"]["streams"] == 1);
    assert_eq!(cluster.ask(json!({"op": "scale", "replicas": 1}))["ok"], true);
    read_until(&mut stream, "\"resultType\":\"complete\"");
}
