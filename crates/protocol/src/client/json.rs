//! JSON looked through in place, without allocation: only what is asked for is taken out, all the rest is checked and
//! skipped.

#[cfg(test)]
mod tests;

/// Values inside values at most.
const DEPTH_MAX: u32 = 128;

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotJson;

/// Where a text is being looked at.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What stands between the quotes of a string, escapes as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quoted<'a> {
    pub(super) raw: &'a [u8],
    has_escapes: bool,
}

impl Quoted<'_> {
    /// True where the string is `text`, however it is written.
    pub(super) fn is(&self, text: &str) -> bool {
        if !self.has_escapes {
            return self.raw == text.as_bytes();
        }
        // Rare enough to be decoded.
        let quoted = [b"\"", self.raw, b"\""].concat();
        serde_json::from_slice::<String>(&quoted).is_ok_and(|decoded| decoded == text)
    }
}

impl<'a> Cursor<'a> {
    /// The bytes must be UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next byte that is no blank.
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.bytes.get(self.at) {
            match byte {
                b' ' | b'\n' | b'\r' | b'\t' => self.at += 1,
                byte => return Some(*byte),
            }
        }
        None
    }

    /// True where nothing but blanks is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    fn eat(&mut self, byte: u8) -> Result<(), NotJson> {
        if self.peek() != Some(byte) {
            return Err(NotJson);
        }
        self.at += 1;
        Ok(())
    }

    /// Goes through an object: `member` gets each key and must take its value.
    pub(super) fn object(
        &mut self,
        mut member: impl FnMut(Quoted<'a>, &mut Self) -> Result<(), NotJson>,
    ) -> Result<(), NotJson> {
        self.eat(b'{')?;
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.eat(b':')?;
            member(key, self)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotJson),
            }
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), NotJson> {
        self.eat(b'[')?;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.skip_at(depth)?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(NotJson),
            }
        }
    }

    pub(super) fn string(&mut self) -> Result<Quoted<'a>, NotJson> {
        self.eat(b'"')?;
        let begin = self.at;
        let mut has_escapes = false;
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    has_escapes = true;
                    self.escape()?;
                }
                Some(0..=0x1f) | None => return Err(NotJson),
                Some(_) => self.at += 1,
            }
        }
        let raw = &self.bytes[begin..self.at];
        self.at += 1;
        Ok(Quoted { raw, has_escapes })
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6).ok_or(NotJson)?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(NotJson);
                }
                self.at += 6;
            }
            _ => return Err(NotJson),
        }
        Ok(())
    }

    /// The text of a number.
    pub(super) fn number(&mut self) -> Result<&'a [u8], NotJson> {
        self.peek();
        let begin = self.at;
        self.at += usize::from(self.bytes.get(self.at) == Some(&b'-'));
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => drop(self.digits()),
            _ => return Err(NotJson),
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(self.bytes.get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(&self.bytes[begin..self.at])
    }

    fn digits(&mut self) -> Result<(), NotJson> {
        let begin = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > begin { Ok(()) } else { Err(NotJson) }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotJson> {
        let found = self.bytes[self.at..].starts_with(word);
        self.at += word.len();
        if found { Ok(()) } else { Err(NotJson) }
    }

    /// A boolean; None for any other value, which is skipped.
    pub(super) fn boolean(&mut self) -> Result<Option<bool>, NotJson> {
        let value = match self.peek() {
            Some(b't') => Some(true),
            Some(b'f') => Some(false),
            _ => None,
        };
        self.skip()?;
        Ok(value)
    }

    /// A whole number; None for any other value, which is skipped.
    pub(super) fn integer(&mut self) -> Result<Option<i64>, NotJson> {
        if !matches!(self.peek(), Some(b'-' | b'0'..=b'9')) {
            self.skip()?;
            return Ok(None);
        }
        let text = self.number()?;
        Ok(std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()))
    }

    /// Goes past any one value.
    pub(super) fn skip(&mut self) -> Result<(), NotJson> {
        self.skip_at(DEPTH_MAX)
    }

    fn skip_at(&mut self, depth: u32) -> Result<(), NotJson> {
        let inner = depth.checked_sub(1).ok_or(NotJson)?;
        match self.peek().ok_or(NotJson)? {
            b'"' => self.string().map(drop),
            b'{' => self.object(|_, cursor| cursor.skip_at(inner)),
            b'[' => self.array(inner),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number().map(drop),
        }
    }
}
