//! The JSON-RPC message of a POST, read in place.

use crate::code;
use crate::header::meta;
use crate::json::{JsonError, Scanner, Text};
use crate::operation;

/// The bounds of a message.
#[derive(Debug, Clone, Copy)]
pub struct MessageLimits {
    /// Arrays and objects within each other.
    pub depth_max: u32,
    /// The id as it is written in JSON.
    pub id_bytes_max: usize,
}

/// Why a message is not accepted. Answered with HTTP status `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault<'a> {
    /// The request's id as JSON text, where it could be read.
    pub id: Option<&'a str>,
    pub status: u16,
    pub code: i64,
    /// For people.
    pub why: &'static str,
    /// The message has more levels than [`MessageLimits::depth_max`].
    pub is_too_deep: bool,
}

impl<'a> Fault<'a> {
    /// One that is answered with 400.
    pub fn new(id: Option<&'a str>, code: i64, why: &'static str) -> Self {
        Self { id, status: 400, code, why, is_too_deep: false }
    }
}

/// A request, or a notification, which has no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// As JSON text: an integer or a string.
    pub id: Option<&'a str>,
    pub method: Text<'a>,
    pub params: Params<'a>,
}

/// The parameters that this server knows, of all methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a> {
    /// `name`, where it is a string.
    pub name: Option<Text<'a>>,
    /// `uri`, where it is a string.
    pub uri: Option<Text<'a>>,
    /// `taskId`, where it is a string.
    pub task_id: Option<Text<'a>>,
    /// `protocolVersion` of `initialize`, where it is a string.
    pub protocol_version: Option<Text<'a>>,
    /// JSON text of any kind.
    pub arguments: Option<&'a str>,
    /// JSON text of any kind.
    pub cursor: Option<&'a str>,
    /// JSON text of any kind.
    pub notifications: Option<&'a str>,
    /// What a client answers to `input_required`: JSON text of any kind.
    pub input_responses: Option<&'a str>,
    /// What an `input_required` answer gave to bring back: JSON text of any kind.
    pub request_state: Option<&'a str>,
    /// `ref` of a completion: JSON text of any kind.
    pub reference: Option<&'a str>,
    /// `argument` of a completion: JSON text of any kind.
    pub argument: Option<&'a str>,
    /// `context` of a completion: JSON text of any kind.
    pub context: Option<&'a str>,
    /// `capabilities` of `initialize`: JSON text of any kind.
    pub capabilities: Option<&'a str>,
    /// `requestId` of `notifications/cancelled`: JSON text of any kind.
    pub request_id: Option<&'a str>,
    /// `level` of `logging/setLevel`, where it is a string.
    pub level: Option<Text<'a>>,
    /// `operation` of `operation/status`, where it is a string.
    pub operation: Option<Text<'a>>,
    /// `settle` of `operation/status`: JSON text of any kind.
    pub settle: Option<&'a str>,
    pub meta: Meta<'a>,
}

/// `_meta` of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta<'a> {
    /// Where it is a string.
    pub protocol_version: Option<Text<'a>>,
    /// True where it is an object.
    pub has_client_capabilities: bool,
    /// JSON text of any kind.
    pub client_capabilities: Option<&'a str>,
    /// Where it is a string or an integer: JSON text.
    pub progress_token: Option<&'a str>,
    /// Where it is a string.
    pub log_level: Option<Text<'a>>,
    /// The operation that the request is an attempt of: JSON text of any kind.
    pub operation: Option<&'a str>,
    /// It says that it is not the first attempt.
    pub is_retry: bool,
    /// For how many more ms its client waits: JSON text of any kind.
    pub deadline: Option<&'a str>,
    /// Where it is a string.
    pub traceparent: Option<Text<'a>>,
    /// Where it is a string.
    pub tracestate: Option<Text<'a>>,
}

/// A longer progress token is not one: it would come back with each notification.
const PROGRESS_TOKEN_BYTES_MAX: usize = 256;

/// Everything known about a message while it is read.
#[derive(Default)]
struct Reading<'a> {
    version: Option<&'a str>,
    id: Option<&'a str>,
    method_text: Option<Text<'a>>,
    params_are_no_object: bool,
    /// Has a member that only responses have.
    responds: bool,
    params: Params<'a>,
    seen: Seen,
}

/// The keys that are known: of the message, of its params, and of their `_meta`.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Key {
    Jsonrpc,
    Id,
    Method,
    Params,
    Name,
    Arguments,
    Meta,
    Uri,
    Cursor,
    Notifications,
    TaskId,
    ProtocolVersion,
    InputResponses,
    RequestState,
    Reference,
    Argument,
    Context,
    Capabilities,
    RequestId,
    Level,
    Operation,
    Settle,
    MetaProtocolVersion,
    MetaClientCapabilities,
    MetaProgressToken,
    MetaLogLevel,
    MetaOperation,
    MetaAttempt,
    MetaDeadline,
    MetaTraceparent,
    MetaTracestate,
    /// No key: how many there are.
    End,
}

/// Each has its bit.
const _: () = assert!(Key::End as u32 <= u32::BITS);

/// Which keys were there already.
#[derive(Default)]
struct Seen {
    bits: u32,
    twice: bool,
}

impl Seen {
    fn mark(&mut self, key: Key) {
        let bit = 1 << key as u8;
        self.twice |= self.bits & bit != 0;
        self.bits |= bit;
    }
}

/// Reads the message of a body.
///
/// # Errors
/// Where the body is not JSON, or not one request or notification.
pub fn read_message<'a>(body: &'a [u8], limits: &MessageLimits) -> Result<Message<'a>, Fault<'a>> {
    let parse_error = |why| Fault::new(None, code::PARSE_ERROR, why);
    let text = std::str::from_utf8(body).map_err(|_| parse_error("the body is not UTF-8"))?;
    let mut scanner = Scanner::new(text, limits.depth_max);
    let mut reading = Reading::default();
    let is_object = scanner.peek() == Some(b'{');
    let read = if is_object { scanner.object(|scanner, key| reading.member(scanner, key)) } else { scanner.skip() };
    match read.and_then(|()| scanner.end()) {
        Ok(()) if is_object => reading.judge(limits),
        Ok(()) => Err(Fault::new(None, code::INVALID_REQUEST, "the body is not one JSON-RPC message")),
        Err(JsonError::Syntax) => Err(parse_error("the body is not JSON")),
        Err(JsonError::TooDeep) => Err(Fault { is_too_deep: true, ..parse_error("the body is nested too deeply") }),
    }
}

/// True for a JSON-RPC response, which only clients of the older era send.
pub fn is_response(body: &[u8], limits: &MessageLimits) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut scanner = Scanner::new(text, limits.depth_max);
    let mut reading = Reading::default();
    let read = scanner.object(|scanner, key| reading.member(scanner, key)).and_then(|()| scanner.end());
    let has_id = reading.id.is_some_and(|id| is_id(id, limits.id_bytes_max));
    read.is_ok()
        && reading.responds
        && !reading.seen.twice
        && reading.version == Some("\"2.0\"")
        && has_id
        && reading.method_text.is_none()
}

/// The messages of a batch, each as JSON text; at most `max`.
///
/// # Errors
/// Where the body is no JSON array, or one that is empty or too long.
pub fn split_batch<'a>(body: &'a [u8], limits: &MessageLimits, max: usize) -> Result<Vec<&'a str>, Fault<'a>> {
    let text = std::str::from_utf8(body).map_err(|_| Fault::new(None, code::PARSE_ERROR, "the body is not UTF-8"))?;
    let mut elements = Vec::new();
    let mut scanner = Scanner::new(text, limits.depth_max);
    let read = scanner.array(|scanner| {
        let element = scanner.value()?;
        if elements.len() <= max {
            elements.push(element);
        }
        Ok(())
    });
    if read.and_then(|()| scanner.end()).is_err() {
        return Err(Fault::new(None, code::PARSE_ERROR, "the body is not JSON"));
    }
    match elements.len() {
        0 => Err(Fault::new(None, code::INVALID_REQUEST, "the batch is empty")),
        length if length > max => Err(Fault::new(None, code::INVALID_REQUEST, "the batch has too many messages")),
        _ => Ok(elements),
    }
}

impl<'a> Reading<'a> {
    fn member(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>) -> Result<(), JsonError> {
        let key = &*key.bytes();
        if key == b"jsonrpc" {
            self.seen.mark(Key::Jsonrpc);
            self.version = Some(scanner.value()?);
        } else if key == b"id" {
            self.seen.mark(Key::Id);
            self.id = Some(scanner.value()?);
        } else if key == b"method" {
            self.seen.mark(Key::Method);
            self.method_text = scanner.text()?;
        } else if key == b"params" {
            self.seen.mark(Key::Params);
            if scanner.peek() == Some(b'{') {
                let (params, seen) = (&mut self.params, &mut self.seen);
                scanner.object(|scanner, key| params.member(scanner, key, seen))?;
            } else {
                self.params_are_no_object = true;
                scanner.skip()?;
            }
        } else {
            self.responds |= key == b"result" || key == b"error";
            scanner.skip()?;
        }
        Ok(())
    }

    fn judge(self, limits: &MessageLimits) -> Result<Message<'a>, Fault<'a>> {
        let id_is_good = self.id.is_none_or(|id| is_id(id, limits.id_bytes_max));
        let id = self.id.filter(|_| id_is_good && !self.seen.twice);
        let invalid = |why| Err(Fault::new(id, code::INVALID_REQUEST, why));
        if self.seen.twice {
            return invalid("a key is there twice");
        }
        if self.version != Some("\"2.0\"") {
            return invalid("jsonrpc is not \"2.0\"");
        }
        if !id_is_good {
            return invalid("the id is neither an integer nor a string, or it is too long");
        }
        if self.responds {
            return invalid("this server asks nothing, so that it takes no responses");
        }
        let Some(method) = self.method_text.filter(|method| !method.is_empty()) else {
            return invalid("the method is missing or not a string");
        };
        if self.params_are_no_object {
            return Err(Fault::new(id, code::INVALID_PARAMS, "params is not an object"));
        }
        Ok(Message { id, method, params: self.params })
    }
}

impl<'a> Params<'a> {
    fn member(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>, seen: &mut Seen) -> Result<(), JsonError> {
        let key = &*key.bytes();
        if key == b"name" {
            seen.mark(Key::Name);
            self.name = scanner.text()?;
        } else if key == b"arguments" {
            seen.mark(Key::Arguments);
            self.arguments = Some(scanner.value()?);
        } else if key == b"_meta" {
            seen.mark(Key::Meta);
            if scanner.peek() == Some(b'{') {
                let meta = &mut self.meta;
                return scanner.object(|scanner, key| meta.member(scanner, key, seen));
            }
            scanner.skip()?;
        } else if key == b"uri" {
            seen.mark(Key::Uri);
            self.uri = scanner.text()?;
        } else if key == b"cursor" {
            seen.mark(Key::Cursor);
            self.cursor = Some(scanner.value()?);
        } else if key == b"notifications" {
            seen.mark(Key::Notifications);
            self.notifications = Some(scanner.value()?);
        } else if key == b"taskId" {
            seen.mark(Key::TaskId);
            self.task_id = scanner.text()?;
        } else if key == b"protocolVersion" {
            seen.mark(Key::ProtocolVersion);
            self.protocol_version = scanner.text()?;
        } else if key == b"inputResponses" {
            seen.mark(Key::InputResponses);
            self.input_responses = Some(scanner.value()?);
        } else if key == b"requestState" {
            seen.mark(Key::RequestState);
            self.request_state = Some(scanner.value()?);
        } else if key == b"ref" {
            seen.mark(Key::Reference);
            self.reference = Some(scanner.value()?);
        } else if key == b"argument" {
            seen.mark(Key::Argument);
            self.argument = Some(scanner.value()?);
        } else if key == b"context" {
            seen.mark(Key::Context);
            self.context = Some(scanner.value()?);
        } else if key == b"capabilities" {
            seen.mark(Key::Capabilities);
            self.capabilities = Some(scanner.value()?);
        } else if key == b"requestId" {
            seen.mark(Key::RequestId);
            self.request_id = Some(scanner.value()?);
        } else if key == b"level" {
            seen.mark(Key::Level);
            self.level = scanner.text()?;
        } else if key == b"operation" {
            seen.mark(Key::Operation);
            self.operation = scanner.text()?;
        } else if key == b"settle" {
            seen.mark(Key::Settle);
            self.settle = Some(scanner.value()?);
        } else {
            scanner.skip()?;
        }
        Ok(())
    }
}

impl<'a> Meta<'a> {
    fn member(&mut self, scanner: &mut Scanner<'a>, key: Text<'a>, seen: &mut Seen) -> Result<(), JsonError> {
        let key = &*key.bytes();
        if key == meta::PROTOCOL_VERSION.as_bytes() {
            seen.mark(Key::MetaProtocolVersion);
            self.protocol_version = scanner.text()?;
        } else if key == meta::CLIENT_CAPABILITIES.as_bytes() {
            seen.mark(Key::MetaClientCapabilities);
            let capabilities = scanner.value()?;
            self.has_client_capabilities = capabilities.starts_with('{');
            self.client_capabilities = Some(capabilities);
        } else if key == meta::PROGRESS_TOKEN.as_bytes() {
            seen.mark(Key::MetaProgressToken);
            self.progress_token = Some(scanner.value()?).filter(|token| is_id(token, PROGRESS_TOKEN_BYTES_MAX));
        } else if key == meta::LOG_LEVEL.as_bytes() {
            seen.mark(Key::MetaLogLevel);
            self.log_level = scanner.text()?;
        } else if key == operation::META.as_bytes() {
            seen.mark(Key::MetaOperation);
            self.operation = Some(scanner.value()?);
        } else if key == operation::ATTEMPT.as_bytes() {
            seen.mark(Key::MetaAttempt);
            self.is_retry = scanner.value()?.parse::<u32>().is_ok_and(|attempt| attempt > 1);
        } else if key == operation::DEADLINE.as_bytes() {
            seen.mark(Key::MetaDeadline);
            self.deadline = Some(scanner.value()?);
        } else if key == meta::TRACEPARENT.as_bytes() {
            seen.mark(Key::MetaTraceparent);
            self.traceparent = scanner.text()?;
        } else if key == meta::TRACESTATE.as_bytes() {
            seen.mark(Key::MetaTracestate);
            self.tracestate = scanner.text()?;
        } else {
            scanner.skip()?;
        }
        Ok(())
    }
}

/// An integer or a string, not too long. It is given back as it was written, so that nothing is rounded.
fn is_id(json: &str, bytes_max: usize) -> bool {
    let integer = || json.strip_prefix('-').unwrap_or(json).bytes().all(|byte| byte.is_ascii_digit());
    json.len() <= bytes_max && (json.starts_with('"') || integer())
}

#[cfg(test)]
mod tests;
