//! The list of tools, page by page.

use erlmcp_protocol::client::answer::Said;
use erlmcp_protocol::client::param;
use erlmcp_protocol::client::request::{Ask, Template};
use erlmcp_protocol::code::METHOD_NOT_FOUND;
use erlmcp_protocol::header::method;
use serde_json::Value;

use super::super::target::Target;
use super::discover::not_mcp;
use super::exchange::Exchanger;
use super::found::Found;
use super::trouble::Trouble;
use crate::proto;

/// Pages and tools taken at most.
const PAGES_MAX: usize = 100;
const TOOLS_MAX: usize = 1_000;

/// Adds the tools that the server lists, if it says that it has any.
pub(super) fn tools(exchanger: &mut Exchanger<'_>, target: &Target, found: &mut Found) -> Result<(), Trouble> {
    let mut cursor: Option<String> = None;
    for _ in 0..if found.has_tools { PAGES_MAX } else { 0 } {
        let ask = Ask { method: method::TOOLS_LIST, cursor: cursor.as_deref(), ..Ask::default() };
        let (id, mut request) = (exchanger.next_id(), Vec::new());
        Template::new(&target.peer(&found.spoken), &ask)?.write(id, &mut request);
        let answered = exchanger.exchange(&request, id)?;
        match answered.said {
            Said::Ok => {}
            Said::RpcError(METHOD_NOT_FOUND) => return Ok(()),
            _ => return Err(not_mcp(&answered, &target.path)?),
        }
        let message: Value = serde_json::from_slice(&answered.record.message).unwrap_or_default();
        let result = &message["result"];
        for tool in result["tools"].as_array().into_iter().flatten() {
            found.tools.extend(listed(tool));
        }
        cursor = result["nextCursor"].as_str().map(str::to_string);
        if cursor.is_none() || found.tools.len() >= TOOLS_MAX {
            break;
        }
    }
    found.tools.truncate(TOOLS_MAX);
    Ok(())
}

fn listed(tool: &Value) -> Option<proto::Tool> {
    // A tool whose schema breaks the rules for headers must not be called.
    param::of_schema(&tool["inputSchema"]).ok()?;
    Some(proto::Tool {
        name: tool["name"].as_str()?.to_string(),
        read_only: tool["annotations"]["readOnlyHint"] == true,
        input_schema: tool["inputSchema"].to_string(),
    })
}
