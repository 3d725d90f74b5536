//! How the values of `Mcp-Name` and `Mcp-Param-*` are written: as they are where a header can hold them, else as
//! `=?base64?...?=` of their UTF-8.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &[u8] = b"=?base64?";
const SUFFIX: &[u8] = b"?=";

/// A complete marker that does not hold base64 of UTF-8, or characters that need one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the header value is no plain text, or is marked as base64 and holds none of UTF-8 text")]
pub struct BadValue;

/// Writes a value. Borrowed where it can be sent as it is.
pub fn encode(value: &str) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    let printable = bytes.iter().all(is_plain);
    let outer_space = bytes.first() == Some(&b' ') || bytes.last() == Some(&b' ');
    if printable && !outer_space && !is_marked(bytes) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(bytes)))
}

/// Reads a value. Half a marker is no marker.
///
/// # Errors
/// Where a complete marker holds something else than base64 of UTF-8, or the value has characters that only a marked one may
/// have (2026-07-28, transports).
pub fn decode(value: &[u8]) -> Result<Cow<'_, str>, BadValue> {
    if !is_marked(value) {
        let text = std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_plain));
        return text.map(Cow::Borrowed).ok_or(BadValue);
    }
    let inner = &value[PREFIX.len()..value.len() - SUFFIX.len()];
    let bytes = STANDARD.decode(inner).map_err(|_| BadValue)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| BadValue)
}

fn is_plain(byte: &u8) -> bool {
    (0x20..=0x7e).contains(byte)
}

fn is_marked(value: &[u8]) -> bool {
    value.len() >= PREFIX.len() + SUFFIX.len() && value.starts_with(PREFIX) && value.ends_with(SUFFIX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_values_are_sent_as_they_are() {
        for value in ["echo", "a b", "=?base64?", "=?base64?x", "?=", ""] {
            assert!(matches!(encode(value), Cow::Borrowed(sent) if sent == value), "{value}");
            assert_eq!(decode(value.as_bytes()), Ok(Cow::Borrowed(value)));
        }
    }

    #[test]
    fn others_are_marked() {
        assert_eq!(encode("ä"), "=?base64?w6Q=?=");
        assert_eq!(encode(" x"), "=?base64?IHg=?=");
        assert_eq!(encode("=?base64??="), "=?base64?PT9iYXNlNjQ/Pz0=?=");
        assert_eq!(decode(b"=?base64?w6Q=?=").as_deref(), Ok("ä"));
        for broken in [&b"=?base64?w6Q?="[..], b"=?base64?%%%%?=", b"=?base64?/w==?=", b"\xff", "ä".as_bytes(), b"a\tb"]
        {
            assert_eq!(decode(broken), Err(BadValue));
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(value in any::<String>()) {
            let sent = encode(&value);
            prop_assert!(sent.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            prop_assert_eq!(decode(sent.as_bytes()).expect("what was encoded"), value.as_str());
        }
    }
}
