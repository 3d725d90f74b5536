//! Who may come in, for cases about that: tokens of a file and of an issuer, good ones and others.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erlmcp_server::{EntryConfig, new_token};
use serde_json::json;

use crate::issuer::{Issuer, header, jwt, now_s};

pub(crate) struct Guard {
    folder: tempfile::TempDir,
    /// By the names that cases call them.
    pub(crate) tokens: Arc<Vec<(&'static str, String)>>,
}

impl Guard {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let scopes = ["mcp".to_string()];
        let (token, good) = new_token("alice", &scopes, None);
        let (expired, over) = new_token("alice", &scopes, Some(Duration::ZERO));
        let (other, another) = new_token("bob", &scopes, None);
        let (small, lacking) = new_token("carol", &["other".to_string()], None);
        std::fs::write(folder.path().join("tokens"), format!("{good}\n{another}\n{over}\n{lacking}\n"))
            .expect("written");
        let issuer = Issuer::new();
        std::fs::write(folder.path().join("keys"), issuer.keys.to_string()).expect("written");
        let mut tokens = vec![("$token", token), ("$bob", other), ("$expired", expired), ("$small", small)];
        tokens.extend(signed(&issuer));
        Self { folder, tokens: Arc::new(tokens) }
    }

    /// The one of a good call.
    pub(crate) fn token(&self) -> &str {
        &self.tokens[0].1
    }

    pub(crate) fn config(&self) -> EntryConfig {
        EntryConfig {
            tokens: Some(self.folder.path().join("tokens")),
            jwt: Some(jwt(self.folder.path().join("keys").display().to_string())),
            scopes: vec!["mcp".into()],
            authorization_servers: vec!["https://issuer.example".into()],
            ..EntryConfig::default()
        }
    }
}

/// Signed tokens, most of them wrong in one way.
fn signed(issuer: &Issuer) -> Vec<(&'static str, String)> {
    let now_s = now_s() as i64;
    let claims = |changed| issuer.token(&header("k1"), &changed);
    let good = issuer.good();
    let (front, rest) = good.split_once('.').expect("three parts");
    let headed = |changed: serde_json::Value| format!("{}.{rest}", URL_SAFE_NO_PAD.encode(changed.to_string()));
    let deep = URL_SAFE_NO_PAD.encode(format!("{}{}", "[".repeat(2_000), "]".repeat(2_000)));
    vec![
        ("$jwt-expired", claims(json!({"exp": now_s - 60}))),
        ("$jwt-for-ever", claims(json!({"exp": null}))),
        ("$jwt-early", claims(json!({"nbf": now_s + 600}))),
        ("$jwt-issuer", claims(json!({"iss": "https://other.example"}))),
        ("$jwt-audience", claims(json!({"aud": "https://other.example"}))),
        ("$jwt-scope", claims(json!({"scope": "other"}))),
        ("$jwt-none", headed(json!({"alg": "none", "kid": "k1"}))),
        ("$jwt-unsigned", format!("{}.", headed(json!({"alg": "none"})).rsplit_once('.').expect("three parts").0)),
        ("$jwt-hs256", headed(json!({"alg": "HS256", "kid": "k1"}))),
        ("$jwt-rs256", headed(json!({"alg": "RS256", "kid": "k1"}))),
        ("$jwt-kid", issuer.token(&header("../k1"), &json!({}))),
        ("$jwt-forged", Issuer::new().good()),
        ("$jwt-crit", headed(json!({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}))),
        ("$jwt-deep", format!("{front}.{deep}.AAAA")),
        ("$jwt-good", good),
    ]
}
