//! Arguments that a client also sends as headers, so that intermediaries can see them: `x-mcp-header` in a schema.

use erlmcp_protocol::http::field::is_token;
use serde_json::Value;

/// An argument and the header that must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirrored {
    /// "Mcp-Param-Region".
    pub(crate) header: String,
    /// Keys from the arguments down to the value.
    pub(crate) path: Vec<String>,
}

/// Nesting of a schema that is looked into.
const DEPTH_MAX: usize = 32;

/// The mirrored arguments of an input schema. An error says what is wrong with one.
pub(super) fn mirrored(schema: &Value) -> Result<Vec<Mirrored>, String> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    for (index, one) in found.iter().enumerate() {
        if found[..index].iter().any(|other: &Mirrored| other.header.eq_ignore_ascii_case(&one.header)) {
            return Err(format!("{} is there twice", one.header));
        }
    }
    Ok(found)
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Mirrored>) -> Result<(), String> {
    if path.len() > DEPTH_MAX {
        return Ok(());
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (key, property) in properties.into_iter().flatten() {
        path.push(key.clone());
        if let Some(name) = property.get("x-mcp-header") {
            let name =
                name.as_str().filter(|name| is_token(name.as_bytes())).ok_or("x-mcp-header is no name of a header")?;
            let kind = property.get("type").and_then(Value::as_str);
            if !matches!(kind, Some("string" | "integer" | "boolean")) {
                return Err(format!("x-mcp-header {name:?} is neither on a string nor an integer nor a boolean"));
            }
            found.push(Mirrored { header: format!("Mcp-Param-{name}"), path: path.clone() });
        }
        collect(property, path, found)?;
        path.pop();
    }
    Ok(())
}

impl Mirrored {
    /// The argument's value; none where it is absent or null, and is then not sent as a header either.
    pub(crate) fn value<'a>(&self, arguments: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(arguments, |value, key| value.get(key)).filter(|value| !value.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mirrored_arguments_are_found() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "string", "x-mcp-header": "Region"},
            "b": {"type": "object", "properties": {"c": {"type": "integer", "x-mcp-header": "Count"}}},
            "d": {"type": "string"},
        }});
        let found = mirrored(&schema).expect("a good schema");
        let names: Vec<_> = found.iter().map(|one| (one.header.as_str(), one.path.join("."))).collect();
        assert_eq!(names, [("Mcp-Param-Region", "a".to_string()), ("Mcp-Param-Count", "b.c".to_string())]);
        let arguments = json!({"a": null, "b": {"c": 4}});
        assert_eq!(found.iter().map(|one| one.value(&arguments)).collect::<Vec<_>>(), [None, Some(&json!(4))]);
    }

    #[test]
    fn bad_names_are_turned_away() {
        let schema =
            |property: Value| json!({"properties": {"a": property, "b": {"type": "string", "x-mcp-header": "B"}}});
        for property in [
            json!({"type": "string", "x-mcp-header": "a b"}),
            json!({"type": "string", "x-mcp-header": ""}),
            json!({"type": "string", "x-mcp-header": 1}),
            json!({"type": "number", "x-mcp-header": "A"}),
            json!({"type": "string", "x-mcp-header": "b"}),
        ] {
            assert!(mirrored(&schema(property.clone())).is_err(), "{property}");
        }
    }
}
