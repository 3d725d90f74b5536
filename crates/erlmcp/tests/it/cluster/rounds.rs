//! What one replica begins and another one goes on with.

use serde_json::json;

use super::Cluster;
use super::modern::{call, listen, read_until};

#[test]
fn what_a_tool_changes_on_one_replica_is_told_by_the_others_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let filter = json!({"promptsListChanged": true, "resourceSubscriptions": ["test://watched-resource"]});
    let mut stream = listen(cluster.own(2), filter);
    call(cluster.own(1), "test_trigger_prompt_change", json!({}));
    read_until(&mut stream, "notifications/prompts/list_changed");
    call(cluster.own(1), "test_trigger_resource_change", json!({}));
    read_until(&mut stream, "\"uri\":\"test://watched-resource\"");
}

#[test]
fn what_one_replica_asked_another_one_takes_the_answer_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start_with(folder.path(), 2, &["--fixtures", "conformance"]);
    let tool = "test_input_required_result_request_state";
    let asked = call(cluster.own(1), tool, json!({}));
    let state = asked["result"]["requestState"].as_str().expect("a state").to_string();
    let inputs = json!({"confirm": {"action": "accept", "content": {"ok": true}}});
    let retry = |state: &str| json!({"inputResponses": inputs, "requestState": state});
    let done = call(cluster.own(2), tool, retry(&state));
    assert_eq!(done["result"]["content"][0]["text"], "state-ok", "{done}");
    let changed = call(cluster.own(2), tool, retry(&format!("{state}x")));
    assert_eq!(changed["error"]["code"], -32_602, "{changed}");
}
