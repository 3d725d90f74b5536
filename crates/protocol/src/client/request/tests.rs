use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn peer(headers: &[(String, String)], version: Version) -> Peer<'_> {
    Peer { authority: "127.0.0.1:8080", path: "/mcp", headers, version, session: None }
}

fn render(peer: &Peer<'_>, ask: Ask<'_>, id: u64) -> Result<String, BadRequest> {
    let mut out = Vec::new();
    Template::new(peer, &ask)?.write(id, &mut out);
    Ok(String::from_utf8(out).expect("a request is text"))
}

const CALL: Ask<'static> = Ask {
    method: "tools/call",
    name: Some("echo"),
    arguments: Some(r#"{"text":"hi"}"#),
    cursor: None,
    notifications: None,
    params: &[],
    operation: None,
    attempt: 0,
    with_progress: false,
};

#[test]
fn a_modern_call_has_all_of_its_headers_and_meta() {
    let expected = "POST /mcp HTTP/1.1\r\n\
        Host: 127.0.0.1:8080\r\n\
        User-Agent: erlmcp/0.1.0\r\n\
        Content-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\n\
        MCP-Protocol-Version: 2026-07-28\r\n\
        Mcp-Method: tools/call\r\n\
        Mcp-Name: echo\r\n\
        Content-Length: 325\r\n\
        \r\n\
        {\"jsonrpc\":\"2.0\",\"id\":41,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\
        \"arguments\":{\"text\":\"hi\"},\"_meta\":{\
        \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
        \"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{},\"roots\":{},\"sampling\":{}},\
        \"io.modelcontextprotocol/clientInfo\":{\"name\":\"erlmcp\",\"version\":\"0.1.0\"}}}}";
    assert_eq!(render(&peer(&[], Version::V20260728), CALL, 41).as_deref(), Ok(expected));
}

#[test]
fn a_legacy_call_has_its_session_and_no_meta() {
    let mut peer = peer(&[], Version::V20251125);
    peer.session = Some("abc");
    let expected = "POST /mcp HTTP/1.1\r\n\
        Host: 127.0.0.1:8080\r\n\
        User-Agent: erlmcp/0.1.0\r\n\
        Content-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\n\
        MCP-Protocol-Version: 2025-11-25\r\n\
        Mcp-Session-Id: abc\r\n\
        Content-Length: 55\r\n\
        \r\n\
        {\"jsonrpc\":\"2.0\",\"id\":1234,\"method\":\"ping\",\"params\":{}}";
    let ping = Ask { method: "ping", ..Ask::default() };
    assert_eq!(render(&peer, ping, 1_234).as_deref(), Ok(expected));
}

#[test]
fn a_stream_says_what_it_is_to_tell_of() {
    let filter = r#"{"toolsListChanged":true}"#;
    let ask = Ask { method: "subscriptions/listen", notifications: Some(filter), ..Ask::default() };
    let sent = render(&peer(&[], Version::V20260728), ask, 7).expect("nothing is wrong with it");
    let (head, body) = sent.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("Mcp-Method: subscriptions/listen") && !head.contains("Mcp-Name"), "{head}");
    let body: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(body["params"]["notifications"], serde_json::json!({"toolsListChanged": true}));
    assert!(body["params"]["_meta"].is_object());
}

#[test]
fn the_handshake_is_as_the_specification_has_it() {
    let mut peer = peer(&[], Version::V20251125);
    let bytes = initialize(&peer, 1).expect("nothing is wrong with it");
    let text = String::from_utf8(bytes).expect("text");
    assert!(!text.contains("MCP-Protocol-Version"), "{text}");
    let body = text.split("\r\n\r\n").nth(1).expect("a body");
    assert_eq!(
        body,
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\",\
         \"capabilities\":{\"elicitation\":{},\"roots\":{},\"sampling\":{}},\"clientInfo\":{\"name\":\"erlmcp\",\"version\":\"0.1.0\"}}}"
    );
    peer.session = Some("abc");
    let text = String::from_utf8(initialized(&peer).expect("fine")).expect("text");
    assert!(
        text.contains("Mcp-Session-Id: abc\r\n") && text.contains("MCP-Protocol-Version: 2025-11-25\r\n"),
        "{text}"
    );
    assert!(text.ends_with("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"), "{text}");
    let text = String::from_utf8(end_session(&peer).expect("fine")).expect("text");
    assert!(text.starts_with("DELETE /mcp HTTP/1.1\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    assert!(text.contains("Mcp-Session-Id: abc\r\n") && !text.contains("Content-"), "it has no body: {text}");
    let text = String::from_utf8(open_stream(&peer).expect("fine")).expect("text");
    assert!(text.starts_with("GET /mcp HTTP/1.1\r\n") && !text.contains("Content-"), "nor has it: {text}");
}

#[test]
fn the_users_headers_go_before_ours() {
    let headers = [("user-agent".to_string(), " mine ".to_string()), ("Authorization".into(), "Bearer x".into())];
    let text = render(&peer(&headers, Version::V20260728), CALL, 1).expect("fine");
    assert!(text.contains("user-agent: mine\r\n") && text.contains("Authorization: Bearer x\r\n"), "{text}");
    assert!(!text.contains("User-Agent"), "{text}");
}

#[test]
fn names_that_no_header_can_hold_are_coded() {
    let text = render(&peer(&[], Version::V20260728), Ask { name: Some("grüß"), ..CALL }, 1).expect("fine");
    assert!(text.contains("Mcp-Name: =?base64?Z3LDvMOf?=\r\n") && text.contains("\"name\":\"grüß\""), "{text}");
}

#[test]
fn arguments_for_headers_are_in_them() {
    let params = [("Mcp-Param-Region".to_string(), "here".to_string())];
    let text = render(&peer(&[], Version::V20260728), Ask { params: &params, ..CALL }, 1).expect("fine");
    assert!(text.contains("Mcp-Name: echo\r\nMcp-Param-Region: here\r\n"), "{text}");
}

#[test]
fn what_cannot_be_sent_is_said() {
    let try_header = |name: &str, value: &str| {
        let headers = [(name.to_string(), value.to_string())];
        render(&peer(&headers, Version::V20260728), CALL, 1)
    };
    assert!(matches!(try_header("X: a", "1"), Err(BadRequest::Header(_))));
    assert!(matches!(try_header("X", "1\r\nY: 2"), Err(BadRequest::Header(_))));
    assert!(matches!(try_header("content-length", "1"), Err(BadRequest::Reserved(_))));
    let with = |arguments| render(&peer(&[], Version::V20260728), Ask { arguments: Some(arguments), ..CALL }, 1);
    assert!(matches!(with("[1]"), Err(BadRequest::Arguments(_))));
    assert!(matches!(with("{"), Err(BadRequest::Arguments(_))));
    let bad = Peer { path: "/a b", ..peer(&[], Version::V20260728) };
    assert!(matches!(render(&bad, CALL, 1), Err(BadRequest::Path(_))));
    let bad = Peer { authority: "a\r\nb", ..peer(&[], Version::V20260728) };
    assert!(matches!(render(&bad, CALL, 1), Err(BadRequest::Authority(_))));
}

#[test]
fn a_round_adds_to_the_parameters() {
    let mut out = Vec::new();
    let template = Template::new(&peer(&[], Version::V20260728), &CALL).expect("fine");
    template.write_round(42, r#""inputResponses":{"k":{"roots":[]}},"requestState":"s""#, &mut out);
    let text = String::from_utf8(out).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
    assert!(head.contains("Mcp-Method: tools/call\r\nMcp-Name: echo\r\n"), "{head}");
    assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}: {}", body.len());
    let begin =
        r#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},"_meta":{"#;
    let end = r#""version":"0.1.0"}},"inputResponses":{"k":{"roots":[]}},"requestState":"s"}}"#;
    assert!(body.starts_with(begin) && body.ends_with(end), "{body}");
    let mut out = Vec::new();
    let ping = Template::new(&peer(&[], Version::V20251125), &Ask { method: "ping", ..Ask::default() }).expect("fine");
    ping.write_round(1, r#""a":1"#, &mut out);
    assert!(out.ends_with(br#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1}}"#));
}

#[test]
fn a_response_goes_into_the_session_that_asked() {
    let peer = Peer { session: Some("s-1"), ..peer(&[], Version::V20251125) };
    let mut out = Vec::new();
    ResponseHead::new(&peer).expect("fine").write(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, &mut out);
    let expected = "POST /mcp HTTP/1.1\r\n\
        Host: 127.0.0.1:8080\r\n\
        User-Agent: erlmcp/0.1.0\r\n\
        Content-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\n\
        MCP-Protocol-Version: 2025-11-25\r\n\
        Mcp-Session-Id: s-1\r\n\
        Content-Length: 36\r\n\
        \r\n\
        {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";
    assert_eq!(String::from_utf8_lossy(&out), expected);
}

#[test]
fn a_stream_goes_on_after_an_event() {
    let peer = Peer { session: Some("s-1"), ..peer(&[], Version::V20251125) };
    let mut out = b"before".to_vec();
    out.extend(open_stream(&peer).expect("fine"));
    put_last_event_id(&mut out, 6, "e-7");
    let text = String::from_utf8(out).expect("text");
    assert!(text.starts_with("beforeGET /mcp HTTP/1.1\r\nLast-Event-ID: e-7\r\nHost: "), "{text}");
    assert!(text.contains("Mcp-Session-Id: s-1\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

proptest! {
    #[test]
    fn length_and_json_are_right_for_any_id_and_name(id in any::<u64>(), name in any::<String>(), cursor in any::<Option<String>>()) {
        let ask = Ask { name: Some(&name), cursor: cursor.as_deref(), ..CALL };
        let text = render(&peer(&[], Version::V20260728), ask, id).expect("any name can be sent");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
        prop_assert_eq!(length.parse::<usize>().expect("a number"), body.len());
        let body: Value = serde_json::from_str(body).expect("JSON");
        prop_assert_eq!(body["id"].as_u64(), Some(id));
        prop_assert_eq!(body["params"]["name"].as_str(), Some(name.as_str()));
        prop_assert_eq!(body["params"]["cursor"].as_str(), cursor.as_deref());
    }
}

#[test]
fn each_request_has_a_progress_token_of_its_own() {
    for version in [Version::NEWEST, Version::NEWEST_LEGACY] {
        let template = Template::new(&peer(&[], version), &Ask { with_progress: true, ..CALL }).expect("fine");
        for id in [9, 10, 12_345] {
            let (mut first, mut next) = (Vec::new(), Vec::new());
            template.write(id, &mut first);
            template.write_round(id, r#""requestState":"s""#, &mut next);
            for text in [first, next].map(|bytes| String::from_utf8(bytes).expect("text")) {
                let (head, body) = text.split_once("\r\n\r\n").expect("a head ends");
                assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{text}");
                let body: Value = serde_json::from_str(body).expect("JSON");
                assert_eq!((&body["id"], &body["params"]["_meta"]["progressToken"]), (&id.into(), &id.into()));
            }
        }
    }
}

#[test]
fn a_request_is_put_into_a_session_after_it_was_rendered() {
    let peer = peer(&[], Version::V20251125);
    let ask = Ask { method: "ping", ..Ask::default() };
    let mut out = b"before".to_vec();
    Template::new(&peer, &ask).expect("fine").write(7, &mut out);
    put_in_session(&mut out, 6, "s-1");
    let text = String::from_utf8(out).expect("text");
    assert!(text.starts_with("beforePOST /mcp HTTP/1.1\r\nMcp-Session-Id: s-1\r\nHost: "), "{text}");
    assert_eq!(text.matches("Mcp-Session-Id").count(), 1);
    let stream = open_stream(&Peer { session: Some("s-2"), ..peer }).expect("fine");
    let stream = String::from_utf8(stream).expect("text");
    assert!(stream.starts_with("GET /mcp HTTP/1.1\r\n") && stream.contains("Mcp-Session-Id: s-2\r\n"), "{stream}");
}

#[test]
fn a_progress_token_and_a_later_attempt_stand_beside_what_else_there_is() {
    for version in [Version::NEWEST, Version::NEWEST_LEGACY] {
        let of = |ask| {
            let text = render(&peer(&[], version), ask, 7).expect("fine");
            let (_, body) = text.split_once("\r\n\r\n").expect("a head ends");
            serde_json::from_str::<Value>(body).expect("JSON")["params"]["_meta"].take()
        };
        let meta = of(Ask { with_progress: true, operation: Some("o-1"), ..CALL });
        assert_eq!((&meta["progressToken"], &meta[operation::META]), (&7.into(), &"o-1".into()), "{meta}");
        assert!(of(CALL)["progressToken"].is_null());
        assert!(of(Ask { attempt: 1, ..CALL })[operation::ATTEMPT].is_null());
        assert_eq!(of(Ask { attempt: 2, ..CALL })[operation::ATTEMPT], 2);
    }
}
