//! The keys that signed tokens are checked by.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use serde_json::Value;

use super::config::EntryError;
use super::files::Watched;
use super::tokens::{Hash, hash};
use crate::clock::monotonic_ns;
use crate::outgoing::fetch;

/// Keys of one issuer at most.
const KEYS_MAX: usize = 64;
/// How often keys at an address are looked at again.
const FETCH_EVERY_NS: u64 = 300_000_000_000;
/// The same where a token names one that is not known.
const FETCH_AGAIN_NS: u64 = 10_000_000_000;

pub(super) struct Key {
    pub(super) id: Option<String>,
    /// The algorithm that it is for, where it says so.
    pub(super) algorithm: Option<String>,
    pub(super) key: DecodingKey,
}

/// What came of the search for a key.
pub(super) enum Found {
    Key(Arc<Key>),
    /// There is no such key.
    None,
    /// Nobody can say now.
    Unsure,
}

enum Source {
    File(Mutex<Watched>),
    Address(String),
}

pub(super) struct Keys {
    /// As it was named.
    place: String,
    source: Source,
    known: RwLock<Vec<Arc<Key>>>,
    /// The last look at the address failed.
    is_down: AtomicBool,
    is_wanted: AtomicBool,
    last: Mutex<Last>,
    /// When the address was last asked, ns.
    asked_ns: AtomicU64,
}

/// What the last looks gave.
struct Last {
    /// The document of the known keys.
    document: Option<Hash>,
    /// Why the last look gave no keys; told of once.
    trouble: Option<String>,
}

impl Keys {
    pub(super) fn new(place: &str) -> Result<Self, EntryError> {
        let is_address = place.starts_with("http://") || place.starts_with("https://");
        let (source, known, document) = if is_address {
            (Source::Address(place.to_string()), Vec::new(), None)
        } else {
            let mut file = Watched::new(place.into());
            let text = file.read()?;
            let known = read(&text).ok_or_else(|| EntryError::Keys(place.to_string()))?;
            (Source::File(Mutex::new(file)), known, Some(hash(text.as_bytes())))
        };
        Ok(Self {
            place: place.to_string(),
            last: Mutex::new(Last { document, trouble: None }),
            is_down: AtomicBool::new(is_address),
            is_wanted: AtomicBool::new(is_address),
            source,
            known: RwLock::new(known),
            asked_ns: AtomicU64::new(0),
        })
    }

    pub(super) fn find(&self, id: Option<&str>) -> Found {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let found = match id {
            Some(id) => known.iter().find(|key| key.id.as_deref() == Some(id)),
            None => known.first().filter(|_| known.len() == 1),
        };
        match found {
            Some(key) => Found::Key(Arc::clone(key)),
            None if matches!(self.source, Source::File(_)) => Found::None,
            None => {
                let is_due = monotonic_ns().saturating_sub(self.asked_ns.load(Ordering::Relaxed)) >= FETCH_AGAIN_NS;
                self.is_wanted.fetch_or(is_due, Ordering::Relaxed);
                if self.is_down.load(Ordering::Relaxed) { Found::Unsure } else { Found::None }
            }
        }
    }

    /// Looks whether there are other keys; waits for a file or an address. True where there are.
    pub(super) fn refresh(&self) -> bool {
        match &self.source {
            Source::File(file) => {
                let changed = file.lock().unwrap_or_else(PoisonError::into_inner).changed();
                match changed {
                    None => false,
                    Some(text) => self.take(text.map_err(|error| error.to_string())),
                }
            }
            Source::Address(address) => {
                let now_ns = monotonic_ns();
                let asked_ns = self.asked_ns.load(Ordering::Relaxed);
                let is_due = asked_ns == 0 || now_ns.saturating_sub(asked_ns) >= FETCH_EVERY_NS;
                let is_urgent = (self.is_wanted.load(Ordering::Relaxed) || self.is_down.load(Ordering::Relaxed))
                    && (asked_ns == 0 || now_ns.saturating_sub(asked_ns) >= FETCH_AGAIN_NS / 10);
                if !is_due && !is_urgent {
                    return false;
                }
                self.asked_ns.store(now_ns, Ordering::Relaxed);
                let taken = self.take(fetch(address).map_err(|error| error.to_string()));
                self.is_wanted.store(false, Ordering::Relaxed);
                taken
            }
        }
    }

    /// Takes other keys; where there are none, those that are known stay. False where they are as before, so that nobody
    /// can have all tokens checked anew by asking for a key that there is not.
    fn take(&self, text: Result<String, String>) -> bool {
        let found = text.and_then(|text| match read(&text) {
            Some(keys) => Ok((keys, hash(text.as_bytes()))),
            None => Err("there is no usable key in them".to_string()),
        });
        self.is_down.store(found.is_err(), Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (keys, document) = match found {
            Ok(found) => found,
            Err(why) => {
                if last.trouble.as_ref() != Some(&why) {
                    tracing::warn!("no keys of the issuer from {}: {why}; those that are known go on", self.place);
                    last.trouble = Some(why);
                }
                return false;
            }
        };
        last.trouble = None;
        if last.document.replace(document) == Some(document) {
            return false;
        }
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        true
    }
}

/// The usable keys of a JWKS document; none where it has none.
fn read(text: &str) -> Option<Vec<Arc<Key>>> {
    let document: Value = serde_json::from_str(text).ok()?;
    let keys = document["keys"].as_array()?.iter().take(KEYS_MAX).filter_map(key).map(Arc::new);
    Some(keys.collect::<Vec<_>>()).filter(|keys| !keys.is_empty())
}

fn key(value: &Value) -> Option<Key> {
    // What is no key for signatures, or a secret that both sides have, is passed over.
    if value["use"].as_str().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
        return None;
    }
    let text = |name: &str| value[name].as_str().map(str::to_string);
    Some(Key { id: text("kid"), algorithm: text("alg"), key: DecodingKey::from_jwk(&jwk).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_keys_is_told_of_and_the_known_ones_go_on() {
        let path = std::env::temp_dir().join(format!("erlmcp-keys-{}", std::process::id()));
        let good = r#"{"keys":[{"kty":"RSA","kid":"b","alg":"RS256","n":"AQAB","e":"AQAB"}]}"#;
        std::fs::write(&path, good).expect("a file");
        let keys = Keys::new(&path.to_string_lossy()).expect("one is good");
        std::fs::write(&path, "{").expect("a file");
        assert!(!keys.refresh());
        let trouble = || keys.last.lock().expect("nobody panicked").trouble.clone();
        assert_eq!(trouble().as_deref(), Some("there is no usable key in them"));
        assert!(matches!(keys.find(Some("b")), Found::Key(_)));
        std::fs::write(&path, good).expect("a file");
        assert!(!keys.refresh() && trouble().is_none(), "they are as they were");
        std::fs::write(&path, good.replace("\"b\"", "\"other\"")).expect("a file");
        assert!(keys.refresh() && matches!(keys.find(Some("other")), Found::Key(_)));
        std::fs::remove_file(&path).expect("it was there");
    }

    #[test]
    fn secrets_and_what_is_no_key_are_passed_over() {
        let secret = r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"},{"kty":"new"},{"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"}]}"#;
        assert!(read(secret).is_none());
        let keys = read(r#"{"keys":[{"kty":"x"},{"kty":"RSA","kid":"b","alg":"RS256","n":"AQAB","e":"AQAB"}]}"#);
        let keys = keys.expect("one is good");
        assert_eq!((keys.len(), keys[0].id.as_deref(), keys[0].algorithm.as_deref()), (1, Some("b"), Some("RS256")));
        assert!(read("{").is_none() && read("{}").is_none());
    }
}
