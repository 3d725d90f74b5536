//! The reader of JSON-RPC messages beside serde_json: what the one takes, the other reads alike.

use erlmcp_protocol::json::Text;
use erlmcp_protocol::server::message::{Message, MessageLimits, is_response, split_batch};
use erlmcp_protocol::server::read_message;
use serde_json::Value;

const LIMITS: MessageLimits = MessageLimits { depth_max: 64, id_bytes_max: 256 };
const BATCH_MAX: usize = 16;

/// The body of a POST, or any bytes.
pub fn run(bytes: &[u8]) {
    let theirs = serde_json::from_slice::<Value>(bytes);
    match read_message(bytes, &LIMITS) {
        Ok(message) => {
            // Numbers beyond a float are read over here.
            if let Ok(theirs) = &theirs {
                taken(&message, theirs);
            }
            assert!(serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok(), "it is no JSON");
            assert!(!is_response(bytes, &LIMITS), "a message is a request or a response");
        }
        Err(fault) => {
            assert!(fault.status == 400 && !fault.why.is_empty());
            if let (Some(id), Ok(theirs)) = (fault.id, &theirs) {
                same(id, &theirs["id"]);
            }
            if let Ok(theirs) = &theirs {
                assert!(!is_good(bytes, theirs), "{fault:?}");
            }
        }
    }
    if let Ok(elements) = split_batch(bytes, &LIMITS, BATCH_MAX) {
        assert!(!elements.is_empty() && elements.len() <= BATCH_MAX);
        if let Ok(Value::Array(theirs)) = &theirs {
            assert_eq!(theirs.len(), elements.len());
            elements.iter().zip(theirs).for_each(|(ours, theirs)| same(ours, theirs));
        }
    }
}

fn same(ours: &str, theirs: &Value) {
    assert_eq!(&serde_json::from_str::<Value>(ours).expect("it is JSON"), theirs);
}

fn taken(message: &Message<'_>, theirs: &Value) {
    assert_eq!(theirs["jsonrpc"], "2.0");
    assert_eq!(theirs["method"], message.method.decode().as_ref());
    match message.id {
        Some(id) => same(id, &theirs["id"]),
        None => assert_eq!(theirs.get("id"), None),
    }
    let params = &theirs["params"];
    let texts: [(&str, Option<Text<'_>>); 4] = [
        ("name", message.params.name),
        ("uri", message.params.uri),
        ("taskId", message.params.task_id),
        ("level", message.params.level),
    ];
    for (key, ours) in texts {
        assert_eq!(ours.map(|text| text.decode().into_owned()).as_deref(), params[key].as_str(), "{key}");
    }
    for (key, ours) in [
        ("arguments", message.params.arguments),
        ("cursor", message.params.cursor),
        ("requestState", message.params.request_state),
        ("inputResponses", message.params.input_responses),
    ] {
        match ours {
            Some(ours) => same(ours, &params[key]),
            None => assert_eq!(params.get(key), None, "{key}"),
        }
    }
}

/// A request that is good beyond doubt, written as serde_json writes it: that one must be taken.
fn is_good(bytes: &[u8], theirs: &Value) -> bool {
    // With a key twice, or nested deeply, it would not be the same text again.
    let is_plain = serde_json::to_vec(theirs).is_ok_and(|again| again.len() == bytes.len()) && depth(theirs) < 32;
    let Value::Object(members) = theirs else { return false };
    let only = |key: &String| ["jsonrpc", "id", "method", "params"].contains(&key.as_str());
    is_plain
        && members.keys().all(only)
        && theirs["jsonrpc"] == "2.0"
        && theirs["id"].is_u64()
        && theirs["method"].as_str().is_some_and(|method| !method.is_empty())
        && theirs.get("params").is_none_or(Value::is_object)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
