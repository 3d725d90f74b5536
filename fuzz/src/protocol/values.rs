//! Values of `Mcp-Name` and `Mcp-Param-*`.

use erlmcp_protocol::header::value::{decode, encode};

/// Any value of a header.
pub fn run(bytes: &[u8]) {
    if let Ok(text) = decode(bytes) {
        there_and_back(&text);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        there_and_back(text);
    }
}

/// What is sent fits in a header and comes back as it was.
fn there_and_back(text: &str) {
    let sent = encode(text);
    assert!(sent.bytes().all(|byte| (0x20..=0x7e).contains(&byte)), "{sent:?} fits in no header");
    assert_eq!(sent.trim(), sent, "blanks around it would be lost");
    assert_eq!(decode(sent.as_bytes()).as_deref(), Ok(text));
}
