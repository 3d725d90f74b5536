//! Lists of the server, page by page.

use erlmcp_protocol::client::answer::Said;
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
use crate::proto;

/// Pages and things listed that are taken at most.
const PAGES_MAX: usize = 100;
pub(super) const LISTED_MAX: usize = 1_000;

/// Adds the tools that the server lists, if it says that it has any.
pub(super) fn tools(exchanger: &mut Exchanger<'_>, target: &Target, found: &mut Found) -> Result<(), Trouble> {
    if found.has("tools") {
        let tools = list(exchanger, target, &found.spoken, (method::TOOLS_LIST, "tools"))?;
        found.tools = tools.iter().filter(|tool| may_be_called(tool)).filter_map(listed).collect();
    }
    Ok(())
}

/// Everything that a method lists under this key; nothing where the server does not know the method.
pub(super) fn list(
    exchanger: &mut Exchanger<'_>,
    target: &Target,
    spoken: &Spoken,
    (method, key): (&str, &str),
) -> Result<Vec<Value>, Trouble> {
    let (mut cursor, mut all): (Option<String>, Vec<Value>) = (None, Vec::new());
    for _ in 0..PAGES_MAX {
        let ask = Ask { method, cursor: cursor.as_deref(), ..Ask::default() };
        let answered = exchanger.ask(spoken, &ask)?;
        match answered.said {
            Said::Ok => {}
            Said::RpcError(METHOD_NOT_FOUND) => break,
            _ => return Err(not_mcp(&answered, &target.path)?),
        }
        let mut message: Value = serde_json::from_slice(&answered.record.message).unwrap_or_default();
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

/// A tool whose schema breaks the rules for headers must not be called.
pub(super) fn may_be_called(tool: &Value) -> bool {
    param::of_schema(&tool["inputSchema"]).is_ok()
}

fn listed(tool: &Value) -> Option<proto::Tool> {
    Some(proto::Tool {
        name: tool["name"].as_str()?.to_string(),
        read_only: tool["annotations"]["readOnlyHint"] == true,
        input_schema: tool["inputSchema"].to_string(),
    })
}
