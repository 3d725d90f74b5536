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
    /// A result with `isError` that says what is missing or wrong, and where: bad values are the tool's business, not
    /// the protocol's, so that a model can read about them and try again.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T, ToolResult<'static>> {
        serde_json::from_str(self.0).map_err(|error| {
            // Where the value is wrong costs something to know: it is found out only once one is.
            let again = serde_path_to_error::deserialize::<_, T>(&mut serde_json::Deserializer::from_str(self.0));
            let why = again.map_or_else(|error| explain(&error), |_| without_place(&error));
            ToolResult::error(format!("Bad arguments: {why}."))
        })
    }
}

/// "stops[1].town: invalid type: integer `7`, expected a string".
pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let (path, what) = (error.path().to_string(), without_place(error.inner()));
    if path == "." { what } else { format!("{path}: {what}") }
}

/// Lines and columns mean nothing to whoever does not see the text.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_string()
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
        assert_eq!(wrong, ToolResult::error("Bad arguments: name: invalid type: integer `7`, expected a string."));
    }

    #[test]
    fn the_wrong_value_is_named_by_its_path() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "it is never read whole")]
        struct Trip<'a> {
            #[serde(borrow)]
            stops: Vec<Greeting<'a>>,
        }
        let told = |json| Arguments::new(json).parse::<Trip<'_>>().expect_err("it is wrong");
        let wrong = told(r#"{"stops":[{"name":"a"},{"name":[]}]}"#);
        let why = "Bad arguments: stops[1].name: invalid type: sequence, expected a string.";
        assert_eq!(wrong, ToolResult::error(why));
        let missing = told(r#"{"stops":[{}]}"#);
        assert_eq!(missing, ToolResult::error("Bad arguments: stops[0]: missing field `name`."));
    }
}
