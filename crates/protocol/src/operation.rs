//! Operations: what a client wants done once, over all attempts. The names on the wire, and the texts that both ends
//! take digests of.

use serde_json::Value;

/// Key of `_meta`: in a request the operation's id, in a result an object that says what became of it.
pub const META: &str = "io.erlmcp/operation";
/// Key of `_meta` of a request: which attempt it is, from 1.
pub const ATTEMPT: &str = "io.erlmcp/attempt";
/// Key of `_meta` of a request: for how much longer its client waits for the answer, ms.
pub const DEADLINE: &str = "io.erlmcp/deadlineMs";
/// Asks what became of an operation.
pub const STATUS: &str = "operation/status";
/// The longest id, characters.
pub const ID_MAX: usize = 128;

/// True for 1 to [`ID_MAX`] visible ASCII characters.
pub fn is_id(text: &str) -> bool {
    (1..=ID_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the fingerprint of a `tools/call` is the SHA-256 of: a line with the method, a line with the tool, and its
/// arguments with sorted keys and without white space. None where `arguments` is no JSON.
///
/// # Examples
/// ```
/// let text = erlmcp_protocol::operation::fingerprint_text("append", r#"{ "b": 1, "a": [2] }"#);
/// assert_eq!(text.as_deref(), Some("tools/call\nappend\n{\"a\":[2],\"b\":1}"));
/// ```
pub fn fingerprint_text(tool: &str, arguments: &str) -> Option<String> {
    let arguments: Value = serde_json::from_str(arguments).ok()?;
    Some(format!("{}\n{tool}\n{arguments}", crate::header::method::TOOLS_CALL))
}

/// A result as it is kept, and as its hash is taken: without `_meta` and `resultType`, which belong to an answer, with
/// sorted keys and without white space. None where `result` is no JSON object.
pub fn result_text(result: &[u8]) -> Option<String> {
    let mut result: Value = serde_json::from_slice(result).ok()?;
    let members = result.as_object_mut()?;
    members.remove("_meta");
    members.remove("resultType");
    Some(result.to_string())
}

/// The first eight bytes of a digest, as records of operations have them.
pub fn short(digest: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(digest).for_each(|(place, byte)| *place = *byte);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_visible_and_short() {
        for good in ["a", "0123456789abcdef0123456789abcdef", "\"~!", &"x".repeat(ID_MAX)] {
            assert!(is_id(good), "{good}");
        }
        for bad in ["", "a b", "\t", "ä", "a\u{7f}", &"x".repeat(ID_MAX + 1)] {
            assert!(!is_id(bad), "{bad}");
        }
    }

    #[test]
    fn texts_do_not_depend_on_how_json_is_written() {
        let one = fingerprint_text("t", r#"{"a":{"y":1,"x":"\u00e4"},"b":[1.5,null]}"#);
        assert_eq!(one, fingerprint_text("t", "{ \"b\":[1.5 ,null],\n\"a\":{\"x\":\"ä\",\"y\":1}}"));
        assert_ne!(one, fingerprint_text("u", r#"{"a":{"y":1,"x":"\u00e4"},"b":[1.5,null]}"#));
        assert_eq!(fingerprint_text("t", "{"), None);
        let result = br#"{"resultType":"complete","content":[{"type":"text","text":"x"}],"_meta":{"k":1}}"#;
        assert_eq!(result_text(result).as_deref(), Some(r#"{"content":[{"text":"x","type":"text"}]}"#));
        assert_eq!((result_text(b"[]"), result_text(b"{")), (None, None));
    }

    #[test]
    fn the_short_form_is_the_beginning() {
        assert_eq!(short(&[0, 0, 0, 0, 0, 0, 1, 2, 9, 9]), 0x102);
        assert_eq!(format!("{:016x}", short(&[1])), "0100000000000000");
    }
}
