//! Visitors at a server that does as the test says.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
async fn who_answers_nothing_is_no_pass() {
    let door = serve(|_, _| said("401 Who", "", "{}"));
    let error = visit(Visit::Body, &door.await).await.expect_err("nothing is known");
    assert_eq!(error, "a small request was answered with HTTP 401");
    let door = serve(|_, _| said("200 OK", "", "{}"));
    let error = visit(Visit::SessionStreams, &door.await).await.expect_err("there is no session");
    assert_eq!(error, "the target opens no sessions");
    let door = serve(|_, _| said("200 OK", "", "{}"));
    let error = visit(Visit::Batches, &door.await).await.expect_err("there is no session");
    assert_eq!(error, "the target opens no sessions");
}

#[tokio::test]
async fn streams_of_a_session_are_opened_until_one_is_refused() {
    let door = serve(|_, _| said("200 OK", "Mcp-Session-Id: abc\r\n", "{}"));
    let visited = visit(Visit::SessionStreams, &door.await).await.expect("it is answered");
    assert_eq!(visited.detail.get(detail::TAKEN), Some(&3.0));
    assert_eq!(visited.detail.get(detail::REFUSED_STATUS), Some(&409.0));
    assert!(visited.detail.contains_key(detail::BACK_MS), "{visited:?}");
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
