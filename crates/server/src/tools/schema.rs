//! JSON Schemas of types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Of what is read: arguments.
pub(super) fn of_arguments<T: JsonSchema>() -> Value {
    written::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// Of what is written: structured results.
pub(super) fn of_results<T: JsonSchema>() -> Value {
    written::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// Of what is read, without references.
pub(crate) fn inlined<T: JsonSchema>() -> Value {
    written::<T>(SchemaSettings::draft2020_12().for_deserialize().with(|settings| settings.inline_subschemas = true))
}

/// The dialect is the protocol's default, and the name of a Rust type says nothing to a client: both are left out.
fn written<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("$schema");
    schema.remove("title");
    schema.to_value()
}

/// True for the schema of an object, which is what the protocol wants of arguments and of structured results.
pub(super) fn is_object(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    /// Where to go.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Trip {
        /// A town.
        to: String,
        #[serde(default)]
        days: u8,
        via: Option<Stop>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Stop {
        town: String,
    }

    #[test]
    fn types_become_schemas() {
        let schema = of_arguments::<Trip>();
        assert!(is_object(&schema) && !is_object(&of_arguments::<String>()));
        assert_eq!((schema.get("$schema"), schema.get("title")), (None, None));
        assert_eq!(schema["description"], "Where to go.");
        assert_eq!(schema["properties"]["to"], json!({"type": "string", "description": "A town."}));
        assert_eq!(schema["required"], json!(["to"]));
        assert_eq!(schema["$defs"]["Stop"]["properties"]["town"]["type"], "string");
        assert_eq!(of_results::<Trip>()["required"], json!(["to", "days", "via"]), "all of them are written");
        assert_eq!(inlined::<Trip>().get("$defs"), None);
    }
}
