//! From the bytes of a request to the bytes of its answer. Knows no socket, and reads no clock but to time its parts.

mod batch;
mod call;
mod catalog;
mod entering;
mod forwarding;
mod legacy;
mod listen;
mod lists;
mod mcp;
mod mirror;
mod offers;
mod operations;
mod pages;
mod reply;
mod resuming;
mod route;
mod sessions;
mod tasks;
mod timing;
mod tracing;

use std::sync::Arc;

use erlmcp_protocol::http::chunked::{Chunk, ChunkError, Chunked};
use erlmcp_protocol::server::message::MessageLimits;
use erlmcp_protocol::server::{Body, Head, HeadLimits, HeadRead, Heads, Method, Refusal, negotiate, read_head};

use crate::conn::{Call, Stream};
use crate::engine::{Pressure, Shared};
use crate::entry::{Admitted, Principal};
use crate::limits::JSON_DEPTH_CEILING;
use crate::metrics::counters::{ConnectionKind, Outcome, Reached, ShardCounters};
use crate::queue::Gathering;
use crate::session::Session;
use crate::shard::{ConnToken, Mailbox};
use crate::telemetry::{Outlet, Trace};

pub(crate) use catalog::{Catalog, MODERN};
pub(crate) use listen::{write_changes, write_comment, write_message, write_retry_after};
#[cfg(any(test, fuzzing))]
pub(crate) use lists::Pages;
use reply::Dates;
use route::{ALLOW_ANY, Page, Route, route};
pub(crate) use sessions::RETRY_MS;

/// A body that is no longer is short, bytes: what is critical has no more.
const SHORT_BODY: u64 = 16 * 1_024;
/// Of a body that is not waited for.
pub(crate) const NO_ROOM: Refusal = Refusal::closing(503, "this server is short of memory: try again later");
pub(crate) const TOO_SLOW: Refusal = Refusal::closing(408, "the request did not come in time");

/// Who asks, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    pub(crate) token: ConnToken,
    pub(crate) listener: u8,
    /// When the bytes were read, ns.
    pub(crate) now_ns: u64,
}

/// What the front of a connection's bytes turned out to be.
#[derive(Debug)]
pub(crate) enum Step {
    /// More is needed: so many bytes in all, where that is known.
    More { need: Option<usize>, expects_continue: bool },
    /// A body in chunks that goes on; what was decoded so far is in [`Dispatcher::decoded`]. All bytes are used.
    Upload { decoder: Chunked, head_length: usize, expects_continue: bool },
    /// Answered. `left` bytes of the request are still to come, and of no use.
    Answered { used: usize, left: u32, closes: bool },
    /// The answer comes from a worker.
    Called { used: usize, call: Box<Call> },
    /// The answer is a stream, which has begun.
    Opened { used: usize, stream: Box<Stream> },
}

/// A shard's way from requests to answers.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    counters: Arc<ShardCounters>,
    mailbox: Arc<Mailbox>,
    heads: Heads,
    message_limits: MessageLimits,
    /// The body of the answer that is being made.
    body: Vec<u8>,
    /// The body of the request that is being read, where it came in chunks.
    pub(crate) decoded: Vec<u8>,
    dates: Dates,
    random: u64,
    /// Requests answered since this was last taken.
    pub(crate) answered: u64,
    /// Every connection ends after its answer.
    pub(crate) draining: bool,
    /// The connection of the request that is being read ends after its answer.
    pub(crate) is_last: bool,
    /// So does the connection of this one, which is above the limit: it is shown a page, or refused.
    pub(crate) is_above: bool,
    /// What the last request was for.
    pub(crate) kind: ConnectionKind,
    current: Current,
    /// Where spans go, if anywhere.
    outlet: Option<Arc<Outlet>>,
    timing: timing::Timing,
    /// Tokens that were checked.
    admitted: Admitted,
}

/// What is known of the request that is being answered.
#[derive(Default)]
struct Current {
    /// Where it is of the older era.
    session: Option<Session>,
    /// The batch that the message is a part of.
    batch: Option<Arc<Gathering>>,
    /// The call becomes a task.
    as_task: bool,
    /// Its span, where it has one.
    trace: Trace,
    /// How it ended.
    outcome: Outcome,
    /// Who asks, where that is asked.
    principal: Option<Arc<Principal>>,
    /// Fields that go out with its refusal.
    challenge: Option<String>,
}

impl Current {
    /// Who asks; empty where nobody is known by name.
    fn principal_name(&self) -> &str {
        self.principal.as_ref().map_or("", |principal| &principal.name)
    }
}

impl Dispatcher {
    pub(crate) fn new(shared: &Arc<Shared>, shard: usize, seed: u64) -> Self {
        let limits = &shared.limits;
        let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            counters: Arc::clone(&shared.counters[shard]),
            mailbox: Arc::clone(&shared.mailboxes[shard]),
            heads: Heads::new(HeadLimits {
                bytes_max: bytes(limits.head_bytes_max),
                fields_max: bytes(limits.head_fields_max),
                body_bytes_max: limits.body_bytes_max.min(u64::from(u32::MAX / 2)),
            }),
            message_limits: MessageLimits {
                depth_max: limits.json_depth_max.min(JSON_DEPTH_CEILING) as u32,
                id_bytes_max: bytes(limits.request_id_bytes_max),
            },
            shared: Arc::clone(shared),
            body: Vec::new(),
            decoded: Vec::new(),
            dates: Dates::new(),
            random: seed | 1,
            answered: 0,
            draining: false,
            is_last: false,
            is_above: false,
            kind: ConnectionKind::New,
            current: Current::default(),
            outlet: shared.telemetry.get().map(|telemetry| Arc::clone(&telemetry.outlet)),
            timing: timing::Timing::default(),
            admitted: Admitted::default(),
        }
    }

    /// Looks at the front of `bytes`, which is where a request begins, and answers it into `out` if it is whole.
    pub(crate) fn step(&mut self, bytes: &[u8], asker: &Asker, out: &mut Vec<u8>) -> Step {
        self.current = Current::default();
        let read = self.heads.read(bytes);
        if self.is_above && !matches!(read, HeadRead::Partial) {
            if !is_shown_above(&read) {
                self.kind = ConnectionKind::New;
                self.too_many(out);
                return Step::Answered { used: bytes.len(), left: 0, closes: true };
            }
            self.counters.accepted.add(1);
        }
        let head = match &read {
            HeadRead::Whole(head) => head,
            HeadRead::Partial => return Step::More { need: None, expects_continue: false },
            HeadRead::Refused(refusal) => {
                let body = self.refuse(out, refusal, None, true);
                if bytes.starts_with(b"HEAD ") {
                    out.truncate(body);
                }
                return Step::Answered { used: bytes.len(), left: 0, closes: true };
            }
        };
        self.timing.next_request();
        let began_ns = self.began();
        let admitted = self.admit(head, asker);
        self.took(began_ns, |components| &components.router);
        let route = match admitted {
            Ok(route) => route,
            Err((refusal, allow)) => return self.turn_away(bytes, head, &refusal, allow, out),
        };
        let after_head = &bytes[head.text.len()..];
        match (route, head.body) {
            (Route::Mcp, Body::Length(length)) if (after_head.len() as u64) < length => {
                if self.has_no_room_for(length) {
                    return self.give_up(&NO_ROOM, out);
                }
                Step::More {
                    need: Some(head.text.len() + length as usize),
                    expects_continue: head.expects_continue && after_head.is_empty(),
                }
            }
            (Route::Mcp, Body::Length(length)) => {
                let used = head.text.len() + length as usize;
                self.message(head, &after_head[..length as usize], used, asker, out)
            }
            (Route::Push | Route::End, _) => self.session_request(bytes, head, route, asker, out),
            (Route::Mcp, Body::Chunked) => self.chunks(head, after_head, asker, out),
            (route, _) => self.page(bytes, head, route, asker, out),
        }
    }

    /// Answers a request whose body came in chunks and is whole now. `head` is the text of its head.
    pub(crate) fn uploaded(&mut self, head: &[u8], body: &[u8], asker: &Asker, out: &mut Vec<u8>) -> Step {
        self.kind = ConnectionKind::Mcp;
        self.current = Current::default();
        self.timing.next_request();
        match read_head(head, self.heads.limits()) {
            HeadRead::Whole(head) => {
                if self.shared.gate.is_some()
                    && let Err(refusal) = self.let_in(&head, &Route::Mcp, asker)
                {
                    return self.give_up(&refusal, out);
                }
                self.message(&head, body, 0, asker, out)
            }
            // It was whole and good when it came.
            HeadRead::Partial | HeadRead::Refused(_) => self.broken_upload(ChunkError::Malformed, out),
        }
    }

    /// Refuses a body in chunks.
    pub(crate) fn broken_upload(&mut self, error: ChunkError, out: &mut Vec<u8>) -> Step {
        self.kind = ConnectionKind::Mcp;
        let refusal = match error {
            ChunkError::Malformed => Refusal::closing(400, "the body in chunks is malformed"),
            ChunkError::Framing => Refusal::closing(400, "the body in chunks has far more framing than content"),
            ChunkError::TooLarge => Refusal::closing(413, "the body is larger than this server takes"),
            ChunkError::Trailers => Refusal::closing(431, "the trailer fields are too long or too many"),
        };
        self.give_up(&refusal, out)
    }

    /// Refuses a request whose end is not waited for, and ends its connection.
    pub(crate) fn give_up(&mut self, refusal: &Refusal, out: &mut Vec<u8>) -> Step {
        self.refuse(out, refusal, None, true);
        Step::Answered { used: 0, left: 0, closes: true }
    }

    /// Everything that a head alone decides, in the order of the specification's checks.
    fn admit(&mut self, head: &Head<'_>, asker: &Asker) -> Result<Route, (Refusal, Option<&'static str>)> {
        self.kind = if head.path == "/mcp" { ConnectionKind::Mcp } else { ConnectionKind::Admin };
        self.shared.hosts.check(head).map_err(|refusal| (refusal, None))?;
        let route = route(head);
        if self.shared.gate.is_some() || self.shared.has_admin {
            self.let_in(head, &route, asker).map_err(|refusal| (refusal, None))?;
        }
        match route {
            Route::Mcp => {
                negotiate::check_post(&head.known).map_err(|refusal| (refusal, None))?;
                Ok(Route::Mcp)
            }
            Route::Page(Page::Resource) if self.shared.gate.is_none() => {
                Err((Refusal::keeping(404, "this server asks for no tokens"), None))
            }
            Route::Refused { refusal, allow } => Err((refusal, allow)),
            route => Ok(route),
        }
    }

    fn chunks(&mut self, head: &Head<'_>, bytes: &[u8], asker: &Asker, out: &mut Vec<u8>) -> Step {
        let mut decoder = Chunked::new(self.heads.limits().body_bytes_max);
        let mut decoded = std::mem::take(&mut self.decoded);
        decoded.clear();
        let step = match decode(&mut decoder, bytes, |data| decoded.extend_from_slice(data)) {
            Ok(Some(used)) => self.message(head, &decoded, head.text.len() + used, asker, out),
            Ok(None) if self.has_no_room_for(u64::MAX) => self.give_up(&NO_ROOM, out),
            Ok(None) => Step::Upload {
                decoder,
                head_length: head.text.len(),
                expects_continue: head.expects_continue && bytes.is_empty(),
            },
            Err(error) => self.broken_upload(error, out),
        };
        self.decoded = decoded;
        step
    }

    fn page(&mut self, bytes: &[u8], head: &Head<'_>, route: Route, asker: &Asker, out: &mut Vec<u8>) -> Step {
        let (used, left, closes) = self.rest_of(bytes, head);
        let shown = match route {
            Route::Page(Page::Resource) => Some(self.resource(head)),
            // New clients are to go elsewhere. A replica's supervisor asks whether it works.
            Route::Page(Page::Ready) if self.is_above && self.shared.cluster.is_none() => Some(pages::full()),
            Route::Page(page) => Some(pages::show(&self.shared, page, asker.listener, head.known.accept)),
            _ => None,
        };
        match shown {
            Some(shown) => self.show(out, &shown, head.method == Method::Head, closes),
            None => self.no_content(out, &format!("Allow: {ALLOW_ANY}\r\n"), closes),
        }
        Step::Answered { used, left, closes }
    }

    /// Refuses a request whose head is whole.
    fn turn_away(
        &mut self,
        bytes: &[u8],
        head: &Head<'_>,
        refusal: &Refusal,
        allow: Option<&'static str>,
        out: &mut Vec<u8>,
    ) -> Step {
        let (used, left, closes) = self.rest_of(bytes, head);
        let closes = closes || refusal.closes;
        let body_begins = self.refuse(out, refusal, allow, closes);
        if head.method == Method::Head {
            out.truncate(body_begins);
        }
        Step::Answered { used, left, closes }
    }

    fn ends_connection(&self) -> bool {
        self.draining || self.is_last || self.is_above
    }

    /// The connection ends after the answer to this request of a client of MCP. Pages are for who wants to know how it goes, and go on.
    fn closes_after(&self, head: &Head<'_>) -> bool {
        !head.keep_alive || self.ends_connection() || self.shared.memory.is(Pressure::NoKeepAlive)
    }

    /// True where no session and no stream is to be begun, for lack of room or of memory.
    fn is_pressed(&self) -> bool {
        self.is_short_of(Pressure::NothingLasting) || self.shared.queue.is_pressed()
    }

    /// True where a body of this length is not waited for, for lack of memory. Whether it is critical nobody knows yet.
    fn has_no_room_for(&self, length: u64) -> bool {
        self.is_short_of(if length > SHORT_BODY { Pressure::CriticalOnly } else { Pressure::NoConnections })
    }

    /// True where so much is given up for lack of memory, which is counted.
    fn is_short_of(&self, level: Pressure) -> bool {
        let is_short = self.shared.memory.is(level);
        if is_short {
            self.counters.reached(Reached::Memory);
        }
        is_short
    }

    /// A request's body is not wanted: bytes used, bytes still to come, and whether the connection ends instead.
    fn rest_of(&self, bytes: &[u8], head: &Head<'_>) -> (usize, u32, bool) {
        let last = !head.keep_alive || self.ends_connection();
        let Body::Length(length) = head.body else { return (bytes.len(), 0, true) };
        let whole = head.text.len() as u64 + length;
        let left = whole.saturating_sub(bytes.len() as u64);
        // A client that waits for 100 may send its body or the next request: nobody can tell.
        let uncertain = left > self.shared.limits.linger_bytes_max || (left > 0 && head.expects_continue);
        if uncertain {
            return (bytes.len(), 0, true);
        }
        (bytes.len().min(whole as usize), left as u32, last)
    }
}

/// What is asked for is a page for who looks after the server, who sees it above the limit of connections as well.
fn is_shown_above(read: &HeadRead<'_>) -> bool {
    let HeadRead::Whole(head) = read else { return false };
    matches!(route(head), Route::Page(page) if page != Page::Resource)
}

/// Decodes all of `bytes`. Some: the body ended after so many of them.
pub(crate) fn decode(
    decoder: &mut Chunked,
    bytes: &[u8],
    mut take: impl FnMut(&[u8]),
) -> Result<Option<usize>, ChunkError> {
    let mut at = 0;
    loop {
        match decoder.decode(&bytes[at..])? {
            Chunk::Data { data, used } => {
                take(data);
                at += used;
            }
            Chunk::More => return Ok(None),
            Chunk::End { used } => return Ok(Some(at + used)),
        }
    }
}
