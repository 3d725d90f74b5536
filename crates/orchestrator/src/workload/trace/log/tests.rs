use super::*;

fn made(log: &str) -> Result<String, TraceError> {
    let mut out = Vec::new();
    record(log.as_bytes(), "text", &mut out)?;
    Ok(String::from_utf8(out).expect("text"))
}

fn read(text: &str) -> TraceFile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    std::fs::write(&path, text).expect("written");
    TraceFile::read(&path).expect("a trace")
}

const LOG: &str = r#"
{"timestamp": "2026-11-25T10:00:00.500Z", "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "a"}}}
{"timestamp": "2026-11-25T10:00:00Z", "method": "tools/list", "status": 200}
{"ts": 1795600801.25, "tool": "echo", "size": 100}
{"time": 1795600801500, "tool": "echo", "size": 120, "user": "u1"}
"#;

#[test]
fn a_log_becomes_a_trace_that_can_be_read() {
    let epoch = "2026-11-25T10:00:00Z".parse::<jiff::Timestamp>().expect("a time").as_second();
    let log = LOG
        .replace("1795600801.25", &format!("{}.25", epoch + 1))
        .replace("1795600801500", &format!("{}500", epoch + 1));
    let trace = read(&made(&log).expect("a trace"));
    let labels: Vec<String> = trace.requests.iter().map(Recorded::label).collect();
    assert_eq!(labels, ["tools/call echo", "tools/list", "tools/call echo"]);
    // In the order of time; sizes are rounded up to 128 both.
    assert_eq!(trace.arrivals, [(0, 1), (500_000, 0), (1_250_000, 2), (1_500_000, 2)]);
    assert_eq!(trace.length_us, 2_000_000);
    assert_eq!(trace.requests[2].arguments.len(), r#"{"text":""}"#.len() + 128);
    assert_eq!(trace.rate(), 2.0);
}

#[test]
fn every_unit_of_time_is_the_same_time() {
    for digits in ["", "000", "000000", "000000000"] {
        let line = |second: u64| format!("{{\"ts\":{second}{digits},\"tool\":\"echo\"}}\n");
        let log: String = [1_795_600_800, 1_795_600_801, 1_795_600_803].map(line).concat();
        let trace = read(&made(&log).expect("a trace"));
        assert_eq!(trace.arrivals, [(0, 0), (1_000_000, 0), (3_000_000, 0)], "{digits:?}");
    }
}

/// What the logs of servers have beside calls.
const WHOLE_SESSION: &str = r#"
{"time": 10, "ts": 99, "name": "mcp.server", "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}}}
{"time": 11, "ts": 99, "name": "mcp.server", "method": "notifications/initialized"}
{"time": 12, "ts": 99, "name": "mcp.server", "method": "tools/call", "params": {"name": "search", "arguments": {}, "_meta": {}}}
{"time": 13, "ts": 99, "name": "mcp.server", "tool": "search"}
"#;

#[test]
fn only_requests_of_a_load_are_recorded_and_loggers_are_no_tools() {
    let mut out = Vec::new();
    let made = record(WHOLE_SESSION.as_bytes(), "text", &mut out).expect("a trace");
    assert_eq!(made, Recording { requests: 2, seconds: 1.0, left_out: 2 });
    let trace = read(&String::from_utf8(out).expect("text"));
    let labels: Vec<String> = trace.requests.iter().map(Recorded::label).collect();
    assert_eq!((labels, trace.arrivals.len()), (vec!["tools/call search".to_string()], 2), "twice the same");
}

#[test]
fn what_a_trace_cannot_keep_is_left_out() {
    let kept = r#"{"ts":1,"method":"tools/list","params":{"_meta":{"progressToken":1},"cursor":null}}"#;
    for line in [
        r#"{"ts":1,"method":"subscriptions/listen","params":{"notifications":{}}}"#,
        r#"{"ts":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"a"}}}"#,
        r#"{"ts":1,"method":"logging/setLevel"}"#,
        r#"{"ts":1,"method":"tools/list","params":{"cursor":"next"}}"#,
        r#"{"ts":1,"tool":"echo","arguments":{"text":"\uf8f10\uf8f2"}}"#,
    ] {
        let made = record(format!("{kept}\n{line}\n").as_bytes(), "text", &mut Vec::new()).expect("a trace");
        assert_eq!((made.requests, made.left_out), (1, 1), "{line}");
    }
    let nothing = made(r#"{"ts":1,"method":"logging/setLevel"}"#).expect_err("nothing is left").to_string();
    assert_eq!(nothing, "the log has no requests that a load could send");
}

#[test]
fn a_trace_that_no_step_could_send_is_refused() {
    let refused = |request: &str| {
        let heading = format!("{{\"erlmcp_trace\":1,\"length_us\":100,\"requests\":[{request}]}}\n[0,0]\n");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("trace.jsonl");
        std::fs::write(&path, heading).expect("written");
        TraceFile::read(&path).expect_err("it is refused")
    };
    for (request, word) in [
        (r#"{"method":"initialize"}"#, "initialize: sessions are opened by own_sessions"),
        (r#"{"method":"completion/complete"}"#, "needs parameters"),
        (r#"{"method":"tools/call","name":"echo","arguments":"[]"}"#, "its arguments are no JSON object"),
        (r#"{"method":"tools/call","name":"echo","arguments":"{\"text\":\"\uf8f10\uf8f2\"}"}"#, "U+F8F0"),
    ] {
        let error = refused(request);
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn agents_share_a_trace() {
    let text = "{\"erlmcp_trace\":1,\"length_us\":100,\"requests\":[{\"method\":\"ping\"},{\"method\":\"tools/list\"}]}\n\
                [0,0]\n[10,1]\n[10,0]\n[50,1]\n[90,0]\n";
    let trace = read(text);
    let (one, other) = (trace.part(2, 0), trace.part(2, 1));
    assert_eq!((one.after_us, one.sessions), (vec![0, 10, 80], vec![0, 0, 0]));
    assert_eq!((other.after_us, other.sessions), (vec![10, 40], vec![1, 1]));
}

#[test]
fn what_cannot_be_understood_is_told_with_its_line() {
    let of =
        |second: &str| made(&format!("{{\"ts\":1,\"tool\":\"echo\"}}\n{second}\n")).expect_err("wrong").to_string();
    for (line, word) in [
        ("hello", "JSON"),
        ("{\"tool\":\"echo\"}", "timestamp"),
        ("{\"ts\":\"yesterday\",\"tool\":\"echo\"}", "RFC 3339"),
        ("{\"ts\":1}", "neither method nor tool"),
        ("{\"ts\":1,\"method\":\"tools/call\"}", "needs a tool"),
        ("{\"ts\":1,\"tool\":\"a\",\"arguments\":[1]}", "must be an object"),
    ] {
        let error = of(line);
        assert!(error.starts_with("line 2: ") && error.contains(word), "{error}");
    }
    assert!(made("\n").expect_err("empty").to_string().contains("no requests"));
}

#[test]
fn too_many_different_requests_are_stood_for_by_one_that_is_like_them() {
    let line = |n: usize| format!("{{\"ts\":{n},\"tool\":\"echo\",\"arguments\":{{\"n\":{n}}}}}\n");
    let trace = read(&made(&(0..1_500).map(line).collect::<String>()).expect("a trace"));
    assert_eq!((trace.requests.len(), trace.arrivals.len()), (1_024, 1_500));
    assert_eq!(trace.arrivals[1_400].1, 0);
}
