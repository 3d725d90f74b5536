//! What a POST's Content-Type and Accept must say.

use super::head::{Known, Once, Refusal};
use crate::VALIDATES;

/// Which kinds of answer a client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accept {
    json: Taken,
    events: Taken,
    openmetrics: bool,
}

/// How far a media range decides, the most specific first: a later `*/*` changes nothing for a type that was named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Taken {
    #[default]
    Unsaid,
    ByAny(bool),
    ByKind(bool),
    ByName(bool),
}

impl Taken {
    fn rank(self) -> u8 {
        match self {
            Self::Unsaid => 0,
            Self::ByAny(_) => 1,
            Self::ByKind(_) => 2,
            Self::ByName(_) => 3,
        }
    }

    fn put(&mut self, other: Self) {
        if other.rank() > self.rank() {
            *self = other;
        }
    }

    fn yes(self) -> bool {
        matches!(self, Self::ByAny(true) | Self::ByKind(true) | Self::ByName(true))
    }
}

impl Accept {
    /// Adds an Accept field.
    pub(super) fn add(&mut self, value: &[u8]) {
        // What nearly every client sends.
        if value == b"application/json, text/event-stream" {
            self.json.put(Taken::ByName(true));
            self.events.put(Taken::ByName(true));
            return;
        }
        for range in value.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or(b"");
            let taken = !parts.any(is_zero);
            let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
            if is(b"application/json") {
                self.json.put(Taken::ByName(taken));
            } else if is(b"text/event-stream") {
                self.events.put(Taken::ByName(taken));
            } else if is(b"application/*") {
                self.json.put(Taken::ByKind(taken));
            } else if is(b"text/*") {
                self.events.put(Taken::ByKind(taken));
            } else if is(b"application/openmetrics-text") {
                self.openmetrics |= taken;
            } else if is(b"*/*") {
                self.json.put(Taken::ByAny(taken));
                self.events.put(Taken::ByAny(taken));
            }
        }
    }

    /// True when a stream of events is taken.
    pub fn events(self) -> bool {
        self.events.yes()
    }

    /// True when OpenMetrics is asked for by its name.
    pub fn openmetrics(self) -> bool {
        self.openmetrics
    }

    /// True when both kinds are taken, as a client of MCP must say.
    pub fn both(self) -> bool {
        self.json.yes() && self.events.yes()
    }
}

/// True for `q=0`, `q=0.000`.
fn is_zero(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_once_byte(b'=') else { return false };
    name.trim_ascii().eq_ignore_ascii_case(b"q")
        && value.trim_ascii().first() == Some(&b'0')
        && value.trim_ascii().iter().all(|byte| matches!(byte, b'0' | b'.'))
}

trait SplitOnce {
    fn split_once_byte(&self, byte: u8) -> Option<(&[u8], &[u8])>;
}

impl SplitOnce for [u8] {
    fn split_once_byte(&self, byte: u8) -> Option<(&[u8], &[u8])> {
        let at = memchr::memchr(byte, self)?;
        Some((&self[..at], &self[at + 1..]))
    }
}

/// Checks what a POST says about its body and its answer.
///
/// # Errors
/// 400 for a field that is there twice, 406, 415.
pub fn check_post(known: &Known<'_>) -> Result<(), Refusal> {
    if !VALIDATES {
        return Ok(());
    }
    let repeated = [known.content_type, known.authorization].contains(&Once::Repeated);
    if repeated {
        return Err(Refusal::keeping(400, "a header field is there twice that may be there once"));
    }
    if !known.accept.both() {
        return Err(Refusal::keeping(406, "Accept must list both application/json and text/event-stream"));
    }
    if known.content_encoding != Once::Absent {
        return Err(Refusal::keeping(415, "the body must not be encoded"));
    }
    match known.content_type {
        Once::Value(value) if is_json(value) => Ok(()),
        _ => Err(Refusal::keeping(415, "Content-Type must be application/json")),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    if content_type == b"application/json" {
        return true;
    }
    let mut parts = content_type.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or(b"");
    let utf8 = |parameter: &[u8]| {
        let Some((name, value)) = parameter.split_once_byte(b'=') else { return parameter.is_empty() };
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
        !name.trim_ascii().eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8")
    };
    name.eq_ignore_ascii_case(b"application/json") && parts.all(utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(values: &[&str]) -> bool {
        let mut accept = Accept::default();
        values.iter().for_each(|value| accept.add(value.as_bytes()));
        accept.both()
    }

    #[test]
    fn both_kinds_must_be_taken() {
        assert!(accept(&["application/json, text/event-stream"]));
        assert!(accept(&["text/event-stream;q=0.5,Application/JSON"]));
        assert!(accept(&["application/json", "text/event-stream"]));
        assert!(accept(&["*/*"]) && accept(&["application/*, text/*"]) && accept(&["text/html, */*;q=0.1"]));
        assert!(!accept(&[]) && !accept(&["application/json"]) && !accept(&["text/event-stream"]));
        assert!(!accept(&["application/json, text/event-stream;q=0"]));
        assert!(!accept(&["*/*, text/event-stream; q=0.0"]));
        assert!(!accept(&["text/event-stream;q=0, */*"]));
        assert!(!accept(&["*/*;q=0"]) && !accept(&["application/jsonx, text/event-stream"]));
    }

    #[test]
    fn openmetrics_is_asked_for_by_its_name() {
        let asked = |value: &str| {
            let mut accept = Accept::default();
            accept.add(value.as_bytes());
            accept.openmetrics()
        };
        assert!(asked("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
        assert!(!asked("*/*") && !asked("application/*") && !asked("application/openmetrics-text;q=0"));
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        for good in [
            "application/json",
            "Application/JSON; Charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/json; x=y",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data; boundary=a",
            "application/jsonl",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
