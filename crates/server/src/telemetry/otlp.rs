//! OTLP as JSON (its protobuf messages in the JSON of protobuf, but with ids as hexadecimal): bodies and spans.

use std::borrow::Cow;

use serde::Serialize;

use super::trace::{Span, Target};
use crate::answer::ServerInfo;
use crate::metrics::counters::Outcome;
use crate::random;

/// SPAN_KIND_SERVER and STATUS_CODE_ERROR.
const SERVER: u8 = 2;
const ERROR: u8 = 2;
/// What there is to say where nobody answered.
const NO_ANSWER: &str = "no_answer";

/// Who tells: made once, and another one for each server.
#[derive(Debug, Serialize)]
pub(super) struct Resource {
    attributes: Vec<Attribute<'static>>,
}

impl Resource {
    pub(super) fn new(info: &ServerInfo, replica: u16) -> Self {
        // In containers all have the same number and the same process id.
        let instance = format!("{replica}.{}", hex(&random::bytes::<16>()));
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let attributes = vec![
            Attribute::new("service.name", info.name.clone()),
            Attribute::new("service.version", info.version.clone()),
            Attribute::new("service.instance.id", instance),
            Attribute::new("host.name", host),
        ];
        Self { attributes }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Attribute<'a> {
    key: &'static str,
    value: Text<'a>,
}

#[derive(Debug, Serialize)]
struct Text<'a> {
    #[serde(rename = "stringValue")]
    text: Cow<'a, str>,
}

impl<'a> Attribute<'a> {
    pub(super) fn new(key: &'static str, text: impl Into<Cow<'a, str>>) -> Self {
        Self { key, value: Text { text: text.into() } }
    }
}

#[derive(Debug, Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

const SCOPE: Scope = Scope { name: "erlmcp-server", version: env!("CARGO_PKG_VERSION") };

/// The body of a request to `/v1/traces`; `unix` makes a time of day of a span's time, ns.
pub(super) fn traces<'a>(
    resource: &'a Resource,
    spans: &'a [Box<Span>],
    unix: impl Fn(u64) -> u64,
) -> impl Serialize + 'a {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Traces<'a> {
        resource_spans: [ResourceSpans<'a>; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ResourceSpans<'a> {
        resource: &'a Resource,
        scope_spans: [ScopeSpans<'a>; 1],
    }
    #[derive(Serialize)]
    struct ScopeSpans<'a> {
        scope: Scope,
        spans: Vec<SpanMessage<'a>>,
    }
    let spans = spans.iter().map(|span| message(span, &unix)).collect();
    Traces { resource_spans: [ResourceSpans { resource, scope_spans: [ScopeSpans { scope: SCOPE, spans }] }] }
}

/// The body of a request to `/v1/metrics`.
pub(super) fn metrics<'a, M: Serialize + 'a>(resource: &'a Resource, metrics: Vec<M>) -> impl Serialize + 'a {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Metrics<'a, M> {
        resource_metrics: [ResourceMetrics<'a, M>; 1],
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct ResourceMetrics<'a, M> {
        resource: &'a Resource,
        scope_metrics: [ScopeMetrics<M>; 1],
    }
    #[derive(Serialize)]
    struct ScopeMetrics<M> {
        scope: Scope,
        metrics: Vec<M>,
    }
    Metrics {
        resource_metrics: [ResourceMetrics { resource, scope_metrics: [ScopeMetrics { scope: SCOPE, metrics }] }],
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanMessage<'a> {
    trace_id: String,
    span_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_state: Option<&'a str>,
    name: Cow<'a, str>,
    kind: u8,
    start_time_unix_nano: String,
    end_time_unix_nano: String,
    attributes: Vec<Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

fn message<'a>(span: &'a Span, unix: impl Fn(u64) -> u64) -> SpanMessage<'a> {
    let mut attributes = attributes(span);
    let error_type = match (&span.error, span.outcome) {
        (Some((code, _)), _) => {
            attributes.push(Attribute::new("rpc.response.status_code", code.to_string()));
            Some(Cow::Owned(code.to_string()))
        }
        (None, Some(Outcome::Ok)) => None,
        (None, Some(outcome)) => Some(Cow::Borrowed(outcome.label())),
        (None, None) => Some(Cow::Borrowed(NO_ANSWER)),
    };
    let status = error_type.is_some().then(|| {
        let message = span.error.as_ref().map(|(_, message)| message.as_str());
        Status { code: ERROR, message }
    });
    attributes.extend(error_type.map(|kind| Attribute::new("error.type", kind)));
    SpanMessage {
        trace_id: hex(&span.trace),
        span_id: hex(&span.span),
        parent_span_id: span.parent.as_ref().map(|parent| hex(parent)),
        trace_state: span.state.as_deref(),
        name: name(span),
        kind: SERVER,
        start_time_unix_nano: unix(span.of.began_ns).to_string(),
        end_time_unix_nano: unix(span.ended_ns.max(span.of.began_ns)).to_string(),
        attributes,
        status,
    }
}

/// As the conventions for MCP have it. What a client may make up is no part of it.
fn name(span: &Span) -> Cow<'_, str> {
    match (&span.of.target, span.of.is_known) {
        (Some(Target::Tool(target, true) | Target::Prompt(target, true)), true) => {
            format!("{} {target}", span.of.method).into()
        }
        (_, true) => span.of.method.as_ref().into(),
        (_, false) => "other".into(),
    }
}

fn attributes(span: &Span) -> Vec<Attribute<'_>> {
    let mut attributes = Vec::with_capacity(12);
    attributes.push(Attribute::new("mcp.method.name", span.of.method.as_ref()));
    match &span.of.target {
        Some(Target::Tool(name, _)) => {
            attributes.push(Attribute::new("gen_ai.operation.name", "execute_tool"));
            attributes.push(Attribute::new("gen_ai.tool.name", name.as_ref()));
        }
        Some(Target::Prompt(name, _)) => attributes.push(Attribute::new("gen_ai.prompt.name", name.as_ref())),
        Some(Target::Resource(uri)) => attributes.push(Attribute::new("mcp.resource.uri", uri.as_ref())),
        None => {}
    }
    attributes.push(Attribute::new("jsonrpc.request.id", span.of.id.as_ref()));
    attributes.extend(span.of.version.map(|version| Attribute::new("mcp.protocol.version", version)));
    attributes.push(Attribute::new("network.transport", "tcp"));
    attributes.push(Attribute::new("network.protocol.name", "http"));
    attributes.push(Attribute::new("network.protocol.version", "1.1"));
    attributes
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)]));
    bytes.iter().flat_map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_servers_tell_as_the_same_instance() {
        let [one, other] = [(); 2].map(|()| {
            let resource = Resource::new(&ServerInfo::new("sample", "7"), 0);
            ["service.instance.id", "host.name"].map(|key| {
                let found = resource.attributes.iter().find(|attribute| attribute.key == key);
                found.expect("it is told").value.text.to_string()
            })
        });
        assert_ne!(one[0], other[0]);
        assert!(one[0].starts_with("0.") && one[0].len() == 34, "{one:?}");
        assert!(one[1] == other[1] && !one[1].is_empty(), "{one:?}");
    }
}
