//! Signed tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::Deserialize;
use serde_json::{Number, Value};

use super::config::{EntryError, JwtConfig};
use super::keys::{Found, Keys};
use super::tokens::Entry;

/// How far the clocks of issuer and server may differ, seconds.
const LEEWAY_S: u64 = 30;
const ASYMMETRIC: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// Why a signed token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untrusted {
    /// It is no good.
    Bad,
    /// Nobody can say now: its key is not known, and the place of keys does not answer.
    Unsure,
}

/// Checks signed tokens.
pub(super) struct Checker {
    pub(super) keys: Keys,
    config: JwtConfig,
    algorithms: Vec<(&'static str, Algorithm)>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: Number,
    /// What is no number would be passed over.
    #[serde(default, rename = "nbf")]
    _nbf: Option<Number>,
    /// One that is a list would be searched.
    #[serde(rename = "iss")]
    _iss: String,
    #[serde(default)]
    scope: Value,
    #[serde(default)]
    scp: Value,
}

impl Checker {
    pub(super) fn new(config: &JwtConfig) -> Result<Self, EntryError> {
        let known = |name: &String| ASYMMETRIC.into_iter().find(|(known, _)| known == name);
        let named = config.algorithms.iter().map(|name| known(name).ok_or_else(|| EntryError::Algorithm(name.clone())));
        let mut algorithms = named.collect::<Result<Vec<_>, _>>()?;
        if algorithms.is_empty() {
            algorithms = ASYMMETRIC.to_vec();
        }
        Ok(Self { keys: Keys::new(&config.keys)?, config: config.clone(), algorithms })
    }

    /// Who a token stands for. Nothing that it names is fetched.
    pub(super) fn check(&self, token: &str) -> Result<Entry, Untrusted> {
        let header = header(token).ok_or(Untrusted::Bad)?;
        // What is critical to its issuer is not known here.
        if !header["crit"].is_null() {
            return Err(Untrusted::Bad);
        }
        let named = header["alg"].as_str().unwrap_or("");
        let (name, algorithm) = *self.algorithms.iter().find(|(name, _)| *name == named).ok_or(Untrusted::Bad)?;
        let id = match &header["kid"] {
            Value::Null => None,
            Value::String(id) => Some(id.as_str()),
            _ => return Err(Untrusted::Bad),
        };
        let key = match self.keys.find(id) {
            Found::Key(key) => key,
            Found::None => return Err(Untrusted::Bad),
            Found::Unsure => return Err(Untrusted::Unsure),
        };
        if key.algorithm.as_deref().is_some_and(|own| own != name) {
            return Err(Untrusted::Bad);
        }
        let mut validation = Validation::new(algorithm);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_audience(&[&self.config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = decode::<Claims>(token, &key.key, &validation).map_err(|_| Untrusted::Bad)?.claims;
        if claims.sub.is_empty() || claims.sub.len() > 256 || claims.sub.chars().any(char::is_control) {
            return Err(Untrusted::Bad);
        }
        let scopes = scopes(&claims.scope).chain(scopes(&claims.scp)).map(Into::into).collect();
        // Fractions are allowed (RFC 7519, section 2).
        let expires_s = claims.exp.as_f64().map_or(0, |exp| exp as u64).saturating_add(LEEWAY_S);
        Ok(Entry { principal: format!("jwt:{}", claims.sub).into(), scopes, expires_s })
    }
}

fn header(token: &str) -> Option<Value> {
    let (header, _) = token.split_once('.')?;
    let bytes = URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// Issuers write them as one text or as a list.
fn scopes(value: &Value) -> impl Iterator<Item = &str> {
    let list = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().flat_map(str::split_ascii_whitespace).chain(list)
}
