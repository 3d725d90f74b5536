//! https:// and bearer tokens: what is trusted, and that no secret is ever said.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::generate_simple_self_signed;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::finished::erlmcp;

const TOKEN: &str = "tok3n-that-nobody-may-see";
const KEY: &str = "k3y-that-nobody-may-see";

/// An MCP server with TLS that wants a token, and a file with its certificate.
struct Secured {
    address: SocketAddr,
    folder: tempfile::TempDir,
    /// Requests that came with token and key.
    welcome: Arc<AtomicU64>,
}

impl Secured {
    fn start() -> Self {
        let certified = generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate can be made");
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the defaults are safe")
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key.into())
            .expect("the certificate fits its key");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), certified.cert.pem()).expect("written");
        std::fs::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("written");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let welcome = Arc::new(AtomicU64::new(0));
        let (config, counter) = (Arc::new(config), Arc::clone(&welcome));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("the configuration is good");
                let counter = Arc::clone(&counter);
                std::thread::spawn(move || serve(StreamOwned::new(connection, stream), &counter));
            }
        });
        Self { address, folder, welcome }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}/mcp", self.address.port())
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>, welcome: &AtomicU64) {
    let (mut bytes, mut more) = (Vec::new(), [0; 4_096]);
    loop {
        while let Some((head, body)) = take_request(&mut bytes) {
            if stream.write_all(&answer(&head, &body, welcome)).is_err() {
                return;
            }
        }
        match stream.read(&mut more) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&more[..count]),
            _ => return,
        }
    }
}

fn take_request(bytes: &mut Vec<u8>) -> Option<(String, Value)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.unwrap_or(0);
    let body = bytes.get(end..end + length).map(|body| serde_json::from_slice(body).unwrap_or_default())?;
    bytes.drain(..end + length);
    Some((head, body))
}

fn answer(head: &str, request: &Value, welcome: &AtomicU64) -> Vec<u8> {
    let is_welcome =
        head.contains(&format!("Authorization: Bearer {TOKEN}\r\n")) && head.contains(&format!("X-Key: {KEY}\r\n"));
    if !is_welcome {
        return b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n".to_vec();
    }
    welcome.fetch_add(1, Ordering::SeqCst);
    let tool = json!({"name": "echo", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}});
    let result = match request["method"].as_str() {
        Some("server/discover") => json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "public"}),
        Some("tools/list") => json!({"resultType": "complete", "ttlMs": 0, "cacheScope": "public", "tools": [tool]}),
        _ => json!({"resultType": "complete", "content": []}),
    };
    let body = json!({"jsonrpc": "2.0", "id": request["id"], "result": result}).to_string();
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

/// Every file under a folder that holds one of these texts.
pub(crate) fn holding(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(holding(&path, secrets));
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        let has = |secret: &&&str| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        if secrets.iter().any(|secret| has(&secret)) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_token_is_sent_with_every_request_and_said_nowhere() {
    let server = Secured::start();
    let (url, ca, token) = (server.url(), server.file("ca.pem"), server.file("token"));
    let key = format!("X-Key: {KEY}");
    let load = ["-c", "4", "-d", "2s", "-r", "20", "--agents", "1", "--phases", "1,2,3"];
    let secrets = ["--cacert", &ca, "--bearer-file", &token, "-H", &key];
    let finished = erlmcp(&[&["stress", &url][..], &load, &secrets].concat()).end();
    let report = finished.report();
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    assert!(report.to_string().contains("X-Key: <hidden>"), "the report tells what was hidden");
    assert!(server.welcome.load(Ordering::SeqCst) >= 40, "requests came with the token");
    let said = holding(finished.folder(), &[TOKEN, KEY]);
    assert_eq!(said, Vec::<String>::new(), "both outputs and the run's folder are without secrets");
}

#[test]
fn a_secured_server_is_discovered_with_its_token() {
    let server = Secured::start();
    let (url, ca, token) = (server.url(), server.file("ca.pem"), server.file("token"));
    let key = format!("X-Key: {KEY}");
    let secrets = ["--cacert", &ca, "--bearer-file", &token, "-H", &key];
    let finished = erlmcp(&[&["discover", "--keep-alive-wait", "0s", &url, "--json"][..], &secrets].concat()).end();
    let found: Value = serde_json::from_str(&finished.output).unwrap_or_else(|_| panic!("{}", finished.said()));
    assert_eq!((&found["h2"], &found["tools"][0]["name"]), (&false.into(), &"echo".into()));
    assert!(!finished.said().contains(TOKEN) && !finished.said().contains(KEY));
    let refused = erlmcp(&["discover", &url, "--cacert", &ca]).end();
    assert!(refused.code == 1 && refused.errors.contains("401"), "{}", refused.said());
}

#[test]
fn what_is_not_trusted_is_said_with_what_to_do() {
    let server = Secured::start();
    let (url, token) = (server.url(), server.file("token"));
    let key = format!("X-Key: {KEY}");
    let run = |more: &[&str]| erlmcp(&[&["stress", &url, "-c", "4", "-d", "2s", "-r", "20"][..], more].concat()).end();
    let unknown = run(&[]);
    assert_eq!((unknown.code, unknown.report.is_none()), (1, true), "{}", unknown.said());
    assert!(unknown.errors.contains("--cacert"), "{}", unknown.errors);
    let nobody = run(&["--insecure", "--header", &key]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.errors.contains("401") && !nobody.errors.contains(KEY), "{}", nobody.errors);
    let pointless = erlmcp(&["stress", "http://localhost:1", "--insecure"]).end();
    assert_eq!(pointless.code, 2);
    assert!(pointless.errors.contains("https://"), "{}", pointless.errors);
    let welcome = run(&["--insecure", "--header", &key, "--bearer-file", &token, "--phases", "1"]);
    assert!(welcome.report.is_some(), "{}", welcome.said());
}
