//! Who may come in: flags of `serve` and `cluster`, and `token`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::duration::parse_duration;

/// Who may come in, and what each may use. All of it is told in docs/authorization.md.
#[derive(Debug, Clone, Default, Args)]
#[command(group(ArgGroup::new("asking").args(["tokens", "jwks"]).multiple(true)))]
pub(crate) struct EntryArgs {
    /// Speak TLS with this certificate (PEM)
    ///
    /// And those that lead to its root, in one file; it is read again when it changes.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Ask for the bearer tokens of this file
    ///
    /// It has them hashed, as `erlmcp token` makes its lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Ask for tokens signed by these keys (JWT)
    ///
    /// JWKS of their issuer, in a file or at an address.
    #[arg(long, value_name = "FILE|URL", requires_all = ["jwt_issuer", "jwt_audience"])]
    pub(crate) jwks: Option<String>,
    /// What `iss` of signed tokens has to be
    #[arg(long, value_name = "ISS", requires = "jwks", hide_short_help = true)]
    pub(crate) jwt_issuer: Option<String>,
    /// What `aud` of signed tokens has to have
    #[arg(long, value_name = "AUD", requires = "jwks", hide_short_help = true)]
    pub(crate) jwt_audience: Option<String>,
    /// An algorithm of signed tokens that is taken (repeatable) [default: all asymmetric ones]
    #[arg(long, value_name = "ALG", requires = "jwks", hide_short_help = true)]
    pub(crate) jwt_alg: Vec<String>,
    /// A scope that every MCP request needs (repeatable)
    #[arg(long, value_name = "SCOPE", requires = "asking", hide_short_help = true)]
    pub(crate) require_scope: Vec<String>,
    /// The address that clients know this server by, for its metadata [default: what they name in Host]
    #[arg(long, value_name = "URL", requires = "asking", hide_short_help = true)]
    pub(crate) resource: Option<String>,
    /// An issuer that clients may get a token from, for the metadata (repeatable) [default: --jwt-issuer]
    #[arg(long, value_name = "URL", requires = "asking", hide_short_help = true)]
    pub(crate) authorization_server: Vec<String>,
    /// Requests of one principal in a second, on one process; more are refused (429)
    #[arg(long, value_name = "N", requires = "asking", hide_short_help = true)]
    pub(crate) principal_requests: Option<u64>,
    /// Open streams of one principal, on one process
    #[arg(long, value_name = "N", requires = "asking", hide_short_help = true)]
    pub(crate) principal_streams: Option<u64>,
    /// Legacy sessions of one principal, on one process
    #[arg(long, value_name = "N", requires = "asking", hide_short_help = true)]
    pub(crate) principal_sessions: Option<u64>,
    /// Legacy sessions of one principal that are held for a log level or subscriptions, on all processes
    #[arg(long, value_name = "N", requires = "asking", hide_short_help = true)]
    pub(crate) principal_sessions_held: Option<u64>,
    /// Listen for other machines without asking who comes
    #[arg(long, hide_short_help = true)]
    pub(crate) insecure_open: bool,
}

/// A new bearer token for a file of `--tokens`.
#[derive(Debug, Args)]
#[command(after_help = TOKEN_EXAMPLES)]
pub(crate) struct TokenArgs {
    /// Whom it stands for
    #[arg(value_parser = parse_principal)]
    pub(crate) principal: String,
    /// A scope that it has (repeatable); `metrics` is for /metrics and /status
    #[arg(long, value_name = "SCOPE", value_parser = parse_scope)]
    pub(crate) scope: Vec<String>,
    /// How long it is good [default: for ever]
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    pub(crate) lifetime: Option<Duration>,
}

const TOKEN_EXAMPLES: &str = "Examples:
  erlmcp token alice --scope mcp --for 720h
  erlmcp token prometheus --scope metrics    for /metrics and /status
How a server is told: docs/authorization.md";

fn parse_principal(text: &str) -> Result<String, String> {
    let is_good = !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let is_plain = is_good && !text.contains(':') && !text.starts_with('#');
    if is_plain { Ok(text.to_string()) } else { Err("a principal is one word of ASCII without a colon".to_string()) }
}

fn parse_scope(text: &str) -> Result<String, String> {
    let is_good = !text.is_empty() && text != "-" && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
    if is_good { Ok(text.to_string()) } else { Err("a scope is one word of ASCII without a comma".to_string()) }
}
