//! A collector of OpenTelemetry, as far as a test needs one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

/// What it waits for a server that speaks.
const PATIENCE: Duration = Duration::from_secs(20);
/// What it keeps until the test looks.
const POSTS_MAX: usize = 64;

/// Takes what is posted, path and body, and answers `{}`.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    posts: Receiver<(String, Value)>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (posted, posts) = sync_channel(POSTS_MAX);
        std::thread::spawn(move || listener.incoming().flatten().all(|stream| take(stream, &posted)));
        Self { address, posts }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that was posted until now.
    pub(crate) fn posted(&self) -> Told {
        let mut told = Told::default();
        for (path, body) in self.posts.try_iter() {
            let list = |of: &str, scope: &str, what: &str| {
                let resource = &body[of][0]["resource"];
                assert_eq!(attribute(resource, "service.name"), Some("erlmcp-server"), "{resource}");
                let instance = attribute(resource, "service.instance.id").expect("it says which one it is").to_string();
                let list = body[of][0][scope][0][what].as_array().cloned();
                (instance, list.unwrap_or_else(|| panic!("no {what}: {body}")))
            };
            match path.as_str() {
                "/v1/traces" => {
                    let (instance, spans) = list("resourceSpans", "scopeSpans", "spans");
                    told.spans.extend(spans.into_iter().map(|span| (instance.clone(), span)));
                }
                "/v1/metrics" => {
                    let (instance, metrics) = list("resourceMetrics", "scopeMetrics", "metrics");
                    told.metrics.insert(instance, metrics);
                }
                other => panic!("nobody asked for {other}"),
            }
        }
        told
    }
}

/// What a collector was told, by the instances that told it.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) spans: Vec<(String, Value)>,
    /// As they were last told.
    pub(crate) metrics: BTreeMap<String, Vec<Value>>,
}

/// The text of an attribute.
pub(crate) fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a str> {
    let all = of["attributes"].as_array()?;
    all.iter().find(|one| one["key"] == json!(key))?["value"]["stringValue"].as_str()
}

/// False where nobody looks any more.
fn take(mut stream: TcpStream, posted: &SyncSender<(String, Value)>) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut bytes = Vec::new();
    let body_at = loop {
        more(&mut stream, &mut bytes);
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..body_at]).into_owned();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value)).map(str::to_string)
    };
    assert_eq!(field("Content-Type").as_deref(), Some("application/json"), "{head}");
    let length: usize = field("Content-Length").and_then(|length| length.parse().ok()).expect("a length");
    while bytes.len() < body_at + length {
        more(&mut stream, &mut bytes);
    }
    let path = head.split(' ').nth(1).expect("a path").to_string();
    let body = serde_json::from_slice(&bytes[body_at..]).expect("JSON");
    let looks = posted.send((path, body)).is_ok();
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
    looks
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) {
    let mut buffer = [0; 4_096];
    let read = stream.read(&mut buffer).expect("the server speaks");
    assert!(read > 0, "it hung up in the middle");
    bytes.extend_from_slice(&buffer[..read]);
}
