//! The modern probe: `server/discover`, and what an answer to it says about the era.

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::head::header;
use erlmcp_protocol::client::request::Template;
use erlmcp_protocol::code::{HEADER_MISMATCH, METHOD_NOT_FOUND, MISSING_CAPABILITY, UNSUPPORTED_VERSION};
use erlmcp_protocol::era::Version;
use erlmcp_protocol::header::{meta, method, name};
use erlmcp_record::without_query_values;
use serde_json::Value;

use super::super::target::{Spoken, Target};
use super::exchange::{Answered, Exchanger, next_id};
use super::found::{Found, named};
use super::trouble::Trouble;
use super::{farewell, plain};

/// Versions of a server that are told, and characters of its words.
const VERSIONS_MAX: usize = 32;
const WORDS_MAX: usize = 200;

/// What a modern request has found out.
#[derive(Debug)]
pub(super) enum Probe {
    Modern(Found),
    /// Perhaps legacy; where it is not, this is what is wrong.
    NotModern(Trouble),
}

pub(super) fn probe(exchanger: &mut Exchanger<'_>) -> Result<Probe, Trouble> {
    let target = exchanger.target;
    let spoken = Spoken { version: Version::NEWEST, session: None };
    let template = Template::new(&target.peer(&spoken), &plain(method::DISCOVER))?;
    let mut ask = || {
        let (id, mut request) = (next_id(), Vec::new());
        template.write(id, &mut request);
        exchanger.exchange(&request, id)
    };
    // A server that refuses the version and yet names it is asked once more.
    let answered = match ask() {
        Ok(refused) if names_ours(&refused) => ask(),
        other => other,
    };
    match answered {
        Ok(answered) => {
            let probe = judge(&answered, target);
            if !matches!(probe, Ok(Probe::Modern(_))) {
                end_session(&answered, target);
            }
            probe
        }
        // A legacy server may wait for a handshake first.
        Err(silent @ Trouble::Silent(..)) => Ok(Probe::NotModern(silent)),
        Err(trouble) => Err(trouble),
    }
}

/// Some legacy servers open a session with whatever comes first.
fn end_session(answered: &Answered, target: &Target) {
    let session = header(&answered.record.head, name::SESSION_ID);
    let session = session.map(|session| String::from_utf8_lossy(session).into_owned());
    farewell(target, &Spoken { version: Version::NEWEST_LEGACY, session });
}

/// True where the answer says that our version is not served, and that it is.
fn names_ours(answered: &Answered) -> bool {
    let message = answered.message();
    let supported = &message["error"]["data"]["supported"];
    answered.said == Said::RpcError(UNSUPPORTED_VERSION) && strings(supported).any(|v| v == Version::NEWEST.as_str())
}

fn judge(answered: &Answered, target: &Target) -> Result<Probe, Trouble> {
    let message = answered.message();
    match answered.said {
        Said::Ok | Said::ToolError => Ok(of_result(&message["result"], target)),
        Said::RpcError(UNSUPPORTED_VERSION) => of_versions(&message["error"]["data"]["supported"], target),
        Said::RpcError(HEADER_MISMATCH | MISSING_CAPABILITY) => Err(Trouble::Rejected(told(&message["error"], target))),
        Said::RpcError(METHOD_NOT_FOUND) if answered.status == 200 => {
            Ok(Probe::NotModern(Trouble::Rejected(told(&message["error"], target))))
        }
        _ => Ok(Probe::NotModern(not_mcp(answered, target)?)),
    }
}

/// What is wrong with an answer that is not the one that was hoped for. An error says nothing about the era, and
/// is to be seen to first.
pub(super) fn not_mcp(answered: &Answered, target: &Target) -> Result<Trouble, Trouble> {
    let header = |name| header(&answered.record.head, name).map(|value| String::from_utf8_lossy(value).into_owned());
    let is_page = header("Content-Type").is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("text/html"));
    let status = answered.status;
    let names_https = || answered.record.message.windows(5).any(|five| five == b"HTTPS");
    match (status, answered.said) {
        (400, Said::HttpError(_)) if target.tls.is_none() && names_https() => Err(Trouble::WantsTls),
        (401 | 403, _) => Err(Trouble::Credentials(status)),
        (300..=399, _) => Err(Trouble::Redirect(target.secrets.told(&header("Location").unwrap_or_default()))),
        (429 | 500..=599, _) => Err(Trouble::Unwell(status)),
        (404 | 405, said) if !matches!(said, Said::RpcError(_)) => {
            Ok(Trouble::WrongPath(status, without_query_values(&target.path)))
        }
        _ if is_page => Ok(Trouble::WebPage),
        (_, Said::RpcError(_)) => Ok(Trouble::Rejected(told(&answered.message()["error"], target))),
        (_, Said::HttpError(_) | Said::Refused { .. }) => Ok(Trouble::NotMcp(format!("HTTP {status}"))),
        (_, Said::AnotherId(_)) => Ok(Trouble::NotMcp("its answer has another id than the request".into())),
        (_, Said::NoResponse) => Ok(Trouble::NotMcp("its event stream ended without the response".into())),
        _ => Ok(Trouble::NotMcp("its answer is not a JSON-RPC message".into())),
    }
}

fn of_result(result: &Value, target: &Target) -> Probe {
    let versions = versions(&result["supportedVersions"], target);
    // Only the modern era has it on each result.
    let is_modern = result.get("resultType").is_some() || versions.iter().any(|v| v == Version::NEWEST.as_str());
    if !is_modern {
        return Probe::NotModern(Trouble::NotMcp("its answer to server/discover names no version".into()));
    }
    let info = &result["_meta"][meta::SERVER_INFO];
    let info = if info.is_object() { info } else { &result["serverInfo"] };
    Probe::Modern(Found {
        spoken: Spoken { version: Version::NEWEST, session: None },
        versions,
        server: target.secrets.told(&named(info)),
        about: result.clone(),
        tools: Vec::new(),
    })
}

/// The server is modern, but not of our version.
fn of_versions(supported: &Value, target: &Target) -> Result<Probe, Trouble> {
    let named = versions(supported, target).join(", ");
    let is_shared = strings(supported).any(|version| Version::parse(version.as_bytes()).is_some());
    if is_shared { Ok(Probe::NotModern(Trouble::OtherVersions(named))) } else { Err(Trouble::Versions(named)) }
}

/// Versions that the server names, as they may be told.
fn versions(list: &Value, target: &Target) -> Vec<String> {
    strings(list).take(VERSIONS_MAX).map(|version| target.secrets.told(version)).collect()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// An error in the server's own words.
pub(super) fn told(error: &Value, target: &Target) -> String {
    let message = error["message"].as_str().unwrap_or("no reason given");
    let told = target.secrets.told(message);
    let short: String = told.chars().take(WORDS_MAX).collect();
    format!("error {} ({short})", target.secrets.told(&error["code"].to_string()))
}
