//! Values that fit a schema: its default, else the first of its choices, else one of its type.

use serde_json::{Map, Value, json};

/// A text is made as long as its schema wants, up to this many characters; and so are all of one answer.
const TEXT_MAX: u64 = 64 * 1024;
/// The same for the items of a list with choices; of a list without any there is one.
const ITEMS_MAX: usize = 1_024;

/// What is left for texts that a schema wants longer than itself: else a short question makes answers without end.
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(TEXT_MAX as usize)
    }
}

/// An object with a value for each property of an object's schema. None where they are too long.
pub fn content(schema: &Value) -> Option<Value> {
    content_in(schema, &mut Room::default())
}

/// The same, in what is left of the room.
pub(super) fn content_in(schema: &Value, room: &mut Room) -> Option<Value> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let filled = properties.map(|(name, property)| Some((name.clone(), value(property, room)?)));
    filled.collect::<Option<Map<_, _>>>().map(Value::Object)
}

fn value(schema: &Value, room: &mut Room) -> Option<Value> {
    let given = schema.get("default").cloned().or_else(|| choices(schema).first().cloned());
    given.or_else(|| match schema["type"].as_str() {
        Some("boolean") => Some(json!(true)),
        Some("integer" | "number") => Some(number(schema)),
        Some("array") => list(schema, room),
        Some("object") => content_in(schema, room),
        Some("null") => Some(Value::Null),
        _ => text(schema, room).map(Value::String),
    })
}

/// The values that a schema lists.
fn choices(schema: &Value) -> Vec<Value> {
    let listed = schema["enum"].as_array().cloned();
    let titled = ["oneOf", "anyOf"].iter().find_map(|key| schema[key].as_array());
    let titled = || titled.into_iter().flatten().filter_map(|one| one.get("const").cloned()).collect();
    schema.get("const").map(|only| vec![only.clone()]).or(listed).unwrap_or_else(titled)
}

fn list(schema: &Value, room: &mut Room) -> Option<Value> {
    let choices = choices(&schema["items"]);
    let choices = if choices.is_empty() { vec![value(&schema["items"], room)?] } else { choices };
    let least = schema["minItems"].as_u64().unwrap_or(1).max(1);
    let count = usize::try_from(least).unwrap_or(ITEMS_MAX).min(ITEMS_MAX);
    Some(Value::Array(choices.into_iter().take(count).collect()))
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

fn text(schema: &Value, room: &mut Room) -> Option<String> {
    let plain = match schema["format"].as_str() {
        Some("email") => "user@example.com",
        Some("uri") => "https://example.com/",
        Some("date") => "2026-07-28",
        Some("date-time") => "2026-07-28T12:00:00Z",
        _ => "erlmcp",
    };
    if schema.get("format").is_some() {
        return Some(plain.into());
    }
    let least = schema["minLength"].as_u64().unwrap_or(0).min(TEXT_MAX) as usize;
    let most = schema["maxLength"].as_u64().unwrap_or(TEXT_MAX).min(TEXT_MAX) as usize;
    room.0 = room.0.checked_sub(least)?;
    let mut text = plain.to_string() + &"x".repeat(least.saturating_sub(plain.len()));
    text.truncate(most.max(least));
    Some(text)
}
