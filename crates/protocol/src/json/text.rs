//! A JSON string as it was written.

use std::borrow::Cow;

/// What stands between the quotes of a valid JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a str, escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// True when this string says `other`, however it is written.
    pub fn is(&self, other: &str) -> bool {
        if self.escaped { self.decode() == other } else { self.raw == other }
    }

    /// The same for bytes, which need not be UTF-8.
    pub fn is_bytes(&self, other: &[u8]) -> bool {
        if self.escaped { self.decode().as_bytes() == other } else { self.raw.as_bytes() == other }
    }

    /// What it says. Borrowed where nothing was escaped.
    pub fn decode(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        // The scanner has checked every escape, so that this cannot fail.
        serde_json::from_str(&format!("\"{}\"", self.raw)).map_or(Cow::Borrowed(""), Cow::Owned)
    }

    /// As it was written, without the quotes.
    pub fn raw(&self) -> &'a str {
        self.raw
    }
}
