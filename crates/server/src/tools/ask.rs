//! What a tool or a prompt needs to know before it can go on.

use serde_json::{Map, Value, json};

use super::caller::Caller;

/// Questions to the client: its user, its model, its roots. The client answers them in a second request of the same
/// text, for which the tool or prompt is called anew; see [`JobContext::input`](super::JobContext::input). Nothing is
/// kept in between: what the second call should know beside the answers is [`Ask::remembering`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ask {
    requests: Map<String, Value>,
    /// Capabilities that the client must have declared.
    needs: Vec<&'static str>,
    state: Option<String>,
}

impl Ask {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the user for values; `schema` is the schema of a flat object. The answer is found under `key`.
    pub fn elicit(self, key: &str, message: &str, schema: Value) -> Self {
        let params = json!({"mode": "form", "message": message, "requestedSchema": schema});
        self.with(key, "elicitation", "elicitation/create", Some(params))
    }

    /// Asks the client's model; `params` are those of `sampling/createMessage`. With `tools` or `toolChoice` only a client
    /// that has "sampling.tools" can be asked; `includeContext` is left out for one that has no "sampling.context".
    pub fn sample(self, key: &str, params: Value) -> Self {
        let has_tools =
            ["tools", "toolChoice"].iter().any(|name| params.get(name).is_some_and(|value| !value.is_null()));
        let needs = if has_tools { "sampling.tools" } else { "sampling" };
        self.with(key, needs, "sampling/createMessage", Some(params))
    }

    /// Asks for the client's roots.
    pub fn roots(self, key: &str) -> Self {
        self.with(key, "roots", "roots/list", None)
    }

    /// Gives the next call a state. The client brings it back but can neither change it nor use it for another
    /// request or after its time; it can read it.
    pub fn remembering(self, state: impl Into<String>) -> Self {
        Self { state: Some(state.into()), ..self }
    }

    fn with(mut self, key: &str, needs: &'static str, method: &str, params: Option<Value>) -> Self {
        let mut request = json!({"method": method});
        if let Some(params) = params {
            request["params"] = params;
        }
        self.requests.insert(key.to_string(), request);
        self.needs.push(needs);
        self
    }

    /// The requests by their keys, as this client may be asked.
    pub(crate) fn requests(&self, client: &Caller) -> Map<String, Value> {
        let mut requests = self.requests.clone();
        if !client.has("sampling.context") {
            let params = requests.values_mut().filter_map(|request| request.get_mut("params")?.as_object_mut());
            params.for_each(|params| drop(params.remove("includeContext")));
        }
        requests
    }

    /// What the client would have to have declared, and has not.
    pub(crate) fn missing(&self, client: &Caller) -> Vec<&'static str> {
        self.needs.iter().copied().filter(|needed| !client.has(needed)).collect()
    }

    pub(crate) fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Writes the members of the result; `state` is what the client is to bring back.
    pub(crate) fn write_fields(&self, client: &Caller, state: Option<&str>, out: &mut Vec<u8>) {
        let mut members = Map::new();
        if !self.requests.is_empty() || state.is_none() {
            members.insert("inputRequests".to_string(), Value::Object(self.requests(client)));
        }
        if let Some(state) = state {
            members.insert("requestState".to_string(), json!(state));
        }
        let text = Value::Object(members).to_string();
        out.extend_from_slice(&text.as_bytes()[1..text.len() - 1]);
    }
}

/// A capabilities object that names what is needed; "a.b" is a part of "a".
pub(crate) fn capabilities(needed: impl IntoIterator<Item = impl AsRef<str>>) -> Value {
    let mut all = json!({});
    for name in needed {
        let mut object = &mut all;
        for part in name.as_ref().split('.') {
            object = &mut object[part];
            if object.is_null() {
                *object = json!({});
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_named_with_what_they_are_a_part_of() {
        let needed = capabilities(["sampling.tools", "roots", "sampling", "sampling.context"]);
        assert_eq!(needed, json!({"sampling": {"tools": {}, "context": {}}, "roots": {}}));
        assert_eq!(capabilities([""; 0]), json!({}));
    }
}
