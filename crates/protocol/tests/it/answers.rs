//! Answers of foreign servers, read as a client reads them, in whatever pieces they come.

use erlmcp_protocol::client::answer::{Answer, Progress, Said};
use proptest::prelude::*;

use crate::recorded::{Recording, assert_complete, recordings};

/// A client that has sent the requests of a recording, and reads.
struct Reader<'a> {
    answer: Answer,
    expected: std::slice::Iter<'a, String>,
    /// ID STATUS KIND of the answer that is read.
    current: Option<&'a str>,
    name: &'a str,
}

impl<'a> Reader<'a> {
    fn new(recording: &'a Recording) -> Self {
        let mut reader =
            Self { answer: Answer::default(), expected: recording.said.iter(), current: None, name: &recording.name };
        reader.begin();
        reader
    }

    fn begin(&mut self) {
        self.current = self.expected.next().map(String::as_str);
        let id = self.current.and_then(|said| said.split(' ').next()?.parse().ok());
        self.answer.begin(id.unwrap_or(0));
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = self.current.unwrap_or_else(|| panic!("{}: bytes behind the last answer", self.name));
            match self.answer.feed(bytes) {
                Progress::More => return,
                Progress::Whole { used, said, .. } => {
                    let status = self.answer.head().expect("it is whole").status;
                    let id = expected.split(' ').next().unwrap_or("");
                    assert_eq!(format!("{id} {status} {}", kind(said)), expected, "{}", self.name);
                    bytes = &bytes[used..];
                    self.begin();
                }
                Progress::Broken(broken) => panic!("{}, {expected}: {broken}", self.name),
            }
        }
    }

    fn end(&self) {
        assert_eq!(self.current, None, "{}: answers are missing", self.name);
    }
}

fn kind(said: Said) -> String {
    match said {
        Said::Ok => "ok".to_string(),
        Said::ToolError => "tool_error".to_string(),
        Said::InputRequired => "input_required".to_string(),
        Said::RpcError(code) => format!("error {code}"),
        Said::HttpError(_) => "http".to_string(),
        Said::NotJsonRpc | Said::NoResponse | Said::AnotherId(_) => "none".to_string(),
        Said::OfAnotherType | Said::Refused { .. } => format!("{said:?}"),
    }
}

fn read_in(recording: &Recording, pieces: impl IntoIterator<Item = usize>) {
    let mut reader = Reader::new(recording);
    let mut left = recording.bytes.as_slice();
    for size in pieces {
        let (piece, rest) = left.split_at(size.min(left.len()));
        reader.feed(piece);
        left = rest;
    }
    reader.feed(left);
    reader.end();
}

#[test]
fn answers_of_foreign_servers_are_read_whole() {
    let recordings = recordings("answers");
    assert_complete(&recordings, &["python-mcp", "rmcp", "typescript-v1", "typescript-v2"]);
    for recording in &recordings {
        read_in(recording, []);
    }
}

#[test]
fn answers_of_foreign_servers_are_read_byte_by_byte() {
    for recording in &recordings("answers") {
        read_in(recording, std::iter::repeat_n(1, recording.bytes.len()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn answers_of_foreign_servers_are_read_in_any_pieces(sizes in prop::collection::vec(1..1_500usize, 0..40)) {
        for recording in &recordings("answers") {
            read_in(recording, sizes.iter().copied());
        }
    }
}
