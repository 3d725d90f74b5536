use super::*;
use crate::server::head::{HeadLimits, HeadRead, read_head};
use crate::server::message::{MessageLimits, read_message};

const HEADERS: &str = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";
const META: &str =
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;

fn body(method: &str, params: &str, meta: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{{{params}"_meta":{{{meta}}}}}}}"#)
}

fn check(headers: &str, body: &str) -> Result<(), (u16, i64)> {
    requested(headers, body).map_err(|(status, code, _)| (status, code))
}

fn requested(headers: &str, body: &str) -> Result<(), (u16, i64, Option<String>)> {
    let head = format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{headers}\r\n");
    let limits = HeadLimits { bytes_max: 4_096, fields_max: 64, body_bytes_max: 10_000 };
    let HeadRead::Whole(head) = read_head(head.as_bytes(), &limits) else { panic!("a bad head: {headers}") };
    let limits = MessageLimits { depth_max: 64, id_bytes_max: 256 };
    let message = read_message(body.as_bytes(), &limits).expect("a good message");
    check_request(&head.known, &message, &[Version::V20260728]).map_err(|fault| {
        assert_eq!(fault.fault.id, Some("7"));
        (fault.fault.status, fault.fault.code, fault.requested)
    })
}

#[test]
fn a_good_request_passes() {
    let call = body("tools/call", r#""name":"echo","#, META);
    assert_eq!(check(HEADERS, &call), Ok(()));
    assert_eq!(check(&format!("{HEADERS}Mcp-Session-Id: x\r\nLast-Event-ID: 1\r\n"), &call), Ok(()));
    assert_eq!(
        check("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n", &body("tools/list", "", META)),
        Ok(())
    );
    // An unknown method passes here: it is refused after these checks.
    for method in ["x/y", "tasks/result"] {
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        assert_eq!(check(&headers, &body(method, r#""taskId":"a","#, META)), Ok(()), "{method}");
    }
}

#[test]
fn what_only_the_older_era_has_is_not_found() {
    for method in LEGACY_ONLY {
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n");
        assert_eq!(check(&headers, &body(method, "", META)), Err((404, -32_601)), "{method}");
        assert_eq!(check(&headers, &body(method, "", "")), Err((404, -32_601)), "{method} by its header");
    }
}

#[test]
fn the_version_must_be_there_twice_and_agree() {
    let call = |meta: &str| body("tools/call", r#""name":"echo","#, meta);
    let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
    assert_eq!(check(HEADERS, &call(capabilities)), Err((400, -32_602)));
    assert_eq!(check(HEADERS, r#"{"jsonrpc":"2.0","id":7,"method":"tools/call"}"#), Err((400, -32_602)));
    assert_eq!(check("", r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#), Err((400, -32_602)));
    let rest = "Mcp-Method: tools/call\r\nMcp-Name: echo\r\n";
    assert_eq!(check(rest, &call(META)), Err((400, -32_020)));
    assert_eq!(check(&format!("MCP-Protocol-Version: 2025-11-25\r\n{rest}"), &call(META)), Err((400, -32_020)));
    assert_eq!(check(&format!("MCP-Protocol-Version:\r\n{rest}"), &call(META)), Err((400, -32_020)));
    assert_eq!(check(&format!("MCP-Protocol-Version: 2026-07-28\r\n{HEADERS}"), &call(META)), Err((400, -32_020)));
}

#[test]
fn a_version_that_is_not_served_is_named() {
    let asked = |version: &str| Err((400, -32_022, Some(version.to_string())));
    for version in ["2025-11-25", "2027-01-01", "draft", "2026-07-28, 2025-11-25"] {
        let headers = HEADERS.replace("2026-07-28", version);
        let call = body("tools/call", r#""name":"echo","#, &META.replace("2026-07-28", version));
        assert_eq!(requested(&headers, &call), asked(version));
    }
    let initialize = body("initialize", r#""protocolVersion":"2025-06-18","#, "");
    assert_eq!(requested("", &initialize), asked("2025-06-18"));
    assert_eq!(requested("MCP-Protocol-Version: 2025-06-18\r\n", &body("tools/list", "", "")), asked("2025-06-18"));
}

#[test]
fn capabilities_must_be_declared() {
    for capabilities in ["", r#","io.modelcontextprotocol/clientCapabilities":null"#] {
        let meta = format!(r#""io.modelcontextprotocol/protocolVersion":"2026-07-28"{capabilities}"#);
        assert_eq!(check(HEADERS, &body("tools/call", r#""name":"echo","#, &meta)), Err((400, -32_602)));
    }
}

#[test]
fn method_and_name_must_agree_with_their_headers() {
    let call = body("tools/call", r#""name":"echo","#, META);
    let version = "MCP-Protocol-Version: 2026-07-28\r\n";
    for rest in [
        "Mcp-Name: echo\r\n",
        "Mcp-Method: tools/list\r\nMcp-Name: echo\r\n",
        "Mcp-Method: Tools/Call\r\nMcp-Name: echo\r\n",
        "Mcp-Method: tools/call\r\n",
        "Mcp-Method: tools/call\r\nMcp-Name: other\r\n",
        "Mcp-Method: tools/call\r\nMcp-Name: Echo\r\n",
        "Mcp-Method: tools/call\r\nMcp-Name: =?base64?%%?=\r\n",
        "Mcp-Method: tools/call\r\nMcp-Name: =?base64?/w==?=\r\n",
        "Mcp-Method: tools/call\r\nMcp-Name: echo\r\nMcp-Name: echo\r\n",
        "Mcp-Method: tools/call\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n",
    ] {
        assert_eq!(check(&format!("{version}{rest}"), &call), Err((400, -32_020)), "{rest:?}");
    }
    let prefix = format!("{version}Mcp-Method: tools/call\r\n");
    assert_eq!(check(&format!("{prefix}Mcp-Name: =?base64?ZWNobw==?=\r\n"), &call), Ok(()));
    let odd = body("tools/call", r#""name":"\u00e4 =?","#, META);
    assert_eq!(check(&format!("{prefix}Mcp-Name: {}\r\n", value::encode("ä =?")), &odd), Ok(()));
    let escaped = body("tools/call", r#""name":"ec\u0068o","#, META);
    assert_eq!(check(HEADERS, &escaped), Ok(()));
    assert_eq!(check(&format!("{prefix}Mcp-Name: ec\\u0068o\r\n"), &escaped), Err((400, -32_020)));
    let half = body("tools/call", r#""name":"=?base64?x","#, META);
    assert_eq!(check(&format!("{prefix}Mcp-Name: =?base64?x\r\n"), &half), Ok(()));
    for (method, key) in [("prompts/get", "name"), ("resources/read", "uri"), ("tasks/get", "taskId")] {
        let headers = format!("{version}Mcp-Method: {method}\r\n");
        let request = body(method, &format!(r#""{key}":"a","#), META);
        assert_eq!(check(&headers, &request), Err((400, -32_020)), "{method}");
        assert_eq!(check(&format!("{headers}Mcp-Name: a\r\n"), &request), Ok(()), "{method}");
    }
}
