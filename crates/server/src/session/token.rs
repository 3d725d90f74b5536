//! A session's id: what the server would have to remember, signed, so that it remembers nothing.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erlmcp_protocol::era::Version;
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::random;
use crate::tools::capabilities;

/// What a client said that it can do, as bits.
pub(crate) mod capability {
    pub(crate) const SAMPLING: u8 = 1;
    pub(crate) const ELICITATION: u8 = 2;
    pub(crate) const ROOTS: u8 = 4;
    pub(crate) const SAMPLING_TOOLS: u8 = 8;
    pub(crate) const SAMPLING_CONTEXT: u8 = 16;

    /// By their names.
    pub(crate) const ALL: [(&str, u8); 5] = [
        ("sampling", SAMPLING),
        ("elicitation", ELICITATION),
        ("roots", ROOTS),
        ("sampling.tools", SAMPLING_TOOLS),
        ("sampling.context", SAMPLING_CONTEXT),
    ];
}

/// Bytes of a token before its signature.
const SIGNED: usize = 32;
/// Bytes of a token.
const WHOLE: usize = SIGNED + 32;
/// A token as it is written.
pub(crate) const TOKEN_TEXT: usize = (WHOLE * 4).div_ceil(3);
/// The first byte; another layout gets another one.
const LAYOUT: u8 = 1;

/// A protocol version in a token. Servers of two versions read each other's tokens: a new one gets a new number, whatever
/// its place among the others.
const fn code(version: Version) -> u8 {
    match version {
        Version::V20260728 => 0,
        Version::V20251125 => 1,
        Version::V20250618 => 2,
        Version::V20250326 => 3,
    }
}

/// What signs the ids of sessions and, by keys that are derived from it, what clients bring back: one for all servers
/// that take each other's sessions.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// Bytes that a secret has at least.
    pub const SECRET_BYTES_MIN: usize = 32;

    /// The key that a secret stands for, the same on every server; None where it is shorter than
    /// [`SECRET_BYTES_MIN`](Self::SECRET_BYTES_MIN) bytes. All bytes count, a newline at the end as well.
    pub fn of_secret(secret: &[u8]) -> Option<Self> {
        let digest = ring::digest::digest(&ring::digest::SHA256, secret);
        let bytes = digest.as_ref().try_into().ok()?;
        (secret.len() >= Self::SECRET_BYTES_MIN).then_some(Self(bytes))
    }

    /// A new one.
    ///
    /// # Panics
    /// Where the system has no random numbers, without which nothing here is safe.
    pub(crate) fn random() -> Self {
        Self(random::bytes())
    }
}

impl SessionKey {
    /// A key for something else than sessions.
    pub(crate) fn derived(&self, purpose: &[u8]) -> hmac::Key {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), purpose);
        hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
    }
}

impl SessionKey {
    /// By which those who have it find each other; it tells nobody else anything.
    pub(crate) fn fingerprint(&self) -> String {
        let tag = hmac::sign(&self.derived(b"fingerprint"), b"");
        URL_SAFE_NO_PAD.encode(&tag.as_ref()[..12])
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(secret)")
    }
}

/// A number that nobody can guess.
pub(super) fn random_number() -> u64 {
    u64::from_be_bytes(random::bytes())
}

/// A text that nobody can guess.
pub(crate) fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<16>())
}

/// Whose a session is, as its number tells: the same for all sessions of a principal.
pub(super) fn owner(session: u128) -> u32 {
    (session >> 96) as u32
}

/// A session, as its id tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) id: u128,
    pub(crate) version: Version,
    /// Bits of [`capability`].
    pub(crate) capabilities: u8,
    /// In which it was signed.
    pub(crate) epoch: u32,
    /// Seconds since 1970.
    pub(crate) expires: u64,
}

impl Session {
    /// The capabilities that its client has declared, as a JSON object.
    pub(crate) fn capabilities_text(&self) -> String {
        let declared = capability::ALL.into_iter().filter(|(_, bit)| self.capabilities & bit != 0);
        capabilities(declared.map(|(name, _)| name)).to_string()
    }

    pub(crate) fn new(version: Version, capabilities: u8, epoch: u32, expires: u64) -> Self {
        Self { id: u128::from_be_bytes(random::bytes()), version, capabilities, epoch, expires }
    }

    /// The same as one of this owner's.
    pub(super) fn owned_by(self, owner: u32) -> Self {
        Self { id: (self.id & (u128::MAX >> 32)) | (u128::from(owner) << 96), ..self }
    }
}

/// Signs and reads ids.
pub(crate) struct Signer {
    tokens: hmac::Key,
    owners: hmac::Key,
}

impl Signer {
    pub(crate) fn new(key: &SessionKey) -> Self {
        Self { tokens: hmac::Key::new(hmac::HMAC_SHA256, &key.0), owners: key.derived(b"owner") }
    }

    /// What a principal is in the numbers of its sessions: no principal can choose to be another one there.
    pub(super) fn owner(&self, principal: &str) -> u32 {
        let mut owner = [0; 4];
        owner.copy_from_slice(&hmac::sign(&self.owners, principal.as_bytes()).as_ref()[..4]);
        u32::from_be_bytes(owner)
    }

    /// For one principal: with another one it is no token at all. Where nobody is known by name, it is empty.
    pub(crate) fn sign(&self, session: &Session, principal: &str) -> String {
        let mut token = [0; WHOLE];
        token[0] = LAYOUT;
        token[1] = code(session.version);
        token[2] = session.capabilities;
        token[4..8].copy_from_slice(&session.epoch.to_be_bytes());
        token[8..16].copy_from_slice(&session.expires.to_be_bytes());
        token[16..SIGNED].copy_from_slice(&session.id.to_be_bytes());
        let signature = hmac::sign(&self.tokens, &bound(&token[..SIGNED], principal));
        token[SIGNED..].copy_from_slice(signature.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }

    /// None for what no server with this key has signed.
    pub(crate) fn read(&self, text: &[u8], principal: &str) -> Option<Session> {
        if text.len() != TOKEN_TEXT {
            return None;
        }
        let mut token = [0; WHOLE];
        let count = URL_SAFE_NO_PAD.decode_slice(text, &mut token).ok()?;
        if count != WHOLE {
            return None;
        }
        let (signed, signature) = token.split_at(SIGNED);
        hmac::verify(&self.tokens, &bound(signed, principal), signature).ok()?;
        let named = |version: &Version| code(*version) == signed[1];
        let version = Version::ALL.into_iter().find(named).filter(|_| signed[0] == LAYOUT)?;
        Some(Session {
            id: u128::from_be_bytes(signed[16..].try_into().ok()?),
            version,
            capabilities: signed[2],
            epoch: u32::from_be_bytes(signed[4..8].try_into().ok()?),
            expires: u64::from_be_bytes(signed[8..16].try_into().ok()?),
        })
    }
}

/// What is signed.
fn bound<'a>(signed: &'a [u8], principal: &str) -> Cow<'a, [u8]> {
    if principal.is_empty() { Cow::Borrowed(signed) } else { Cow::Owned([signed, principal.as_bytes()].concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_only_to_who_has_its_key() {
        let key = SessionKey::random();
        let session = Session::new(Version::V20250618, capability::ROOTS, 7, 1_800_000_000);
        let token = Signer::new(&key).sign(&session, "a");
        assert_eq!(token.len(), TOKEN_TEXT);
        assert!(token.bytes().all(|byte| (0x21..=0x7e).contains(&byte)));
        assert_eq!(Signer::new(&key.clone()).read(token.as_bytes(), "a"), Some(session));
        assert_eq!(Signer::new(&SessionKey::random()).read(token.as_bytes(), "a"), None);
        for other in ["", "b", "aa"] {
            assert_eq!(Signer::new(&key).read(token.as_bytes(), other), None, "of another principal");
        }
        assert_eq!(format!("{key:?}"), "SessionKey(secret)");
    }

    /// Servers of two versions read each other's, so that these stay what they are.
    #[test]
    fn tokens_of_the_first_version_are_read_and_written() {
        let key = SessionKey::of_secret(&[7; 32]).expect("it is long enough");
        assert_eq!(key.fingerprint(), "UoJgdQWxlmo9KQTx");
        for (version, token) in [
            (
                Version::V20251125,
                "AQEEAAAAAAcAAAAAa0nSAAAAAAAAAAAAAAAAAAAAAAV8LZpulrfKKOq8kF17jLjV_eqOe6JOXcZ7nRrQIKWUwg",
            ),
            (
                Version::V20250618,
                "AQIEAAAAAAcAAAAAa0nSAAAAAAAAAAAAAAAAAAAAAAU3drkOZjkxiz8pSMz1KIR9V-TOEvMHT-Q9B6VzawSapg",
            ),
            (
                Version::V20250326,
                "AQMEAAAAAAcAAAAAa0nSAAAAAAAAAAAAAAAAAAAAAAVEdzQp9te6K7IwT60G-SpJmosFXO8IvgnCWzHrQAalfA",
            ),
        ] {
            let session = Session { id: 5, version, capabilities: capability::ROOTS, epoch: 7, expires: 1_800_000_000 };
            assert_eq!(Signer::new(&key).read(token.as_bytes(), "a"), Some(session));
            assert_eq!(Signer::new(&key).sign(&session, "a"), token);
        }
    }

    #[test]
    fn a_token_that_was_touched_is_none() {
        let signer = Signer::new(&SessionKey::random());
        let token = signer.sign(&Session::new(Version::V20251125, 0, 0, 9), "").into_bytes();
        for at in 0..token.len() {
            let mut touched = token.clone();
            touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(signer.read(&touched, ""), None, "at {at}");
        }
        assert_eq!(signer.read(b"", ""), None);
        assert_eq!(signer.read(&token[1..], ""), None);
        assert_eq!(signer.read(&[&token[..], b"A"].concat(), ""), None);
    }

    #[test]
    fn capabilities_come_back_as_they_were_declared() {
        let text = |bits| Session::new(Version::V20251125, bits, 0, 9).capabilities_text();
        let sampling = capability::SAMPLING | capability::SAMPLING_TOOLS;
        assert_eq!((text(0).as_str(), text(capability::ROOTS).as_str()), ("{}", r#"{"roots":{}}"#));
        assert_eq!(text(sampling), r#"{"sampling":{"tools":{}}}"#);
    }

    #[test]
    fn no_two_sessions_are_one() {
        let signer = Signer::new(&SessionKey::random());
        let id = |principal| Session::new(Version::V20251125, 0, 0, 9).owned_by(signer.owner(principal)).id;
        assert_ne!(id("a"), id("a"));
        assert_eq!((owner(id("a")), owner(id("a"))), (signer.owner("a"), signer.owner("a")));
        assert_ne!(owner(id("a")), owner(id("")));
    }
}
