//! Bodies of the fuzz targets (`fuzz/`) over what the server signs and gives to clients to bring back. Each takes any bytes,
//! and panics where something that must hold does not.
#![allow(unreachable_pub, reason = "the targets see it, and the smokes are within")]

use crate::dispatch::Pages;
use crate::session::{About, EventId, Rounds, SessionKey, Signer};

const SECRET: &[u8] = b"a secret of the fuzzer's that is long enough";
const NOW_S: u64 = 1_800_000_000;
const ABOUT: About<'static> =
    About { method: "tools/call", subject: "t", arguments: r#"{"a":1,"b":[2]}"#, principal: "alice" };

fn key() -> SessionKey {
    SessionKey::of_secret(SECRET).expect("it is long enough")
}

/// An `Mcp-Session-Id`, or a `Last-Event-ID`: what is taken is what the server itself would have written.
pub fn session_token(bytes: &[u8]) {
    let signer = Signer::new(&key());
    for principal in ["", "alice"] {
        if let Some(session) = signer.read(bytes, principal) {
            assert_eq!(signer.sign(&session, principal).as_bytes(), bytes, "one session has two names");
            assert_eq!(signer.read(bytes, "bob"), None, "it is another principal's too");
        }
    }
    if let Some(id) = EventId::parse(bytes) {
        assert_eq!(EventId::parse(id.to_string().as_bytes()), Some(id));
    }
}

/// A `requestState`: only a text that was signed for this very request, letter by letter, gives its state.
pub fn request_state(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let rounds = Rounds::new(&key(), 60_000);
    if let Some(state) = rounds.read(&ABOUT, text, NOW_S) {
        assert_eq!(rounds.sign(&ABOUT, &state, NOW_S), text, "one state has two texts");
        for other in [About { subject: "u", ..ABOUT }, About { principal: "bob", ..ABOUT }] {
            assert_eq!(rounds.read(&other, text, NOW_S), None, "it is good for another request");
        }
        assert_eq!(rounds.read(&ABOUT, text, NOW_S + 60), None, "it does not expire");
    }
}

/// The JSON text of a `cursor`: it is one of the list's own, or none.
pub fn cursor(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pages = Pages::new("tools", &[1, 2, 3, 4, 5], 2, "");
    if let Some(page) = pages.page(Some(text)) {
        let page = format!("{{{}}}", String::from_utf8_lossy(page));
        let page: serde_json::Value = serde_json::from_str(&page).expect("members of an object");
        assert!(page["tools"].as_array().is_some_and(|entries| !entries.is_empty() && entries.len() <= 2));
    }
}

#[cfg(test)]
mod tests;
