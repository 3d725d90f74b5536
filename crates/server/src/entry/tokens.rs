//! A file of tokens. Of a token it holds the hash alone, so that who reads the file can't come in.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::config::EntryError;
use crate::clock::unix_seconds;
use crate::random;

pub(super) type Hash = [u8; 32];

/// Who a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) principal: Box<str>,
    pub(super) scopes: Vec<Box<str>>,
    /// Seconds since 1970.
    pub(super) expires_s: u64,
}

pub(super) fn hash(token: &[u8]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, token).as_ref());
    hash
}

/// Reads a file of tokens; empty lines and lines with # say nothing.
pub(super) fn read(path: &Path, text: &str) -> Result<HashMap<Hash, Entry>, EntryError> {
    let mut entries = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let entry = entry(line).ok_or_else(|| EntryError::Line { path: path.into(), line: index + 1 })?;
        entries.insert(entry.0, entry.1);
    }
    Ok(entries)
}

fn entry(line: &str) -> Option<(Hash, Entry)> {
    let mut words = line.split_ascii_whitespace();
    let hash = unhex(words.next()?)?;
    // A name with a colon could pass for one of a signed token.
    let principal = words.next().filter(|name| !name.contains(':') && name.len() <= 128)?;
    let scopes = words.next().filter(|scopes| *scopes != "-").unwrap_or("");
    let expires_s = match words.next() {
        None | Some("-") => u64::MAX,
        Some(seconds) => seconds.parse().ok()?,
    };
    let scopes = scopes.split(',').filter(|scope| !scope.is_empty()).map(Into::into).collect();
    words.next().is_none().then(|| (hash, Entry { principal: principal.into(), scopes, expires_s }))
}

fn unhex(text: &str) -> Option<Hash> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut hash = [0; 32];
    for (byte, pair) in hash.iter_mut().zip(bytes.chunks(2)) {
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(hash)
}

/// A new token, and its line for the file of tokens; it is good for `lifetime`, or for ever.
///
/// # Panics
/// Where the system has no random numbers, without which nothing here is safe.
pub fn new_token(principal: &str, scopes: &[String], lifetime: Option<Duration>) -> (String, String) {
    let token = format!("erlmcp_{}", URL_SAFE_NO_PAD.encode(random::bytes::<32>()));
    let hex: String = hash(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let scopes = if scopes.is_empty() { "-".to_string() } else { scopes.join(",") };
    let now_s = unix_seconds();
    let expires = lifetime.map_or_else(|| "-".to_string(), |lifetime| (now_s + lifetime.as_secs()).to_string());
    let line = format!("{hex} {principal} {scopes} {expires}");
    (token, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_known_by_its_line() {
        let before_s = unix_seconds();
        let (token, line) =
            new_token("alice", &["mcp".to_string(), "metrics".to_string()], Some(Duration::from_secs(99)));
        assert!(!line.contains(&token));
        let entries = read(Path::new("f"), &format!("# who\n\n{line}\n")).expect("a good file");
        let entry = &entries[&hash(token.as_bytes())];
        let expires_s = entry.expires_s;
        assert!((99..900).contains(&(expires_s - before_s)), "{expires_s}");
        let expected = Entry { principal: "alice".into(), scopes: vec!["mcp".into(), "metrics".into()], expires_s };
        assert_eq!(entry, &expected);
        let (token, line) = new_token("bob", &[], None);
        let entries = read(Path::new("f"), &line).expect("a good file");
        assert_eq!((entries[&hash(token.as_bytes())].scopes.len(), entries.len()), (0, 1));
    }

    #[test]
    fn a_line_that_is_none_is_named_and_not_repeated() {
        let hex = "0".repeat(64);
        for wrong in [
            "s3cret".to_string(),
            hex.clone(),
            format!("{hex} a:b"),
            format!("{hex} a - soon"),
            format!("{hex} a - - x"),
        ] {
            let error = read(Path::new("f"), &format!("#\n{wrong}")).expect_err(&wrong).to_string();
            assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
        }
    }
}
