//! The engine's side of the wire format: what is sent for each call, and what an answer says.

mod listening;
mod walking;

use std::sync::Arc;

use erlmcp_protocol::client::answer::{self, Answer, Broken};
use erlmcp_protocol::client::canned;
use erlmcp_protocol::client::head::{Content, header};
use erlmcp_protocol::client::param;
use erlmcp_protocol::client::request::{self, Ask, BadRequest, Peer, ResponseHead, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::{method, name};

pub(crate) use erlmcp_protocol::client::answer::Said;
pub(crate) use listening::Listening;

use crate::cause::Cause;
use crate::proto;
use crate::request::{Call, Flight, Next};
use crate::workload::Workload;

/// What is sent for each call.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    probe: Template,
    load: Option<Template>,
    queued: Option<Template>,
    /// They are of a legacy session.
    has_session: bool,
    /// Each connection opens a session of its own.
    handshake: Option<Box<Handshake>>,
    /// None: of the modern era, where a server asks by its results.
    asides: Option<Box<Asides>>,
    /// Streams of notifications are opened so.
    listening: Option<Box<Listening>>,
    /// What load calls in place of `load`.
    workload: Option<Arc<Workload>>,
}

/// What a legacy client sends beside its requests.
#[derive(Debug, Clone)]
struct Asides {
    answer: ResponseHead,
    stream: Box<[u8]>,
}

#[derive(Debug, Clone)]
struct Handshake {
    initialize: Template,
    initialized: Box<[u8]>,
    end: Box<[u8]>,
}

impl Handshake {
    fn new(peer: &Peer<'_>) -> Result<Self, BadRequest> {
        Ok(Self {
            initialize: Template::initialize(peer)?,
            initialized: request::initialized(peer)?.into(),
            end: request::end_session(peer)?.into(),
        })
    }
}

impl Calls {
    /// `tools` are those that the target has told of.
    ///
    /// # Errors
    /// Where one of them cannot be rendered.
    pub(crate) fn new(peer: &Peer<'_>, requests: &proto::Requests, tools: &[proto::Tool]) -> Result<Self, BadRequest> {
        let probe = match peer.version.era() {
            Era::Modern => method::DISCOVER,
            Era::Legacy => method::PING,
        };
        let render = |request: &proto::Request| Template::new(peer, &ask_of(request, &params(request, tools)));
        Ok(Self {
            probe: Template::new(peer, &Ask { method: probe, ..Ask::default() })?,
            load: requests.load.as_ref().map(render).transpose()?,
            queued: requests.queued.as_ref().map(render).transpose()?,
            has_session: peer.session.is_some(),
            handshake: None,
            asides: match peer.version.era() {
                Era::Modern => None,
                Era::Legacy => Some(Box::new(Asides {
                    answer: ResponseHead::new(peer)?,
                    stream: request::open_stream(peer)?.into(),
                })),
            },
            listening: None,
            workload: None,
        })
    }

    /// The same, with streams of notifications that tell of the tools and of these resources.
    ///
    /// # Errors
    /// Where their requests cannot be rendered.
    pub(crate) fn with_streams(self, peer: &Peer<'_>, resources: &[String]) -> Result<Self, BadRequest> {
        Ok(Self { listening: Some(Box::new(Listening::new(peer, resources)?)), ..self })
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::of_session(None)
    }

    #[cfg(test)]
    pub(crate) fn of_own_sessions() -> Self {
        let version = erlmcp_protocol::era::Version::NEWEST_LEGACY;
        let peer = Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version, session: None };
        Self::with_own_sessions(&peer, &Self::requests_of_tests(), &[]).expect("nothing is wrong with these")
    }

    /// With streams of notifications.
    #[cfg(test)]
    pub(crate) fn with_streams_of(version: erlmcp_protocol::era::Version) -> Self {
        let peer = Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version, session: None };
        let calls = Self::new(&peer, &Self::requests_of_tests(), &[]).expect("nothing is wrong with these");
        calls.with_streams(&peer, &[]).expect("nor with these")
    }

    /// Of the legacy era where there is a session.
    #[cfg(test)]
    pub(crate) fn of_session(session: Option<&str>) -> Self {
        use erlmcp_protocol::era::Version;
        let version = if session.is_some() { Version::NEWEST_LEGACY } else { Version::NEWEST };
        let peer = Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version, session };
        Self::new(&peer, &Self::requests_of_tests(), &[]).expect("nothing is wrong with these")
    }

    #[cfg(test)]
    fn requests_of_tests() -> proto::Requests {
        let call = |name: &str| proto::Request {
            method: method::TOOLS_CALL.into(),
            name: name.into(),
            arguments: r#"{"text":"hi"}"#.into(),
            with_progress: false,
        };
        proto::Requests { load: Some(call("echo")), queued: Some(call("work")), ..proto::Requests::default() }
    }

    /// The same, where each connection has a session of its own. Of the modern era nothing changes.
    ///
    /// # Errors
    /// Where the handshake cannot be rendered.
    pub(crate) fn with_own_sessions(
        peer: &Peer<'_>,
        requests: &proto::Requests,
        tools: &[proto::Tool],
    ) -> Result<Self, BadRequest> {
        let peer = Peer { session: None, ..peer.clone() };
        let mut calls = Self::new(&peer, requests, tools)?;
        if peer.version.era() == Era::Legacy {
            calls.handshake = Some(Box::new(Handshake::new(&peer)?));
        }
        Ok(calls)
    }

    pub(crate) fn has_own_sessions(&self) -> bool {
        self.handshake.is_some()
    }

    pub(crate) fn has_session(&self) -> bool {
        self.has_session
    }

    pub(crate) fn has(&self, call: Call) -> bool {
        match call {
            Call::Probe => true,
            Call::Load | Call::Step { .. } => self.load.is_some() || self.workload.is_some(),
            Call::Queued => self.queued.is_some(),
            Call::Initialize | Call::Initialized | Call::EndSession => self.handshake().is_some(),
            Call::Answer => self.asides.is_some(),
            Call::Subscribe(_) | Call::Listen => self.listening.is_some(),
        }
    }

    /// Of connections, or of streams.
    fn handshake(&self) -> Option<&Handshake> {
        let of_streams = self.listening.as_deref().and_then(|listening| listening.handshake.as_ref());
        self.handshake.as_deref().or(of_streams)
    }

    pub(crate) fn listening(&self) -> Option<&Listening> {
        self.listening.as_deref()
    }

    pub(crate) fn is_legacy(&self) -> bool {
        self.asides.is_some()
    }

    /// Writes what a request goes on with, which has been sent before, into `out`, which is empty.
    pub(crate) fn write_leg(&self, flight: &Flight, next: &Next, session: Option<&str>, out: &mut Vec<u8>) {
        match next {
            Next::Round(members) if self.write_step(flight.call, flight.id, members, out) => {}
            Next::Round(members) => self.template(flight.call).write_round(flight.id, members, out),
            Next::Resume { after, .. } => {
                out.extend(self.asides.iter().flat_map(|asides| asides.stream.iter()));
                request::put_last_event_id(out, 0, after);
            }
        }
        if let Some(session) = session {
            request::put_line(out, session.as_bytes());
        }
    }

    /// A response to a request of the server's, to be posted.
    pub(crate) fn answer(&self, response: &str, session: Option<&str>) -> Box<[u8]> {
        let mut out = Vec::new();
        if let Some(asides) = &self.asides {
            asides.answer.write(response, &mut out);
        }
        if let Some(session) = session {
            request::put_line(&mut out, session.as_bytes());
        }
        out.into()
    }

    /// The template of a call; where that is not known, the probe's.
    fn template(&self, call: Call) -> &Template {
        let known = match call {
            Call::Load => self.load.as_ref(),
            Call::Queued => self.queued.as_ref(),
            _ => None,
        };
        known.unwrap_or(&self.probe)
    }

    /// Writes the request with this id into `out`, which is empty; in a session of the connection's own if it has one, by
    /// the line of its header. Where the call is not known, the probe's.
    pub(crate) fn write(&self, call: Call, id: u64, session: Option<&str>, out: &mut Vec<u8>) {
        let handshake = match call {
            Call::Initialize | Call::Initialized | Call::EndSession => self.handshake(),
            _ => None,
        };
        match (call, handshake) {
            (Call::Initialize, Some(handshake)) => handshake.initialize.write(id, out),
            (Call::Initialized, Some(handshake)) => out.extend_from_slice(&handshake.initialized),
            (Call::EndSession, Some(handshake)) => out.extend_from_slice(&handshake.end),
            (Call::Step { .. }, _) if self.write_step(call, id, "", out) => {}
            (call, _) if self.listening().is_some_and(|listening| listening.write(call, id, out)) => {}
            _ => self.template(call).write(id, out),
        }
        if let Some(session) = session.filter(|_| call != Call::Initialize) {
            request::put_line(out, session.as_bytes());
        }
    }
}

/// What a request asks for; `params` are its [`params`].
pub(crate) fn ask_of<'a>(request: &'a proto::Request, params: &'a [(String, String)]) -> Ask<'a> {
    let given = |text: &'a str| Some(text).filter(|text| !text.is_empty());
    Ask {
        method: &request.method,
        name: given(&request.name),
        arguments: given(&request.arguments),
        params,
        with_progress: request.with_progress,
        ..Ask::default()
    }
}

/// Arguments that the tool wants in headers as well.
pub(crate) fn params(request: &proto::Request, tools: &[proto::Tool]) -> Vec<(String, String)> {
    let tool = tools.iter().find(|tool| request.method == method::TOOLS_CALL && tool.name == request.name);
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let wanted = tool.and_then(|tool| param::of_schema(&read(&tool.input_schema)).ok());
    wanted.map(|wanted| param::headers(&wanted, &read(&request.arguments))).unwrap_or_default()
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    /// `used` bytes of what was fed belong to it. `stays_open`: the connection can be used again.
    Whole {
        used: usize,
        said: Said,
        stays_open: bool,
    },
    Broken(Cause),
}

impl From<answer::Progress> for Progress {
    fn from(progress: answer::Progress) -> Self {
        match progress {
            answer::Progress::More => Progress::More,
            answer::Progress::Whole { used, said, stays_open } => Progress::Whole { used, said, stays_open },
            answer::Progress::Broken(Broken::NotHttp) => Progress::Broken(Cause::NotHttp),
            answer::Progress::Broken(Broken::TooLarge) => Progress::Broken(Cause::TooLarge),
            answer::Progress::Broken(Broken::CutOff) => Progress::Broken(Cause::ClosedBeforeAnswer),
        }
    }
}

/// An answer that is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading(Answer);

impl Reading {
    /// For the answer to `initialize`, whose head is wanted.
    pub(crate) fn of_handshake(id: u64) -> Box<Self> {
        Box::new(Self(Answer::recorded(id)))
    }

    /// The header line of the session that a whole answer has opened, if its head was wanted.
    pub(crate) fn into_session(self) -> Option<Box<str>> {
        let record = self.0.into_record();
        let session = std::str::from_utf8(header(&record.head, name::SESSION_ID)?).ok()?.trim();
        let is_visible = !session.is_empty() && session.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        is_visible.then(|| format!("{}: {session}\r\n", name::SESSION_ID).into())
    }

    pub(crate) fn begun(mut self: Box<Self>, id: u64) -> Box<Self> {
        self.0.begin(id);
        self
    }

    /// For the answer that a resumed stream goes on to.
    pub(crate) fn resumed(mut self: Box<Self>, id: u64) -> Box<Self> {
        self.0.begin_resumed(id);
        self
    }

    /// Bytes of memory that what has come of it holds on to.
    pub(crate) fn bytes(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn has_questions(&self) -> bool {
        self.0.has_questions()
    }

    /// What the response said, as soon as that event of a stream has come.
    pub(crate) fn response(&self) -> Option<Said> {
        self.0.response()
    }

    /// Requests of the server's that have come.
    pub(crate) fn take_questions(&mut self) -> Vec<Box<[u8]>> {
        self.0.take_questions()
    }

    /// What a request is to be sent with again that was answered with a question, if that can be answered.
    pub(crate) fn round(&self) -> Option<String> {
        canned::round(self.0.message())
    }

    /// Where its stream goes on, and how long it is to be left alone before, milliseconds, if the server says.
    pub(crate) fn resumption(&self) -> Option<(&str, Option<u64>)> {
        Some((self.0.last_event_id()?, self.0.retry_ms()))
    }

    /// How long the server wants its stream to be left alone after its end, milliseconds, if it says.
    pub(crate) fn retry_ms(&self) -> Option<u64> {
        self.0.retry_ms()
    }

    pub(crate) fn has_head(&self) -> bool {
        self.0.head().is_some()
    }

    /// The status, once the head is whole.
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.head().map(|head| head.status)
    }

    /// How long the connection is kept when nothing comes, seconds, if the server says; once the head is whole.
    pub(crate) fn keep_alive_s(&self) -> Option<u16> {
        self.0.head().and_then(|head| head.keep_alive_s)
    }

    pub(crate) fn has_event(&self) -> bool {
        self.0.has_event()
    }

    /// It is an event stream that goes well so far.
    pub(crate) fn is_stream(&self) -> bool {
        let is_good = |status: u16| (200..300).contains(&status);
        self.0.head().is_some_and(|head| is_good(head.status) && head.content == Content::Events)
    }

    /// Comments of a stream so far.
    pub(crate) fn comments(&self) -> u64 {
        self.0.comments()
    }

    /// Reads on, and gives each event of a stream as it comes.
    pub(crate) fn feed_watched(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(&[u8])) -> Progress {
        self.0.feed_watched(bytes, on_event).into()
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.0.feed(bytes).into()
    }

    /// The peer has closed in order.
    pub(crate) fn end(&mut self) -> Progress {
        self.0.end().into()
    }
}
