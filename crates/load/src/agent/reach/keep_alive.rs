//! How often a server says that a stream on which nothing happens is still there.

use std::io::ErrorKind;
use std::time::Duration;

use erlmcp_protocol::client::answer::{Answer, Progress};
use erlmcp_protocol::client::head::Content;
use erlmcp_protocol::client::request::{self, Ask, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;
use serde::Serialize;

use super::super::target::Spoken;
use super::exchange::{Channel, Exchanger};
use super::trouble::Trouble;
use crate::clock::monotonic_ns;

/// What a stream of the modern era is to tell of; what the server does not have it leaves out.
const EVERYTHING: &str = r#"{"toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true}"#;

/// What was seen of the keep-alives of a stream: comments between its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct KeepAlive {
    /// "subscriptions/listen", or "GET" of a legacy session.
    pub stream: &'static str,
    /// How long the stream was watched: until the second keep-alive, its end, or the end of patience.
    pub watched_ms: u64,
    /// From the stream's beginning to the first keep-alive; None: there was none.
    pub first_ms: Option<u64>,
    /// From the first to the second.
    pub period_ms: Option<u64>,
    /// The server has ended the stream meanwhile.
    pub ended: bool,
}

/// Watches a stream of the server's for at most so long. None where it offers none.
pub(super) fn watch(
    exchanger: &Exchanger<'_>,
    spoken: &Spoken,
    patience: Duration,
) -> Result<Option<KeepAlive>, Trouble> {
    let peer = exchanger.target.peer(spoken);
    let (stream, request) = if spoken.version.era() == Era::Modern {
        let ask = Ask { method: method::LISTEN, notifications: Some(EVERYTHING), ..Ask::default() };
        let mut request = Vec::new();
        Template::new(&peer, &ask)?.write(0, &mut request);
        (method::LISTEN, request)
    } else {
        ("GET", request::open_stream(&peer)?)
    };
    let (channel, answer, is_over) = exchanger.open_stream(&request)?;
    let is_stream = answer.head().is_some_and(|head| head.status == 200 && head.content == Content::Events);
    let found = KeepAlive { stream, watched_ms: 0, first_ms: None, period_ms: None, ended: is_over };
    Ok(is_stream.then(|| seen(found, channel, answer, patience)))
}

fn seen(mut found: KeepAlive, mut channel: Channel, mut answer: Answer, patience: Duration) -> KeepAlive {
    let began_ns = monotonic_ns();
    let until_ns = began_ns + patience.as_nanos() as u64;
    channel.limit(until_ns);
    let mut comments = 0;
    let mut buffer = [0; 4 * 1024];
    loop {
        let now_ns = monotonic_ns();
        found.watched_ms = (now_ns - began_ns) / 1_000_000;
        // What came with one read was said at once.
        if answer.comments() > comments {
            comments = answer.comments();
            match found.first_ms {
                None => found.first_ms = Some(found.watched_ms),
                Some(first_ms) => found.period_ms = Some(found.watched_ms - first_ms),
            }
        }
        if found.period_ms.is_some() || found.ended || now_ns >= until_ns {
            return found;
        }
        found.ended = match channel.read(&mut buffer) {
            Ok(0) => true,
            Ok(count) => answer.feed(&buffer[..count]) != Progress::More,
            Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    use erlmcp_protocol::era::Version;

    use super::super::PATIENCE;
    use super::*;
    use crate::agent::target::Target;
    use crate::proto;

    /// A server that answers one request with a head, and then with the pieces, each after its pause.
    fn serve(head: &'static str, pieces: &'static [(u64, &'static str)]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("the test connects");
            let mut buffer = [0; 4_096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(head.as_bytes());
            for (pause_ms, piece) in pieces {
                std::thread::sleep(Duration::from_millis(*pause_ms));
                let _ = stream.write_all(piece.as_bytes());
            }
            // Until the client has gone.
            let _ = stream.read(&mut buffer);
        });
        address
    }

    fn watch_for(address: SocketAddr, version: Version, patience_ms: u64) -> Option<KeepAlive> {
        let setup = proto::Setup {
            endpoints: vec![proto::Endpoint { replica: 0, address: address.to_string() }],
            authority: address.to_string(),
            path: "/mcp".into(),
            ..proto::Setup::default()
        };
        let target = Target::of(&setup).expect("a good target");
        let exchanger = Exchanger::new(&target, address, PATIENCE).expect("it is loopback");
        let spoken = Spoken { version, session: None };
        watch(&exchanger, &spoken, Duration::from_millis(patience_ms)).expect("it answers")
    }

    const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

    #[test]
    fn the_time_between_two_keep_alives_is_the_period() {
        let address = serve(STREAM, &[(0, ": hello\n\n"), (30, "data: {}\n\n"), (60, ": still here\n\n")]);
        let found = watch_for(address, Version::V20260728, 20_000).expect("a stream");
        assert_eq!((found.stream, found.ended), ("subscriptions/listen", false));
        let (first, period) = (found.first_ms.expect("the first"), found.period_ms.expect("the second"));
        assert!(period >= 80 && first + period == found.watched_ms, "{found:?}");
    }

    #[test]
    fn what_was_not_seen_is_not_told() {
        let found = watch_for(serve(STREAM, &[(0, ": one\n\n")]), Version::V20251125, 100).expect("a stream");
        assert!(found.first_ms.is_some() && found.period_ms.is_none() && found.watched_ms >= 100, "{found:?}");
        let found = watch_for(serve(STREAM, &[]), Version::V20251125, 50).expect("a stream");
        assert_eq!((found.stream, found.first_ms, found.ended), ("GET", None, false));
        let ending = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 4\r\n\r\n";
        let found = watch_for(serve(ending, &[(0, "\n\n\n\n")]), Version::V20251125, 20_000).expect("a stream");
        assert!(found.ended && found.first_ms.is_none(), "{found:?}");
        let none = "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(watch_for(serve(none, &[]), Version::V20251125, 20_000), None);
    }
}
