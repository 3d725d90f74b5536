//! JSON-RPC answers as bytes.

use erlmcp_protocol::code;
use serde::Serialize;
use serde_json::json;

use crate::features::Failure;
use crate::operations::Bug;

/// Who the server says it is: to clients, and to a collector of telemetry. A server that does not say is `mcp-server`, with the
/// engine's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerInfo {
    /// Name of the implementation.
    pub name: String,
    /// Its version.
    pub version: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a model should know before it uses the server.
    #[serde(skip)]
    pub instructions: Option<String>,
}

impl ServerInfo {
    /// A server of which no more is said.
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { name: name.into(), version: version.into(), title: None, instructions: None }
    }
}

impl Default for ServerInfo {
    fn default() -> Self {
        Self::new("mcp-server", env!("CARGO_PKG_VERSION"))
    }
}

/// A JSON-RPC error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i64,
    pub(crate) message: std::borrow::Cow<'static, str>,
    pub(crate) data: Option<serde_json::Value>,
}

impl RpcError {
    pub(crate) fn new(code: i64, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    pub(crate) fn with(self, data: serde_json::Value) -> Self {
        Self { data: Some(data), ..self }
    }

    /// The client does not say that it can do what is needed: capabilities as the protocol has them.
    pub(crate) fn lacks(required: serde_json::Value) -> Self {
        let message = "this needs capabilities of the client that the request does not declare";
        Self::new(code::MISSING_CAPABILITY, message).with(json!({"requiredCapabilities": required}))
    }

    /// The queue is full.
    pub(crate) fn overloaded(retry_after_ms: u64) -> Self {
        let error = Self::new(code::OVERLOADED, "overloaded");
        if Bug::ShedsSilently.strikes() {
            return error;
        }
        error.with(json!({"executed": false, "retryAfterMs": retry_after_ms, "scope": "node"}))
    }

    /// The store of operations takes nothing now.
    pub(crate) fn store_unavailable(retry_after_ms: u64) -> Self {
        let error = Self::new(code::OVERLOADED, "operations can't be kept now: the store is away or has no room");
        if Bug::ShedsSilently.strikes() {
            return error;
        }
        error.with(json!({"executed": false, "retryAfterMs": retry_after_ms, "scope": "store"}))
    }

    /// The time for a call is over.
    pub(crate) fn deadline(executed: bool) -> Self {
        Self::new(code::DEADLINE, "deadline exceeded").with(json!({"executed": executed}))
    }

    /// Why something that is no tool failed. Only the older era (`is_plain`) has a code for missing resources.
    pub(crate) fn failed(failure: Failure, is_plain: bool) -> Self {
        let code = if failure.code == code::NO_RESOURCE && !is_plain { code::INVALID_PARAMS } else { failure.code };
        Self { code, message: failure.message, data: failure.data }
    }
}

/// Writes answers; knows what every result carries.
#[derive(Debug)]
pub(crate) struct AnswerWriter {
    /// The server's identity, as the value of a result's `_meta` key, with the key.
    server_info: Vec<u8>,
    /// For the older era, whose results carry neither a type nor the server.
    is_plain: bool,
}

impl AnswerWriter {
    pub(crate) fn new(info: &ServerInfo) -> Self {
        let mut server_info = b"\"io.modelcontextprotocol/serverInfo\":".to_vec();
        server_info.extend(serde_json::to_vec(info).expect("strings are JSON"));
        Self { server_info, is_plain: false }
    }

    /// Of answers of the older era.
    pub(crate) fn plain() -> Self {
        Self { server_info: Vec::new(), is_plain: true }
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Writes the answer to request `id` (JSON text). `fields` writes members of the result, at least one.
    pub(crate) fn result(&self, out: &mut Vec<u8>, id: &[u8], fields: impl FnOnce(&mut Vec<u8>)) {
        self.result_with_meta(out, id, b"", fields);
    }

    /// The same, with more members in `_meta`: JSON text without braces.
    pub(crate) fn result_with_meta(
        &self,
        out: &mut Vec<u8>,
        id: &[u8],
        meta: &[u8],
        fields: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(id);
        if self.is_plain {
            return plain_result(out, meta, fields);
        }
        out.extend_from_slice(b",\"result\":{\"resultType\":\"complete\",");
        self.rest(out, meta, fields);
    }

    /// Writes the answer that more input is needed.
    pub(crate) fn input_required(&self, out: &mut Vec<u8>, id: &[u8], fields: impl FnOnce(&mut Vec<u8>)) {
        self.of_type(out, id, "input_required", fields);
    }

    /// Writes the answer that a task has begun.
    pub(crate) fn task(&self, out: &mut Vec<u8>, id: &[u8], fields: impl FnOnce(&mut Vec<u8>)) {
        self.of_type(out, id, "task", fields);
    }

    fn of_type(&self, out: &mut Vec<u8>, id: &[u8], kind: &str, fields: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(id);
        out.extend_from_slice(b",\"result\":{\"resultType\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",");
        self.rest(out, b"", fields);
    }

    fn rest(&self, out: &mut Vec<u8>, meta: &[u8], fields: impl FnOnce(&mut Vec<u8>)) {
        fields(out);
        if !out.ends_with(b",") {
            out.push(b',');
        }
        out.extend_from_slice(b"\"_meta\":{");
        if !meta.is_empty() {
            out.extend_from_slice(meta);
            out.push(b',');
        }
        out.extend_from_slice(&self.server_info);
        out.extend_from_slice(b"}}}");
    }

    /// Writes an error; without an id where that could not be read.
    pub(crate) fn error(&self, out: &mut Vec<u8>, id: Option<&[u8]>, error: &RpcError) {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
        if let Some(id) = id {
            out.extend_from_slice(b"\"id\":");
            out.extend_from_slice(id);
            out.push(b',');
        }
        let mut body = json!({"code": error.code, "message": error.message});
        if let Some(data) = &error.data {
            body["data"] = data.clone();
        }
        out.extend_from_slice(b"\"error\":");
        // Writing a value to a Vec cannot fail.
        let _ = serde_json::to_writer(&mut *out, &body);
        out.push(b'}');
    }
}

/// The rest of an answer of the older era, from the result on.
fn plain_result(out: &mut Vec<u8>, meta: &[u8], fields: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b",\"result\":{");
    fields(out);
    if out.ends_with(b",") {
        out.pop();
    }
    if !meta.is_empty() {
        out.extend_from_slice(if out.ends_with(b"{") { b"\"_meta\":{" } else { b",\"_meta\":{" });
        out.extend_from_slice(meta);
        out.push(b'}');
    }
    out.extend_from_slice(b"}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&AnswerWriter, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        let info = ServerInfo { instructions: Some("do".into()), ..ServerInfo::new("s", "1") };
        write(&AnswerWriter::new(&info), &mut out);
        let text = String::from_utf8(out).expect("answers are UTF-8");
        serde_json::from_str::<serde_json::Value>(&text).expect("and JSON");
        text
    }

    #[test]
    fn results_carry_type_and_server() {
        let fields = |out: &mut Vec<u8>| out.extend_from_slice(b"\"a\":1");
        assert_eq!(
            text(|writer, out| writer.result(out, b"7", fields)),
            r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","a":1,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}"#
        );
        assert_eq!(
            text(|writer, out| writer.result_with_meta(out, b"\"x\"", b"\"k\":2", |_| ())),
            r#"{"jsonrpc":"2.0","id":"x","result":{"resultType":"complete","_meta":{"k":2,"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}}"#
        );
    }

    #[test]
    fn results_of_the_older_era_carry_neither() {
        let write = |meta: &[u8], fields: &str| {
            let mut out = Vec::new();
            AnswerWriter::plain()
                .result_with_meta(&mut out, b"7", meta, |out| out.extend_from_slice(fields.as_bytes()));
            String::from_utf8(out).expect("answers are UTF-8")
        };
        assert_eq!(write(b"", ""), r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        assert_eq!(write(b"", r#""a":1,"#), r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#);
        assert_eq!(write(b"\"k\":2", r#""a":1"#), r#"{"jsonrpc":"2.0","id":7,"result":{"a":1,"_meta":{"k":2}}}"#);
        assert_eq!(write(b"\"k\":2", ""), r#"{"jsonrpc":"2.0","id":7,"result":{"_meta":{"k":2}}}"#);
    }

    #[test]
    fn errors_echo_the_id_they_know() {
        let known = text(|writer, out| writer.error(out, Some(b"1"), &RpcError::overloaded(740)));
        assert_eq!(
            known,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":53003,"data":{"executed":false,"retryAfterMs":740,"scope":"node"},"message":"overloaded"}}"#
        );
        let unknown = text(|writer, out| writer.error(out, None, &RpcError::new(-32_700, "bad \"JSON\"")));
        assert_eq!(unknown, r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"bad \"JSON\""}}"#);
    }
}
