//! Lists of the server, page by page.

use erlmcp_protocol::client::answer::{ANSWER_MAX, Said};
use erlmcp_protocol::client::param;
use erlmcp_protocol::client::request::Ask;
use erlmcp_protocol::code::METHOD_NOT_FOUND;
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::super::target::{Spoken, Target};
use super::discover::not_mcp;
use super::exchange::Exchanger;
use super::found::Found;
use super::trouble::Trouble;
use crate::clock::monotonic_ns;
use crate::proto;

/// Pages and things listed that are taken at most.
const PAGES_MAX: usize = 100;
pub(super) const LISTED_MAX: usize = 1_000;
/// All pages of a list: no more than one answer may have, and no longer than a slow server takes.
const PAGES_BYTES_MAX: usize = ANSWER_MAX;
const PAGES_NS: u64 = 60_000_000_000;
/// Tools that are left alone and told of by name.
const OBJECTIONS_MAX: usize = 8;

/// Adds the tools that the server lists, if it says that it has any.
pub(super) fn tools(exchanger: &mut Exchanger<'_>, found: &mut Found) -> Result<(), Trouble> {
    if found.has("tools") {
        let tools = list(exchanger, &mut found.spoken, (method::TOOLS_LIST, "tools"))?;
        found.tools = callable(tools, exchanger.target).iter().filter_map(listed).collect();
    }
    Ok(())
}

/// Everything that a method lists under this key; nothing where the server does not know the method.
pub(super) fn list(
    exchanger: &mut Exchanger<'_>,
    spoken: &mut Spoken,
    (method, key): (&str, &str),
) -> Result<Vec<Value>, Trouble> {
    let (mut cursor, mut all): (Option<String>, Vec<Value>) = (None, Vec::new());
    let (until_ns, mut bytes) = (monotonic_ns() + PAGES_NS, 0);
    for _ in 0..PAGES_MAX {
        if monotonic_ns() >= until_ns {
            return Err(Trouble::Endless(exchanger.address, format!("{} s", PAGES_NS / 1_000_000_000)));
        }
        let ask = Ask { method, cursor: cursor.as_deref(), ..Ask::default() };
        let answered = exchanger.ask(spoken, &ask)?;
        match answered.said {
            Said::Ok => {}
            Said::RpcError(METHOD_NOT_FOUND) => break,
            _ => return Err(not_mcp(&answered, exchanger.target)?),
        }
        bytes += answered.record.message.len();
        if bytes > PAGES_BYTES_MAX {
            return Err(Trouble::Endless(exchanger.address, format!("{} MiB", PAGES_BYTES_MAX >> 20)));
        }
        let mut message = answered.message();
        let result = &mut message["result"];
        if let Value::Array(page) = result[key].take() {
            all.extend(page);
        }
        cursor = result["nextCursor"].as_str().map(str::to_string);
        if cursor.is_none() || all.len() >= LISTED_MAX {
            break;
        }
    }
    all.truncate(LISTED_MAX);
    Ok(all)
}

/// Those of the tools that may be called.
pub(super) fn callable(mut tools: Vec<Value>, target: &Target) -> Vec<Value> {
    let mut left_alone = 0;
    tools.retain(|tool| {
        let Some(why) = objection(tool, target) else { return true };
        left_alone += 1;
        if left_alone <= OBJECTIONS_MAX {
            let name = target.secrets.told(tool["name"].as_str().unwrap_or_default());
            tracing::warn!("the tool {name:?} is left alone: {why}");
        }
        false
    });
    if left_alone > OBJECTIONS_MAX {
        tracing::warn!("{} further tools are left alone as well", left_alone - OBJECTIONS_MAX);
    }
    tools
}

/// A tool must not be called whose schema breaks the rules for headers; and none is whose name cannot be told.
fn objection(tool: &Value, target: &Target) -> Option<String> {
    match param::of_schema(&tool["inputSchema"]) {
        Err(bad) => Some(target.secrets.told(&bad.to_string())),
        Ok(_) if target.secrets.can_tell(tool["name"].as_str().unwrap_or_default()) => None,
        Ok(_) => Some("its name is too long, or has control characters or a secret of the run".into()),
    }
}

fn listed(tool: &Value) -> Option<proto::Tool> {
    Some(proto::Tool {
        name: tool["name"].as_str()?.to_string(),
        read_only: tool["annotations"]["readOnlyHint"] == true,
        input_schema: tool["inputSchema"].to_string(),
    })
}
