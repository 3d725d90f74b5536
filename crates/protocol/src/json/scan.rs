//! The scanner.

use super::text::Text;

/// Why a text is not taken as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It breaks the grammar.
    #[error("the text is not JSON")]
    Syntax,
    /// Arrays and objects are nested deeper than the limit.
    #[error("the JSON is nested too deeply")]
    TooDeep,
}

/// Goes over a text once. Each call takes what it names, with the blanks before it.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: u32,
    depth_max: u32,
}

/// Bytes that end the plain part of a string: quote, backslash, controls.
static STRING_STOPS: [bool; 256] = {
    let mut stops = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        stops[byte] = true;
        byte += 1;
    }
    stops[b'"' as usize] = true;
    stops[b'\\' as usize] = true;
    stops
};

impl<'a> Scanner<'a> {
    /// Over `text`, with at most `depth_max` arrays and objects within each other.
    pub fn new(text: &'a str, depth_max: u32) -> Self {
        Self { text, at: 0, depth: 0, depth_max }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The first byte of what comes next; it stays.
    pub fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn take(&mut self, wanted: u8) -> Result<(), JsonError> {
        if self.peek() != Some(wanted) {
            return Err(JsonError::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    /// Nothing but blanks may be left.
    ///
    /// # Errors
    /// Where something is.
    pub fn end(&mut self) -> Result<(), JsonError> {
        if self.peek().is_some() { Err(JsonError::Syntax) } else { Ok(()) }
    }

    /// Takes any value and gives its text.
    ///
    /// # Errors
    /// Where there is none.
    pub fn value(&mut self) -> Result<&'a str, JsonError> {
        let first = self.peek();
        let start = self.at;
        match first {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => self.object(|scanner, _| scanner.value().map(drop))?,
            Some(b'[') => self.array(|scanner| scanner.value().map(drop))?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true")?,
            Some(b'f') => self.word(b"false")?,
            Some(b'n') => self.word(b"null")?,
            _ => return Err(JsonError::Syntax),
        }
        Ok(&self.text[start..self.at])
    }

    /// Takes an object; `member` gets each key and must take its value.
    ///
    /// # Errors
    /// Where there is none, or `member` fails.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.enter(b'{')?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
            self.peek();
            let key = self.string()?;
            self.take(b':')?;
            member(self, key)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return self.leave(),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    /// Takes an array; `element` must take one value each time.
    ///
    /// # Errors
    /// Where there is none, or `element` fails.
    pub fn array(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.enter(b'[')?;
        if self.peek() == Some(b']') {
            return self.leave();
        }
        loop {
            element(self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => return self.leave(),
                _ => return Err(JsonError::Syntax),
            }
        }
    }

    fn enter(&mut self, bracket: u8) -> Result<(), JsonError> {
        self.take(bracket)?;
        self.depth += 1;
        if self.depth > self.depth_max { Err(JsonError::TooDeep) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Takes a string.
    ///
    /// # Errors
    /// Where there is none, or an escape in it is broken.
    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        self.take(b'"')?;
        let bytes = self.bytes();
        let start = self.at;
        let mut escaped = false;
        loop {
            while bytes.get(self.at).is_some_and(|byte| !STRING_STOPS[*byte as usize]) {
                self.at += 1;
            }
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                _ => return Err(JsonError::Syntax),
            }
            escaped = true;
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    #[cold]
    fn escape(&mut self) -> Result<(), JsonError> {
        let kind = self.bytes().get(self.at + 1).ok_or(JsonError::Syntax)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex4()? {
                0xDC00..=0xDFFF => Err(JsonError::Syntax),
                0xD800..=0xDBFF => {
                    if self.bytes().get(self.at..self.at + 2) != Some(b"\\u") {
                        return Err(JsonError::Syntax);
                    }
                    self.at += 2;
                    if matches!(self.hex4()?, 0xDC00..=0xDFFF) { Ok(()) } else { Err(JsonError::Syntax) }
                }
                _ => Ok(()),
            },
            _ => Err(JsonError::Syntax),
        }
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes().get(self.at..self.at + 4).ok_or(JsonError::Syntax)?;
        self.at += 4;
        digits.iter().try_fold(0, |value, digit| {
            let digit = char::from(*digit).to_digit(16).ok_or(JsonError::Syntax)?;
            Ok(value * 16 + digit)
        })
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let bytes = self.bytes();
        let at = |place: usize| bytes.get(place).copied().unwrap_or(0);
        if at(self.at) == b'-' {
            self.at += 1;
        }
        if at(self.at) == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if at(self.at) == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(at(self.at), b'e' | b'E') {
            self.at += 1;
            if matches!(at(self.at), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let bytes = self.bytes();
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(JsonError::Syntax) } else { Ok(()) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.bytes()[self.at..].starts_with(word) {
            return Err(JsonError::Syntax);
        }
        self.at += word.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(text: &str) -> Result<&str, JsonError> {
        let mut scanner = Scanner::new(text, 8);
        let value = scanner.value()?;
        scanner.end()?;
        Ok(value)
    }

    #[test]
    fn values_are_given_as_written() {
        for text in ["0", "-0", "1e400", "-1.5E+3", "\"a\\u00e4\\ud83d\\ude00\"", "[ ]", "{ \"a\" : [1, {}] }", "null"]
        {
            assert_eq!(scan(&format!(" {text}\n")), Ok(text));
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let bad = [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "nul",
            "tru e",
            "'a'",
            "\"",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u12g4\"",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\":1 \"b\":2}",
            "{}x",
            "{}{}",
            "\u{feff}{}",
            "/**/1",
            "]",
            "1 1",
        ];
        for text in bad {
            assert_eq!(scan(text), Err(JsonError::Syntax), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(scan(&nested(8)).is_ok());
        assert_eq!(scan(&nested(9)), Err(JsonError::TooDeep));
        assert_eq!(scan(&"{\"a\":".repeat(100_000)), Err(JsonError::TooDeep));
        assert!(scan("[[],[],[[[[]]]],{\"a\":{}}]").is_ok());
    }

    #[test]
    fn keys_are_compared_by_what_they_say() {
        let mut seen = Vec::new();
        let text = r#"{"a":1,"\u0061b":"x","c\u0000":null}"#;
        let members = Scanner::new(text, 1).object(|scanner, key| {
            seen.push((key.decode().into_owned(), key.is("ab"), scanner.value()?));
            Ok(())
        });
        assert_eq!(members, Ok(()));
        assert_eq!(seen[0], ("a".to_string(), false, "1"));
        assert_eq!(seen[1], ("ab".to_string(), true, "\"x\""));
        assert_eq!(seen[2], ("c\0".to_string(), false, "null"));
    }

    proptest! {
        /// Whatever is taken, serde_json takes too; and what serde_json writes is taken.
        #[test]
        fn it_agrees_with_serde_json(text in "[\\[\\]{}:,\"\\\\a0-9eE.+\\-u \ntruefalsn]{0,24}") {
            if let Ok(raw) = scan(&text) {
                let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
                // Numbers out of f64's range are JSON, but no value of serde_json's.
                prop_assert!(value.is_ok() || text.contains(['e', 'E']), "{text}");
                prop_assert_eq!(raw, text.trim_matches([' ', '\n']));
            } else {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_err() || text.contains('['), "{text}");
            }
        }

        #[test]
        fn every_string_survives(value in any::<String>()) {
            let written = serde_json::to_string(&value).expect("strings are JSON");
            let mut scanner = Scanner::new(&written, 0);
            let text = scanner.string().expect("a string");
            prop_assert!(text.is(&value));
            prop_assert_eq!(text.decode(), value.as_str());
        }
    }
}
