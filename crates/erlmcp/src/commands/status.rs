//! `cluster status` for people.

use std::fmt::Write;

use erlmcp_record::plain;
use erlmcp_report::mebibytes;
use serde_json::Value;

/// The answer of the control socket as a table, a line a replica.
pub(super) fn table(answer: &Value) -> String {
    let none = Vec::new();
    let replicas = answer["replicas"].as_array().unwrap_or(&none);
    let mut text = format!(
        "cluster on {}: {}, {} of {} replicas are members, pid {}\n",
        text_of(&answer["shared"]),
        text_of(&answer["state"]),
        replicas.iter().filter(|replica| replica["member"] == true).count(),
        replicas.len(),
        text_of(&answer["pid"]),
    );
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "{:>7}  {:<17} {:<9} {:>8} {:>11} {:>12} {:>7} {:>9} {:>8}  version",
        "replica", "address", "state", "pid", "connections", "requests", "queue", "memory", "restarts"
    );
    for replica in replicas {
        let snapshot = &replica["snapshot"];
        let _ = write!(
            text,
            "\n{:>7}  {:<17} {:<9} {:>8} {:>11} {:>12} {:>7} {:>9} {:>8}  {}",
            text_of(&replica["replica"]),
            text_of(&replica["address"]),
            text_of(&replica["state"]),
            text_of(&replica["pid"]),
            text_of(&snapshot["connections"]["mcp"]),
            requests(snapshot),
            text_of(&snapshot["queue"]["depth"]),
            memory(&snapshot["memory"]["rss"]),
            text_of(&replica["restarts"]),
            text_of(&snapshot["version"]),
        );
    }
    let machines = &answer["machines"];
    if machines.is_object() {
        let _ = write!(
            text,
            "\nmachine {}, database {}",
            text_of(&machines["machine"]["name"]),
            text_of(&machines["machine"]["database"])
        );
        if let Some(why) = machines["machine"]["why"].as_str() {
            let _ = write!(text, ": {}", plain(why));
        }
        machines["peers"].as_array().into_iter().flatten().for_each(|peer| write_peer(&mut text, peer));
    }
    text
}

/// A cluster on another machine.
fn write_peer(text: &mut String, peer: &Value) {
    let shared = if peer["same_key"] == true { "" } else { ", another session key: shares operations alone" };
    let _ = write!(
        text,
        "\n  {} at {}: {}, {} of {} replicas are members, version {}, seen {} ms ago{shared}",
        text_of(&peer["name"]),
        text_of(&peer["address"]),
        text_of(&peer["state"]),
        text_of(&peer["members"]),
        text_of(&peer["replicas"]),
        text_of(&peer["version"]),
        text_of(&peer["last_seen_ms"]),
    );
}

/// What is not there is shown as a dash, never as a zero.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null => "-".to_string(),
        // Another machine may have put anything into it.
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}

fn requests(snapshot: &Value) -> String {
    let Some(requests) = snapshot["requests"].as_array() else { return "-".to_string() };
    requests.iter().filter_map(|request| request["count"].as_u64()).sum::<u64>().to_string()
}

fn memory(bytes: &Value) -> String {
    bytes.as_u64().map_or("-".to_string(), mebibytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_known_is_a_dash() {
        let snapshot = json!({
            "version": "0.2.0",
            "connections": {"mcp": 8_000, "admin": 1, "new": 0},
            "requests": [{"method": "tools/call", "outcome": "ok", "count": 40}, {"count": 2}],
            "queue": {"depth": 3},
            "memory": {"rss": 12_340_000},
        });
        let answer = json!({"shared": "127.0.0.1:8080", "state": "running", "pid": 7, "replicas": [
            {"replica": 1, "address": "127.0.0.11:8080", "pid": 8, "state": "ready", "member": true, "restarts": 0,
             "snapshot": snapshot},
            {"replica": 2, "address": "127.0.0.12:8080", "pid": null, "state": "backoff", "member": false,
             "restarts": 2, "snapshot": null},
        ]});
        let expected = "\
cluster on 127.0.0.1:8080: running, 1 of 2 replicas are members, pid 7
replica  address           state          pid connections     requests   queue    memory restarts  version
      1  127.0.0.11:8080   ready            8        8000           42       3  11.8 MiB        0  0.2.0
      2  127.0.0.12:8080   backoff          -           -            -       -         -        2  -";
        assert_eq!(table(&answer), expected);
        let peer = json!({"name": "we\u{1b}st", "address": "10.0.0.2:8080", "state": "silent", "members": 2, "replicas": 3,
            "version": "0.1.0", "last_seen_ms": 4_100, "same_key": false});
        let machine = json!({"name": "east", "database": "away", "why": "connection refused"});
        let answer = json!({"machines": {"machine": machine, "peers": [peer]}});
        let expected = "\
machine east, database away: connection refused
  we\\u{1b}st at 10.0.0.2:8080: silent, 2 of 3 replicas are members, version 0.1.0, seen 4100 ms ago, another session key: shares \
operations alone";
        assert!(table(&answer).ends_with(expected), "{}", table(&answer));
    }
}
