//! Headers that must say what an argument says: `Mcp-Param-*`.

use erlmcp_protocol::client::param::Param;
use erlmcp_protocol::header::value;
use erlmcp_protocol::server::Head;
use serde_json::Value;

/// Checks a call's headers against its arguments. Only for tools that mirror any: the arguments are read for it.
pub(super) fn check(head: &Head<'_>, arguments: &str, mirrored: &[Param]) -> Result<(), &'static str> {
    let Ok(arguments) = serde_json::from_str::<Value>(arguments) else {
        return Err("the arguments can't be compared with their Mcp-Param headers");
    };
    let fields = head.fields();
    for one in mirrored {
        let mut fields = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(one.header()));
        let (first, second) = (fields.next(), fields.next());
        match (one.value(&arguments), first) {
            (None, None) => {}
            (None, Some(_)) => return Err("an Mcp-Param header is there whose argument is not"),
            (Some(_), None) => return Err("an Mcp-Param header is missing"),
            _ if second.is_some() => return Err("an Mcp-Param header is there twice"),
            (Some(argument), Some(field)) => {
                let text = value::decode(field.value).map_err(|_| "an Mcp-Param header is malformed")?;
                if !says(&text, argument) {
                    return Err("an Mcp-Param header differs from its argument");
                }
            }
        }
    }
    Ok(())
}

/// Numbers are compared as numbers: `42.0` says 42.
fn says(text: &str, argument: &Value) -> bool {
    match argument {
        Value::String(string) => string == text,
        Value::Bool(bool) => text == if *bool { "true" } else { "false" },
        Value::Number(number) => {
            let plain = number.to_string() == text;
            plain
                || text
                    .parse::<f64>()
                    .is_ok_and(|value| value.is_finite() && number.as_f64() == Some(value) && value.abs() < 9e15)
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
