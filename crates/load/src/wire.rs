//! The engine's side of the wire format: what is sent for each call, and what an answer says.

use erlmcp_protocol::client::answer::{self, Answer, Broken};
use erlmcp_protocol::client::param;
use erlmcp_protocol::client::request::{Ask, BadRequest, Peer, Template};
use erlmcp_protocol::era::Era;
use erlmcp_protocol::header::method;

pub(crate) use erlmcp_protocol::client::answer::Said;

use crate::cause::Cause;
use crate::proto;
use crate::request::Call;

/// What is sent for each call.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    probe: Template,
    load: Option<Template>,
    queued: Option<Template>,
    /// They are of a legacy session.
    has_session: bool,
}

impl Calls {
    /// # Errors
    /// Where one of them cannot be rendered.
    /// `tools` are those that the target has told of.
    pub(crate) fn new(peer: &Peer<'_>, requests: &proto::Requests, tools: &[proto::Tool]) -> Result<Self, BadRequest> {
        let probe = match peer.version.era() {
            Era::Modern => method::DISCOVER,
            Era::Legacy => method::PING,
        };
        let render = |request: &proto::Request| {
            let name = Some(request.name.as_str()).filter(|name| !name.is_empty());
            let arguments = Some(request.arguments.as_str()).filter(|arguments| !arguments.is_empty());
            let params = params(request, tools);
            Template::new(peer, &Ask { method: &request.method, name, arguments, params: &params, cursor: None })
        };
        Ok(Self {
            probe: Template::new(peer, &Ask { method: probe, ..Ask::default() })?,
            load: requests.load.as_ref().map(render).transpose()?,
            queued: requests.queued.as_ref().map(render).transpose()?,
            has_session: peer.session.is_some(),
        })
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::of_session(None)
    }

    /// Of the legacy era where there is a session.
    #[cfg(test)]
    pub(crate) fn of_session(session: Option<&str>) -> Self {
        use erlmcp_protocol::era::Version;
        let version = if session.is_some() { Version::NEWEST_LEGACY } else { Version::NEWEST };
        let peer = Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version, session };
        let call = |name: &str| proto::Request {
            method: method::TOOLS_CALL.into(),
            name: name.into(),
            arguments: r#"{"text":"hi"}"#.into(),
        };
        Self::new(&peer, &proto::Requests { load: Some(call("echo")), queued: Some(call("work")) }, &[])
            .expect("nothing is wrong with these")
    }

    pub(crate) fn has_session(&self) -> bool {
        self.has_session
    }

    pub(crate) fn has(&self, call: Call) -> bool {
        match call {
            Call::Probe => true,
            Call::Load => self.load.is_some(),
            Call::Queued => self.queued.is_some(),
        }
    }

    /// Appends the request with this id. Where the call is not known, the probe's.
    pub(crate) fn write(&self, call: Call, id: u64, out: &mut Vec<u8>) {
        let template = match call {
            Call::Probe => None,
            Call::Load => self.load.as_ref(),
            Call::Queued => self.queued.as_ref(),
        };
        template.unwrap_or(&self.probe).write(id, out);
    }
}

/// Arguments that the tool wants in headers as well.
fn params(request: &proto::Request, tools: &[proto::Tool]) -> Vec<(String, String)> {
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
    pub(crate) fn begun(mut self: Box<Self>, id: u64) -> Box<Self> {
        self.0.begin(id);
        self
    }

    pub(crate) fn has_head(&self) -> bool {
        self.0.head().is_some()
    }

    /// The status, once the head is whole.
    pub(crate) fn status(&self) -> Option<u16> {
        self.0.head().map(|head| head.status)
    }

    pub(crate) fn has_event(&self) -> bool {
        self.0.has_event()
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.0.feed(bytes).into()
    }

    /// The peer has closed in order.
    pub(crate) fn end(&mut self) -> Progress {
        self.0.end().into()
    }
}
