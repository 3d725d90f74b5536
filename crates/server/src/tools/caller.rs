//! Who calls, as far as the request tells.

use std::borrow::Cow;

use erlmcp_protocol::era::Version;
use erlmcp_protocol::header::method;
use erlmcp_protocol::json::Scanner;
use erlmcp_protocol::server::Message;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::session::{About, Rounds};

/// How grave a log message is, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the developer.
    Debug,
    /// As expected.
    Info,
    /// As expected, and worth a word.
    Notice,
    /// Not as it should be.
    Warning,
    /// Something failed.
    Error,
    /// A part has failed.
    Critical,
    /// Somebody must act now.
    Alert,
    /// Nothing works.
    Emergency,
}

impl LogLevel {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Debug, "debug"),
        (Self::Info, "info"),
        (Self::Notice, "notice"),
        (Self::Warning, "warning"),
        (Self::Error, "error"),
        (Self::Critical, "critical"),
        (Self::Alert, "alert"),
        (Self::Emergency, "emergency"),
    ];

    /// Reads the word of the protocol.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == word).map(|(level, _)| *level)
    }

    /// The word of the protocol for it.
    pub(crate) fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// What a request says about the client that is of use after the request is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// JSON text of a string or an integer; none where nobody wants progress.
    pub(crate) progress_token: Option<Box<str>>,
    /// None where nobody wants log messages.
    pub(crate) log_level: Option<LogLevel>,
    /// Of its session; none in the modern era.
    pub(crate) version: Option<Version>,
    /// JSON text of an object.
    pub(crate) capabilities: Box<str>,
    /// The name or uri that the request is about.
    pub(crate) subject: Box<str>,
    /// Who asks; empty where nobody is known by name.
    pub(crate) principal: Box<str>,
    /// What it answers to what it was asked.
    pub(crate) inputs: Map<String, Value>,
    /// What the last round gave to this one.
    pub(crate) state: Option<String>,
    /// It asks for what it has asked for before.
    pub(crate) is_retry: bool,
    /// The answer can be a stream.
    pub(crate) streams: bool,
}

impl Caller {
    /// `streams`: the answer can be a stream. Where it can't, nothing is said before the answer.
    pub(crate) fn of(message: &Message<'_>, streams: bool) -> Self {
        let meta = &message.params.meta;
        Self {
            progress_token: meta.progress_token.filter(|_| streams).map(Into::into),
            log_level: meta.log_level.filter(|_| streams).and_then(|level| LogLevel::parse(&level.decode())),
            capabilities: meta.client_capabilities.unwrap_or("{}").into(),
            subject: subject(message).into(),
            is_retry: meta.is_retry,
            streams,
            ..Self::default()
        }
    }

    /// Takes what a request brings from the round before it. The error says what is wrong with it.
    pub(crate) fn take_round(
        &mut self,
        message: &Message<'_>,
        rounds: &Rounds,
        now_s: u64,
    ) -> Result<(), &'static str> {
        let params = &message.params;
        if let Some(inputs) = params.input_responses.filter(|text| *text != "null") {
            let inputs = serde_json::from_str(inputs);
            self.inputs = inputs.map_err(|_| "inputResponses is not an object")?;
        }
        if let Some(text) = params.request_state.filter(|text| *text != "null") {
            let text: String = serde_json::from_str(text).map_err(|_| "requestState is not a string")?;
            let method = message.method.decode();
            let arguments = params.arguments.unwrap_or("{}");
            let about = About { method: &method, subject: &self.subject, arguments, principal: &self.principal };
            let state = rounds.read(&about, &text, now_s);
            self.state = Some(state.ok_or("requestState was not given for this request, was changed, or is too old")?);
        }
        Ok(())
    }

    /// The same client once it has answered what it was asked.
    pub(crate) fn in_next_round(&self, inputs: Map<String, Value>, state: Option<&str>) -> Self {
        Self { inputs, state: state.map(str::to_string), ..self.clone() }
    }

    /// True where the client has declared the capability.
    pub(crate) fn has(&self, capability: &str) -> bool {
        has_capability(&self.capabilities, capability)
    }

    /// A progress notification; none where nobody asked for any.
    pub(super) fn progress(&self, progress: f64, total: Option<f64>, text: Option<&str>) -> Option<Vec<u8>> {
        let token: Value = serde_json::from_str(self.progress_token.as_deref()?).ok()?;
        let mut params = json!({"progressToken": token, "progress": number(progress)});
        if let Some(total) = total.filter(|total| total.is_finite()) {
            params["total"] = number(total);
        }
        if let Some(text) = text {
            params["message"] = json!(text);
        }
        Some(notification(method::PROGRESS, &params))
    }

    /// A log message; none where nobody asked for one so light.
    pub(super) fn log(&self, level: LogLevel, data: &Value) -> Option<Vec<u8>> {
        self.log_level.filter(|wanted| level >= *wanted)?;
        Some(notification(method::LOG_MESSAGE, &json!({"level": level, "data": data})))
    }
}

fn subject<'a>(message: &Message<'a>) -> Cow<'a, str> {
    let params = &message.params;
    params.name.or(params.uri).map(|text| text.decode()).unwrap_or_default()
}

/// True where the capabilities, JSON text, have an object of that name; "a.b" is that of "b" in "a". Elicitation is that by
/// forms.
pub(crate) fn has_capability(capabilities: &str, name: &str) -> bool {
    let (name, part) = name.split_once('.').map_or((name, None), |(name, part)| (name, Some(part)));
    let is_whole = |value: &str| match part {
        Some(part) => has_capability(value, part),
        None => name != "elicitation" || can_form(value),
    };
    let mut has = false;
    // The text was checked with the message it is part of.
    let _ = Scanner::new(capabilities, u32::MAX).object(|scanner, key| {
        let value = scanner.value()?;
        has |= value.starts_with('{') && key.is(name) && is_whole(value);
        Ok(())
    });
    has
}

/// True where an elicitation capability has forms: one that names no mode does.
fn can_form(object: &str) -> bool {
    object[1..object.len() - 1].trim().is_empty() || has_capability(object, "form")
}

/// Whole numbers are written as such.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9e15 { json!(value as i64) } else { json!(value) }
}

fn notification(method: &str, params: &Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: Option<Vec<u8>>) -> Option<String> {
        message.map(|message| String::from_utf8(message).expect("JSON is UTF-8"))
    }

    #[test]
    fn only_what_was_asked_for_is_said() {
        let silent = Caller::default();
        assert_eq!(silent.progress(1.0, None, None), None);
        assert_eq!(silent.log(LogLevel::Emergency, &json!("x")), None);
        let caller =
            Caller { progress_token: Some("\"p\"".into()), log_level: Some(LogLevel::Warning), ..Caller::default() };
        assert_eq!(
            text(caller.progress(50.0, Some(99.5), Some("half"))).as_deref(),
            Some(
                r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"message":"half","progress":50,"progressToken":"p","total":99.5}}"#
            )
        );
        assert_eq!(caller.log(LogLevel::Notice, &json!("x")), None);
        assert_eq!(
            text(caller.log(LogLevel::Error, &json!({"a": 1}))).as_deref(),
            Some(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":{"a":1},"level":"error"}}"#)
        );
    }

    #[test]
    fn elicitation_is_that_by_forms() {
        for (elicitation, has) in [
            ("{}", true),
            ("{ }", true),
            (r#"{"form":{}}"#, true),
            (r#"{"url":{},"form":{}}"#, true),
            (r#"{"url":{}}"#, false),
            (r#"{"form":true}"#, false),
            ("true", false),
        ] {
            let capabilities = format!(r#"{{"sampling":{{"url":{{}}}},"elicitation":{elicitation}}}"#);
            assert_eq!(has_capability(&capabilities, "elicitation"), has, "{elicitation}");
            assert!(has_capability(&capabilities, "sampling"));
        }
    }

    #[test]
    fn a_part_of_a_capability_is_declared_with_it() {
        for (capabilities, has) in [
            (r#"{"sampling":{"tools":{},"context":{}}}"#, true),
            (r#"{"sampling":{ "tools" : { } }}"#, true),
            (r#"{"sampling":{"tools":true}}"#, false),
            (r#"{"sampling":{"context":{}},"tools":{}}"#, false),
            (r#"{"sampling.tools":{}}"#, false),
            (r#"{"sampling":{}}"#, false),
        ] {
            assert_eq!(has_capability(capabilities, "sampling.tools"), has, "{capabilities}");
        }
    }

    #[test]
    fn levels_are_read_as_they_are_written() {
        for (level, word) in LogLevel::ALL {
            assert_eq!(serde_json::to_value(level).expect("it is JSON"), word);
            assert_eq!(LogLevel::parse(word), Some(level));
        }
        assert!(LogLevel::ALL.is_sorted() && LogLevel::parse("loud").is_none());
    }
}
