//! Questions to a client of the older era: requests on the stream of its own call, answered in POSTs of their own.

use serde_json::{Map, Value};

use super::{Job, Notes};
use crate::session::Entry;
use crate::tools::Ask;

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
        questions.push((key, question));
    }
    let mut inputs = Map::new();
    for (key, question) in questions {
        inputs.insert(key.clone(), question.answer().await?);
    }
    Some(inputs)
}
