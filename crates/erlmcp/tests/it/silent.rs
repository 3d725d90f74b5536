//! What a server says (its log at its most talkative, its pages, its answers, good and bad) has no token in it.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PublicKeyData, SigningKey};
use serde_json::json;

use crate::entering::token;
use crate::finished::erlmcp_after;
use crate::serving::{Serving, answer};

const ISSUER: &str = "https://issuer.example";

fn base64url(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for letter in 0..=three.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * letter)) as usize & 63]));
        }
    }
    text
}

/// The two numbers of a signature, 32 bytes each, out of their DER.
fn plain(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut plain = Vec::new();
    while let [2, length, more @ ..] = rest {
        let (number, behind) = more.split_at(usize::from(*length));
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        plain.extend(vec![0; 32 - number.len()]);
        plain.extend_from_slice(number);
        rest = behind;
    }
    plain
}

/// A token of the issuer, and the file with what it publishes of its key.
fn signed(folder: &Path) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let (x, y) = key.der_bytes()[1..].split_at(32);
    let jwks = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1", "alg": "ES256",
        "x": base64url(x), "y": base64url(y)}]});
    let path = folder.join("jwks");
    fs::write(&path, jwks.to_string()).expect("the folder is ours");
    let until = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() + 3_600;
    let part = |value: serde_json::Value| base64url(value.to_string().as_bytes());
    let claims = json!({"iss": ISSUER, "aud": "here", "sub": "somebody", "scope": "metrics", "exp": until});
    let text = format!("{}.{}", part(json!({"alg": "ES256", "kid": "k1"})), part(claims));
    let signature = key.sign(text.as_bytes()).expect("it can sign");
    (format!("{text}.{}", base64url(&plain(&signature))), path.display().to_string())
}

/// Status and whole text of the answer to a request on a connection of its own.
fn ask(server: &Serving, request: &str, fields: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json, \
         text/event-stream\r\nContent-Length: {}\r\n{fields}\r\n{body}",
        server.address(),
        body.len()
    )
    .expect("it reads");
    let text = answer(&mut stream);
    (text.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{text:?}")), text)
}

#[test]
fn no_token_is_in_anything_that_a_server_says() {
    for command in [&["serve"][..], &["cluster", "--replicas", "1"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let (opaque, line) = token(&["--scope", "metrics"]);
        let tokens = folder.path().join("tokens").display().to_string();
        fs::write(&tokens, line).expect("the folder is ours");
        let (jwt, jwks) = signed(folder.path());
        let (unknown, forged) = (opaque.chars().rev().collect::<String>(), jwt.replacen('.', ".e30", 1));
        let entry = ["--tokens", &tokens, "--jwks", &jwks, "--jwt-issuer", ISSUER, "--jwt-audience", "here"];
        let listen = ["--tied", "--listen", "127.0.0.1:0"];
        // A cluster's control socket is there.
        let here = format!("export ERLMCP_LOG=trace XDG_RUNTIME_DIR='{}'", folder.path().display());
        let server = Serving::of(erlmcp_after(&here, &[command, &listen, &entry].concat()));
        let version = "MCP-Protocol-Version: 2026-07-28\r\n";
        let meta = "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                    \"io.modelcontextprotocol/clientCapabilities\":{}}";
        let list = format!("{version}Mcp-Method: tools/list\r\n");
        let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{{{meta}}}}}");
        let mut heard = Vec::new();
        let mut check = |wanted: u16, request: &str, fields: &str, body: &str| {
            let (status, text) = ask(&server, request, fields, body);
            assert_eq!(status, wanted, "{request} {fields}: {text}");
            heard.push(text);
        };
        for (secret, wanted) in [(&opaque, 200), (&jwt, 200), (&unknown, 401), (&forged, 401)] {
            let bearer = format!("Authorization: Bearer {secret}\r\n");
            check(wanted, "POST /mcp", &format!("{bearer}{list}"), &body);
            check(wanted, "GET /metrics", &bearer, "");
            check(wanted, "GET /status", &bearer, "");
            check(401, &format!("POST /mcp?access_token={secret}"), &list, &body);
            check(404, &format!("GET /{secret}"), &bearer, "");
            check(401, "POST /mcp", &format!("Authorization: Basic {secret}\r\n{list}"), &body);
            check(400, "POST /mcp", &format!("{bearer}{bearer}{list}"), &body);
            check(401, "POST /mcp", &format!("Authorization: Bearer {secret} {secret}\r\n{list}"), &body);
            if wanted == 200 {
                let elsewhere = format!("{bearer}{version}Mcp-Method: {secret}\r\n");
                check(404, "POST /mcp", &elsewhere, &body.replace("tools/list", secret));
                let older = format!("{bearer}MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {secret}\r\n");
                check(404, "POST /mcp", &older, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
            }
        }
        for page in ["GET /health", "GET /ready"] {
            check(200, page, "", "");
        }
        let finished = server.end();
        assert!(finished.errors.lines().count() > 3, "it was to be talkative: {}", finished.said());
        let said = heard.join("\n") + &finished.said();
        for secret in [&opaque, &jwt, &unknown, &forged] {
            // Of its end alone neither, which nobody could guess.
            let end = &secret[secret.len() - 20..];
            assert!(!said.contains(end), "{} says {secret}:\n{said}", command[0]);
        }
    }
}

#[test]
fn letters_stand_for_bytes_as_they_should() {
    for (bytes, text) in [(&b"f"[..], "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xff\xef", "_-8"), (b"", "")] {
        assert_eq!(base64url(bytes), text);
    }
}
