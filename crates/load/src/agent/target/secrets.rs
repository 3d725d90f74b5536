//! What the target says, as it may be told: in one line, of bounded length, and without the run's own secrets, which it knows.

use std::fmt;
use std::sync::Arc;

use erlmcp_record::plain;
use serde_json::Value;

use crate::proto;

/// Bytes of a text that are told.
const TEXT_MAX: usize = 1_024;
/// What is shorter is found in texts that have nothing to do with it.
const SECRET_MIN: usize = 8;
/// In the place of a secret.
const HIDDEN: &str = "***";

/// Bearer tokens, and what the user's own headers and the query of the target's URL say.
#[derive(Clone, Default)]
pub(in crate::agent) struct Secrets(Arc<[String]>);

impl Secrets {
    pub(super) fn of(setup: &proto::Setup) -> Self {
        let words = |value: &str| -> Vec<String> {
            let words = value.split([' ', ';', ',', '=', '"']).chain([value]);
            words.filter(|word| word.len() >= SECRET_MIN).map(str::to_string).collect()
        };
        let values = setup.headers.iter().map(|header| &header.value).chain(&setup.tokens);
        let mut secrets: Vec<String> = values.flat_map(|value| words(value)).collect();
        // Their words are too often those of tools.
        let query = setup.path.split_once('?').map_or("", |(_, query)| query);
        let said = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
        secrets.extend(said.filter(|value| value.len() >= SECRET_MIN).map(str::to_string));
        // A secret that has another one in it goes as a whole.
        secrets.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self(secrets.into())
    }

    /// A text of the target's.
    pub(in crate::agent) fn told(&self, text: &str) -> String {
        let longest = self.0.first().map_or(0, String::len);
        let hidden = self.hidden(head(text, TEXT_MAX + longest));
        let told = head(&hidden, TEXT_MAX);
        plain(told) + if told.len() < hidden.len() { "..." } else { "" }
    }

    /// True for a name that is told as it is.
    pub(in crate::agent) fn can_tell(&self, name: &str) -> bool {
        self.told(name) == name
    }

    /// Hides them in all texts of a value, names of members among them; nothing else is changed.
    pub(in crate::agent) fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.hidden(text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.hide_in(one)),
            Value::Object(members) => {
                let hidden = std::mem::take(members).into_iter().map(|(name, mut value)| {
                    self.hide_in(&mut value);
                    (self.hidden(&name), value)
                });
                *members = hidden.collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn hidden(&self, text: &str) -> String {
        let hide = |text: String, secret: &String| {
            if text.contains(secret.as_str()) { text.replace(secret.as_str(), HIDDEN) } else { text }
        };
        self.0.iter().fold(text.to_string(), hide)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// At most so many bytes of it.
fn head(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secrets(headers: &[(&str, &str)], tokens: &[&str]) -> Secrets {
        let header = |(name, value): &(&str, &str)| proto::Header { name: name.to_string(), value: value.to_string() };
        Secrets::of(&proto::Setup {
            headers: headers.iter().map(header).collect(),
            tokens: tokens.iter().map(ToString::to_string).collect(),
            ..proto::Setup::default()
        })
    }

    #[test]
    fn a_secret_of_the_run_is_not_told() {
        let headers = [("Authorization", "Bearer tok3n-one"), ("Cookie", "id=c00kie-one; a=b"), ("X-A", "short")];
        let secrets = secrets(&headers, &["tok3n-one", "tok3n-one-and-more"]);
        assert_eq!(secrets.told("is tok3n-one-and-more, tok3n-one or Bearer tok3n-one"), "is ***, *** or ***");
        assert_eq!(secrets.told("c00kie-one is short, b"), "*** is short, b");
        assert!(secrets.can_tell("echo") && !secrets.can_tell("xtok3n-one"));
        let mut value = json!({"a tok3n-one": ["tok3n-one", 1, {"b": "c\x1b"}]});
        secrets.hide_in(&mut value);
        assert_eq!(value, json!({"a ***": ["***", 1, {"b": "c\x1b"}]}));
        assert!(!format!("{secrets:?}").contains("tok3n"));
    }

    #[test]
    fn a_key_in_the_query_is_not_told() {
        let setup = proto::Setup { path: "/mcp?key=sk-12345678&a=b&of=one,database".into(), ..proto::Setup::default() };
        let secrets = Secrets::of(&setup);
        assert_eq!(secrets.told("/mcp?key=sk-12345678&a=b"), "/mcp?key=***&a=b");
        assert!(secrets.can_tell("database"));
    }

    #[test]
    fn a_text_is_told_in_one_bounded_line() {
        let secrets = secrets(&[], &["tok3n-that-is-cut"]);
        assert_eq!(secrets.told("a\x1b[31m\r\nb\u{9b}"), r"a\u{1b}[31m\r\nb\u{9b}");
        assert!(!secrets.can_tell("a\x1b") && secrets.can_tell("<img/src=x>"));
        let long = "ä".repeat(TEXT_MAX);
        assert_eq!(secrets.told(&long), format!("{}...", "ä".repeat(TEXT_MAX / 2)));
        let cut = secrets.told(&("x".repeat(TEXT_MAX - 5) + "tok3n-that-is-cut"));
        assert!(cut.ends_with("xx***") && !cut.contains("tok3n"), "{cut}");
        assert!(!secrets.can_tell(&long));
    }
}
