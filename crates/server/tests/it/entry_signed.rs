//! Signed tokens: reliability.md, 136, 137, 140, 141.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use erlmcp_server::{EntryConfig, Registry, ServerConfig, new_token};
use serde_json::json;

use crate::client::{Answer, Client, Texts, eventually, start_with, stop};
use crate::issuer::{Issuer, header, jwt, now_s};

fn config(keys: String) -> ServerConfig {
    let entry = EntryConfig { jwt: Some(jwt(keys)), scopes: vec!["mcp".into()], ..EntryConfig::default() };
    ServerConfig { entry, registry: Registry::builtin(), shards: 1, ..ServerConfig::default() }
}

fn ask(address: SocketAddr, token: &str) -> Answer {
    let field = format!("\r\nAuthorization: Bearer {token}\r\n");
    Client::connect(address).ask(Texts(address).echo("x").replacen("\r\n", &field, 1))
}

#[test]
fn signed_tokens_are_taken_as_their_issuer_meant_them() {
    let issuer = Issuer::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, issuer.keys.to_string()).expect("written");
    let (server, address) = start_with(config(path.display().to_string()));
    for _ in 0..2 {
        assert_eq!(ask(address, &issuer.good()).status, 200);
    }
    let hour = |seconds: i64| now_s() as i64 + seconds;
    let refused = [
        json!({"exp": hour(-60)}),
        json!({"exp": null}),
        json!({"nbf": hour(600)}),
        json!({"nbf": hour(600).to_string()}),
        json!({"nbf": []}),
        json!({"iss": ["https://issuer.example"]}),
        json!({"exp": hour(600).to_string()}),
        json!({"iss": "https://other.example"}),
        json!({"aud": "https://other.example"}),
        json!({"aud": []}),
        json!({"sub": ""}),
    ];
    for claims in refused {
        let answer = ask(address, &issuer.token(&header("k1"), &claims));
        let said = answer.field("WWW-Authenticate").unwrap_or_default();
        assert!(answer.status == 401 && said.contains("invalid_token"), "136: {claims}");
    }
    let fraction = ask(address, &issuer.token(&header("k1"), &json!({"exp": hour(60) as f64 + 0.5, "nbf": -1.5})));
    assert_eq!(fraction.status, 200);
    let small = ask(address, &issuer.token(&header("k1"), &json!({"scope": "other"})));
    assert_eq!(small.status, 403, "139");
    for id in ["k2", "../k1", ""] {
        assert_eq!(ask(address, &issuer.token(&header(id), &json!({}))).status, 401, "137: {id}");
    }
    let other = Issuer::new();
    assert_eq!(ask(address, &other.good()).status, 401, "137: another key of the same name");
    let good = issuer.good();
    let rest = good.split_once('.').expect("three parts").1;
    for changed in [
        json!({"alg": "none", "kid": "k1"}),
        json!({"alg": "HS256", "kid": "k1"}),
        json!({"alg": "RS256", "kid": "k1"}),
        json!({"alg": "ES256", "kid": "k1", "crit": ["x"], "x": 1}),
        json!({"alg": "ES256", "kid": 1}),
    ] {
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(changed.to_string()));
        assert_eq!(ask(address, &token).status, 401, "137, 140: {changed}");
    }
    let deep = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    let token = format!("{}.{}.AAAA", good.split('.').next().expect("a part"), URL_SAFE_NO_PAD.encode(deep));
    assert_eq!(ask(address, &token).status, 401, "140");
    stop(server);
}

#[test]
fn while_keys_cannot_be_had_nobody_is_let_in() {
    // Nobody listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let (server, address) = start_with(config(format!("http://{gone}/jwks")));
    let issuer = Issuer::new();
    let answer = ask(address, &issuer.good());
    assert!(answer.status == 503 && answer.field("Retry-After").is_some(), "141: {}", answer.head);
    assert_eq!(answer.json()["error"]["data"]["executed"], false, "it may be sent again");
    stop(server);
}

#[test]
fn a_token_that_is_taken_back_ends_while_the_place_of_keys_is_silent() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut config = config(format!("http://{}/jwks", silent.local_addr().expect("bound")));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    let (token, line) = new_token("alice", &["mcp".to_string()], None);
    std::fs::write(&path, format!("{line}\n")).expect("written");
    config.entry.tokens = Some(path.clone());
    let (server, address) = start_with(config);
    assert_eq!(ask(address, &token).status, 200);
    std::fs::write(&path, "").expect("written");
    let begun = Instant::now();
    while ask(address, &token).status != 401 {
        assert!(begun.elapsed() < Duration::from_secs(4), "it waits for the keys");
        std::thread::sleep(Duration::from_millis(50));
    }
    stop(server);
}

#[test]
fn keys_that_were_fetched_go_on_when_their_place_is_down() {
    use std::io::{Read, Write};
    let issuer = Issuer::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = listener.local_addr().expect("bound");
    let body = issuer.keys.to_string();
    let once = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the server comes");
        let mut request = [0; 1_024];
        let read = stream.read(&mut request).expect("a request");
        assert!(read > 0);
        let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
        assert!(!request.contains("authorization"), "142: no client's token is passed on");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).expect("sent");
    });
    let (server, address) = start_with(config(format!("http://{place}/jwks")));
    let good = issuer.good();
    eventually("the keys are fetched", || ask(address, &good).status == 200);
    once.join().expect("it answered");
    assert_eq!(ask(address, &issuer.token(&header("k1"), &json!({"sub": "bob"}))).status, 200, "141");
    stop(server);
}
