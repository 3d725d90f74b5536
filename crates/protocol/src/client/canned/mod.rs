//! Canned answers to what a server asks its client: valid by the schema, and the same each time for the same question.

#[cfg(test)]
mod tests;
mod values;

use serde_json::{Map, Value, json};

use crate::code::{INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::header::method;
use values::Room;
pub use values::content;

/// What our clients declare: just that which is answered here.
pub const CAPABILITIES: &str = r#"{"elicitation":{},"roots":{},"sampling":{}}"#;
/// Whose words a sampled message is said to be.
const MODEL: &str = "erlmcp";

/// What a server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    Elicitation,
    Sampling,
    Roots,
    Ping,
    /// A method that no client here knows: the answer is an error.
    Unknown,
}

impl Question {
    /// As it is counted in a record.
    pub const fn name(self) -> &'static str {
        match self {
            Question::Elicitation => "elicitation",
            Question::Sampling => "sampling",
            Question::Roots => "roots",
            Question::Ping => "ping",
            Question::Unknown => "unknown",
        }
    }

    fn of(method: &str) -> Self {
        match method {
            method::ELICIT => Question::Elicitation,
            method::SAMPLE => Question::Sampling,
            method::ROOTS_LIST => Question::Roots,
            method::PING => Question::Ping,
            _ => Question::Unknown,
        }
    }
}

/// The response to a request of a legacy server, as one JSON-RPC message. None where the text is no request.
pub fn response(request: &[u8]) -> Option<(Question, String)> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let id = request.get("id").filter(|id| id.is_string() || id.is_number())?;
    let method = request["method"].as_str()?;
    let question = Question::of(method);
    let response = match result(question, &request["params"], &mut Room::default()) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}}),
    };
    Some((question, response.to_string()))
}

/// Members that the parameters of a request have beyond its own in its next round, after this `input_required` result:
/// answers to what the server asks, and the state that it gave. None where it is no such result, asks for nothing, or
/// asks what cannot be answered.
pub fn round(message: &[u8]) -> Option<String> {
    let message: Value = serde_json::from_slice(message).ok()?;
    let result = message["result"].as_object()?;
    let mut members = Vec::new();
    if let Some(requests) = result.get("inputRequests") {
        let mut room = Room::default();
        let answers = requests.as_object()?.iter().map(|(key, one)| Some((key.clone(), answer(one, &mut room)?)));
        let answers: Option<Map<String, Value>> = answers.collect();
        members.push(format!(r#""inputResponses":{}"#, Value::Object(answers?)));
    }
    if let Some(state) = result.get("requestState") {
        members.push(format!(r#""requestState":{}"#, Value::from(state.as_str()?)));
    }
    (!members.is_empty()).then(|| members.join(","))
}

fn answer(request: &Value, room: &mut Room) -> Option<Value> {
    match Question::of(request["method"].as_str()?) {
        Question::Ping | Question::Unknown => None,
        question => result(question, &request["params"], room).ok(),
    }
}

/// The result, or the code and words of an error.
fn result(question: Question, params: &Value, room: &mut Room) -> Result<Value, (i64, &'static str)> {
    match question {
        // A page to be visited is not what was declared.
        Question::Elicitation if params["mode"].as_str().is_some_and(|mode| mode != "form") => {
            Err((INVALID_PARAMS, "only forms are answered"))
        }
        Question::Elicitation => Ok(match values::content_in(&params["requestedSchema"], room) {
            Some(content) => json!({"action": "accept", "content": content}),
            None => json!({"action": "decline"}),
        }),
        Question::Sampling if ["tools", "toolChoice"].iter().any(|name| !params[*name].is_null()) => {
            Err((INVALID_PARAMS, "this client samples without tools"))
        }
        Question::Sampling => Ok(json!({
            "role": "assistant",
            "content": {"type": "text", "text": "A canned answer."},
            "model": MODEL,
            "stopReason": "endTurn",
        })),
        Question::Roots => Ok(json!({"roots": []})),
        Question::Ping => Ok(json!({})),
        Question::Unknown => Err((METHOD_NOT_FOUND, "no such method")),
    }
}
