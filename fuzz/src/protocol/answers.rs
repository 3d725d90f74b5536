//! The client's reader of answers: whatever a server sends, and in whatever pieces, it comes to the same.

use erlmcp_protocol::client::answer::{Answer, Progress};

use super::pieces;

/// How the answer to request 7 ended, how many bytes belong to it, and what else it said.
type End = (Progress, usize, Option<String>);

fn read(answer: &mut Answer, pieces: &[&[u8]]) -> End {
    answer.begin(7);
    let mut before = 0;
    for piece in pieces {
        match answer.feed(piece) {
            Progress::More => before += piece.len(),
            Progress::Whole { used, said, stays_open } => {
                assert!(used <= piece.len(), "it takes more than there was");
                let last_id = answer.last_event_id().map(str::to_string);
                return (Progress::Whole { used: 0, said, stays_open }, before + used, last_id);
            }
            Progress::Broken(broken) => return (Progress::Broken(broken), 0, None),
        }
    }
    let ended = match answer.end() {
        Progress::More => panic!("an answer goes on behind the connection's end"),
        Progress::Broken(broken) => return (Progress::Broken(broken), 0, None),
        ended @ Progress::Whole { .. } => ended,
    };
    (ended, before, answer.last_event_id().map(str::to_string))
}

/// What every answer of a server begins and goes on with, mostly.
const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}";

/// The first byte says how the rest is cut.
pub fn run(input: &[u8]) {
    let (whole, pieces) = pieces::cut(input);
    let end = read(&mut Answer::default(), &[whole]);
    assert_eq!(read(&mut Answer::default(), &pieces), end);
    // What it has read before, it knows again, and that must not show.
    let mut used = Answer::default();
    read(&mut used, &[GOOD]);
    assert_eq!(read(&mut used, &[whole]), end);
    assert_eq!(read(&mut used, &[whole]), end);
}
