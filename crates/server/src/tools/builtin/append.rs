//! `append`: adds a text to the store's log of effects, exactly once an operation.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use crate::operations::{Operation, Transacted};
use crate::tools::{Annotations, Arguments, ToolResult, ToolSpec};

/// The longest text, bytes.
const VALUE_BYTES_MAX: usize = 4_096;

#[derive(Deserialize)]
struct Append<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow, default)]
    nonce: Cow<'a, str>,
}

pub(crate) fn spec() -> ToolSpec {
    let schema = json!({
        "type": "object",
        "properties": {
            "value": {"type": "string", "maxLength": VALUE_BYTES_MAX, "description": "What to append."},
            "nonce": {"type": "string", "maxLength": VALUE_BYTES_MAX, "description": "What to answer."},
        },
        "required": ["value"],
    });
    let annotations = Annotations { destructive_hint: false, open_world_hint: false, ..Annotations::default() };
    let description = "Appends a text to a log, exactly once an operation: \
         the request must carry an id of its choice in _meta[\"io.erlmcp/operation\"].";
    ToolSpec::new("append", description, schema).titled("Append").annotated(annotations)
}

pub(crate) fn call(_: &Operation, arguments: Arguments<'_>) -> Transacted {
    match arguments.parse::<Append<'_>>() {
        Ok(Append { value, .. }) if value.contains('\0') => {
            Transacted::nothing(ToolResult::error("Bad arguments: value holds U+0000, which not every store takes."))
        }
        Ok(Append { value, nonce }) if value.len().max(nonce.len()) <= VALUE_BYTES_MAX => {
            Transacted::effect(value, ToolResult::text(nonce.into_owned()))
        }
        Ok(_) => Transacted::nothing(ToolResult::error(format!(
            "Bad arguments: value or nonce has more than {VALUE_BYTES_MAX} bytes."
        ))),
        Err(bad) => Transacted::nothing(bad),
    }
}
