//! Questions to a client of the older era: requests on the stream of its own call, answered in POSTs of their own.

use erlmcp_protocol::header::method;
use serde_json::{Map, Value, json};

use super::{Job, Notes};
use crate::session::{Entry, Question};
use crate::tools::Ask;

/// A question that was sent. The client is told where it is given up, for whatever reason.
struct Asked<'a> {
    question: Question,
    notes: &'a Notes,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.question.is_open() {
            let params = json!({"requestId": self.question.id(), "reason": "nobody waits for the answer any more"});
            let cancelled = json!({"jsonrpc": "2.0", "method": method::CANCELLED, "params": params});
            self.notes.tell(cancelled.to_string().into_bytes());
        }
    }
}

/// True where the client has said that it can answer.
pub(super) fn can_be_asked(job: &Job, ask: &Ask) -> bool {
    ask.needs().iter().all(|needed| job.caller.has(needed))
}

/// Asks the client; gives its answers by their keys. None where it can't be asked, or does not answer with a result.
pub(super) async fn ask(job: &Job, entry: &Entry, ask: &Ask, notes: &Notes) -> Option<Map<String, Value>> {
    if !job.caller.streams || !can_be_asked(job, ask) {
        return None;
    }
    let mut questions = Vec::new();
    for (key, request) in ask.requests() {
        let question = job.questions.begin(entry.session());
        let mut message = request.clone();
        message["jsonrpc"] = Value::from("2.0");
        message["id"] = Value::from(question.id());
        if !notes.send(message.to_string().into_bytes(), None).await {
            return None;
        }
        questions.push((key, Asked { question, notes }));
    }
    let mut inputs = Map::new();
    for (key, mut asked) in questions {
        inputs.insert(key.clone(), asked.question.answer().await?);
    }
    Some(inputs)
}
