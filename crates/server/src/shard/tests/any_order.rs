//! Whatever clients do, in whatever order: nothing panics, and nothing is left behind.

use erlmcp_protocol::era::Version;
use proptest::prelude::*;

use super::requests::{HOST, chunked_echo, echo, listen, work};
use super::stage::{Peer, Stage};
use crate::engine::Change;
use crate::limits::Limits;
use crate::metrics::counters::Outcome;
use crate::queue::Answer;

#[derive(Debug, Clone)]
enum Deed {
    Connect,
    /// A text, whole or in part.
    Send {
        text: usize,
        from: u8,
        to: u8,
    },
    Junk(Vec<u8>),
    Finish,
    Reset,
    Narrow(u16),
    Widen,
    Answer,
    Change,
    Wait(u16),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => Just(Deed::Connect),
        8 => (0usize..10, any::<u8>(), any::<u8>()).prop_map(|(text, from, to)| Deed::Send { text, from, to }),
        6 => (0usize..10).prop_map(|text| Deed::Send { text, from: 0, to: u8::MAX }),
        1 => prop::collection::vec(any::<u8>(), 1..200).prop_map(Deed::Junk),
        1 => Just(Deed::Finish),
        1 => Just(Deed::Reset),
        2 => (0u16..600).prop_map(Deed::Narrow),
        2 => Just(Deed::Widen),
        3 => Just(Deed::Answer),
        2 => Just(Deed::Change),
        2 => (0u16..40_000).prop_map(Deed::Wait),
    ]
}

/// `session` is the header that names one of the older era.
fn text(which: usize, session: &str) -> String {
    match which {
        0 => echo("hi"),
        1 => work(),
        2 => listen(),
        3 => chunked_echo("in chunks", 9),
        4 => format!("GET /status HTTP/1.1\r\n{HOST}\r\n"),
        5 => format!("PUT /mcp HTTP/1.1\r\n{HOST}Content-Length: 40\r\n\r\n{}", "x".repeat(40)),
        6 => format!("GET /mcp HTTP/1.1\r\n{HOST}Accept: text/event-stream\r\n{session}\r\n"),
        7 => format!("DELETE /mcp HTTP/1.1\r\n{HOST}{session}\r\n"),
        8 => {
            let body =
                r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{"ms":1}}}]"#;
            let types = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
            format!("POST /mcp HTTP/1.1\r\n{HOST}{types}{session}Content-Length: {}\r\n\r\n{body}", body.len())
        }
        _ => echo("a").repeat(5),
    }
}

fn act(stage: &mut Stage, peers: &mut Vec<Peer>, session: &str, which: usize, deed: &Deed) {
    if peers.is_empty() || matches!(deed, Deed::Connect) {
        peers.push(stage.connect());
    }
    let peer = peers[which % peers.len()].clone();
    match deed {
        Deed::Connect => {}
        Deed::Send { text: which, from, to } => {
            let text = text(*which, session);
            let at = |share: u8| text.len() * usize::from(share) / usize::from(u8::MAX);
            stage.send(&peer, &text[at(*from.min(to))..at(*from.max(to))]);
        }
        Deed::Junk(bytes) => stage.send(&peer, bytes),
        Deed::Finish => stage.finish(&peer),
        Deed::Reset => stage.reset(&peer),
        Deed::Narrow(room) => peer.narrow(usize::from(*room)),
        Deed::Widen => stage.widen(&peer),
        Deed::Answer => {
            let answer = Answer::json(200, b"{}".to_vec(), Outcome::Ok);
            assert!(stage.shared.mailboxes[0].try_answer(peer.token, answer).is_ok());
            stage.turn();
        }
        Deed::Change => {
            stage.shared.notifier.changed_here(Change::ToolsList);
            stage.turn();
        }
        Deed::Wait(ms) => stage.wait_ms(u64::from(*ms)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn nothing_is_left_behind(deeds in prop::collection::vec((0usize..8, deed()), 1..80)) {
        let limits = Limits { pool_buffers_max: 0, connections_max: 6, linger_connections_max: 1, ..Limits::default() };
        let mut stage = Stage::new(limits);
        let now_s = stage.shared.clock.unix_seconds();
        let session = format!("Mcp-Session-Id: {}\r\n", stage.shared.sessions.open(Version::V20250326, 0, now_s, ""));
        let mut peers = Vec::new();
        for (which, deed) in &deeds {
            act(&mut stage, &mut peers, &session, *which, deed);
        }
        let open = peers.iter().filter(|peer| !peer.is_closed()).count() as u64;
        prop_assert_eq!(stage.open(), open);
        for peer in &peers {
            stage.widen(peer);
            let received = String::from_utf8_lossy(&peer.wire.borrow().outgoing).into_owned();
            prop_assert!(!received.contains("HTTP/1.1 500"));
            stage.finish(peer);
            // A call is always answered in the end, if only by its deadline; then comes what was sent behind it.
            for _ in &deeds {
                act(&mut stage, &mut vec![peer.clone()], &session, 0, &Deed::Answer);
            }
        }
        stage.wait_ms(200_000);
        prop_assert_eq!(stage.open(), 0);
        let snapshot = stage.shared.snapshot();
        prop_assert_eq!((snapshot.streams, snapshot.sessions), (0, 0));
        prop_assert_eq!(snapshot.memory.buffers, Limits::default().read_bytes);
    }
}
