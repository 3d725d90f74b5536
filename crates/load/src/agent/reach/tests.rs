use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use erlmcp_protocol::era::Version;
use serde_json::{Value, json};

use super::*;
use crate::agent::work::Work;

/// What a server does with a request.
enum Reply {
    /// Bytes, and then the next request.
    Goes(Vec<u8>),
    /// Bytes, if any, and then the end of the connection.
    Closes(Vec<u8>),
    /// Bytes, and a moment later that the connection was idle for too long.
    Lapses(Vec<u8>),
    /// Nothing, for good.
    Hangs,
}

/// A server that answers each message by the method in it (an answer has none), and its address. `head`: how it came, in
/// lower case.
fn serve(reply: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let reply = Arc::new(reply);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let reply = Arc::clone(&reply);
            std::thread::spawn(move || converse_on(stream, &*reply));
        }
    });
    address
}

fn converse_on(mut stream: TcpStream, reply: &dyn Fn(&str, &Value) -> Reply) {
    let (mut bytes, mut more) = (Vec::new(), [0; 16 * 1024]);
    loop {
        while let Some(message) = take_message(&mut bytes) {
            match reply(message["method"].as_str().unwrap_or_default(), &message) {
                Reply::Goes(answer) => stream.write_all(&answer).unwrap_or_default(),
                Reply::Closes(answer) => return stream.write_all(&answer).unwrap_or_default(),
                Reply::Lapses(answer) => {
                    stream.write_all(&answer).unwrap_or_default();
                    std::thread::sleep(Duration::from_millis(20));
                    return stream.write_all(&http(408, "text/plain", "")).unwrap_or_default();
                }
                Reply::Hangs => {}
            }
        }
        match stream.read(&mut more) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&more[..count]),
            _ => return,
        }
    }
}

fn take_message(bytes: &mut Vec<u8>) -> Option<Value> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    let message = bytes.get(end..end + length).map(|body| {
        let mut message: Value = serde_json::from_slice(body).unwrap_or_default();
        if message.is_object() {
            message["head"] = json!(head);
        }
        message
    });
    bytes.drain(..if message.is_some() { end + length } else { 0 });
    message
}

fn http(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into()
}

fn result(request: &Value, result: Value) -> Vec<u8> {
    http(200, "application/json", &json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string())
}

fn error(request: &Value, error: Value) -> Vec<u8> {
    http(400, "application/json", &json!({"jsonrpc": "2.0", "id": request["id"], "error": error}).to_string())
}

fn modern(method: &str, request: &Value) -> Vec<u8> {
    match method {
        "server/discover" => result(
            request,
            json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}),
        ),
        "tools/list" => result(request, json!({"resultType": "complete", "tools": [{"name": "echo"}]})),
        "tools/call" => result(request, json!({"resultType": "complete", "content": []})),
        _ => http(405, "text/plain", ""),
    }
}

fn legacy(method: &str, request: &Value) -> Vec<u8> {
    match method {
        "initialize" => result(request, json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}})),
        "notifications/initialized" => http(202, "text/plain", ""),
        "server/discover" => error(request, json!({"code": -32_601, "message": "no such method"})),
        _ => modern(method, request),
    }
}

fn setup(address: SocketAddr, era: &str) -> proto::Setup {
    proto::Setup {
        endpoints: vec![proto::Endpoint { replica: 0, address: address.to_string() }],
        authority: address.to_string(),
        path: "/mcp".into(),
        era: era.into(),
        ..proto::Setup::default()
    }
}

fn target(address: SocketAddr, era: &str) -> Target {
    Target::of(&setup(address, era)).expect("a good target")
}

#[test]
fn a_server_that_closes_after_each_answer_is_asked_all_the_same() {
    for answer in [modern, legacy] {
        let address = serve(move |method, request| Reply::Closes(answer(method, request)));
        let found = survey(&target(address, ""), Duration::ZERO).expect("it answers");
        assert_eq!(found.tools[0]["name"], "echo");
    }
}

#[test]
fn a_stream_that_is_left_open_after_its_response_is_an_answer() {
    let tools = json!({"resultType": "complete", "tools": [{"name": "echo"}]});
    let address = serve(move |method, request| match method {
        "tools/list" => {
            let response = json!({"jsonrpc": "2.0", "id": request["id"], "result": tools});
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            Reply::Goes(format!("{head}data: {response}\n\n").into())
        }
        _ => Reply::Goes(modern(method, request)),
    });
    let found = reach(&target(address, ""), 0).expect("it answers");
    assert_eq!(found.tools[0].name, "echo");
}

#[test]
fn a_timeout_of_an_idle_connection_is_not_the_answer_to_the_next_request() {
    let address = serve(|method, request| Reply::Lapses(modern(method, request)));
    let target = target(address, "");
    let mut exchanger = Exchanger::new(&target, address, Duration::from_secs(4)).expect("it is loopback");
    meet(&mut exchanger).expect("it answers");
    std::thread::sleep(Duration::from_millis(300));
    let mut spoken = target.assumed();
    let tools = listing::list(&mut exchanger, &mut spoken, (method::TOOLS_LIST, "tools"));
    assert_eq!(tools.expect("on another connection")[0]["name"], "echo");
}

#[test]
fn a_port_that_wants_tls_is_told_from_a_wrong_path() {
    for (kind, body) in [
        ("text/html", "<center>The plain HTTP request was sent to HTTPS port</center>"),
        ("text/plain", "Client sent an HTTP request to an HTTPS server.\n"),
    ] {
        let address = serve(move |_, _| Reply::Closes(http(400, kind, body)));
        let reached = reach(&target(address, ""), 0).map(|found| found.tools.len());
        assert_eq!(reached, Err(Trouble::WantsTls), "{body}");
    }
}

#[test]
fn a_call_is_not_sent_twice() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let address = serve(move |method, request| match method {
        "tools/call" => {
            counted.fetch_add(1, Ordering::SeqCst);
            Reply::Closes(Vec::new())
        }
        _ => Reply::Goes(modern(method, request)),
    });
    let target = target(address, "");
    let named = Named { tool: "echo", arguments: "", tools: &[] };
    let called = call(&target, 0, &mut target.assumed(), &named, || 0);
    assert!(matches!(called, Err(Trouble::Closed(..))), "{called:?}");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn in_the_place_of_a_session_that_has_ended_another_one_is_opened() {
    let handshakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handshakes);
    let address = serve(move |method, request| {
        if method == "initialize" {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Reply::Goes(match (method, counted.load(Ordering::SeqCst)) {
            ("ping", 0) => http(404, "text/plain", ""),
            ("ping", _) => result(request, json!({})),
            _ => legacy(method, request),
        })
    });
    let target = target(address, "legacy");
    let ended = Spoken { version: Version::NEWEST_LEGACY, session: Some("ended".into()) };
    let (mut spoken, named) = (ended.clone(), Named { tool: "echo", arguments: "", tools: &[] });
    assert_eq!(call(&target, 0, &mut spoken, &named, || 7), Ok(7));
    assert!(spoken != ended && handshakes.swap(0, Ordering::SeqCst) == 1, "{spoken:?}");
    spoken = ended;
    let doors = knock(&target, &mut spoken, 2);
    assert_eq!((doors[0].error.as_str(), doors[0].knocks, doors[0].answer_us.len()), ("", 2, 2));
    assert_eq!((spoken.session, handshakes.load(Ordering::SeqCst)), (None, 1));
}

/// The answer to `initialize` that opens this session.
fn opened(session: usize, request: &Value) -> Vec<u8> {
    let answer = String::from_utf8(legacy("initialize", request)).expect("text");
    answer.replacen("\r\n", &format!("\r\nMcp-Session-Id: s{session}\r\n"), 1).into()
}

/// A server that answers so and ends sessions, its address, and how many it has ended. A DELETE has no message.
fn ending(answer: impl Fn(&str, &Value) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let ended = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&ended);
    let address = serve(move |method, request| {
        Reply::Goes(match method {
            "" => {
                counted.fetch_add(1, Ordering::SeqCst);
                http(200, "text/plain", "")
            }
            _ => answer(method, request),
        })
    });
    (address, ended)
}

#[test]
fn a_run_that_reaches_its_target_again_leaves_no_session_behind() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sessions);
    let (address, ended) = ending(move |method, request| match method {
        "initialize" => opened(counted.fetch_add(1, Ordering::SeqCst) + 1, request),
        _ => legacy(method, request),
    });
    let runtime = tokio::runtime::Runtime::new().expect("threads can be had");
    runtime.block_on(async {
        let mut work = Work::new(&setup(address, "legacy"), 1_024).expect("a good setup");
        for _ in 0..3 {
            assert!(work.reach(proto::Reach::default()).await.ok);
        }
        work.farewell().await;
    });
    assert_eq!((sessions.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (3, 3));
}

#[test]
fn a_session_that_a_legacy_server_opens_for_the_modern_probe_is_ended() {
    let (address, ended) = ending(|method, request| match method {
        "server/discover" => {
            let refusal = String::from_utf8(legacy(method, request)).expect("text");
            refusal.replacen("\r\n", "\r\nMcp-Session-Id: s0\r\n", 1).into()
        }
        _ => legacy(method, request),
    });
    let found = reach(&target(address, ""), 0).expect("it answers");
    assert_eq!((found.spoken.session, ended.load(Ordering::SeqCst)), (None, 1));
}

#[test]
fn a_conversation_goes_on_in_another_session_where_its_own_has_ended() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sessions);
    let address = serve(move |method, request| {
        let is_of = |session: &str| request["head"].as_str().is_some_and(|head| head.contains(session));
        Reply::Goes(match method {
            "initialize" => opened(counted.fetch_add(1, Ordering::SeqCst) + 1, request),
            "tools/list" if is_of("mcp-session-id: s1\r\n") => http(404, "text/plain", ""),
            "tools/call" if is_of("mcp-session-id: s2\r\n") => http(404, "text/plain", ""),
            _ => legacy(method, request),
        })
    });
    let called = converse(&setup(address, "legacy"), |server| {
        let tools = server.tools()?;
        server.call(&tools[0], &json!({}))
    });
    assert_eq!(called.map(|result| result["content"].clone()), Ok(json!([])));
    assert_eq!(sessions.load(Ordering::SeqCst), 3);
}

#[test]
fn a_call_that_has_begun_is_not_sent_again_in_another_session() {
    let (sessions, calls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = [&sessions, &calls].map(Arc::clone);
    let address = serve(move |method, request| {
        Reply::Goes(match method {
            "initialize" => opened(counted[0].fetch_add(1, Ordering::SeqCst) + 1, request),
            "tools/call" => {
                counted[1].fetch_add(1, Ordering::SeqCst);
                http(200, "text/event-stream", "id: a\nretry: 1\ndata:\n\n")
            }
            "" => http(404, "text/plain", ""),
            _ => legacy(method, request),
        })
    });
    let called = converse(&setup(address, "legacy"), |server| server.call(&json!({"name": "echo"}), &json!({})));
    assert_eq!(called, Err("tools/call is answered with HTTP 404 and no result".into()));
    assert_eq!((sessions.load(Ordering::SeqCst), calls.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn a_change_has_the_arguments_in_headers_that_its_tool_wants_there() {
    let address = serve(|method, request| {
        let has_header = request["head"].as_str().is_some_and(|head| head.contains("mcp-param-place: here\r\n"));
        let is_bad = method == "tools/call" && !has_header;
        Reply::Goes(if is_bad { http(400, "text/plain", "") } else { modern(method, request) })
    });
    let schema = json!({"type": "object", "properties": {"place": {"type": "string", "x-mcp-header": "Place"}}});
    let tool = proto::Tool { name: "change".into(), read_only: false, input_schema: schema.to_string() };
    let named = Named { tool: "change", arguments: r#"{"place":"here"}"#, tools: &[tool] };
    let target = target(address, "");
    assert_eq!(call(&target, 0, &mut target.assumed(), &named, || 7), Ok(7));
}

#[test]
fn a_stream_is_not_gone_on_with_sooner_than_the_server_wants() {
    let gets = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&gets);
    let address = serve(move |method, request| match method {
        "tools/list" => Reply::Goes(http(200, "text/event-stream", "id: a\nretry: 60000\ndata:\n\n")),
        "" => {
            counted.fetch_add(1, Ordering::SeqCst);
            Reply::Hangs
        }
        _ => Reply::Goes(legacy(method, request)),
    });
    let listed = reach(&target(address, "legacy"), 0).map(|found| found.tools.len());
    assert!(matches!(listed, Err(Trouble::NotMcp(_))), "{listed:?}");
    assert_eq!(gets.load(Ordering::SeqCst), 0);
}

#[test]
fn no_id_is_used_twice_in_a_session() {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&ids);
    let address = serve(move |method, request| {
        taken.lock().expect("no thread fails").extend(request["id"].as_u64());
        Reply::Goes(if method == "ping" { result(request, json!({})) } else { legacy(method, request) })
    });
    let target = target(address, "legacy");
    let mut spoken = reach(&target, 0).expect("it answers").spoken;
    (0..2).for_each(|_| assert_eq!(knock(&target, &mut spoken, 2).len(), 1));
    let ids = ids.lock().expect("no thread fails");
    let distinct: BTreeSet<u64> = ids.iter().copied().collect();
    assert!(ids.len() >= 6 && distinct.len() == ids.len(), "{ids:?}");
    assert!(ids.iter().all(|id| *id > 1_000_000_000), "the engine's are lower: {ids:?}");
}

#[test]
fn a_new_connection_that_is_closed_is_not_tried_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let address = serve(move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        Reply::Closes(Vec::new())
    });
    assert!(matches!(reach(&target(address, ""), 0), Err(Trouble::Closed(..))));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

/// An event stream with these questions in it, and then the answer.
fn asking(count: usize, request: &Value, answer: Value) -> Vec<u8> {
    let ping = |id: usize| format!("data: {}\n\n", json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
    let questions: String = (0..count).map(ping).collect();
    let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": answer});
    http(200, "text/event-stream", &format!("{questions}data: {answer}\n\n"))
}

#[test]
fn questions_whose_answers_are_never_taken_take_no_more_than_one_patience() {
    let answers = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&answers);
    let address = serve(move |method, request| match method {
        "tools/list" => Reply::Goes(asking(8, request, json!({"tools": [{"name": "echo"}]}))),
        "" => {
            counted.fetch_add(1, Ordering::SeqCst);
            Reply::Hangs
        }
        _ => Reply::Goes(legacy(method, request)),
    });
    let target = target(address, "legacy");
    let mut exchanger = Exchanger::new(&target, address, Duration::from_secs(4)).expect("it is loopback");
    let mut found = meet(&mut exchanger).expect("it answers");
    let tools = listing::list(&mut exchanger, &mut found.spoken, (method::TOOLS_LIST, "tools"));
    assert_eq!(tools.expect("the answer was there")[0]["name"], "echo");
    assert_eq!(answers.load(Ordering::SeqCst), 1, "the time of all was over with the first");
}

#[test]
fn lists_without_end_have_an_end() {
    let address = serve(|method, request| {
        let page = || json!({"tools": [{"name": "t", "x": "y".repeat(1_500_000)}], "nextCursor": "a"});
        Reply::Goes(if method == "tools/list" { result(request, page()) } else { modern(method, request) })
    });
    let listed = reach(&target(address, ""), 0).map(|found| found.tools.len());
    assert!(matches!(listed, Err(Trouble::Endless(..))), "{listed:?}");
}

#[test]
fn what_versions_a_server_has_is_told_as_it_is() {
    let refusing = |supported: Value| {
        serve(move |method, request| match method {
            "initialize" => Reply::Goes(error(request, json!({"code": -32_600, "message": "not so"}))),
            _ => {
                let data = json!({"supported": supported, "requested": "2026-07-28"});
                Reply::Goes(error(request, json!({"code": -32_022, "message": "no", "data": data})))
            }
        })
    };
    let said = |address, era| reach(&target(address, era), 0).map(|_| ()).expect_err("it is refused").to_string();
    let unknown = said(refusing(json!(["2027-01-01"])), "");
    assert!(unknown.contains("only the versions 2027-01-01, and erlmcp none of them"), "{unknown}");
    let older = refusing(json!(["2025-11-25"]));
    let modern = said(older, "modern");
    assert!(modern.contains("refuses the version 2026-07-28, and names 2025-11-25"), "{modern}");
    assert!(said(older, "").contains("not so"), "{}", said(older, ""));
    let offering = serve(|method, request| match method {
        "initialize" => Reply::Goes(result(request, json!({"protocolVersion": "2026-07-28"}))),
        _ => Reply::Goes(legacy(method, request)),
    });
    assert!(said(offering, "").contains(r#"initialize with the version "2026-07-28""#), "{}", said(offering, ""));
}

#[test]
fn what_can_be_listed_read_and_got_without_harm_is_offered() {
    let address = serve(|method, request| {
        let named = |key: &str, listed: Value| json!({"resultType": "complete", key: listed});
        let answer = match method {
            "server/discover" => json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                "capabilities": {"resources": {}, "prompts": {}}}),
            "resources/list" => named(
                "resources",
                json!([{"uri": "a://large", "size": 9_000}, {"uri": "a://gone", "size": 1}, {"uri": "a://small", "size": 5}]),
            ),
            "resources/read" if request["params"]["uri"] != "a://gone" => named("contents", json!([])),
            "prompts/list" => named(
                "prompts",
                json!([{"name": "asks", "arguments": [{"name": "x", "required": true}]}, {"name": "plain"}]),
            ),
            "prompts/get" => named("messages", json!([])),
            _ => return Reply::Goes(http(405, "text/plain", "")),
        };
        Reply::Goes(result(request, answer))
    });
    let target = target(address, "");
    let mut found = reach(&target, 0).expect("it answers");
    let offered = offered(&target, 0, &mut found).expect("it answers");
    assert_eq!(offered.lists, ["resources/list", "prompts/list"]);
    assert_eq!((offered.resource.as_str(), offered.prompt.as_str()), ("a://small", "plain"));
}

#[test]
fn a_tool_that_must_not_be_called_is_left_alone() {
    let tools = json!([
        {"name": "good", "inputSchema": {"type": "object"}},
        {"name": "bad\u{1b}[1m", "inputSchema": {"type": "object"}},
        {"name": "mirrors", "inputSchema": {"type": "object", "properties": {
            "l": {"type": "array", "items": {"type": "string", "x-mcp-header": "Foo"}}}}},
    ]);
    let address = serve(move |method, request| {
        Reply::Goes(if method == "tools/list" {
            result(request, json!({"tools": tools}))
        } else {
            modern(method, request)
        })
    });
    let found = reach(&target(address, ""), 0).expect("it answers");
    let names: Vec<&str> = found.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["good"]);
}
