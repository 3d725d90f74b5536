//! What a server is told of who may come in.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tls::TlsFiles;

/// Who may come in. The default asks nobody for anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryConfig {
    /// Secures all listeners but those for operators; none: what comes is plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// A file of hashed tokens, as [`new_token`](super::new_token) makes its lines; read again when it changes.
    pub tokens: Option<PathBuf>,
    /// Signed tokens that are taken too.
    pub jwt: Option<JwtConfig>,
    /// Scopes that every request to the MCP endpoint needs.
    pub scopes: Vec<String>,
    /// The address that clients know this server by, such as `https://mcp.example/mcp`; none: what they name in Host.
    pub resource: Option<String>,
    /// Issuers that clients may get a token from, for the metadata of RFC 9728.
    pub authorization_servers: Vec<String>,
}

impl EntryConfig {
    /// True where requests need a token.
    pub fn asks(&self) -> bool {
        self.tokens.is_some() || self.jwt.is_some()
    }
}

/// Which signed tokens are good. Only asymmetric signatures are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JwtConfig {
    /// The issuer's keys (JWKS): a file, or an http:// or https:// address.
    pub keys: String,
    /// What `iss` has to be.
    pub issuer: String,
    /// What `aud` has to have.
    pub audience: String,
    /// Algorithms that are taken, such as `RS256`; empty: all asymmetric ones.
    pub algorithms: Vec<String>,
}

/// Why nobody could be let in rightly.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The file can't be read.
    #[error("cannot read {path}: {source}; name a file that this user may read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of the file of tokens is none.
    #[error(
        "line {line} of {path} is no token: a line is SHA-256 in hex, principal, scopes or -, expiry or -; `erlmcp token` makes one"
    )]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// The keys can't be used.
    #[error(
        "{0} holds no key that a signature can be checked by: a JWKS document with RSA, EC or Ed25519 keys is expected"
    )]
    Keys(String),
    /// An algorithm is none that can be taken.
    #[error(
        "{0} is no asymmetric algorithm of JWTs: choose among RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA"
    )]
    Algorithm(String),
    /// The certificate can't be shown.
    #[error(
        "the certificate cannot be used: {0}; name its file by --tls-cert and that of its key by --tls-key, both PEM"
    )]
    Certificate(String),
    /// The address of the keys is none.
    #[error("the keys are at no http:// or https:// address, and in no file: {0}")]
    Address(String),
}
