//! `erlmcp discover`: what a server is and has.

use std::net::TcpListener;

use serde_json::Value;

use crate::finished::{Finished, erlmcp};
use crate::serving::Serving;
use crate::targets::{Target, Vice};

fn discover(arguments: &[&str]) -> Finished {
    // Two keep-alives would take half a minute.
    erlmcp(&[&["discover", "--keep-alive-wait", "300ms"], arguments].concat()).end()
}

fn json(arguments: &[&str]) -> Value {
    let finished = discover(&[arguments, &["--json"]].concat());
    assert_eq!(finished.code, 0, "{}", finished.said());
    serde_json::from_str(&finished.output).expect("JSON, and nothing else")
}

#[test]
fn our_own_server_in_both_eras() {
    let serving = Serving::start(&[]);
    let modern = json(&[&serving.url]);
    assert_eq!((&modern["era"], &modern["version"]), (&"modern".into(), &"2026-07-28".into()));
    assert_eq!((&modern["session"], &modern["answers"]), (&false.into(), &"json".into()));
    assert_eq!((&modern["get"]["status"], &modern["get"]["stream"]), (&405.into(), &false.into()));
    assert!(modern["h2"].is_null() && modern["capabilities"]["tools"].is_object(), "{modern}");
    let echo = modern["tools"].as_array().expect("tools").iter().find(|tool| tool["name"] == "echo");
    assert_eq!(echo.expect("the tool echo")["inputSchema"]["type"], "object");
    let legacy = json(&[&serving.url, "--era", "legacy"]);
    assert_eq!((&legacy["era"], &legacy["version"]), (&"legacy".into(), &"2025-11-25".into()));
    assert_eq!(legacy["session"], true);
    for (found, stream) in [(&modern, "subscriptions/listen"), (&legacy, "GET")] {
        let keep_alive = &found["keep_alive"];
        assert_eq!((&keep_alive["stream"], &keep_alive["first_ms"]), (&stream.into(), &Value::Null), "{keep_alive}");
        assert!(keep_alive["watched_ms"].as_u64() >= Some(300), "{keep_alive}");
    }
    let text = discover(&[&serving.url]);
    assert_eq!(text.code, 0, "{}", text.said());
    for line in ["Era:          modern (2026-07-28)", "Session:      none", "  echo"] {
        assert!(text.output.contains(line), "{line:?} is not in\n{}", text.output);
    }
}

#[test]
fn what_cannot_be_discovered_is_one_sentence() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
    let (page, mcp) = (Target::start(Vice::NotMcp), Target::start(Vice::None));
    let cases: [(Vec<String>, i32, &str); 5] = [
        (vec![format!("http://{closed}")], 1, "nobody listens"),
        (vec![page.url()], 1, "MCP"),
        (vec![mcp.url(), "--era".into(), "legacy".into()], 1, "cannot be discovered"),
        (vec![format!("https://{}/mcp", mcp.address)], 1, "TLS"),
        (vec!["ftp://localhost".into()], 2, "http"),
    ];
    for (arguments, code, word) in cases {
        let finished = discover(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(finished.code, code, "{arguments:?}: {}", finished.said());
        assert_eq!(finished.errors.lines().count(), 1, "{}", finished.errors);
        assert!(finished.errors.contains(word) && finished.output.is_empty(), "{arguments:?}: {}", finished.said());
    }
    assert_eq!(json(&[&mcp.url()])["tools"][0]["name"], "echo");
}

#[test]
fn load_in_a_session_for_each_connection() {
    let serving = Serving::start(&[]);
    let load =
        ["-c", "12", "-d", "2s", "-r", "40", "--agents", "1", "--phases", "1,2,3,6", "--sessions", "per-connection"];
    let modern = erlmcp(&[&["stress", &serving.url][..], &load].concat()).end();
    assert_eq!(modern.code, 2, "{}", modern.said());
    assert!(modern.errors.contains("--era legacy") && modern.report.is_none(), "{}", modern.errors);
    let legacy = erlmcp(&[&["stress", &serving.url, "--era", "legacy"][..], &load].concat()).end();
    assert!(legacy.report.is_some(), "{}", legacy.said());
    assert_ne!(legacy.verdict("sla.error_rate_percent"), "fail", "{}", legacy.said());
    assert_eq!(legacy.verdict("run.ledger_difference_count"), "pass", "{}", legacy.said());
}
