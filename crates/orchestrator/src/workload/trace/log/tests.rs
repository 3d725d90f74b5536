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
