//! Questions to a client of the older era: requests on the stream of its own call, answered in POSTs of their own.

use erlmcp_protocol::era::Version;
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

/// Asks the client; gives its answers by their keys. None where it can't be asked, or does not answer with a result.
pub(super) async fn ask(job: &Job, entry: &Entry, ask: &Ask, notes: &Notes) -> Option<Map<String, Value>> {
    if !job.caller.streams || !ask.missing(&job.caller).is_empty() {
        return None;
    }
    let mut questions = Vec::new();
    for (key, mut message) in ask.requests(&job.caller) {
        let question = job.questions.begin(entry.session());
        message["jsonrpc"] = Value::from("2.0");
        message["id"] = Value::from(question.id());
        if job.caller.version == Some(Version::V20250618) {
            simplify(&mut message)?;
        }
        if !notes.send(message.to_string().into_bytes(), None).await {
            return None;
        }
        questions.push((key, Asked { question, notes }));
    }
    let mut inputs = Map::new();
    for (key, mut asked) in questions {
        inputs.insert(key, asked.question.answer().await?);
    }
    Some(inputs)
}

/// Puts a question as 2025-06-18 has it, without modes, and choices with their titles beside them. None where it asks for
/// a list, which that version does not have.
fn simplify(question: &mut Value) -> Option<()> {
    let Some(params) = question.get_mut("params").and_then(Value::as_object_mut) else { return Some(()) };
    params.remove("mode");
    let fields = params.get_mut("requestedSchema").and_then(|schema| schema.get_mut("properties")?.as_object_mut());
    for field in fields.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        if field.get("type").is_some_and(|kind| kind == "array") {
            return None;
        }
        if let Some(Value::Array(choices)) = field.remove("oneOf") {
            let each = |name: &str| choices.iter().map(|choice| choice[name].clone()).collect::<Vec<Value>>();
            field.insert("enum".to_string(), each("const").into());
            field.insert("enumNames".to_string(), each("title").into());
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_put_as_the_first_version_with_them_has_them() {
        let question = |field: Value| {
            let schema = json!({"type": "object", "properties": {"a": field}});
            json!({"params": {"mode": "form", "message": "?", "requestedSchema": schema}})
        };
        let simple = |field: Value| {
            let mut question = question(field);
            simplify(&mut question).map(|()| question["params"].clone())
        };
        let choices = json!([{"const": "m", "title": "Meat"}, {"const": "v", "title": "Vegan"}]);
        let field = json!({"type": "string", "enum": ["m", "v"], "enumNames": ["Meat", "Vegan"]});
        let expected = json!({"message": "?", "requestedSchema": {"type": "object", "properties": {"a": field}}});
        assert_eq!(simple(json!({"type": "string", "oneOf": choices})), Some(expected));
        assert_eq!(simple(json!({"type": "array", "items": {"type": "string", "enum": ["m"]}})), None);
        let roots = json!({"method": "roots/list"});
        let mut same = roots.clone();
        assert_eq!((simplify(&mut same), same), (Some(()), roots));
    }
}
