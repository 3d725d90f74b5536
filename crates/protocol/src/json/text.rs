//! A JSON string as it was written.

use std::borrow::Cow;

/// What stands between the quotes of a valid JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    pub(super) fn new(raw: &'a [u8], escaped: bool) -> Self {
        Self { raw, escaped }
    }

    /// True when this string says `other`, however it is written.
    pub fn is(&self, other: &str) -> bool {
        self.is_bytes(other.as_bytes())
    }

    /// The same for bytes, which need not be UTF-8.
    pub fn is_bytes(&self, other: &[u8]) -> bool {
        if self.escaped { self.unescaped().is_some_and(|text| text.as_bytes() == other) } else { self.raw == other }
    }

    /// What it says. Borrowed where nothing was escaped. A string with a lone surrogate says nothing.
    pub fn decode(&self) -> Cow<'a, str> {
        if self.escaped { self.unescaped().unwrap_or_default().into() } else { Cow::Borrowed(self.written()) }
    }

    /// The same as bytes, for what is compared with many.
    #[inline]
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        if self.escaped { self.decode().into_owned().into_bytes().into() } else { Cow::Borrowed(self.raw) }
    }

    /// None where it has a lone surrogate: the scanner has checked all else.
    #[cold]
    fn unescaped(&self) -> Option<String> {
        serde_json::from_str(&format!("\"{}\"", self.written())).ok()
    }

    /// As it was written, without the quotes.
    pub fn written(&self) -> &'a str {
        // It stands between two quotes of a text.
        std::str::from_utf8(self.raw).unwrap_or_default()
    }

    /// True where nothing stands between the quotes.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}
