//! `subscriptions/listen`: how a stream begins, what is sent on it, how it ends.

use erlmcp_protocol::header::{meta, method};
use erlmcp_protocol::server::Message;
use erlmcp_protocol::server::respond::{LAST_CHUNK, write_chunk};
use erlmcp_protocol::sse::encode::{KEEP_ALIVE, write_event};
use erlmcp_protocol::{code, json::Scanner};
use serde_json::json;

use super::Dispatcher;
use super::mcp::{Handled, id};
use crate::answer::RpcError;
use crate::conn::Stream;
use crate::engine::Change;
use crate::metrics::counters::Outcome;

/// Nothing on the way may keep what belongs to one client, or keep it back.
const STREAM_FIELDS: &str = "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";

impl Dispatcher {
    pub(super) fn listen(
        &mut self,
        message: &Message<'_>,
        is_http10: bool,
        closes: bool,
        out: &mut Vec<u8>,
    ) -> Handled {
        let Some(wanted) = message.params.notifications.and_then(wanted) else {
            let error = RpcError::new(code::INVALID_PARAMS, "notifications is missing or not an object");
            return self.rpc_error(message, 200, error);
        };
        if self.draining {
            let data = json!({"executed": false, "scope": "node", "retryElsewhere": true});
            self.rpc_error(message, 503, RpcError::new(code::DRAINING, "this server is going away").with(data));
            return Handled::Replied { status: 503, outcome: Outcome::Refused, retry_after_ms: Some(1_000) };
        }
        if is_http10 {
            let error = RpcError::new(code::INVALID_REQUEST, "a stream needs HTTP/1.1");
            return self.rpc_error(message, 505, error);
        }
        if self.shared.open_streams() >= self.shared.limits.streams_max {
            return self.overloaded(message, self.shared.limits.retry_after_max_ms);
        }
        self.head(200, Some("text/event-stream"), None, STREAM_FIELDS, closes).write(out);
        let stream = Stream { id: id(message).into(), wanted, owed: 0 };
        let accepted: &[u8] = if wanted == 0 { b"{}" } else { b"{\"toolsListChanged\":true}" };
        event(out, |out| {
            notification(out, method::ACKNOWLEDGED, &stream.id);
            out.extend_from_slice(b",\"notifications\":");
            out.extend_from_slice(accepted);
            out.extend_from_slice(b"}}");
        });
        Handled::Opened(Box::new(stream))
    }

    /// The head of an answer that has become a stream.
    pub(crate) fn begin_stream(&self, out: &mut Vec<u8>, closes: bool) {
        self.head(200, Some("text/event-stream"), None, STREAM_FIELDS, closes).write(out);
    }

    /// Ends a stream with its result.
    pub(crate) fn end_stream(&self, out: &mut Vec<u8>, stream: &Stream) {
        let mut subscription = Vec::with_capacity(64);
        subscription_id(&mut subscription, &stream.id);
        event(out, |out| self.shared.answers.result_with_meta(out, &stream.id, &subscription, |_| ()));
        out.extend_from_slice(LAST_CHUNK);
    }
}

/// Writes what has changed, one event a kind.
pub(crate) fn write_changes(out: &mut Vec<u8>, stream: &Stream, changes: u32) {
    if changes & (1 << Change::ToolsList as u32) != 0 {
        event(out, |out| {
            notification(out, method::TOOLS_LIST_CHANGED, &stream.id);
            out.extend_from_slice(b"}}");
        });
    }
}

/// Writes a message on a stream: JSON without line ends.
pub(crate) fn write_message(out: &mut Vec<u8>, message: &[u8]) {
    event(out, |out| out.extend_from_slice(message));
}

/// Writes a comment, so that the stream does not look dead.
pub(crate) fn write_comment(out: &mut Vec<u8>) {
    write_chunk(out, |out| out.extend_from_slice(KEEP_ALIVE));
}

fn event(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    write_chunk(out, |out| write_event(out, write));
}

/// The front of a notification, up to and with the `_meta` of its params.
fn notification(out: &mut Vec<u8>, method: &str, id: &[u8]) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"");
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b"\",\"params\":{\"_meta\":{");
    subscription_id(out, id);
    out.push(b'}');
}

fn subscription_id(out: &mut Vec<u8>, id: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(meta::SUBSCRIPTION_ID.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(id);
}

/// The kinds of notification that a filter asks for and this server has; none where it is no object.
fn wanted(filter: &str) -> Option<u32> {
    let mut wanted = 0;
    // The text was checked with the message it is part of.
    let depth_max = u32::MAX;
    let read = Scanner::new(filter, depth_max).object(|scanner, key| {
        let value = scanner.value()?;
        if key.is("toolsListChanged") && value == "true" {
            wanted |= 1 << Change::ToolsList as u32;
        }
        Ok(())
    });
    read.is_ok().then_some(wanted)
}
