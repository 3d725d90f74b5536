//! Rows of a record and their fields, from the schema that their types make.

use std::collections::BTreeSet;

use erlmcp_record::{ROWS, row_schema};
use serde_json::Value;

use super::{code, table};

const ABOUT: &str = "`journal.jsonl` in the folder of a run: a line of JSON a row, `row` says which. Every time is in \
    microseconds since the run began unless its name says otherwise. [record.schema.json](record.schema.json) is the JSON \
    Schema of a row, from which all that follows is made; [report.schema.json](report.schema.json) is of report.json, which is \
    made from these rows. What is optional may be left out; fields that a reader does not know are to be passed over.\n\n";

pub(super) fn text() -> String {
    let kinds = ROWS.map(|(kind, meaning)| [code(kind), meaning.to_string()]);
    let mut text = format!("## Rows of a record\n\n{ABOUT}{}", table(["row", "is"], kinds));
    let schema = row_schema();
    let mut shown = BTreeSet::new();
    for row in choices(&schema) {
        let kind = row["properties"]["row"]["const"].as_str().unwrap_or_default();
        let Some(name) = referred(row) else { continue };
        shown.insert(name);
        text += &section(&format!("The row `{kind}`"), &schema["$defs"][name]);
    }
    let parts = schema["$defs"].as_object().into_iter().flatten();
    for (name, of) in parts.filter(|(name, _)| !shown.contains(name.as_str())) {
        text += &section(&code(name), of);
    }
    text.trim_end().to_string() + "\n"
}

fn section(heading: &str, of: &Value) -> String {
    let about = described(of);
    let about = if about.is_empty() { about } else { format!("{about}\n\n") };
    format!("### {heading}\n\n{about}{}", members(of))
}

/// The fields of an object, or the words that a value may be.
fn members(of: &Value) -> String {
    if let Some(fields) = of["properties"].as_object() {
        let required: Vec<&str> = of["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let rows = fields.iter().map(|(name, field)| {
            let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
            [code(name), written(field) + optional, described(field)]
        });
        return table(["field", "is written", "is"], rows);
    }
    let all: Vec<&Value> = if of["oneOf"].is_array() { choices(of).iter().collect() } else { vec![of] };
    let rows: Vec<[String; 2]> = all.into_iter().flat_map(choice).collect();
    if rows.is_empty() { String::new() } else { table(["one of", "is"], rows) }
}

/// One of several things that a value may be: a word or several, or an object that is told by its first member.
fn choice(of: &Value) -> Vec<[String; 2]> {
    if let Some(words) = of["enum"].as_array() {
        return words.iter().filter_map(Value::as_str).map(|word| [code(word), String::new()]).collect();
    }
    if let Some(word) = of["const"].as_str() {
        return vec![[code(word), described(of)]];
    }
    let members = of["properties"].as_object().into_iter().flatten();
    let rows = members.map(|(name, member)| match member["const"].as_str() {
        Some(word) => [code(&format!("{name}: {word}")), told(of, of)],
        None => [code(name), told(member, of)],
    });
    rows.collect()
}

/// How a member is written, and what the whole is.
fn told(member: &Value, of: &Value) -> String {
    let parts = [written(member), described(of)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(". ")
}

/// How a value is written in JSON.
fn written(of: &Value) -> String {
    if let Some(name) = referred(of) {
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(either) = of["anyOf"].as_array().or(of["oneOf"].as_array()) {
        return either.iter().map(written).collect::<Vec<_>>().join(" or ");
    }
    let kinds: Vec<&str> = match &of["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    kinds.into_iter().map(|kind| one(kind, of)).collect::<Vec<_>>().join(" or ")
}

fn one(kind: &str, of: &Value) -> String {
    match kind {
        "integer" => "whole number".into(),
        "string" => "text".into(),
        "boolean" => "true or false".into(),
        "array" => match of["prefixItems"].as_array() {
            Some(items) => format!("[{}]", items.iter().map(written).collect::<Vec<_>>().join(", ")),
            None => format!("list of: {}", written(&of["items"])),
        },
        "object" => match of["properties"].as_object() {
            Some(members) => {
                let members = members.iter().map(|(name, member)| format!("{}: {}", code(name), written(member)));
                format!("object with {}", members.collect::<Vec<_>>().join(", "))
            }
            None => format!("object of names, each with: {}", written(&of["additionalProperties"])),
        },
        other => other.into(),
    }
}

fn choices(of: &Value) -> &[Value] {
    of["oneOf"].as_array().map_or(&[][..], Vec::as_slice)
}

/// The name of the part that it is.
fn referred(of: &Value) -> Option<&str> {
    of["$ref"].as_str()?.strip_prefix("#/$defs/")
}

/// In one line, and without links that only lead about in the code.
fn described(of: &Value) -> String {
    let text = of["description"].as_str().unwrap_or_default();
    let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    while let Some(from) = text.find("](crate::") {
        let to = text[from..].find(')').map_or(text.len(), |length| from + length + 1);
        text.replace_range(from..to, "]");
    }
    text.replace("[`", "`").replace("`]", "`")
}
