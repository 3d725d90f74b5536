//! The checks of a request, in the order of protocol.md, section 3: what each broken request gets, and that the
//! connection is usable after it.

use erlmcp_server::Limits;
use serde_json::json;

use crate::client::{Client, Texts, message, start, stop};

const VERSION: &str = "MCP-Protocol-Version: 2026-07-28\r\n";

#[test]
fn each_check_has_its_status_and_code() {
    let (server, address) = start(Limits::default());
    let texts = Texts(address);
    let types = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let list = message("tools/list", "");
    let good = format!("{types}{VERSION}Mcp-Method: tools/list\r\n");
    let with = |from: &str, to: &str| texts.post_plain(&good.replace(from, to), &list);
    let host = format!("Host: {address}");
    let plain = |headers: &str, body: &str| texts.post(headers, body);
    let unmeta = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":{}}"#;
    let uncapable = list.replace(r#","io.modelcontextprotocol/clientCapabilities":{}"#, "");
    let listed = |version: &str| format!("MCP-Protocol-Version: {version}\r\nMcp-Method: tools/list\r\n");
    let calling = |name: &str| format!("{VERSION}Mcp-Method: tools/call\r\n{name}");
    let call = message("tools/call", "\"name\":\"echo\",\"arguments\":{\"text\":\"a\"},");
    let cases = [
        // 1
        ("host", 403, -32_600, texts.post(&listed("2026-07-28"), &list).replace(&host, "Host: evil.example")),
        ("origin", 403, -32_600, with("Accept:", "Origin: http://evil.example\r\nAccept:")),
        ("null origin", 403, -32_600, with("Accept:", "Origin: null\r\nAccept:")),
        ("cross site", 403, -32_600, with("Accept:", "Sec-Fetch-Site: cross-site\r\nAccept:")),
        ("host before json", 403, -32_600, texts.post("", "{").replace(&host, "Host: localhost.evil.com")),
        // 3
        ("accept", 406, -32_600, with("application/json, text/event-stream", "application/json")),
        ("q=0", 406, -32_600, with("text/event-stream", "text/event-stream;q=0")),
        ("content type", 415, -32_600, with("Type: application/json", "Type: text/plain")),
        ("no content type", 415, -32_600, with("Content-Type: application/json\r\n", "")),
        ("encoding", 415, -32_600, with("Accept:", "Content-Encoding: gzip\r\nAccept:")),
        ("twice", 400, -32_600, with("Accept:", "Content-Type: application/json\r\nAccept:")),
        // 4
        ("empty", 400, -32_700, plain("", "")),
        ("not json", 400, -32_700, plain("", "{\"jsonrpc\":")),
        ("batch", 400, -32_600, plain("", &format!("[{list}]"))),
        ("response", 400, -32_600, plain("", r#"{"jsonrpc":"2.0","id":7,"result":{}}"#)),
        ("params", 400, -32_602, plain("", r#"{"jsonrpc":"2.0","id":7,"method":"tools/list","params":[]}"#)),
        // 5
        ("initialize", 404, -32_601, texts.request("initialize", "")),
        ("ping", 404, -32_601, texts.request("ping", "")),
        ("setLevel", 404, -32_601, texts.request("logging/setLevel", "")),
        // 6
        ("no meta", 400, -32_602, plain(&listed("2026-07-28"), unmeta)),
        ("no meta, no header", 400, -32_602, plain("", unmeta)),
        // 7
        ("no version header", 400, -32_020, plain("Mcp-Method: tools/list\r\n", &list)),
        ("another version header", 400, -32_020, plain(&listed("2025-11-25"), &list)),
        // 8
        ("another version", 400, -32_022, plain(&listed("2025-11-25"), &list.replace("2026-07-28", "2025-11-25"))),
        ("legacy header, no session", 400, -32_600, plain(&listed("2025-06-18"), unmeta)),
        ("older header", 400, -32_022, plain(&listed("2024-11-05"), unmeta)),
        (
            "version before capabilities",
            400,
            -32_022,
            plain(&listed("2099-01-01"), &uncapable.replace("2026-07-28", "2099-01-01")),
        ),
        // 9
        ("no capabilities", 400, -32_602, plain(VERSION, &uncapable)),
        // 10
        ("no method header", 400, -32_020, plain(VERSION, &list)),
        ("another method header", 400, -32_020, plain(&format!("{VERSION}Mcp-Method: tools/call\r\n"), &list)),
        ("no name header", 400, -32_020, plain(&calling(""), &call)),
        ("another name header", 400, -32_020, plain(&calling("Mcp-Name: work\r\n"), &call)),
        ("broken name header", 400, -32_020, plain(&calling("Mcp-Name: =?base64?%?=\r\n"), &call)),
        ("header before method", 400, -32_020, plain(VERSION, &message("no/such", ""))),
        // 11
        ("unknown method", 404, -32_601, texts.request("no/such", "")),
        ("unadvertised method", 404, -32_601, texts.request("completion/complete", "")),
        // 13
        ("unknown tool", 200, -32_602, texts.call("nothing", "{}")),
        ("no name", 200, -32_602, texts.request("tools/call", "")),
        ("bad cursor", 200, -32_602, texts.request("tools/list", "\"cursor\":\"x\",")),
        ("bad arguments", 200, -32_602, texts.call("echo", "[]")),
        ("bad filter", 200, -32_602, texts.request("subscriptions/listen", "")),
    ];
    let mut client = Client::connect(address);
    for (what, status, code, text) in cases {
        let answer = client.ask(text);
        assert_eq!((answer.status, answer.code()), (status, code), "{what}");
        let knows_id = answer.json().get("id") == Some(&json!(7));
        let has_id = code != -32_700 && (code != -32_600 || matches!(what, "response" | "legacy header, no session"));
        assert_eq!(knows_id, has_id, "{what}: {}", answer.body);
        assert_eq!(client.ask(texts.echo("usable")).status, 200, "after {what}");
    }
    stop(server);
}

#[test]
fn a_version_that_is_not_served_is_told_which_are() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let list = message("tools/list", "").replace("2026-07-28", "2099-01-01");
    let answer = client.ask(texts.post("MCP-Protocol-Version: 2099-01-01\r\nMcp-Method: tools/list\r\n", &list));
    let supported = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26"];
    let data = json!({"supported": supported, "requested": "2099-01-01"});
    assert_eq!((answer.status, answer.code(), &answer.json()["error"]["data"]), (400, -32_022, &data));
    let discovered = client.ask(texts.request("server/discover", "")).json();
    assert_eq!(discovered["result"]["supportedVersions"], json!(supported));
    stop(server);
}

#[test]
fn what_is_not_asked_of_modern_clients_is_ignored() {
    let (server, address) = start(Limits::default());
    let (mut client, texts) = (Client::connect(address), Texts(address));
    let headers = format!(
        "{VERSION}Mcp-Method: tools/list\r\nMcp-Session-Id: x\r\nLast-Event-ID: 9\r\nUpgrade: websocket\r\nRange: bytes=0-1\r\n\
         Connection: Upgrade, Host\r\nOrigin: http://{address}\r\nMcp_Method: x\r\n"
    );
    let answer = client.ask(texts.post(&headers, &message("tools/list", "")));
    assert_eq!((answer.status, answer.field("Mcp-Session-Id")), (200, None));
    let target = format!("POST http://{address}/mcp HTTP/1.1");
    let absolute = texts.echo("a").replace("POST /mcp HTTP/1.1", &target);
    assert_eq!(client.ask(&absolute).status, 200);
    let elsewhere = absolute.replace(&target, "POST http://evil.example/mcp HTTP/1.1");
    assert_eq!(client.ask(elsewhere).status, 403, "the target's authority wins over Host");
    stop(server);
}
