//! Visitors at a server that does as the test says.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Answers each request by its head and the length of its body.
type Answering = fn(&str, usize) -> String;

async fn serve(answering: Answering) -> Door {
    serve_but(0..0, answering).await
}

/// The same, but for these connections, in the order in which they come: they are reset.
async fn serve_but(reset: Range<u64>, answering: Answering) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let open = Arc::new(AtomicU64::new(0));
    tokio::spawn(async move {
        for come in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            if reset.contains(&come) {
                let _ = stream.set_zero_linger();
            } else {
                tokio::spawn(answer(stream, answering, Arc::clone(&open)));
            }
        }
    });
    Door {
        clock: RunClock::new(erlmcp_load::clock::monotonic_ns()),
        endpoints: vec![(1, address)],
        way: Way::default(),
        authority: None,
        path: "/mcp".into(),
        headers: vec![("X-Own".into(), "yes".into())],
        control: None,
        held: Arc::default(),
        back_within: BACK_WITHIN,
    }
}

async fn answer(mut stream: TcpStream, answering: Answering, streams: Arc<AtomicU64>) {
    let mut bytes = Vec::new();
    loop {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read_buf(&mut bytes).await {
                Ok(1..) => continue,
                _ => return,
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        assert!(head.contains("\r\nX-Own: yes"), "{head}");
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let length: usize = length.unwrap_or(0);
        if head.starts_with("GET /mcp") {
            if head.contains("\r\nMcp-Session-Id: brief") {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                return;
            }
            let refused = match () {
                () if head.contains("\r\nMcp-Session-Id: none") => Some(said("405 No", "Allow: POST\r\n", "")),
                () if !head.contains("\r\nMcp-Session-Id: older") => None,
                () => (!head.contains("\r\nMCP-Protocol-Version: 2025-06-18")).then(|| said("400 No", "", "")),
            };
            if let Some(refused) = refused {
                let _ = stream.write_all(refused.as_bytes()).await;
                return;
            }
            // Streams of which there may be three.
            let is_full = streams.fetch_add(1, Ordering::SeqCst) >= 3;
            if is_full && head.contains("\r\nMcp-Session-Id: mute") {
                streams.fetch_sub(1, Ordering::SeqCst);
                return;
            }
            let said = if is_full { "HTTP/1.1 409 No\r\nContent-Length: 0\r\n\r\n" } else { "HTTP/1.1 200 OK\r\n\r\n" };
            let _ = stream.write_all(said.as_bytes()).await;
            let _ = stream.read_buf(&mut bytes).await;
            streams.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        while bytes.len() < end + 4 + length {
            match stream.read_buf(&mut bytes).await {
                Ok(1..) => {}
                _ => return,
            }
        }
        bytes.drain(..end + 4 + length);
        let said = answering(&head, length);
        // Who says nothing closes.
        if said.is_empty() || stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn said(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn the_largest_body_is_found_between_two_sizes() {
    let door = serve(|_, length| match length {
        100_001.. => said("413 Too large", "", r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#),
        _ => said("200 OK", "", "{}"),
    });
    let visited = visit(Visit::Body, &door.await).await.expect("it is answered");
    let found = |name| visited.detail.get(name).copied();
    let (taken, refused) = (found(detail::TAKEN_BYTES).expect("some"), found(detail::REFUSED_BYTES).expect("some"));
    assert!(taken <= 100_000.0 && refused > 100_000.0 && refused - taken < 2_000.0, "{visited:?}");
    assert_eq!(found(detail::REFUSED_STATUS), Some(413.0));
    assert_eq!((found(detail::REFUSED_CODE), found(detail::RETRY_AFTER_S)), (Some(-32_600.0), None));
    assert!(found(detail::BACK_MS).is_some() && found(detail::FROM_MS) <= found(detail::TO_MS), "{visited:?}");
}

#[tokio::test]
async fn a_server_of_the_older_era_is_asked_in_its_own() {
    let door = serve(|head, _| match head.contains("Mcp-Method: server/discover") {
        true => said("400 No", "", "{}"),
        false => said("200 OK", "", "{}"),
    });
    let visited = visit(Visit::Body, &door.await).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::TAKEN_BYTES), Some(&f64::from(32 << 20)), "{visited:?}");
    assert!(!visited.detail.contains_key(detail::REFUSED_BYTES), "no limit was found");
}

#[tokio::test]
async fn sessions_that_a_body_has_opened_are_ended() {
    static OPENED: AtomicU64 = AtomicU64::new(0);
    static ENDED: AtomicU64 = AtomicU64::new(0);
    let door = serve(|head, length| match () {
        () if head.contains("Mcp-Method: server/discover") => said("400 No", "", "{}"),
        () if head.starts_with("DELETE /mcp") && head.contains("\r\nMcp-Session-Id: abc") => {
            ENDED.fetch_add(1, Ordering::SeqCst);
            said("200 OK", "", "")
        }
        () if length > 100_000 => said("413 Too large", "", "{}"),
        () => {
            OPENED.fetch_add(1, Ordering::SeqCst);
            said("200 OK", "Mcp-Session-Id: abc\r\n", "{}")
        }
    });
    visit(Visit::Body, &door.await).await.expect("it is answered");
    let (opened, ended) = (OPENED.load(Ordering::SeqCst), ENDED.load(Ordering::SeqCst));
    assert!(opened > 4 && opened == ended, "{opened} opened, {ended} ended");
}

#[tokio::test]
async fn who_answers_nothing_is_no_pass() {
    let door = serve(|_, _| said("401 Who", "", "{}"));
    let error = visit(Visit::Body, &door.await).await.expect_err("nothing is known");
    assert_eq!(error, "a small request was answered with HTTP 401");
    let door = serve(|_, _| said("200 OK", "", r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#));
    let error = visit(Visit::SessionStreams, &door.await).await.expect_err("nothing is known of sessions");
    assert_eq!(error, "initialize was answered with the error -32601");
    let door = serve(|_, _| said("200 OK", "", "{}"));
    let error = visit(Visit::Batches, &door.await).await.expect_err("there is no session");
    assert_eq!(error, "the target opens no sessions");
}

#[tokio::test]
async fn a_server_without_sessions_has_no_limit_of_their_streams() {
    let door = serve(|_, _| said("200 OK", "", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("there need not be one");
    let taken = visited.detail.get(detail::TAKEN);
    assert_eq!((taken, visited.text.as_str()), (Some(&0.0), "the target opens no sessions"));
    assert!(!visited.detail.contains_key(detail::REFUSAL_ANSWERED), "{visited:?}");
}

#[tokio::test]
async fn streams_of_a_session_are_opened_until_one_is_refused() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: abc\r\n", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&3.0));
    assert_eq!(visited.detail.get(detail::REFUSED_STATUS), Some(&409.0));
    assert!(visited.detail.contains_key(detail::BACK_MS), "{visited:?}");
}

/// An answer to initialize of a server that knows no newer version.
const OLDER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18"}}"#;

#[tokio::test]
async fn a_session_goes_on_in_the_version_that_its_server_chose() {
    let answerings: [Answering; 2] = [
        |_, _| said("200 OK", "Mcp-Session-Id: older\r\n", OLDER),
        |_, _| said("200 OK", "Mcp-Session-Id: older\r\n", &format!("event: message\ndata: {OLDER}\n\n")),
    ];
    for answering in answerings {
        let visited = visit(Visit::SessionStreams, &serve(answering).await).await.expect("it is answered");
        assert_eq!(visited.detail.get(detail::TAKEN), Some(&3.0));
        assert_eq!(visited.detail.get(detail::REFUSED_STATUS), Some(&409.0));
    }
}

#[tokio::test]
async fn a_first_stream_that_is_refused_is_no_limit() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: none\r\n", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("there need not be one");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&0.0));
    assert!(!visited.detail.contains_key(detail::REFUSAL_ANSWERED), "{visited:?}");
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: older\r\n", "{}"));
    let error = visit(Visit::SessionStreams, &door.await).await.expect_err("nothing is known");
    assert_eq!(error, "the first stream of a session was answered with HTTP 400");
}

/// The page of status of a server that has room for ten connections.
fn status() -> String {
    let times = r#"{"buckets":[0,0],"sum_ns":0}"#;
    let parts = ["router", "lookup", "token_check", "fan_out", "queue_wait", "worker_time"];
    let counts = ["tools", "clock_ns", "sampled", "tokens_good", "tokens_refused", "batches", "batch_messages"];
    let counts = counts.into_iter().chain(["batches_refused", "notifications"]).map(|name| format!(r#""{name}":0"#));
    let components: Vec<String> = counts.chain(parts.map(|name| format!(r#""{name}":{times}"#))).collect();
    format!(
        r#"{{"connections":{{"mcp":0,"admin":0,"new":0}},"connections_limit":10,"requests_total":0,
        "worker_pool":{{"size":1}},"queue":{{"depth":0,"limit":1,"depth_max":0,"refused_total":0}},
        "components":{{{}}}}}"#,
        components.join(",")
    )
}

#[tokio::test]
async fn a_flood_that_a_replica_has_no_connections_for_is_not_made() {
    let door = serve(|_, _| said("200 OK", "", &status()));
    let error = visit(Visit::Queue, &door.await).await.expect_err("its refusals would be those of connections");
    assert_eq!(error, "it takes 102 connections to flood the queue, and the replica takes 10 more");
}

#[tokio::test]
async fn a_stream_that_gets_no_answer_where_others_did_is_beyond_a_limit() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: mute\r\n", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("some are answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&3.0));
    assert_eq!(visited.detail.get(detail::REFUSAL_ANSWERED), Some(&0.0), "{visited:?}");
    assert!(visited.detail.contains_key(detail::BACK_MS), "{visited:?}");
}

#[tokio::test]
async fn a_session_that_gets_no_answer_where_others_did_is_beyond_a_limit() {
    static LEVELS: AtomicU64 = AtomicU64::new(0);
    let door = serve(|head, _| {
        let is_level = head.starts_with("POST") && head.contains("\r\nMcp-Session-Id: abc");
        match is_level && (40..50).contains(&LEVELS.fetch_add(1, Ordering::SeqCst)) {
            true => String::new(),
            false => said("200 OK", "Mcp-Session-Id: abc\r\n", "{}"),
        }
    });
    let visited = visit(Visit::HeldSessions, &door.await).await.expect("some are answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&40.0));
    assert_eq!(visited.detail.get(detail::REFUSAL_ANSWERED), Some(&0.0), "{visited:?}");
    assert!(visited.detail.contains_key(detail::BACK_MS), "{visited:?}");
}

#[tokio::test]
async fn a_limit_of_streams_beyond_all_connections_is_too_far() {
    let door = serve(|head, _| match head.starts_with("GET /metrics") {
        true => said(
            "200 OK",
            "",
            "erlmcp_streams{replica=\"1\"} 4\nerlmcp_limit{replica=\"1\",limit=\"streams\"} 1000000\n",
        ),
        false => said("200 OK", "", &status()),
    });
    let visited = visit(Visit::OpenStreams { has_sessions: true }, &door.await).await.expect("that is known");
    assert!(
        visited.text.contains("the limit of 1000000 streams is too far: it takes 1000028 connections"),
        "{visited:?}"
    );
    let found =
        [detail::STREAMS_LIMIT, detail::TAKEN, detail::REFUSAL_ANSWERED].map(|name| visited.detail.get(name).copied());
    assert_eq!(found, [Some(1e6), None, None]);
}

#[tokio::test]
async fn sessions_that_streams_were_asked_for_in_are_ended() {
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    static BEGUN: AtomicU64 = AtomicU64::new(0);
    let mut door = serve(|head, _| {
        if head.starts_with("GET /metrics") {
            let page = "erlmcp_streams{replica=\"1\"} 4\nerlmcp_limit{replica=\"1\",limit=\"streams\"} 9\n";
            return said("200 OK", "", page);
        }
        match () {
            () if head.starts_with("GET /status") => {
                said("200 OK", "", &status().replace("_limit\":10,", "_limit\":1000,"))
            }
            () if head.starts_with("DELETE") => {
                SESSIONS.fetch_sub(1, Ordering::SeqCst);
                said("200 OK", "", "")
            }
            () if head.contains("Mcp-Method: subscriptions/listen") => said("503 No", "Retry-After: 1\r\n", ""),
            () => {
                BEGUN.fetch_add(1, Ordering::SeqCst);
                SESSIONS.fetch_add(1, Ordering::SeqCst);
                said("200 OK", "Mcp-Session-Id: none\r\n", "{}")
            }
        }
    })
    .await;
    door.back_within = Duration::from_millis(100);
    let visited = visit(Visit::OpenStreams { has_sessions: true }, &door).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&0.0), "{visited:?}");
    assert!(BEGUN.load(Ordering::SeqCst) > 10, "{visited:?}");
    assert_eq!((SESSIONS.load(Ordering::SeqCst), door.held.sessions.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn what_the_user_says_stands_in_the_place_of_what_is_usual() {
    let mut door = serve(|_, _| said("200 OK", "", "")).await;
    door.headers.extend([("host", "x"), ("ACCEPT", "a/b")].map(|(name, value)| (name.into(), value.into())));
    let request = String::from_utf8(texts::listen(&door)).expect("it is text").to_ascii_lowercase();
    for (name, value) in [("host", "x"), ("accept", "a/b"), ("content-type", "application/json")] {
        assert_eq!(request.matches(&format!("\r\n{name}: ")).count(), 1, "{request}");
        assert!(request.contains(&format!("\r\n{name}: {value}\r\n")), "{request}");
    }
}

/// The first one asks for the status, and ten are taken; those that follow are reset.
async fn serve_ten(reset: Range<u64>) -> Door {
    serve_but(reset, |head, _| match head.starts_with("GET /status") {
        true => said("200 OK", "", &status()),
        false => said("200 OK", "", "{}"),
    })
    .await
}

#[tokio::test]
async fn a_server_that_is_not_back_is_told_with_the_time_that_it_was_tried() {
    let mut door = serve_ten(11..u64::MAX).await;
    door.back_within = Duration::from_millis(200);
    let visited = visit(Visit::Connections, &door).await.expect("some are answered");
    let found = |name| visited.detail.get(name).copied();
    assert_eq!((found(detail::REFUSAL_ANSWERED), found(detail::BACK_MS)), (Some(0.0), None), "{visited:?}");
    assert!(found(detail::BACK_WATCHED_MS) >= Some(200.0), "{visited:?}");
}

#[tokio::test]
async fn connections_that_are_reset_beyond_the_limit_are_not_answered() {
    // All that are tried.
    let door = serve_ten(11..43);
    let visited = visit(Visit::Connections, &door.await).await.expect("some are answered");
    let found = |name| visited.detail.get(name).copied();
    assert_eq!(
        (found(detail::TAKEN), found(detail::REFUSED), found(detail::OTHER)),
        (Some(10.0), Some(0.0), Some(32.0))
    );
    assert_eq!(found(detail::REFUSAL_ANSWERED), Some(0.0), "{visited:?}");
    assert!(found(detail::BACK_MS).is_some(), "{visited:?}");
}

#[tokio::test]
async fn streams_that_others_end_are_not_counted() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: brief\r\n", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&0.0));
    assert!(!visited.detail.contains_key(detail::REFUSED_STATUS), "{visited:?}");
}

#[tokio::test]
async fn a_visitor_that_is_cut_ends_its_sessions() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: abc\r\n", "{}")).await;
    let held = Arc::clone(&door.held);
    let visiting = tokio::spawn(async move { visit(Visit::HeldSessions, &door).await });
    while held.sessions.load(Ordering::SeqCst) < 20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    held.is_cut.store(true, Ordering::SeqCst);
    assert_eq!(visiting.await.expect("no panic"), Err("the visit was cut".into()));
    assert_eq!(held.sessions.load(Ordering::SeqCst), 0);
}

/// Both sides count the same: no figure alone tells of it.
#[tokio::test]
async fn a_bad_token_that_is_taken_is_a_difference() {
    static TAKEN: AtomicU64 = AtomicU64::new(0);
    let door = serve(|head, _| {
        if head.starts_with("GET /status") {
            return said("200 OK", "", &page(TAKEN.load(Ordering::SeqCst)));
        }
        TAKEN.fetch_add(u64::from(head.contains("\r\nMcp-Session-Id: ")), Ordering::SeqCst);
        said("200 OK", "Mcp-Session-Id: abc\r\n", "{}")
    });
    let visited = visit(Visit::Tokens, &door.await).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::SERVER_TAKEN), visited.detail.get(detail::TAKEN), "{visited:?}");
    assert_eq!(visited.detail.get(detail::DIFFERENCE), Some(&640.0), "{visited:?}");
}

/// Of a server that counts only tokens.
fn page(tokens_good: u64) -> String {
    let times = json!({"buckets": [], "sum_ns": 0});
    json!({
        "connections": {"mcp": 1, "admin": 0, "new": 0},
        "requests_total": 0,
        "worker_pool": {"size": 1},
        "queue": {"depth": 0, "limit": 1, "depth_max": 0, "refused_total": 0},
        "components": {
            "tools": 3, "clock_ns": 20, "sampled": 64, "router": times, "lookup": times, "token_check": times,
            "tokens_good": tokens_good, "tokens_refused": 0, "batches": 0, "batch_messages": 0, "batches_refused": 0,
            "notifications": 0, "fan_out": times, "queue_wait": times, "worker_time": times,
        },
    })
    .to_string()
}
