//! Text of others, as it may stand in a record, in a log and on a terminal.

use std::fmt::{self, Write};

/// Passes text on with its unseen characters written out, line ends among them.
#[derive(Debug)]
pub struct Plain<W>(pub W);

impl<W: Write> Write for Plain<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_unseen) {
            self.0.write_str(&rest[..at])?;
            let unseen = rest[at..].chars().next().unwrap_or_default();
            write!(self.0, "{}", unseen.escape_default())?;
            rest = &rest[at + unseen.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

/// Controls, and what turns the direction of the text around it.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text in which nothing ends its line nor moves the terminal's cursor.
pub fn plain(text: &str) -> String {
    let mut plain = Plain(String::with_capacity(text.len()));
    // A string takes everything.
    let _ = plain.write_str(text);
    plain.0
}

/// The same for a text of several lines.
pub fn plain_lines(text: &str) -> String {
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

/// The same for a text in JSON: it says what it said.
pub fn plain_json(json: &str) -> String {
    let is_plain = |letter: char| letter == '\n' || !is_unseen(letter);
    if json.chars().all(is_plain) {
        return json.into();
    }
    let mut plain = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        match letter {
            letter if is_plain(letter) => plain.push(letter),
            letter => plain += &format!("\\u{:04x}", u32::from(letter)),
        }
    }
    plain
}

/// A URL, or its part from the path on, without the values of its query: mostly they are keys.
pub fn without_query_values(url: &str) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.into() };
    let hidden =
        query.split('&').map(|pair| pair.split_once('=').map_or("***".into(), |(name, _)| format!("{name}=***")));
    format!("{path}?{}", hidden.collect::<Vec<_>>().join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_written_out() {
        assert_eq!(plain("cannot listen on [::1]:80: \u{e4}"), "cannot listen on [::1]:80: \u{e4}");
        assert_eq!(plain("\x1b]0;x\x07\n\u{9b}2\u{202e}"), r"\u{1b}]0;x\u{7}\n\u{9b}2\u{202e}");
        assert_eq!(plain_lines("a\x1b[1m\nb\r\n"), "a\\u{1b}[1m\nb\\r\n");
    }

    #[test]
    fn of_a_query_the_names_are_shown() {
        for (url, shown) in [
            ("https://a/mcp", "https://a/mcp"),
            ("https://a/mcp?k=s3cret&l=a=b&m=", "https://a/mcp?k=***&l=***&m=***"),
            ("/mcp?s3cret", "/mcp?***"),
        ] {
            assert_eq!(without_query_values(url), shown);
        }
    }

    #[test]
    fn json_stays_the_same_json() {
        let said = serde_json::json!({"a\u{9b}": "\x1b[1m\u{7f}\u{202e}ä"});
        let text = plain_json(&serde_json::to_string_pretty(&said).expect("JSON"));
        assert!(text.chars().all(|letter| letter == '\n' || !is_unseen(letter)), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), said);
    }
}
