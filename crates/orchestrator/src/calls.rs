//! What the load calls: on a foreign server only what cannot hurt.

use std::sync::Arc;

use erlmcp_load::proto::{Reached, Request, Tool};

use crate::machine::Calls;
use crate::workload::Workload;
use erlmcp_report::nearest;
use serde_json::Value;

use crate::{StressError, ToolCall};

/// How erlmcp's own server names itself.
const OWN_SERVER: &str = "erlmcp-server";
const ECHO: &str = "echo";
const WORK: &str = "work";
/// The tool of its whose effect is one transaction with its result.
const APPEND: &str = "append";

/// What will be called, and how a report says it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chosen {
    pub(crate) calls: Calls,
    /// "tools/call echo".
    pub(crate) label: String,
    /// "tools/call work"; None: nothing may be called that is queued.
    pub(crate) queued_label: Option<String>,
}

/// Chooses by what the target said of itself. The user's own tool goes before everything else.
pub(crate) fn choose(
    reached: &Reached,
    named: Option<&ToolCall>,
    workload: Option<&Workload>,
) -> Result<Chosen, StressError> {
    let load = match named {
        Some(tool) => user_tool(tool, &reached.tools)?,
        None if has_own(reached, ECHO) => tool_call(ECHO, r#"{"text":"erlmcp"}"#),
        None => match reached.tools.iter().find(|tool| tool.read_only && required(tool).is_empty()) {
            Some(tool) => tool_call(&tool.name, "{}"),
            None if reached.era == "legacy" => method("ping"),
            None => method("server/discover"),
        },
    };
    let queued = has_own(reached, WORK).then(|| WORK.to_string());
    let queued_label = queued.as_ref().map(|name| format!("tools/call {name}"));
    let label = if load.name.is_empty() { load.method.clone() } else { format!("{} {}", load.method, load.name) };
    let label = workload.map_or(label.clone(), |workload| workload.label(&label));
    let workload = workload.map(|workload| workload.compile(&load, reached)).transpose()?;
    Ok(Chosen { calls: Calls { load, queued, workload: workload.map(Arc::new) }, label, queued_label })
}

/// True where the tool is the one that comes with erlmcp's own server. A server of somebody's own may have both names, so the tool has to
/// say as well that it only reads.
fn has_own(reached: &Reached, name: &str) -> bool {
    reached.server.split(' ').next() == Some(OWN_SERVER)
        && reached.tools.iter().any(|tool| tool.name == name && tool.read_only)
}

/// True for an erlmcp server with the tools that come with it.
pub(crate) fn is_ours(reached: &Reached) -> bool {
    has_own(reached, ECHO) && has_own(reached, WORK)
}

/// The tool that operations call: one that writes, so only where all the others are erlmcp's own, too.
pub(crate) fn operation_tool(reached: &Reached) -> Option<String> {
    let tool = reached.tools.iter().find(|tool| tool.name == APPEND).filter(|_| is_ours(reached))?;
    Some(tool.name.clone())
}

fn user_tool(named: &ToolCall, tools: &[Tool]) -> Result<Request, StressError> {
    let tool = find_tool(&named.name, tools)?;
    let arguments = if named.arguments.is_empty() { "{}" } else { &named.arguments };
    let given: Value = serde_json::from_str(arguments).unwrap_or_default();
    let absent: Vec<String> = required(tool).into_iter().filter(|key| given.get(key).is_none()).collect();
    if absent.is_empty() {
        return Ok(tool_call(&named.name, arguments));
    }
    let example = absent.iter().map(|key| format!("{key:?}: ...")).collect::<Vec<_>>().join(", ");
    Err(StressError::Lacking(format!(
        "the tool {:?} requires {}: give it what it wants by --args '{{{example}}}'",
        named.name,
        absent.join(" and ")
    )))
}

/// Refuses a name that none of the tools has.
pub(crate) fn find_tool<'a>(name: &str, tools: &'a [Tool]) -> Result<&'a Tool, StressError> {
    tools.iter().find(|tool| tool.name == name).ok_or_else(|| {
        let there = nearest::instead(name, tools.iter().map(|tool| tool.name.as_str()));
        StressError::Lacking(format!("the target has no tool {name:?}: {there}"))
    })
}

/// The arguments without which the tool cannot be called.
fn required(tool: &Tool) -> Vec<String> {
    let schema: Value = serde_json::from_str(&tool.input_schema).unwrap_or_default();
    let keys = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    keys.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn tool_call(name: &str, arguments: &str) -> Request {
    Request { method: "tools/call".into(), name: name.into(), arguments: arguments.into(), with_progress: false }
}

fn method(method: &str) -> Request {
    Request { method: method.into(), ..Request::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(name: &str, read_only: bool, input_schema: &str) -> Tool {
        Tool { name: name.into(), read_only, input_schema: input_schema.into() }
    }

    fn target(server: &str, era: &str, tools: &[Tool]) -> Reached {
        Reached { ok: true, server: server.into(), era: era.into(), tools: tools.to_vec(), ..Reached::default() }
    }

    fn own() -> Reached {
        let tools = [tool(ECHO, true, r#"{"required":["text"]}"#), tool(WORK, true, "{}")];
        target("erlmcp-server 0.1.0", "modern", &tools)
    }

    fn label(reached: &Reached) -> String {
        choose(reached, None, None).expect("a choice").label
    }

    #[test]
    fn our_own_server_echoes_and_queues_work() {
        let chosen = choose(&own(), None, None).expect("a choice");
        assert_eq!(chosen.label, "tools/call echo");
        assert_eq!(chosen.queued_label.as_deref(), Some("tools/call work"));
    }

    #[test]
    fn a_foreign_server_is_asked_what_cannot_hurt() {
        let writes = tool("delete_all", false, "{}");
        let needs = tool("find", true, r#"{"required":["q"]}"#);
        assert_eq!(label(&target("other 1", "modern", &[writes.clone(), needs.clone()])), "server/discover");
        assert_eq!(label(&target("other 1", "legacy", &[writes.clone(), needs])), "ping");
        let reads = tool("list_all", true, "{}");
        assert_eq!(label(&target("other 1", "legacy", &[writes, reads])), "tools/call list_all");
    }

    #[test]
    fn a_tool_of_the_same_name_elsewhere_is_not_ours() {
        let other = target("other 1", "modern", &[tool(WORK, false, "{}"), tool(ECHO, false, "{}")]);
        let chosen = choose(&other, None, None).expect("a choice");
        assert_eq!((chosen.label.as_str(), chosen.queued_label), ("server/discover", None));
    }

    #[test]
    fn a_server_of_our_name_whose_tools_do_more_than_read_is_foreign() {
        let own = Reached { tools: [own().tools, vec![tool(APPEND, false, "{}")]].concat(), ..own() };
        assert!(is_ours(&own) && operation_tool(&own).as_deref() == Some(APPEND));
        for writing in [ECHO, WORK] {
            let mut other = own.clone();
            other.tools.iter_mut().filter(|tool| tool.name == writing).for_each(|tool| tool.read_only = false);
            assert!(!is_ours(&other) && operation_tool(&other).is_none(), "{writing}");
            let chosen = choose(&other, None, None).expect("a choice");
            assert_eq!(chosen.label == "tools/call echo", writing != ECHO, "{}", chosen.label);
            assert_eq!(chosen.queued_label.is_some(), writing != WORK, "{writing}");
        }
    }

    #[test]
    fn the_users_tool_is_called_if_it_is_there() {
        let named = |name: &str| ToolCall { name: name.into(), arguments: r#"{"q":1}"#.into() };
        let other = target("other 1", "modern", &[tool("search", false, "{}")]);
        let chosen = choose(&other, Some(&named("search")), None).expect("it is there");
        assert_eq!((chosen.label.as_str(), chosen.calls.load.arguments.as_str()), ("tools/call search", r#"{"q":1}"#));
        let error = choose(&other, Some(&named("saerch")), None).expect_err("it is not there");
        assert!(error.exit_code() == 2 && error.to_string().contains("search"), "{error}");
    }

    #[test]
    fn a_call_that_lacks_what_the_tool_requires_is_refused() {
        let other = target("other 1", "modern", &[tool("search", true, r#"{"required":["q","page"]}"#)]);
        let with = |arguments: &str| ToolCall { name: "search".into(), arguments: arguments.into() };
        choose(&other, Some(&with(r#"{"q":"x","page":1}"#)), None).expect("it has both");
        for (arguments, absent) in [("", r#""q": ..., "page": ..."#), (r#"{"q":"x"}"#, r#"'{"page": ...}'"#)] {
            let error = choose(&other, Some(&with(arguments)), None).expect_err("it lacks something");
            assert!(error.exit_code() == 2 && error.to_string().contains(absent), "{error}");
        }
    }
}
