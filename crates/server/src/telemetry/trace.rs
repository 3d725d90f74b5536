//! The span of one request: begun where the dice or its client say so, and on its way to the exporter when it is over.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use erlmcp_protocol::server::message::Meta;
use serde::Deserialize;

use super::parent::TraceParent;
use crate::clock::monotonic_ns;
use crate::metrics::counters::Outcome;
use crate::random;

/// Spans that wait for the exporter.
pub(super) const SPANS_MAX: usize = 4_096;
/// A longer `tracestate` may be left out, says its specification.
const STATE_MAX: usize = 512;
/// What a client has written is cut after so many characters.
const TEXT_MAX: usize = 256;

/// What a request is about.
#[derive(Debug)]
pub(crate) enum Target {
    /// The name of a tool, and whether there is such a one.
    Tool(Box<str>, bool),
    /// The name of a prompt, and whether there is such a one.
    Prompt(Box<str>, bool),
    /// The address of a resource.
    Resource(Box<str>),
}

/// What is known of a request when its span begins.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) method: Cow<'static, str>,
    /// It is one of the methods that this server has: others are no names of spans, since clients make them up.
    pub(crate) is_known: bool,
    pub(crate) target: Option<Target>,
    /// Its id as text.
    pub(crate) id: Box<str>,
    /// The protocol's version, once that is known.
    pub(crate) version: Option<&'static str>,
    /// CLOCK_MONOTONIC ns.
    pub(crate) began_ns: u64,
}

/// A span. Times are CLOCK_MONOTONIC ns.
#[derive(Debug)]
pub(crate) struct Span {
    pub(super) trace: [u8; 16],
    pub(super) span: [u8; 8],
    pub(super) parent: Option<[u8; 8]>,
    pub(super) state: Option<Box<str>>,
    pub(super) of: Begun,
    pub(super) ended_ns: u64,
    /// None: nobody answered it on the connection that it came on.
    pub(super) outcome: Option<Outcome>,
    /// Code and message of a JSON-RPC error.
    pub(super) error: Option<(i64, String)>,
}

/// The span of a request that is being answered, if it has one. Where it is dropped without its end, nobody answered.
#[derive(Debug, Default)]
pub(crate) struct Trace(Option<(Box<Span>, Arc<Outlet>)>);

impl Trace {
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn set_version(&mut self, version: &'static str) {
        if let Some((span, _)) = &mut self.0 {
            span.of.version = Some(version);
        }
    }

    /// It is over; `body` is what was answered.
    pub(crate) fn end(&mut self, ended_ns: u64, outcome: Outcome, body: &[u8]) {
        let Some((mut span, outlet)) = self.0.take() else { return };
        (span.ended_ns, span.outcome) = (ended_ns, Some(outcome));
        if !matches!(outcome, Outcome::Ok | Outcome::ToolError) {
            span.error = rpc_error(body);
        }
        outlet.put(span);
    }

    /// There is none after all: another replica has it.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if let Some((mut span, outlet)) = self.0.take() {
            span.ended_ns = monotonic_ns();
            outlet.put(span);
        }
    }
}

/// What became of spans.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// There was no room for them.
    pub(super) dropped: AtomicU64,
    pub(super) exported: AtomicU64,
    /// The collector did not take them.
    pub(super) failed: AtomicU64,
}

/// The way of spans out of the shards.
#[derive(Debug)]
pub(crate) struct Outlet {
    spans: SyncSender<Box<Span>>,
    /// Of 2^32 requests.
    sampled: u64,
    pub(super) counts: Counts,
    /// Nothing follows.
    pub(super) ends: AtomicBool,
}

impl Outlet {
    pub(super) fn new(sample: f64) -> (Self, Receiver<Box<Span>>) {
        let (spans, taken) = sync_channel(SPANS_MAX);
        let sampled = (sample.clamp(0.0, 1.0) * 2f64.powi(32)) as u64;
        (Self { spans, sampled, counts: Counts::default(), ends: AtomicBool::new(false) }, taken)
    }

    /// Begins the span of a request, where it gets one; most get none, and cost nothing but this look. `dice` is random.
    pub(crate) fn begin(self: &Arc<Self>, meta: &Meta<'_>, dice: u64, of: impl FnOnce() -> Begun) -> Trace {
        let parent = meta.traceparent.and_then(|text| TraceParent::parse(text.written()));
        let is_wanted = match parent {
            Some(parent) => parent.is_sampled,
            None => dice >> 32 < self.sampled,
        };
        if !is_wanted {
            return Trace::default();
        }
        let state = parent.and(meta.tracestate).map(|text| text.decode()).filter(|text| text.len() <= STATE_MAX);
        let span = Span {
            trace: parent.map_or_else(random::bytes, |parent| parent.trace),
            span: random::bytes(),
            parent: parent.map(|parent| parent.span),
            state: state.map(Into::into),
            of: of(),
            ended_ns: 0,
            outcome: None,
            error: None,
        };
        Trace(Some((Box::new(span), Arc::clone(self))))
    }

    fn put(&self, span: Box<Span>) {
        if self.spans.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What a client has written, cut.
pub(crate) fn cut(text: &str) -> Box<str> {
    text.chars().take(TEXT_MAX).collect()
}

/// Code and message of an answer that is an error.
fn rpc_error(body: &[u8]) -> Option<(i64, String)> {
    #[derive(Deserialize)]
    struct Answer {
        error: RpcError,
    }
    #[derive(Deserialize)]
    struct RpcError {
        code: i64,
        message: String,
    }
    let Answer { error } = serde_json::from_slice(body).ok()?;
    Some((error.code, cut(&error.message).into()))
}

#[cfg(test)]
mod tests {
    use erlmcp_protocol::server::message::MessageLimits;
    use erlmcp_protocol::server::read_message;

    use super::*;

    fn of() -> Begun {
        let (method, target) = (Cow::Borrowed("tools/call"), Some(Target::Tool("echo".into(), true)));
        Begun { method, is_known: true, target, id: "1".into(), version: None, began_ns: 7 }
    }

    fn begin(outlet: &Arc<Outlet>, meta: &str, dice: u64) -> Trace {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","_meta":{{{meta}}}}}}}"#
        );
        let limits = MessageLimits { depth_max: 16, id_bytes_max: 64 };
        let message = read_message(body.as_bytes(), &limits).expect("a message");
        outlet.begin(&message.params.meta, dice, of)
    }

    fn outlet(sample: f64) -> (Arc<Outlet>, Receiver<Box<Span>>) {
        let (outlet, spans) = Outlet::new(sample);
        (Arc::new(outlet), spans)
    }

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    #[test]
    fn a_client_decides_for_its_requests() {
        let (never, spans) = outlet(0.0);
        begin(&never, &format!(r#""traceparent":"{PARENT}-01","tracestate":"vendor=1""#), 0).end(9, Outcome::Ok, b"");
        let span = spans.try_recv().expect("it is sampled");
        assert_eq!((span.trace[0], span.parent.map(|span| span[0])), (0x0a, Some(0xb7)));
        assert_eq!((span.state.as_deref(), span.ended_ns, span.outcome), (Some("vendor=1"), 9, Some(Outcome::Ok)));
        let (always, _spans) = outlet(1.0);
        assert!(!begin(&always, &format!(r#""traceparent":"{PARENT}-00""#), 0).is_open());
    }

    #[test]
    fn of_the_others_a_share_has_a_span() {
        let (quarter, spans) = outlet(0.25);
        let begun = [0, u64::MAX / 100 * 24, u64::MAX / 100 * 26].map(|dice| begin(&quarter, "", dice).is_open());
        assert_eq!(begun, [true, true, false]);
        begin(&quarter, r#""traceparent":"nonsense""#, 0).end(9, Outcome::Ok, b"");
        let ids: Vec<_> = spans.try_iter().map(|span| (span.parent, span.trace, span.span)).collect();
        assert!(ids.iter().all(|(parent, trace, span)| parent.is_none() && *trace != [0; 16] && *span != [0; 8]));
        assert!(ids[0].1 != ids[1].1 && ids[1].2 != ids[2].2, "each has ids of its own: {ids:?}");
    }

    #[test]
    fn one_that_nobody_ends_was_not_answered() {
        let (always, spans) = outlet(1.0);
        drop(begin(&always, "", 0));
        begin(&always, "", 0).forget();
        let outcomes: Vec<_> = spans.try_iter().map(|span| span.outcome).collect();
        assert_eq!(outcomes, [None]);
    }

    #[test]
    fn an_error_is_told_with_its_code() {
        let (always, spans) = outlet(1.0);
        let body = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"so \"not\""}}"#;
        begin(&always, "", 0).end(9, Outcome::RpcError, body);
        begin(&always, "", 0).end(9, Outcome::HttpError, b"no JSON");
        let errors: Vec<_> = spans.try_iter().map(|span| span.error).collect();
        assert_eq!(errors, [Some((-32_602, "so \"not\"".to_string())), None]);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (always, spans) = outlet(1.0);
        (0..SPANS_MAX + 3).for_each(|_| begin(&always, "", 0).end(9, Outcome::Ok, b""));
        assert_eq!(always.counts.dropped.load(Ordering::Relaxed), 3);
        assert_eq!(spans.try_iter().count(), SPANS_MAX);
    }
}
