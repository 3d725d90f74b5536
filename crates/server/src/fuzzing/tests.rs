use erlmcp_protocol::era::Version;
use proptest::prelude::*;

use super::*;
use crate::session::Session;

#[path = "../../../../fuzz/src/inputs.rs"]
mod inputs;

/// Tokens of a session, for nobody and for somebody, and the id of an event.
fn tokens() -> Vec<Vec<u8>> {
    let session = Session::new(Version::V20251125, 3, 7, NOW_S);
    let signer = Signer::new(&key());
    let tokens = ["", "alice"].map(|principal| signer.sign(&session, principal).into_bytes());
    tokens.into_iter().chain([b"c-ffffffff-ff-0-1f".to_vec()]).collect()
}

fn states() -> Vec<Vec<u8>> {
    let rounds = Rounds::new(&key(), 60_000);
    ["", "step 1"].map(|state| rounds.sign(&ABOUT, state, NOW_S).into_bytes()).to_vec()
}

fn cursors() -> Vec<Vec<u8>> {
    ["\"dG9vbHMgMQ\"", "\"dG9vbHMgMg\"", "\"dG9vbHMgOQ\"", "null", "{\"a\":[1]}"].map(|text| text.into()).to_vec()
}

#[test]
fn good_ones_are_taken() {
    let signer = Signer::new(&key());
    assert!(signer.read(&tokens()[0], "").is_some() && signer.read(&tokens()[1], "alice").is_some());
    let state = String::from_utf8(states().remove(1)).expect("ASCII");
    assert_eq!(Rounds::new(&key(), 60_000).read(&ABOUT, &state, NOW_S).as_deref(), Some("step 1"));
    let pages = Pages::new("tools", &[1, 2, 3, 4, 5], 2, "");
    let taken: Vec<bool> = cursors().iter().map(|text| pages.page(std::str::from_utf8(text).ok()).is_some()).collect();
    assert_eq!(taken, [true, true, false, false, false]);
}

proptest! {
    #![proptest_config(inputs::cases(500))]

    #[test]
    fn tokens_are_the_servers_own(bytes in inputs::tampered(tokens(), 1)) {
        session_token(&bytes);
    }

    #[test]
    fn states_are_the_servers_own(bytes in inputs::tampered(states(), 1)) {
        request_state(&bytes);
    }

    #[test]
    fn cursors_are_the_lists_own(bytes in inputs::tampered(cursors(), 1)) {
        cursor(&bytes);
    }
}
