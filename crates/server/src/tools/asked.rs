//! Questions to the user as a tool writes them: a call that gives a value of a type.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::arguments::explain;
use super::ask::Ask;
use super::context::JobContext;
use super::form::form;
use super::output::ToolError;

impl JobContext {
    /// Asks the user for the fields of `T`, and gives what they filled in; none where they declined. A field is text, a
    /// number, a `bool`, an enum of words or a list of such; doc comments become descriptions. `key` names the question
    /// among those of this call.
    ///
    /// The answer takes its time, and no worker waits for it: the call ends here, with an error that must be handed on
    /// by `?`, and **the tool is called anew** once the user has answered. It then finds this answer, and those to the
    /// questions before it. So ask first, and do what must be done once after the last question. The answers travel in
    /// the state of [`Ask::remembering`], which is not for other use in such a tool.
    ///
    /// ```
    /// use erlmcp_server::tools::{JobContext, NoArguments, Tool, ToolError};
    /// use schemars::JsonSchema;
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Seat {
    ///     row: u8,
    /// }
    ///
    /// async fn book(context: JobContext, _: NoArguments) -> Result<String, ToolError> {
    ///     let Some(seat) = context.ask::<Seat>("seat", "Where do you want to sit?")? else {
    ///         return Ok("Nothing was booked.".to_string());
    ///     };
    ///     Ok(format!("Row {} is yours.", seat.row))
    /// }
    ///
    /// let tool = Tool::queued("book", "Books a seat.", book);
    /// ```
    ///
    /// # Errors
    /// The question, where it is not answered yet; and a failure where the answer has not the fields of `T`, or `T` has
    /// a field that no form can have.
    pub fn ask<T: DeserializeOwned + JsonSchema>(&self, key: &str, message: &str) -> Result<Option<T>, ToolError> {
        let mut answers = self.answers();
        let answer = answers.remove(key);
        match answer.as_ref().and_then(|answer| answer.get("action")).and_then(Value::as_str) {
            Some("accept") => {
                let content = answer.and_then(|answer| answer.get("content").cloned()).unwrap_or_else(|| json!({}));
                let read = serde_path_to_error::deserialize(content);
                read.map(Some).map_err(|error| ToolError::new(format!("Bad answer to {key:?}: {}.", explain(&error))))
            }
            Some(_) => Ok(None),
            // What is no answer is asked again.
            None => {
                let form = form::<T>().map_err(|why| ToolError::new(format!("{key:?} can't be asked: {why}.")))?;
                let ask = Ask::new().elicit(key, message, form);
                Err(ToolError::asking(if answers.is_empty() { ask } else { ask.remembering(Answers::write(answers)) }))
            }
        }
    }

    /// Every answer that the client has given so far, by the keys of the questions.
    fn answers(&self) -> Map<String, Value> {
        let mut answers = self.state().map(Answers::read).unwrap_or_default();
        answers.extend(self.caller.inputs.clone());
        answers
    }
}

/// Answers of earlier rounds: the state that one call gives to the next.
#[derive(Serialize, Deserialize)]
struct Answers {
    answers: Map<String, Value>,
}

impl Answers {
    fn write(answers: Map<String, Value>) -> String {
        // What was read as JSON can be written as JSON.
        serde_json::to_string(&Self { answers }).unwrap_or_default()
    }

    /// Nothing where the state is of another kind.
    fn read(state: &str) -> Map<String, Value> {
        serde_json::from_str(state).map(|Self { answers }| answers).unwrap_or_default()
    }
}
