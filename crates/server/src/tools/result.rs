//! What a tool answers.

use std::borrow::Cow;

use erlmcp_protocol::era::Version;
use serde::Serialize;
use serde_json::value::RawValue;

use super::ask::Ask;
use super::content::Content;
use crate::metrics::counters::Outcome;

/// What a tool answers. It may borrow from the arguments of its call, so that an inline tool allocates nothing.
#[derive(Debug, Clone)]
pub struct ToolResult<'a> {
    content: Pieces<'a>,
    structured: Option<Box<RawValue>>,
    is_error: bool,
    /// More is needed first; the rest is empty then.
    ask: Option<Box<Ask>>,
}

/// Nearly every result is one piece, which then needs no list.
#[derive(Debug, Clone)]
enum Pieces<'a> {
    One(Content<'a>),
    Many(Vec<Content<'a>>),
}

impl<'a> ToolResult<'a> {
    /// One piece of text.
    pub fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self { content: Pieces::One(Content::Text { text: text.into() }), structured: None, is_error: false, ask: None }
    }

    /// A failure of the tool, told to the model.
    pub fn error(text: impl Into<Cow<'a, str>>) -> Self {
        Self { is_error: true, ..Self::text(text) }
    }

    /// Several pieces, or none.
    pub fn pieces(content: Vec<Content<'a>>) -> Self {
        Self { content: Pieces::Many(content), structured: None, is_error: false, ask: None }
    }

    /// More must be known first, of a client that says that it can answer; in sessions of the older era it is asked by requests on
    /// the stream of its call. Only for queued tools.
    pub fn ask(ask: Ask) -> Self {
        Self { ask: Some(Box::new(ask)), ..Self::pieces(Vec::new()) }
    }

    pub(crate) fn asks(&self) -> Option<&Ask> {
        self.ask.as_deref()
    }

    /// The same with a value beside the content.
    ///
    /// # Errors
    /// Where `value` can't be written as JSON.
    pub fn with_structured(self, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self { structured: Some(serde_json::value::to_raw_value(value)?), ..self })
    }

    /// True when the tool failed.
    pub fn is_error(&self) -> bool {
        self.is_error
    }

    pub(crate) fn outcome(&self) -> Outcome {
        if self.is_error { Outcome::ToolError } else { Outcome::Ok }
    }

    /// The pieces.
    pub fn content(&self) -> &[Content<'a>] {
        match &self.content {
            Pieces::One(piece) => std::slice::from_ref(piece),
            Pieces::Many(pieces) => pieces,
        }
    }

    /// Makes it what a session of that version knows: there structured content is an object.
    pub(crate) fn fit(&mut self, version: Version) {
        let pieces: &mut [Content<'a>] = match &mut self.content {
            Pieces::One(piece) => std::slice::from_mut(piece),
            Pieces::Many(pieces) => pieces,
        };
        pieces.iter_mut().for_each(|piece| piece.fit(version));
        if self.structured.as_ref().is_some_and(|value| !value.get().starts_with('{')) {
            self.structured = None;
        }
    }

    /// Writes `"content":[...]` and what else there is, without the braces of the result object.
    pub(crate) fn write_fields(&self, out: &mut Vec<u8>) {
        // Writing strings to a Vec cannot fail.
        if let Pieces::One(Content::Text { text }) = &self.content {
            // Nearly every result, at half the cost of what serde derives.
            out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
            let _ = serde_json::to_writer(&mut *out, text);
            out.extend_from_slice(b"}]");
        } else {
            out.extend_from_slice(b"\"content\":");
            let _ = serde_json::to_writer(&mut *out, self.content());
        }
        if let Some(structured) = &self.structured {
            out.extend_from_slice(b",\"structuredContent\":");
            out.extend_from_slice(structured.get().as_bytes());
        }
        if self.is_error {
            out.extend_from_slice(b",\"isError\":true");
        }
    }
}

impl PartialEq for ToolResult<'_> {
    fn eq(&self, other: &Self) -> bool {
        let structured = |result: &Self| result.structured.as_ref().map(|value| value.get().to_string());
        self.content() == other.content() && self.is_error == other.is_error && structured(self) == structured(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_as_the_schema_has_them() {
        let written = |result: ToolResult<'_>| {
            let mut out = Vec::new();
            result.write_fields(&mut out);
            String::from_utf8(out).expect("JSON is UTF-8")
        };
        assert_eq!(written(ToolResult::text("a\"\n")), r#""content":[{"type":"text","text":"a\"\n"}]"#);
        let many = ToolResult::pieces(vec![Content::text("a\"\n")]);
        assert_eq!(written(many), written(ToolResult::text("a\"\n")));
        assert_eq!(written(ToolResult::error("no")), r#""content":[{"type":"text","text":"no"}],"isError":true"#);
        let structured = ToolResult::pieces(Vec::new()).with_structured(&[1, 2]).expect("numbers are JSON");
        assert_eq!(written(structured), r#""content":[],"structuredContent":[1,2]"#);
    }
}
