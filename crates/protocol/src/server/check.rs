//! The checks of a modern request after its head and its JSON are good, in an order that gives each broken request
//! the one error that says what to do.

use crate::VALIDATES;
use crate::code;
use crate::era::{Version, names_modern};
use crate::header::{method, value};

use super::head::{Known, Once};
use super::message::{Fault, Message};

/// Methods that the modern era does not have.
const LEGACY_ONLY: [&str; 5] =
    [method::INITIALIZE, method::PING, method::SET_LEVEL, method::SUBSCRIBE, method::UNSUBSCRIBE];

/// Those that are about a task. Others whose names begin likewise were never methods of this era.
const TASK_METHODS: [&str; 3] = [method::TASKS_GET, method::TASKS_UPDATE, method::TASKS_CANCEL];

/// Why a request is refused, with what the error's data needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFault<'a> {
    pub fault: Fault<'a>,
    /// For [`code::UNSUPPORTED_VERSION`]: the version that was asked for.
    pub requested: Option<String>,
}

impl<'a> From<Fault<'a>> for CheckFault<'a> {
    fn from(fault: Fault<'a>) -> Self {
        Self { fault, requested: None }
    }
}

/// Checks a request (not a notification) against its headers and the versions that are served.
///
/// # Errors
/// The first check that fails.
pub fn check_request<'a>(known: &Known<'_>, message: &Message<'a>, served: &[Version]) -> Result<(), CheckFault<'a>> {
    if !VALIDATES {
        return Ok(());
    }
    let id = message.id;
    let meta = &message.params.meta;
    let header = known.protocol_version;
    let mismatch = |why| CheckFault::from(Fault::new(id, code::HEADER_MISMATCH, why));
    let Some(version) = meta.protocol_version else {
        return Err(without_version(known, message));
    };
    if LEGACY_ONLY.iter().any(|legacy| message.method.is(legacy)) {
        return Err(removed(id));
    }
    match header {
        Once::Value(text) if version.is_bytes(text) => {}
        Once::Value(_) => return Err(mismatch("MCP-Protocol-Version differs from the version in _meta")),
        Once::Absent => return Err(mismatch("MCP-Protocol-Version is missing")),
        Once::Repeated => return Err(mismatch("MCP-Protocol-Version is there twice")),
    }
    if !served.iter().any(|served| version.is(served.as_str())) {
        return Err(unsupported(id, version.decode().into_owned()));
    }
    if !meta.has_client_capabilities {
        return Err(Fault::new(id, code::INVALID_PARAMS, "clientCapabilities is missing in _meta").into());
    }
    check_method(known, message).map_err(mismatch)?;
    check_name(known, message).map_err(mismatch)
}

/// A request without a version in `_meta`: legacy, unless its header or its method says otherwise.
#[cold]
fn without_version<'a>(known: &Known<'_>, message: &Message<'a>) -> CheckFault<'a> {
    let id = message.id;
    let header = known.protocol_version.value();
    if header.is_some_and(names_modern) {
        if LEGACY_ONLY.iter().any(|legacy| message.method.is(legacy)) {
            return removed(id);
        }
        return Fault::new(id, code::INVALID_PARAMS, "protocolVersion is missing in _meta").into();
    }
    let asked = message.params.protocol_version.filter(|_| message.method.is(method::INITIALIZE));
    match (asked, header) {
        (Some(version), _) => unsupported(id, version.decode().into_owned()),
        (None, Some(header)) => unsupported(id, String::from_utf8_lossy(header).into_owned()),
        (None, None) => Fault::new(id, code::INVALID_PARAMS, "protocolVersion is missing in _meta").into(),
    }
}

fn removed(id: Option<&str>) -> CheckFault<'_> {
    Fault { status: 404, ..Fault::new(id, code::METHOD_NOT_FOUND, "this protocol version does not have the method") }
        .into()
}

fn unsupported(id: Option<&str>, requested: String) -> CheckFault<'_> {
    let fault = Fault::new(
        id,
        code::UNSUPPORTED_VERSION,
        "the protocol version is not served; data.supported names those that are",
    );
    CheckFault { fault, requested: Some(requested) }
}

fn check_method(known: &Known<'_>, message: &Message<'_>) -> Result<(), &'static str> {
    match known.mcp_method {
        Once::Value(text) if message.method.is_bytes(text) => Ok(()),
        Once::Value(_) => Err("Mcp-Method differs from the method"),
        Once::Absent => Err("Mcp-Method is missing"),
        Once::Repeated => Err("Mcp-Method is there twice"),
    }
}

/// `Mcp-Name` must say what the request is about, where the method has such a thing and the request names it.
fn check_name(known: &Known<'_>, message: &Message<'_>) -> Result<(), &'static str> {
    let params = &message.params;
    let is_call = message.method.is(method::TOOLS_CALL);
    let subject = if is_call || message.method.is(method::PROMPTS_GET) {
        params.name
    } else if message.method.is(method::RESOURCES_READ) {
        params.uri
    } else if TASK_METHODS.iter().any(|method| message.method.is(method)) {
        params.task_id
    } else {
        return Ok(());
    };
    match (known.mcp_name, subject) {
        // What is missing in the body is its method's business.
        (_, None) => Ok(()),
        // The short way: a plain name in both. A header that looks like the marker is never equal to what it stands for.
        // Tools have names of ASCII: a raw name of another kind is told where no tool is found.
        (Once::Value(header), Some(name))
            if !header.starts_with(b"=?") && name.is_bytes(header) && (is_call || header.is_ascii()) =>
        {
            Ok(())
        }
        (Once::Value(header), Some(name)) => match value::decode(header) {
            Ok(decoded) if name.is(&decoded) => Ok(()),
            Ok(_) => Err("Mcp-Name differs from what the request is about"),
            Err(_) => Err("Mcp-Name is malformed"),
        },
        (Once::Absent, Some(_)) => Err("Mcp-Name is missing"),
        (Once::Repeated, _) => Err("Mcp-Name is there twice"),
    }
}

#[cfg(test)]
mod tests;
