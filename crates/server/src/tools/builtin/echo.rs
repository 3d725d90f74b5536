//! `echo`: the shortest way through the server.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use crate::tools::{Annotations, Arguments, CallContext, ToolResult, ToolSpec};

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

pub(crate) fn spec() -> ToolSpec {
    let schema = json!({
        "type": "object",
        "properties": {"text": {"type": "string", "description": "What to send back."}},
        "required": ["text"],
    });
    ToolSpec::new("echo", "Sends the text back.", schema).titled("Echo").annotated(Annotations::READ_ONLY)
}

pub(crate) fn call<'a>(_: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
    match arguments.parse::<Echo<'a>>() {
        Ok(echo) => ToolResult::text(echo.text),
        Err(bad) => bad,
    }
}
