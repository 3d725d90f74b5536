//! Values that fit a schema: its default, else the first of its choices, else one of its type.

use serde_json::{Map, Value, json};

/// A text is made as long as its schema wants, up to this many characters.
const TEXT_MAX: u64 = 64 * 1024;
/// The same for the items of a list with choices; of a list without any there is one.
const ITEMS_MAX: usize = 1_024;

/// An object with a value for each property of an object's schema.
pub fn content(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    Value::Object(properties.map(|(name, property)| (name.clone(), value(property))).collect::<Map<_, _>>())
}

fn value(schema: &Value) -> Value {
    let given = schema.get("default").cloned().or_else(|| choices(schema).first().cloned());
    given.unwrap_or_else(|| match schema["type"].as_str() {
        Some("boolean") => json!(true),
        Some("integer" | "number") => number(schema),
        Some("array") => list(schema),
        Some("object") => content(schema),
        Some("null") => Value::Null,
        _ => json!(text(schema)),
    })
}

/// The values that a schema lists.
fn choices(schema: &Value) -> Vec<Value> {
    let listed = schema["enum"].as_array().cloned();
    let titled = ["oneOf", "anyOf"].iter().find_map(|key| schema[key].as_array());
    let titled = || titled.into_iter().flatten().filter_map(|one| one.get("const").cloned()).collect();
    schema.get("const").map(|only| vec![only.clone()]).or(listed).unwrap_or_else(titled)
}

fn list(schema: &Value) -> Value {
    let choices = choices(&schema["items"]);
    let choices = if choices.is_empty() { vec![value(&schema["items"])] } else { choices };
    let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
    let count = usize::try_from(least).unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
    Value::Array(choices.into_iter().take(count).collect())
}

/// 1, or what is nearest to it between the bounds: a whole number wherever there is one.
fn number(schema: &Value) -> Value {
    let bound = |key: &str| schema[key].as_f64();
    let low = bound("minimum").or_else(|| bound("exclusiveMinimum").map(|low| low + 1.0)).unwrap_or(f64::MIN);
    let high = bound("maximum").or_else(|| bound("exclusiveMaximum").map(|high| high - 1.0)).unwrap_or(f64::MAX);
    let whole = 1f64.max(low.ceil()).min(high.floor());
    let fits = whole >= low && whole <= high && whole.abs() < 9e15;
    if fits { json!(whole as i64) } else { json!(low.min(high)) }
}

fn text(schema: &Value) -> String {
    let plain = match schema["format"].as_str() {
        Some("email") => "user@example.com",
        Some("uri") => "https://example.com/",
        Some("date") => "2026-07-28",
        Some("date-time") => "2026-07-28T12:00:00Z",
        _ => "erlmcp",
    };
    if schema.get("format").is_some() {
        return plain.into();
    }
    let least = schema["minLength"].as_u64().unwrap_or(0).min(TEXT_MAX) as usize;
    let most = schema["maxLength"].as_u64().unwrap_or(TEXT_MAX).min(TEXT_MAX) as usize;
    let mut text = plain.to_string() + &"x".repeat(least.saturating_sub(plain.len()));
    text.truncate(most.max(least));
    text
}
