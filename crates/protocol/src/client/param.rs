//! Arguments that a tool wants in headers as well: properties of its schema with `x-mcp-header`.

use serde_json::Value;

use crate::header::{name, value};
use crate::http::field::is_token;

const ANNOTATION: &str = "x-mcp-header";

/// A tool that a client must leave alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tool's schema breaks the rules of {ANNOTATION}: {0}")]
pub struct BadSchema(String);

/// One argument, and the header that it is sent in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Param {
    path: Vec<String>,
    /// "Mcp-Param-Region".
    header: String,
}

impl Param {
    /// The header's whole name.
    pub fn header(&self) -> &str {
        &self.header
    }

    /// The argument's value; none where it is absent or null, and is then not sent as a header either.
    pub fn value<'a>(&self, arguments: &'a Value) -> Option<&'a Value> {
        self.path.iter().try_fold(arguments, |inside, key| inside.get(key)).filter(|value| !value.is_null())
    }
}

/// The arguments that a tool's input schema wants in headers.
///
/// # Errors
/// Where a name is no token or used twice, the property is no string, integer or boolean, or the annotation stands where
/// `properties` alone do not lead.
pub fn of_schema(schema: &Value) -> Result<Vec<Param>, BadSchema> {
    let mut params: Vec<Param> = Vec::new();
    collect(schema, Some(&[]), &mut params)?;
    for (index, param) in params.iter().enumerate() {
        if params[..index].iter().any(|other| other.header.eq_ignore_ascii_case(&param.header)) {
            return Err(BadSchema(format!("{:?} is used twice", param.header)));
        }
    }
    Ok(params)
}

/// `path`: the properties that lead to this schema; None where others lead there as well.
fn collect(schema: &Value, path: Option<&[&str]>, params: &mut Vec<Param>) -> Result<(), BadSchema> {
    let Value::Object(members) = schema else { return Ok(()) };
    if let Some(annotation) = members.get(ANNOTATION) {
        params.push(param(schema, annotation, path.unwrap_or_default())?);
    }
    for (keyword, inner) in members {
        match (keyword.as_str(), inner) {
            // Values, not schemas.
            ("const" | "default" | "enum" | "examples" | ANNOTATION, _) => {}
            ("properties", Value::Object(properties)) => {
                for (key, property) in properties {
                    let path = path.map(|path| [path, &[key]].concat());
                    collect(property, path.as_deref(), params)?;
                }
            }
            ("patternProperties" | "dependentSchemas" | "$defs" | "definitions", Value::Object(schemas)) => {
                schemas.values().try_for_each(|one| collect(one, None, params))?;
            }
            (_, Value::Array(schemas)) => schemas.iter().try_for_each(|one| collect(one, None, params))?,
            (_, inner) => collect(inner, None, params)?,
        }
    }
    Ok(())
}

fn param(property: &Value, annotation: &Value, path: &[&str]) -> Result<Param, BadSchema> {
    let header = annotation.as_str().filter(|header| is_token(header.as_bytes()));
    let header = header.ok_or_else(|| BadSchema(format!("{annotation} is no header's name")))?;
    let Some(key) = path.last() else {
        return Err(BadSchema(format!("{header:?} stands where properties alone do not lead")));
    };
    if !matches!(property["type"].as_str(), Some("string" | "integer" | "boolean")) {
        return Err(BadSchema(format!("{key:?} is no string, integer or boolean")));
    }
    let path = path.iter().map(ToString::to_string).collect();
    Ok(Param { path, header: format!("{}{header}", name::PARAM_PREFIX) })
}

/// The headers of a call with these arguments: those that are there and not null.
pub fn headers(params: &[Param], arguments: &Value) -> Vec<(String, String)> {
    let of = |param: &Param| {
        let text = match param.value(arguments)? {
            Value::String(text) => value::encode(text).into_owned(),
            Value::Bool(is_true) => is_true.to_string(),
            Value::Number(number) => match number.as_f64() {
                Some(float) if number.is_f64() && float.fract() == 0.0 => format!("{float:.0}"),
                _ => number.to_string(),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((param.header.clone(), text))
    };
    params.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_found_however_deep_and_written_by_their_type() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "plain": {"type": "string"},
            "where": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            "absent": {"type": "string", "x-mcp-header": "Absent"},
            "none": {"type": "string", "x-mcp-header": "None"},
        }});
        let params = of_schema(&schema).expect("the schema is good");
        let mut found = headers(
            &params,
            &json!({"region": "überall", "plain": "x", "where": {"n": 5.0}, "dry": false, "none": null}),
        );
        found.sort();
        let expected =
            [("Mcp-Param-Dry", "false"), ("Mcp-Param-N", "5"), ("Mcp-Param-Region", "=?base64?w7xiZXJhbGw=?=")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_string(), value.to_string())));
    }

    #[test]
    fn a_schema_that_breaks_the_rules_is_none_of_ours() {
        let with = |properties: Value| of_schema(&json!({"properties": properties}));
        assert!(with(json!({"a": {"type": "string", "x-mcp-header": "a b"}})).is_err());
        assert!(with(json!({"a": {"type": "string", "x-mcp-header": ""}})).is_err());
        assert!(with(json!({"a": {"type": "string", "x-mcp-header": 5}})).is_err());
        assert!(with(json!({"a": {"type": "number", "x-mcp-header": "A"}})).is_err());
        let twice = json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}});
        assert!(with(twice).is_err());
        assert_eq!(of_schema(&json!(true)), Ok(Vec::new()));
    }

    #[test]
    fn an_annotation_stands_only_where_properties_lead() {
        let param = json!({"type": "string", "x-mcp-header": "A"});
        let inner = json!({"type": "object", "properties": {"a": param}});
        for schema in [
            param.clone(),
            json!({"properties": {"l": {"type": "array", "items": param}}}),
            json!({"properties": {"l": {"type": "array", "prefixItems": [param]}}}),
            json!({"oneOf": [inner]}),
            json!({"properties": {"o": {"anyOf": [inner]}}}),
            json!({"if": inner}),
            json!({"additionalProperties": inner}),
            json!({"patternProperties": {"a.*": param}}),
            json!({"properties": {"o": {"$ref": "#/$defs/o"}}, "$defs": {"o": inner}}),
        ] {
            assert!(of_schema(&schema).is_err(), "{schema}");
        }
        let data = json!({"x-mcp-header": "no schema"});
        let good = json!({
            "properties": {"x-mcp-header": param, "plain": {"type": "object", "default": data, "enum": [data]}},
            "required": ["x-mcp-header"],
        });
        assert_eq!(of_schema(&good).expect("it only has the name of one").len(), 1);
    }
}
