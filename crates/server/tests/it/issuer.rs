//! Somebody who signs tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erlmcp_server::JwtConfig;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

/// An issuer with one key.
pub(crate) struct Issuer {
    key: EncodingKey,
    /// What it publishes (JWKS).
    pub(crate) keys: Value,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        let pair = pair.expect("it was just made");
        let point = pair.public_key().as_ref();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let (x, y) = (text(&point[1..33]), text(&point[33..65]));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256", "x": x, "y": y}]});
        Self { key: EncodingKey::from_ec_der(document.as_ref()), keys }
    }

    /// With some claims other than the good ones.
    pub(crate) fn token(&self, header: &Header, changed: &Value) -> String {
        let mut claims = json!({"iss": "https://issuer.example", "aud": ["other", "https://mcp.example/mcp"],
            "sub": "alice", "exp": now_s() + 600, "scope": "mcp other"});
        for (name, value) in changed.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        encode(header, &claims, &self.key).expect("it can be signed")
    }

    pub(crate) fn good(&self) -> String {
        self.token(&header("k1"), &json!({}))
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

pub(crate) fn header(id: &str) -> Header {
    Header { kid: Some(id.to_string()), ..Header::new(Algorithm::ES256) }
}

/// Takes its tokens; `keys` is where they are.
pub(crate) fn jwt(keys: String) -> JwtConfig {
    JwtConfig {
        keys,
        issuer: "https://issuer.example".into(),
        audience: "https://mcp.example/mcp".into(),
        algorithms: Vec::new(),
    }
}
