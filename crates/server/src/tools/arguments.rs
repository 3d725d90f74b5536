//! What a tool is called with.

use serde::Deserialize;

use super::result::ToolResult;

/// The arguments of a call, as JSON text: always an object, `{}` where the caller sent none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arguments<'a>(&'a str);

impl<'a> Arguments<'a> {
    /// `json` is the text of a JSON object.
    pub fn new(json: &'a str) -> Self {
        Self(json)
    }

    /// The text as it came.
    pub fn json(&self) -> &'a str {
        self.0
    }

    /// Reads the arguments into a type; strings can be borrowed.
    ///
    /// # Errors
    /// A result with `isError` that says what is missing or wrong: bad values are the tool's business, not the
    /// protocol's, so that a model can read about them and try again.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, ToolResult<'static>> {
        serde_json::from_str(self.0).map_err(|error| {
            let text = error.to_string();
            let what = text.split(" at line ").next().unwrap_or(&text);
            ToolResult::error(format!("Bad arguments: {what}."))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Greeting<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }

    #[test]
    fn wrong_arguments_are_explained() {
        let parsed: Greeting<'_> = Arguments::new(r#"{"name":"Ada","more":1}"#).parse().expect("more is ignored");
        assert!(matches!(parsed.name, Cow::Borrowed("Ada")));
        let missing = Arguments::new("{}").parse::<Greeting<'_>>().expect_err("no name");
        assert_eq!(missing, ToolResult::error("Bad arguments: missing field `name`."));
        let wrong = Arguments::new(r#"{"name":7}"#).parse::<Greeting<'_>>().expect_err("a number");
        assert_eq!(wrong, ToolResult::error("Bad arguments: invalid type: integer `7`, expected a string."));
    }
}
