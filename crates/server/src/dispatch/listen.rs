//! `subscriptions/listen`: how a stream begins, what is sent on it, how it ends.

use erlmcp_protocol::header::{meta, method};
use erlmcp_protocol::server::Message;
use erlmcp_protocol::server::respond::{LAST_CHUNK, write_chunk};
use erlmcp_protocol::sse::encode::{KEEP_ALIVE, write_event, write_event_with_id, write_priming, write_retry};
use erlmcp_protocol::{code, json::Scanner};
use serde_json::json;

use super::Dispatcher;
use super::mcp::{Handled, id};
use crate::answer::RpcError;
use crate::conn::{Stream, Watched};
use crate::engine::Change;
use crate::features::Offers;
use crate::metrics::counters::Reached;
use crate::session::EventId;

pub(super) const URI_TOO_LONG: &str = "the uri of a resource to be told of is too long";
/// Nothing on the way may keep what belongs to one client, or keep it back.
pub(super) const STREAM_FIELDS: &str = "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";

impl Dispatcher {
    pub(super) fn listen(
        &mut self,
        message: &Message<'_>,
        is_http10: bool,
        closes: bool,
        out: &mut Vec<u8>,
    ) -> Handled {
        let offers = &self.shared.registry.offers;
        let Some(filter) = message.params.notifications.and_then(|text| Filter::read(text, offers)) else {
            let error = RpcError::new(code::INVALID_PARAMS, "notifications is missing or not as the protocol has it");
            return self.rpc_error(message, 200, error);
        };
        if filter.resources.len() as u64 > self.shared.limits.stream_resources_max {
            let error = RpcError::new(code::INVALID_PARAMS, "resourceSubscriptions are more than a stream can have");
            return self.rpc_error(message, 200, error);
        }
        let uri_bytes_max = usize::try_from(self.shared.limits.resource_uri_bytes_max).unwrap_or(usize::MAX);
        if filter.resources.iter().any(|uri| uri.len() > uri_bytes_max) {
            return self.rpc_error(message, 200, RpcError::new(code::INVALID_PARAMS, URI_TOO_LONG));
        }
        if self.draining {
            let refused = self.going_away();
            return self.refused(message.id, &refused);
        }
        if is_http10 {
            let error = RpcError::new(code::INVALID_REQUEST, "a stream needs HTTP/1.1");
            return self.rpc_error(message, 505, error);
        }
        if self.shared.open_streams() >= self.shared.limits.streams_max {
            self.counters.reached(Reached::Streams);
            return self.overloaded(message, self.shared.limits.retry_after_max_ms);
        }
        if self.is_pressed() {
            return self.overloaded(message, self.shared.limits.retry_after_max_ms);
        }
        let Ok(place) = self.stream_place() else {
            return self.quota_used_up(message.id);
        };
        self.head(200, Some("text/event-stream"), None, STREAM_FIELDS, closes).write(out);
        let watched = |uri: &String| Watched { uri: uri.as_str().into(), is_owed: false };
        let resources = filter.resources.iter().map(watched).collect();
        let stream = Stream { id: id(message).into(), wanted: filter.wanted, owed: 0, push: None, resources, place };
        event(out, |out| {
            notification(out, method::ACKNOWLEDGED, &stream);
            out.extend_from_slice(b",\"notifications\":");
            filter.write(out);
            out.extend_from_slice(b"}}");
        });
        Handled::Opened(Box::new(stream))
    }

    /// The head of an answer that has become a stream, and the event that begins it where its version has one.
    pub(crate) fn begin_stream(&self, out: &mut Vec<u8>, primer: Option<&EventId>, retry_ms: u64, closes: bool) {
        self.head(200, Some("text/event-stream"), None, STREAM_FIELDS, closes).write(out);
        if let Some(primer) = primer {
            write_chunk(out, |out| write_priming(out, &primer.to_string(), retry_ms));
        }
    }

    /// Ends a stream with its result.
    pub(crate) fn end_stream(&self, out: &mut Vec<u8>, stream: &Stream) {
        if stream.push.is_some() {
            // In the older era nothing was asked, so that there is nothing to answer.
            return out.extend_from_slice(LAST_CHUNK);
        }
        let mut subscription = Vec::with_capacity(64);
        subscription_id(&mut subscription, &stream.id);
        event(out, |out| self.shared.answers.result_with_meta(out, &stream.id, &subscription, |_| ()));
        out.extend_from_slice(LAST_CHUNK);
    }
}

/// Writes what a stream is owed, one event a kind and a resource: all changes up to the number `told`. Gives their number.
pub(crate) fn write_changes(out: &mut Vec<u8>, stream: &mut Stream, told: u64) -> u64 {
    let owed = std::mem::take(&mut stream.owed);
    let resources = stream.resources.iter().filter(|watched| watched.is_owed).count();
    let all = owed.count_ones() as usize + resources;
    let mut left = all;
    let mut next_id = |stream: &mut Stream| {
        left = left.saturating_sub(1);
        stream.push.as_mut().map(|push| push.next_id(told, left == 0))
    };
    for change in Change::ALL.into_iter().filter(|change| owed & (1 << *change as u32) != 0) {
        let id = next_id(stream);
        event_at(out, id.as_ref(), |out| {
            notification(out, kind(change).1, stream);
            out.extend_from_slice(b"}}");
        });
    }
    for index in 0..stream.resources.len() {
        if std::mem::take(&mut stream.resources[index].is_owed) {
            let id = next_id(stream);
            event_at(out, id.as_ref(), |out| {
                notification(out, method::RESOURCE_UPDATED, stream);
                out.extend_from_slice(if stream.push.is_some() { b"\"uri\":" } else { b",\"uri\":" });
                // Writing strings to a Vec cannot fail.
                let _ = serde_json::to_writer(&mut *out, &stream.resources[index].uri);
                out.extend_from_slice(b"}}");
            });
        }
    }
    all as u64
}

/// Writes a message on a stream: JSON without line ends.
pub(crate) fn write_message(out: &mut Vec<u8>, id: Option<&EventId>, message: &[u8]) {
    event_at(out, id, |out| out.extend_from_slice(message));
}

/// Tells how long the client is to wait before it comes back to the stream.
pub(crate) fn write_retry_after(out: &mut Vec<u8>, retry_ms: u64) {
    write_chunk(out, |out| write_retry(out, retry_ms));
}

/// Writes a comment, so that the stream does not look dead.
pub(crate) fn write_comment(out: &mut Vec<u8>) {
    write_chunk(out, |out| out.extend_from_slice(KEEP_ALIVE));
}

fn event(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    event_at(out, None, write);
}

fn event_at(out: &mut Vec<u8>, id: Option<&EventId>, write: impl FnOnce(&mut Vec<u8>)) {
    write_chunk(out, |out| match id {
        None => write_event(out, write),
        Some(id) => write_event_with_id(out, &id.to_string(), write),
    });
}

/// The front of a notification, up to and with the `_meta` of its params; the older era has none there.
fn notification(out: &mut Vec<u8>, method: &str, stream: &Stream) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"");
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b"\",\"params\":{");
    if stream.push.is_none() {
        out.extend_from_slice(b"\"_meta\":{");
        subscription_id(out, &stream.id);
        out.push(b'}');
    }
}

fn subscription_id(out: &mut Vec<u8>, id: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(meta::SUBSCRIPTION_ID.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(id);
}

/// The key of a kind in a filter, and the method of its notification.
fn kind(change: Change) -> (&'static str, &'static str) {
    match change {
        Change::ToolsList => ("toolsListChanged", method::TOOLS_LIST_CHANGED),
        Change::PromptsList => ("promptsListChanged", method::PROMPTS_LIST_CHANGED),
        Change::ResourcesList => ("resourcesListChanged", method::RESOURCES_LIST_CHANGED),
    }
}

/// True for a kind that this server may ever tell of.
fn is_offered(change: Change, offers: &Offers) -> bool {
    match change {
        Change::ToolsList => true,
        Change::PromptsList => offers.has_prompts(),
        Change::ResourcesList => offers.has_resources(),
    }
}

/// One bit a kind that this server may ever tell of.
pub(super) fn all_offered(offers: &Offers) -> u32 {
    Change::ALL.into_iter().filter(|change| is_offered(*change, offers)).map(|change| 1 << change as u32).sum()
}

/// What a filter asks for and this server has.
#[derive(Debug, Default)]
struct Filter {
    wanted: u32,
    resources: Vec<String>,
}

impl Filter {
    /// None where the text is no object, or names resources in another way than as a list of strings.
    fn read(text: &str, offers: &Offers) -> Option<Self> {
        let mut filter = Self::default();
        let mut resources = Some(Vec::new());
        // The text was checked with the message it is part of.
        let depth_max = u32::MAX;
        let read = Scanner::new(text, depth_max).object(|scanner, key| {
            let value = scanner.value()?;
            for change in Change::ALL {
                if is_offered(change, offers) && value == "true" && key.is(kind(change).0) {
                    filter.wanted |= 1 << change as u32;
                }
            }
            if key.is("resourceSubscriptions") {
                resources = serde_json::from_str(value).ok();
            }
            Ok(())
        });
        read.ok()?;
        let mut resources: Vec<String> = resources?;
        resources.sort_unstable();
        resources.dedup();
        filter.resources = if offers.has_resources() { resources } else { Vec::new() };
        Some(filter)
    }

    /// The part of the filter that holds, as a JSON object.
    fn write(&self, out: &mut Vec<u8>) {
        let mut accepted = serde_json::Map::new();
        for change in Change::ALL.into_iter().filter(|change| self.wanted & (1 << *change as u32) != 0) {
            accepted.insert(kind(change).0.to_string(), json!(true));
        }
        if !self.resources.is_empty() {
            accepted.insert("resourceSubscriptions".to_string(), json!(self.resources));
        }
        // Writing strings to a Vec cannot fail.
        let _ = serde_json::to_writer(out, &accepted);
    }
}
