//! Servers that want more than a request before they respond.

use std::collections::BTreeMap;

use super::{Reply, Simulated, What, answer, good, http};

/// What is being asked, and what has come of it.
#[derive(Debug, Default)]
pub(crate) struct Talks {
    /// By the number of a question: the connection and socket whose request waits for it, and that request's id.
    open: BTreeMap<u64, (u32, u64, u64)>,
    questions: u64,
    /// Answers that were taken.
    pub(crate) answered: u64,
    /// Ids of requests that were cancelled.
    pub(crate) cancelled: Vec<u64>,
    /// When each GET came that goes on with a stream, and when those streams had ended.
    pub(crate) resumed: Vec<u64>,
    pub(crate) ended: Vec<u64>,
}

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const END: &str = "0\r\n\r\n";

fn event(text: &str) -> String {
    let text = format!("{text}\n\n");
    format!("{:x}\r\n{text}\r\n", text.len())
}

fn response(id: u64) -> String {
    event(&format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}")) + END
}

/// The number after these words.
fn number_after(text: &str, words: &str) -> Option<u64> {
    let rest = text.split(words).nth(1)?;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

impl Simulated {
    pub(super) fn talk(&mut self, reply: Reply, text: &str, id: u64, after_us: u64, key: u32) {
        let number = self.sockets[&key].number;
        match reply {
            Reply::Rounds(rounds) => {
                let state = number_after(text, "\"requestState\":\"r-").unwrap_or(0);
                let answered = text.matches("\"inputResponses\":{\"who\":{\"action\":\"accept\"").count() as u64;
                assert_eq!(answered, state.min(1), "each round but the first has the answers of its own: {text}");
                let ask = format!(
                    "\"result\":{{\"resultType\":\"input_required\",\"requestState\":\"r-{}\",\"inputRequests\":{{\"who\":\
                     {{\"method\":\"elicitation/create\",\"params\":{{\"message\":\"?\",\"requestedSchema\":{{}}}}}}}}}}",
                    state + 1
                );
                let bytes = if state == u64::from(rounds) { good(id) } else { answer(id, &ask) };
                self.later(after_us, key, number, What::Bytes(bytes));
            }
            Reply::Asks(count) => {
                let mut text = STREAM.to_string();
                for _ in 0..count {
                    self.talks.questions += 1;
                    let question = self.talks.questions;
                    self.talks.open.insert(question, (key, number, id));
                    text += &event(&format!(
                        "data: {{\"jsonrpc\":\"2.0\",\"id\":\"q-{question}\",\"method\":\"roots/list\"}}"
                    ));
                }
                self.in_two(after_us, key, number, &text);
            }
            Reply::Resumes(ms) => {
                let first = event(&format!("id: e-{id}\nretry: {ms}\ndata:"));
                self.talks.ended.push(self.now_us + after_us);
                self.in_two(after_us, key, number, &format!("{STREAM}{first}{END}"));
            }
            Reply::LeavesOpen => {
                let whole = format!("{STREAM}{}", response(id));
                self.in_two(after_us, key, number, whole.trim_end_matches(END));
            }
            other => panic!("{other:?} is no talk"),
        }
    }

    /// An answer to a question, a cancellation, or a GET that goes on with a stream. False where it is neither.
    pub(super) fn take_aside(&mut self, text: &str, key: u32) -> bool {
        let (to, number) = (self.sockets[&key].to, self.sockets[&key].number);
        let bytes = if text.starts_with("GET ") {
            self.talks.resumed.push(self.now_us);
            let id = number_after(text, "Last-Event-ID: e-").expect("it says after which event");
            format!("{STREAM}{}", response(id)).into_bytes()
        } else if text.contains("notifications/cancelled") {
            self.talks.cancelled.extend(number_after(text, "\"requestId\":"));
            http("202 Accepted", "", "")
        } else if let Some(question) = number_after(text, "\"id\":\"q-") {
            assert!(text.contains("\"result\":{\"roots\":[]}"), "{text}");
            if self.peers[&to].refuses_answers { http("400 No", "", "") } else { self.answered(question) }
        } else {
            return false;
        };
        self.sockets.get_mut(&key).expect("it was written to").outbox.clear();
        self.later(300, key, number, What::Bytes(bytes));
        true
    }

    fn answered(&mut self, question: u64) -> Vec<u8> {
        self.talks.answered += 1;
        if let Some(asked) = self.talks.open.remove(&question)
            && self.talks.open.values().all(|other| *other != asked)
        {
            let (key, number, id) = asked;
            self.in_two(200, key, number, &response(id));
        }
        http("202 Accepted", "", "")
    }

    /// Bytes that come in two pieces, split anywhere.
    fn in_two(&mut self, after_us: u64, key: u32, number: u64, text: &str) {
        let (first, second) = text.split_at(self.random.below(text.len() as u64) as usize);
        self.later(after_us, key, number, What::Bytes(first.into()));
        self.later(after_us + 7, key, number, What::Bytes(second.into()));
    }
}
