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
    takes_lone_surrogates: bool,
}

impl<'a> Scanner<'a> {
    /// Over `text`, with at most `depth_max` arrays and objects within each other.
    pub fn new(text: &'a str, depth_max: u32) -> Self {
        Self { text, at: 0, depth: 0, depth_max, takes_lone_surrogates: false }
    }

    /// The same, but lone surrogates may stand in strings: the grammar allows them (RFC 8259, 8.2), and JavaScript writes those that it
    /// has. A string with one is equal to none.
    pub fn lenient(text: &'a str, depth_max: u32) -> Self {
        Self { takes_lone_surrogates: true, ..Self::new(text, depth_max) }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The first byte of what comes next; it stays.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        match self.bytes().get(self.at) {
            Some(byte) if *byte > b' ' => Some(*byte),
            _ => self.peek_past_blanks(),
        }
    }

    fn peek_past_blanks(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while matches!(bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
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
        self.skip_from(first)?;
        Ok(&self.text[start..self.at])
    }

    /// Takes any value.
    ///
    /// # Errors
    /// Where there is none.
    pub fn skip(&mut self) -> Result<(), JsonError> {
        let first = self.peek();
        self.skip_from(first)
    }

    /// Takes any value, of which this is the first byte.
    fn skip_from(&mut self, first: Option<u8>) -> Result<(), JsonError> {
        match first {
            Some(b'"') => self.string_here().map(drop),
            Some(b'{') => self.object_here(|scanner, _| scanner.skip()),
            Some(b'[') => self.array_here(Self::skip),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(JsonError::Syntax),
        }
    }

    /// Takes an object; `member` gets each key and must take its value.
    ///
    /// # Errors
    /// Where there is none, or `member` fails.
    pub fn object(
        &mut self,
        member: impl FnMut(&mut Self, Text<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.peek() == Some(b'{') { self.object_here(member) } else { Err(JsonError::Syntax) }
    }

    /// The same where its bracket is the next byte.
    fn object_here(
        &mut self,
        mut member: impl FnMut(&mut Self, Text<'a>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.enter()?;
        if self.peek() == Some(b'}') {
            return self.leave();
        }
        loop {
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
    pub fn array(&mut self, element: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if self.peek() == Some(b'[') { self.array_here(element) } else { Err(JsonError::Syntax) }
    }

    /// The same where its bracket is the next byte.
    fn array_here(&mut self, mut element: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.enter()?;
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

    fn enter(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth += 1;
        if self.depth > self.depth_max { Err(JsonError::TooDeep) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }

    /// Takes any value, and gives it where it is a string.
    ///
    /// # Errors
    /// Where there is none.
    pub fn text(&mut self) -> Result<Option<Text<'a>>, JsonError> {
        match self.peek() {
            Some(b'"') => self.string_here().map(Some),
            first => self.skip_from(first).map(|()| None),
        }
    }

    /// Takes a string.
    ///
    /// # Errors
    /// Where there is none, or an escape in it is broken.
    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>, JsonError> {
        if self.peek() == Some(b'"') { self.string_here() } else { Err(JsonError::Syntax) }
    }

    /// The same where its quote is the next byte.
    #[inline]
    fn string_here(&mut self) -> Result<Text<'a>, JsonError> {
        self.at += 1;
        let bytes = self.bytes();
        let start = self.at;
        let end = plain_end(bytes, start);
        let escaped = bytes.get(end) != Some(&b'"');
        self.at = end;
        if escaped {
            self.string_from_escape()?;
        }
        let raw = &bytes[start..self.at];
        self.at += 1;
        Ok(Text::new(raw, escaped))
    }

    /// Goes on to the quote that ends a string.
    #[cold]
    fn string_from_escape(&mut self) -> Result<(), JsonError> {
        loop {
            match self.bytes().get(self.at) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(JsonError::Syntax),
            }
            self.at = plain_end(self.bytes(), self.at);
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let kind = self.bytes().get(self.at + 1).ok_or(JsonError::Syntax)?;
        self.at += 2;
        match kind {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex4()? {
                _ if self.takes_lone_surrogates => Ok(()),
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

/// Where the plain part of a string ends that begins at `start`: at a quote, a backslash, a control, or the end of `bytes`.
///
/// Eight at a time. A byte that is to be found gives its lane the highest bit; a borrow may set that of higher lanes as well, which
/// does not matter, since the lowest one counts (Hacker's Delight, 6-1). A quote is found with the controls: with bit 1 turned over it is
/// 0x20, a blank 0x22, and controls stay below 0x20.
#[inline]
fn plain_end(bytes: &[u8], start: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHEST: u64 = 0x80 * ONES;
    let below = |lanes: u64, limit: u64| lanes.wrapping_sub(ONES * limit) & !lanes;
    let mut at = start;
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let lanes = u64::from_le_bytes(*eight);
        let stops = (below(lanes ^ (ONES * 2), 0x21) | below(lanes ^ (ONES * u64::from(b'\\')), 1)) & HIGHEST;
        if stops != 0 {
            return at + stops.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
