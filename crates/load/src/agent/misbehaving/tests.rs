use std::collections::BTreeMap;

use erlmcp_protocol::client::request::Peer;
use erlmcp_protocol::era::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::clock::monotonic_ns;

fn texts() -> Texts {
    let peer = Peer { authority: "localhost", path: "/mcp", headers: &[], version: Version::NEWEST, session: None };
    let load = proto::Request {
        method: "tools/call".into(),
        name: "echo".into(),
        arguments: "{}".into(),
        ..Default::default()
    };
    Texts::new(&peer, Some(&load), &[]).expect("nothing is wrong with these")
}

/// Refuses what is wrong, opens any session, and cuts who is silent in the midst of a request.
async fn serve(mut stream: TcpStream) {
    let mut seen = Vec::new();
    loop {
        let mut buffer = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut buffer)).await;
        let Ok(Ok(count @ 1..)) = read else { return };
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
        if body.len() < length {
            continue;
        }
        seen.clear();
        let opens = body.contains("\"initialize\"");
        let answer = match opens || body.contains("\"echo\"") && body.ends_with('}') {
            true => r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#,
            false => r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#,
        };
        let session = if opens { "Mcp-Session-Id: of-tests\r\n" } else { "" };
        let kind = "Content-Type: application/json";
        let head = format!("HTTP/1.1 200 OK\r\n{kind}\r\n{session}Content-Length: {}\r\n\r\n", answer.len());
        let _ = stream.write_all((head + answer).as_bytes()).await;
    }
}

async fn row_of_each(duration_us: u64, cut: bool) -> BTreeMap<String, MisbehavingRow> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let target = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    let clock = RunClock::new(monotonic_ns());
    let (endpoints, timeout) = (vec![address], Duration::from_secs(5));
    let misbehaving = Misbehaving {
        agent: 0,
        seed: 1,
        clock,
        endpoints,
        allowed: crate::allowed::Allowed { foreign: false },
        tls: None,
        timeout,
        texts: texts(),
    };
    let clients = |way: Misbehaviour| proto::MisbehavingClients {
        way: way.name().into(),
        clients: 2,
        every_min_us: 1_000,
        every_max_us: 2_000,
    };
    let clients = Misbehaviour::ALL.map(clients).to_vec();
    let order = proto::Misbehave { block: 7, phase: 3, start_us: clock.now_us(), duration_us, clients };
    let (messages, mut said) = mpsc::channel(64);
    let (ending, told) = watch::channel(cut);
    misbehaving.run(order, Voice::of_tests(messages), told).await;
    drop(ending);
    target.abort();
    let (mut rows, mut is_done) = (BTreeMap::new(), false);
    while let Some(message) = said.recv().await.and_then(|message| message.message) {
        match message {
            Message::Rows(lines) => {
                for line in lines.lines {
                    let Ok(Entry::Misbehaving(row)) = serde_json::from_str(&line) else { panic!("{line}") };
                    rows.insert(row.way.clone(), row);
                }
            }
            Message::Done(done) => is_done = done.block == 7,
            other => panic!("{other:?}"),
        }
    }
    assert!(is_done);
    rows
}

#[tokio::test]
async fn each_way_is_met_as_it_is() {
    let rows = row_of_each(600_000, false).await;
    let of = |way: Misbehaviour| &rows[way.name()];
    for row in rows.values() {
        let met = row.refused + row.taken + row.cut + row.unanswered + row.left + row.not_connected;
        assert!(row.done > 0 && met == row.done && row.clients == 2 && row.block == 7, "{row:?}");
        assert_eq!((row.not_connected, row.unanswered), (0, 0), "{row:?}");
    }
    for way in [Misbehaviour::UnknownMethod, Misbehaviour::BadJson, Misbehaviour::WrongSession] {
        assert!(of(way).refused + of(way).left == of(way).done && of(way).refused > 0, "{:?}", of(way));
    }
    for way in [Misbehaviour::CutInRequest, Misbehaviour::AbandonsCall] {
        assert_eq!(of(way).left, of(way).done, "{:?}", of(way));
    }
    let half = of(Misbehaviour::HalfRequest);
    assert!(half.cut > 0 && half.last_cut_us >= Some(50_000), "{half:?}");
    assert!(of(Misbehaviour::NoDelete).taken > 0, "{:?}", of(Misbehaviour::NoDelete));
    assert_eq!(of(Misbehaviour::NeverReads).refused + of(Misbehaviour::NeverReads).taken, 0);
}

#[tokio::test]
async fn they_end_when_they_are_told_to() {
    let rows = row_of_each(3_600_000_000, true).await;
    assert_eq!(rows.len(), Misbehaviour::ALL.len());
}

#[test]
fn names_lead_to_their_ways() {
    for way in Misbehaviour::ALL {
        assert_eq!(Misbehaviour::named(way.name()), Some(way));
    }
    assert_eq!(Misbehaviour::named("rude"), None);
    let half = client::half(b"abcdef");
    assert_eq!(half, b"abc");
}
