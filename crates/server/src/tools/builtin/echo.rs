//! `echo`: the shortest way through the server.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::json;

use crate::tools::{Annotations, Arguments, CallContext, ToolResult, ToolSpec};

/// The longest answer of so many bytes that may be asked for.
const BYTES_MAX: usize = 1_000_000;

static FILLER: LazyLock<String> = LazyLock::new(|| "x".repeat(BYTES_MAX));

#[derive(Deserialize)]
struct Echo<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(default, deserialize_with = "whole")]
    bytes: Option<usize>,
}

/// A number without a fraction, however it is written: JSON Schema takes 10.0 for an integer.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if number < 0.0 || number.fract() != 0.0 {
        return Err(D::Error::custom(format_args!("{number} is no whole number that is 0 or more")));
    }
    Ok(Some(number as usize))
}

pub(crate) fn spec() -> ToolSpec {
    let schema = json!({
        "type": "object",
        "properties": {
            "text": {"type": "string", "description": "What to send back."},
            "bytes": {
                "type": "integer",
                "minimum": 0,
                "maximum": BYTES_MAX,
                "description": "Send back so many bytes of filler in place of the text.",
            },
        },
        "required": ["text"],
    });
    ToolSpec::new("echo", "Sends the text back.", schema).titled("Echo").annotated(Annotations::READ_ONLY)
}

pub(crate) fn call<'a>(_: &CallContext<'_>, arguments: Arguments<'a>) -> ToolResult<'a> {
    match arguments.parse::<Echo<'a>>() {
        Ok(Echo { bytes: None, text }) => ToolResult::text(text),
        Ok(Echo { bytes: Some(bytes), .. }) => match FILLER.get(..bytes) {
            Some(filler) => ToolResult::text(filler),
            None => ToolResult::error(format!("Bad arguments: bytes is {bytes}, more than {BYTES_MAX}.")),
        },
        Err(bad) => bad,
    }
}
