//! The engine's side of the wire format: what is sent for each call, and what an answer says.
// PROVISIONAL: stands in for erlmcp_protocol::client until that crate is there.

use crate::cause::Cause;
use crate::request::Call;

/// What is sent for each call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    head: String,
    probe: String,
    load: Option<String>,
    queued: Option<String>,
}

impl Calls {
    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::provisional("127.0.0.1:8080", "/mcp")
    }

    pub(crate) fn provisional(authority: &str, path: &str) -> Self {
        let head = format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\n");
        let call = |method: &str| format!("\"method\":\"{method}\"");
        Self { head, probe: call("server/discover"), load: Some(call("tools/call")), queued: Some(call("tools/call")) }
    }

    pub(crate) fn has(&self, call: Call) -> bool {
        match call {
            Call::Probe => true,
            Call::Load => self.load.is_some(),
            Call::Queued => self.queued.is_some(),
        }
    }

    /// Appends the request with this id. Nothing where the call is not known.
    pub(crate) fn write(&self, call: Call, id: u64, out: &mut Vec<u8>) {
        let call = match call {
            Call::Probe => &self.probe,
            Call::Load => self.load.as_ref().unwrap_or(&self.probe),
            Call::Queued => self.queued.as_ref().unwrap_or(&self.probe),
        };
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{call}}}");
        out.extend_from_slice(format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len()).as_bytes());
    }
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    Ok,
    ToolError,
    RpcError(i64),
    HttpError(u16),
    Refused {
        status: u16,
        after_us: u64,
    },
    /// The id, where it is a number.
    AnotherId(Option<u64>),
    NotJsonRpc,
    /// An event stream ended in order, without the response.
    NoResponse,
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

/// An answer that is being read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    id: u64,
    bytes: Vec<u8>,
    head: bool,
}

impl Reading {
    pub(crate) fn begun(mut self: Box<Self>, id: u64) -> Box<Self> {
        self.id = id;
        self.bytes.clear();
        self.head = false;
        self
    }

    pub(crate) fn has_head(&self) -> bool {
        self.head
    }

    pub(crate) fn has_event(&self) -> bool {
        false
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Progress {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let Some(end) = text.find("\r\n\r\n") else { return Progress::More };
        self.head = true;
        if !text.starts_with("HTTP/1.1 ") {
            return Progress::Broken(Cause::NotHttp);
        }
        let status: u16 = text[9..12].parse().unwrap_or(0);
        let find = |name: &str| text[..end].lines().find_map(|line| line.strip_prefix(name).map(str::trim));
        let length: usize = find("Content-Length:").map_or(0, |n| n.parse().unwrap_or(0));
        let whole = end + 4 + length;
        if text.len() < whole {
            return Progress::More;
        }
        let body: serde_json::Value = serde_json::from_str(&text[end + 4..whole]).unwrap_or_default();
        let id = body["id"].as_u64();
        let said = if status != 200 && body["error"]["data"]["executed"] == false {
            Said::Refused { status, after_us: body["error"]["data"]["retryAfterMs"].as_u64().unwrap_or(1_000) * 1_000 }
        } else if status != 200 {
            Said::HttpError(status)
        } else if body.is_null() {
            if length == 0 { Said::NoResponse } else { Said::NotJsonRpc }
        } else if id != Some(self.id) {
            Said::AnotherId(id)
        } else if let Some(code) = body["error"]["code"].as_i64() {
            Said::RpcError(code)
        } else if body["result"]["isError"] == true {
            Said::ToolError
        } else {
            Said::Ok
        };
        let stays_open = find("Connection:") != Some("close");
        Progress::Whole { used: whole - before, said, stays_open }
    }

    pub(crate) fn end(&mut self) -> Progress {
        Progress::Broken(Cause::ClosedBeforeAnswer)
    }
}
