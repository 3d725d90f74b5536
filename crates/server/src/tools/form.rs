//! From a type to the form in which a user answers. Forms are flat and know few keywords, so that any client can show
//! them: text, numbers, yes or no, one choice or several.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schema;

/// Keywords of a schema that a form may have too.
const KEPT: [&str; 10] =
    ["type", "title", "description", "default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"];
/// Formats of text that clients know.
const FORMATS: [&str; 4] = ["date", "date-time", "email", "uri"];

/// The form with the fields of `T`. The error says which of them can't be in one.
pub(super) fn form<T: JsonSchema>() -> Result<Value, String> {
    let schema = schema::inlined::<T>();
    if !schema::is_object(&schema) {
        return Err("the answer to a question is a struct".to_string());
    }
    let mut fields = Map::new();
    for (name, of_type) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let bad = || format!("field {name:?} is neither text, a number, a bool, an enum of words nor a list of such");
        fields.insert(name.clone(), field(of_type).ok_or_else(bad)?);
    }
    let mut form = json!({"type": "object", "properties": fields});
    if let Some(required) = schema.get("required") {
        form["required"] = required.clone();
    }
    Ok(form)
}

fn field(schema: &Value) -> Option<Value> {
    let schema = &without_null(schema);
    let kept =
        |key: &&str| schema.get(*key).filter(|value| !value.is_null()).map(|value| (key.to_string(), value.clone()));
    let mut field: Map<String, Value> = KEPT.iter().filter_map(kept).collect();
    if let Some(choices) = choices(schema) {
        field.insert("type".to_string(), json!("string"));
        field.append(&mut choices.keywords("oneOf"));
        return Some(Value::Object(field));
    }
    match schema.get("type")?.as_str()? {
        "integer" | "number" | "boolean" => {}
        "string" => {
            let format = schema.get("format").filter(|format| FORMATS.iter().any(|known| format == known));
            field.extend(format.map(|format| ("format".to_string(), format.clone())));
        }
        "array" => {
            let mut items = choices(schema.get("items")?)?.keywords("anyOf");
            if !items.contains_key("anyOf") {
                items.insert("type".to_string(), json!("string"));
            }
            field.insert("items".to_string(), Value::Object(items));
        }
        _ => return None,
    }
    Some(Value::Object(field))
}

/// What may be left out need not be null.
fn without_null(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some([one, other]) = schema.get("anyOf").and_then(Value::as_array).map(Vec::as_slice)
        && *other == json!({"type": "null"})
        && let Some(one) = one.as_object().cloned()
        && let Some(outer) = schema.as_object_mut()
    {
        outer.remove("anyOf");
        for (key, value) in one {
            outer.entry(key).or_insert(value);
        }
    }
    if let Some(kinds) = schema.get("type").and_then(Value::as_array)
        && let [kind] = kinds.iter().filter(|kind| *kind != "null").collect::<Vec<_>>()[..]
    {
        schema["type"] = kind.clone();
    }
    if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        values.retain(|value| !value.is_null());
    }
    schema
}

/// Values of which one is chosen.
enum Choices {
    Plain(Vec<Value>),
    /// Each with what is shown for it.
    Titled(Vec<Value>),
}

impl Choices {
    fn keywords(self, titled: &str) -> Map<String, Value> {
        let (keyword, values) = match self {
            Self::Plain(values) => ("enum", values),
            Self::Titled(values) => (titled, values),
        };
        Map::from_iter([(keyword.to_string(), json!(values))])
    }
}

/// The choices of an enum of words; its doc comments are what is shown for them.
fn choices(schema: &Value) -> Option<Choices> {
    if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
        let mut titled = Vec::new();
        for variant in variants {
            for word in words(variant)? {
                let title = variant.get("description").cloned().unwrap_or_else(|| word.clone());
                titled.push(json!({"const": word, "title": title}));
            }
        }
        return Some(Choices::Titled(titled));
    }
    words(schema).map(Choices::Plain)
}

fn words(schema: &Value) -> Option<Vec<Value>> {
    let one = schema.get("const").map(|value| vec![value.clone()]);
    let words = one.or_else(|| schema.get("enum")?.as_array().cloned())?;
    words.iter().all(Value::is_string).then_some(words)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Meal {
        /// With meat.
        Meat,
        Vegan,
    }

    #[derive(Deserialize, JsonSchema)]
    enum Class {
        First,
        Second,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Booking {
        /// Who travels.
        name: String,
        age: Option<u8>,
        #[serde(default)]
        window: bool,
        weight: f64,
        meal: Option<Meal>,
        class: Class,
        other_class: Option<Class>,
        stops: Vec<Class>,
        meals: Vec<Meal>,
    }

    #[test]
    fn types_become_forms() {
        let form = form::<Booking>().expect("it is flat");
        let field = |name: &str| form["properties"][name].clone();
        assert_eq!(field("name"), json!({"type": "string", "description": "Who travels."}));
        assert_eq!(field("age"), json!({"type": "integer", "minimum": 0, "maximum": 255}));
        assert_eq!(field("window"), json!({"type": "boolean", "default": false}));
        assert_eq!(field("weight"), json!({"type": "number"}));
        let meals = json!([{"const": "meat", "title": "With meat."}, {"const": "vegan", "title": "vegan"}]);
        let sorted = |mut titled: Value| {
            titled.as_array_mut().expect("a list").sort_by_key(|one| one["const"].to_string());
            titled
        };
        assert_eq!(
            (field("meal")["type"].clone(), sorted(field("meal")["oneOf"].clone())),
            (json!("string"), meals.clone())
        );
        assert_eq!(field("class"), json!({"type": "string", "enum": ["First", "Second"]}));
        assert_eq!(field("other_class"), field("class"));
        let items = json!({"type": "string", "enum": ["First", "Second"]});
        assert_eq!(field("stops"), json!({"type": "array", "items": items}));
        assert_eq!(sorted(field("meals")["items"]["anyOf"].clone()), meals);
        assert_eq!(form["required"], json!(["name", "weight", "class", "stops", "meals"]));
    }

    #[test]
    fn what_no_client_could_show_is_no_form() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "only its schema is looked at")]
        struct Nested {
            inner: Vec<String>,
        }
        let error = form::<Nested>().expect_err("a list of any text");
        assert!(error.contains("\"inner\""), "{error}");
        assert!(form::<String>().is_err());
    }
}
