//! How a request is told to be of the older era, by its head and its message.

use crate::era::{Era, Version, names_modern};
use crate::header::method;

use super::head::{Known, Once};
use super::message::Message;

/// What a head says about the era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Nothing: neither a version nor a session.
    Nothing,
    Modern,
    Legacy,
    /// A version that nobody here speaks, or two of them.
    Unknown,
}

/// The era that a head speaks of.
pub fn said(known: &Known<'_>) -> Said {
    match known.protocol_version {
        Once::Absent if known.session_id == Once::Absent => Said::Nothing,
        // Who has a session and names no version speaks the first one that had sessions.
        Once::Absent => Said::Legacy,
        Once::Value(text) if names_modern(text) => Said::Modern,
        Once::Value(text) if Version::parse(text).is_some_and(|version| version.era() == Era::Legacy) => Said::Legacy,
        Once::Value(_) | Once::Repeated => Said::Unknown,
    }
}

/// True for a good `initialize` of the older era, whatever the head says.
pub fn opens_session(message: &Message<'_>) -> bool {
    message.method.is(method::INITIALIZE)
        && message.id.is_some()
        && message.params.protocol_version.is_some()
        && message.params.meta.protocol_version.is_none()
}

/// The version that a session speaks, for the one that its client asks for: that one where it has a handshake, else the
/// newest that has.
pub fn negotiate(asked: &str) -> Version {
    Version::parse(asked.as_bytes()).filter(|version| version.era() == Era::Legacy).unwrap_or(Version::NEWEST_LEGACY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::message::{MessageLimits, is_response, read_message, split_batch};

    const LIMITS: MessageLimits = MessageLimits { depth_max: 8, id_bytes_max: 16 };

    fn known<'a>(version: Once<'a>, session_id: Once<'a>) -> Known<'a> {
        Known { protocol_version: version, session_id, ..Known::default() }
    }

    #[test]
    fn the_head_speaks_of_an_era() {
        let session = Once::Value(b"x".as_slice());
        let cases = [
            (Once::Absent, Once::Absent, Said::Nothing),
            (Once::Absent, session, Said::Legacy),
            (Once::Value(b"2025-03-26".as_slice()), Once::Absent, Said::Legacy),
            (Once::Value(b"2025-11-25"), session, Said::Legacy),
            (Once::Value(b"2026-07-28"), session, Said::Modern),
            (Once::Value(b"2027-01-01"), Once::Absent, Said::Modern),
            (Once::Value(b"2024-11-05"), session, Said::Unknown),
            (Once::Value(b""), session, Said::Unknown),
            (Once::Repeated, session, Said::Unknown),
        ];
        for (version, session_id, expected) in cases {
            assert_eq!(said(&known(version, session_id)), expected, "{version:?} {session_id:?}");
        }
    }

    #[test]
    fn a_session_speaks_what_was_asked_for_or_the_newest_with_a_handshake() {
        for version in [Version::V20250326, Version::V20250618, Version::V20251125] {
            assert_eq!(negotiate(version.as_str()), version);
        }
        for asked in ["2026-07-28", "2024-11-05", "2099-01-01", "", "x"] {
            assert_eq!(negotiate(asked), Version::V20251125, "{asked}");
        }
    }

    #[test]
    fn only_a_whole_initialize_opens_a_session() {
        let opens = |body: &str| opens_session(&read_message(body.as_bytes(), &LIMITS).expect("a good message"));
        assert!(opens(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"x"}}"#));
        for other in [
            r#"{"jsonrpc":"2.0","method":"initialize","params":{"protocolVersion":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":{"protocolVersion":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"x",
               "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        ] {
            assert!(!opens(other), "{other}");
        }
    }

    #[test]
    fn responses_and_batches_are_told_apart_from_what_is_neither() {
        for good in [r#"{"jsonrpc":"2.0","id":"a","result":{}}"#, r#"{"error":{"code":1},"id":1,"jsonrpc":"2.0"}"#] {
            assert!(is_response(good.as_bytes(), &LIMITS), "{good}");
        }
        for bad in [
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","result":{}}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}x"#,
            "[]",
            "",
        ] {
            assert!(!is_response(bad.as_bytes(), &LIMITS), "{bad}");
        }
        assert_eq!(split_batch(b" [{\"a\":[1]} , 2] ", &LIMITS, 2), Ok(vec!["{\"a\":[1]}", "2"]));
        for bad in ["[]", "[1,2,3]", "[1", "{}", "[1]]"] {
            assert!(split_batch(bad.as_bytes(), &LIMITS, 2).is_err(), "{bad}");
        }
    }
}
