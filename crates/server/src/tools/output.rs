//! What typed tools answer.

use std::borrow::Cow;
use std::fmt::Display;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::ask::Ask;
use super::content::Content;
use super::result::ToolResult;
use super::schema;

/// What a tool may answer: text, [`Content`] or several, [`Json`], a [`ToolResult`], or a `Result` of one of these
/// whose error is [`ToolError`] or becomes one.
pub trait ToolOutput {
    /// JSON Schema of the structured content; none where it has none.
    fn output_schema() -> Option<Value> {
        None
    }

    /// The result that is sent.
    fn into_result(self) -> ToolResult<'static>;
}

/// A value that programs read, with a schema that is derived from its type: a struct or a map, since the protocol wants
/// an object. For those who read text alone the same JSON is sent as text too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

/// Why a tool has no answer. Whatever can be shown becomes one by `?`, and its text is told to the model, so mind what
/// it gives away. A question to the user, which must be answered first, is one as well: see
/// [`JobContext::ask`](super::JobContext::ask).
#[derive(Debug, Clone)]
pub struct ToolError(ToolResult<'static>);

impl ToolError {
    /// A failure, told to the model.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(ToolResult::error(text))
    }

    pub(super) fn asking(ask: Ask) -> Self {
        Self(ToolResult::ask(ask))
    }
}

impl<E: Display> From<E> for ToolError {
    fn from(error: E) -> Self {
        // Libraries that chain errors show the whole chain so.
        Self::new(format!("{error:#}"))
    }
}

impl ToolOutput for ToolResult<'static> {
    fn into_result(self) -> ToolResult<'static> {
        self
    }
}

impl ToolOutput for String {
    fn into_result(self) -> ToolResult<'static> {
        ToolResult::text(self)
    }
}

impl ToolOutput for &'static str {
    fn into_result(self) -> ToolResult<'static> {
        ToolResult::text(self)
    }
}

impl ToolOutput for Content<'static> {
    fn into_result(self) -> ToolResult<'static> {
        ToolResult::pieces(vec![self])
    }
}

impl ToolOutput for Vec<Content<'static>> {
    fn into_result(self) -> ToolResult<'static> {
        ToolResult::pieces(self)
    }
}

impl<T: Serialize + JsonSchema> ToolOutput for Json<T> {
    fn output_schema() -> Option<Value> {
        Some(schema::of_results::<T>())
    }

    fn into_result(self) -> ToolResult<'static> {
        let written = serde_json::to_string(&self.0);
        let result = written.and_then(|text| ToolResult::text(text).with_structured(&self.0));
        result.unwrap_or_else(|error| ToolResult::error(format!("The result can't be written as JSON: {error}.")))
    }
}

impl<T: ToolOutput, E: Into<ToolError>> ToolOutput for Result<T, E> {
    fn output_schema() -> Option<Value> {
        T::output_schema()
    }

    fn into_result(self) -> ToolResult<'static> {
        match self {
            Ok(output) => output.into_result(),
            Err(error) => error.into().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn written(output: impl ToolOutput) -> String {
        let mut out = Vec::new();
        output.into_result().write_fields(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn outputs_become_results() {
        assert_eq!(written("a"), r#""content":[{"type":"text","text":"a"}]"#);
        assert_eq!(written("a".to_string()), written("a"));
        assert_eq!(written(Content::text("a")), written("a"));
        assert_eq!(written(vec![Content::text("a")]), written(ToolResult::text("a")));
        let json = r#""content":[{"type":"text","text":"{\"a\":1}"}],"structuredContent":{"a":1}"#;
        assert_eq!(written(Json(BTreeMap::from([("a", 1)]))), json);
        let unwritable = written(Json(BTreeMap::from([(vec![1], 1)])));
        assert!(unwritable.ends_with(r#","isError":true"#), "{unwritable}");
    }

    #[test]
    fn errors_are_told_to_the_model() {
        let failed = r#""content":[{"type":"text","text":"no"}],"isError":true"#;
        assert_eq!(written(Err::<String, ToolError>(ToolError::new("no"))), failed);
        assert_eq!(written(Err::<String, &str>("no")), failed);
        let parse = || -> Result<&str, ToolError> {
            let _: u8 = "x".parse()?;
            Ok("a number")
        };
        assert!(written(parse()).contains("invalid digit"), "{}", written(parse()));
        assert_eq!(written(Ok::<_, ToolError>("a")), written("a"));
    }

    #[test]
    fn only_json_has_a_schema() {
        assert_eq!(String::output_schema(), None);
        let schema = Result::<Json<BTreeMap<String, u8>>, ToolError>::output_schema().expect("a schema");
        assert!(schema::is_object(&schema), "{schema}");
    }
}
