//! What a client brings back from one round of a request to the next: signed, and good for that request only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::Value;

use super::SessionKey;

/// Bytes before the state: the signature, and when it expires.
const SIGNATURE: usize = 32;
const FRONT: usize = SIGNATURE + 8;

/// A request, as far as a state belongs to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) method: &'a str,
    /// The name or uri.
    pub(crate) subject: &'a str,
    /// JSON text.
    pub(crate) arguments: &'a str,
    /// Who asks; empty where nobody is known by name.
    pub(crate) principal: &'a str,
}

/// Signs states, with a key that all replicas have.
pub(crate) struct Rounds {
    key: hmac::Key,
    lifetime_s: u64,
}

impl Rounds {
    pub(crate) fn new(key: &SessionKey, lifetime_ms: u64) -> Self {
        Self { key: key.derived(b"requestState"), lifetime_s: (lifetime_ms / 1_000).max(1) }
    }

    /// The text that the client brings back.
    pub(crate) fn sign(&self, about: &About<'_>, state: &str, now_s: u64) -> String {
        let expires = (now_s + self.lifetime_s).to_be_bytes();
        let mut bytes = hmac::sign(&self.key, &signed(about, &expires, state.as_bytes())).as_ref().to_vec();
        bytes.extend_from_slice(&expires);
        bytes.extend_from_slice(state.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The state, where the text was signed for this request and its time is not over.
    pub(crate) fn read(&self, about: &About<'_>, text: &str, now_s: u64) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (front, state) = bytes.split_at_checked(FRONT)?;
        let (signature, expires) = front.split_at(SIGNATURE);
        hmac::verify(&self.key, &signed(about, expires, state), signature).ok()?;
        let until = u64::from_be_bytes(expires.try_into().ok()?);
        String::from_utf8(state.to_vec()).ok().filter(|_| now_s < until)
    }
}

/// Each part with its length before it, so that none can pass for a piece of another.
fn signed(about: &About<'_>, expires: &[u8], state: &[u8]) -> Vec<u8> {
    let arguments = match serde_json::from_str::<Value>(about.arguments) {
        // A client may write the same arguments another way.
        Ok(arguments) => arguments.to_string(),
        Err(_) if about.arguments.is_empty() => String::new(),
        // A number that is too large for us; no JSON begins like this.
        Err(_) => format!("as it came: {}", about.arguments),
    };
    let mut all = Vec::new();
    let names = [about.principal, about.method, about.subject, &arguments].map(str::as_bytes);
    for part in names.into_iter().chain([expires, state]) {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABOUT: About<'static> =
        About { method: "tools/call", subject: "t", arguments: r#"{"a":1,"b":{"c":[2],"d":3}}"#, principal: "p" };

    #[test]
    fn a_state_comes_back_to_its_own_request_in_its_time() {
        let key = SessionKey::random();
        let rounds = Rounds::new(&key, 60_000);
        let text = rounds.sign(&ABOUT, "step 1", 1_000);
        let other_replica = Rounds::new(&key, 60_000);
        assert_eq!(other_replica.read(&ABOUT, &text, 1_059).as_deref(), Some("step 1"));
        assert_eq!(rounds.read(&ABOUT, &text, 1_060), None, "its time is over");
        let same = About { arguments: r#"{ "b":{"d":3,"c":[2]}, "a":1 }"#, ..ABOUT };
        assert!(rounds.read(&same, &text, 1_000).is_some(), "written another way");
        for other in [
            About { method: "prompts/get", ..ABOUT },
            About { subject: "u", ..ABOUT },
            About { arguments: "{}", ..ABOUT },
            About { principal: "q", ..ABOUT },
            About { principal: "", ..ABOUT },
        ] {
            assert_eq!(rounds.read(&other, &text, 1_000), None, "{other:?}");
        }
        let unread = About { arguments: r#"{"a":1e999}"#, ..ABOUT };
        let text_of_unread = rounds.sign(&unread, "step 1", 1_000);
        assert!(rounds.read(&unread, &text_of_unread, 1_000).is_some());
        for arguments in [r#"{"a":1e998}"#, r#"{"a":1e999,"b":2}"#, "", ABOUT.arguments] {
            assert_eq!(rounds.read(&About { arguments, ..ABOUT }, &text_of_unread, 1_000), None, "{arguments}");
        }
        assert_eq!(Rounds::new(&SessionKey::random(), 60_000).read(&ABOUT, &text, 1_000), None);
    }

    /// Servers of two versions read each other's.
    #[test]
    fn a_state_of_the_first_version_is_read() {
        let key = SessionKey::of_secret(&[7; 32]).expect("it is long enough");
        let text = "q5-RM7yR7WkzEgbx22j22Xf8kKic4ZwQvV63N_ZdYA8AAAAAAAAEJHN0ZXAgMQ";
        let rounds = Rounds::new(&key, 60_000);
        assert_eq!(rounds.read(&ABOUT, text, 1_000).as_deref(), Some("step 1"));
        assert_eq!(rounds.sign(&ABOUT, "step 1", 1_000), text);
    }

    #[test]
    fn a_state_that_was_changed_is_none() {
        let rounds = Rounds::new(&SessionKey::random(), 60_000);
        let text = rounds.sign(&ABOUT, "step 1", 1_000);
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            // The last character may hold bits that say nothing, which the decoder does not take either.
            assert_eq!(rounds.read(&ABOUT, &changed, 1_000), None, "{place}");
        }
        for other in ["", "x", "-TAMPERED", &format!("{text}-TAMPERED"), &text[1..]] {
            assert_eq!(rounds.read(&ABOUT, other, 1_000), None, "{other}");
        }
    }
}
