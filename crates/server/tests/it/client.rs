//! A server of the test's own, and a client that sends what it is told, good or bad.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use erlmcp_server::{Limits, Listening, Registry, Server, ServerConfig, bind};

/// What a test waits for a thing that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn start(limits: Limits) -> (Server, SocketAddr) {
    start_with(ServerConfig { limits, registry: Registry::builtin(), shards: 2, ..ServerConfig::default() })
}

pub(crate) fn start_with(config: ServerConfig) -> (Server, SocketAddr) {
    let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let server =
        Server::start(config, vec![Listening { listener, shared: false, admin: false }], true).expect("it starts");
    (server, address)
}

/// Drains a server and waits for its end.
pub(crate) fn stop(server: Server) {
    server.drain();
    server.join();
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Code of a JSON-RPC error.
    pub(crate) fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {}", self.body))
    }

    pub(crate) fn field(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_string())
        })
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).expect("the server listens"))
    }

    pub(crate) fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        stream.set_nodelay(true).expect("it can be set");
        Self { stream, bytes: Vec::new() }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have closed already, which is for the test to find out by reading.
        let _ = self.stream.write_all(bytes.as_ref());
    }

    pub(crate) fn finish(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub(crate) fn ask(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send(bytes);
        self.answer()
    }

    /// The next answer with a length.
    pub(crate) fn answer(&mut self) -> Answer {
        let head = self.until(b"\r\n\r\n");
        let status = head[9..12].parse().expect("a status");
        let answer = Answer { status, head, body: String::new() };
        let length = answer.field("Content-Length").map_or(0, |length| length.parse().expect("a length"));
        let body = self.exactly(length);
        Answer { body, ..answer }
    }

    /// The head of an answer.
    pub(crate) fn head(&mut self) -> String {
        self.until(b"\r\n\r\n")
    }

    /// The next chunk of a body; empty at its end.
    pub(crate) fn chunk(&mut self) -> String {
        let size = self.until(b"\r\n");
        let size = usize::from_str_radix(size.trim_end(), 16).expect("a size");
        let mut chunk = self.exactly(size + 2);
        chunk.truncate(size);
        chunk
    }

    fn until(&mut self, end: &[u8]) -> String {
        loop {
            if let Some(at) = self.bytes.windows(end.len()).position(|window| window == end) {
                return self.exactly(at + end.len());
            }
            assert!(self.more(), "closed in the middle: {:?}", String::from_utf8_lossy(&self.bytes));
        }
    }

    fn exactly(&mut self, count: usize) -> String {
        while self.bytes.len() < count {
            assert!(self.more(), "closed in the middle: {:?}", String::from_utf8_lossy(&self.bytes));
        }
        String::from_utf8(self.bytes.drain(..count).collect()).expect("answers here are UTF-8")
    }

    /// False at the end of the connection.
    fn more(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("no answer within {PATIENCE:?}")
            }
            Err(_) => false,
        }
    }

    /// Waits for the end of the connection; gives what came before it.
    pub(crate) fn rest(mut self) -> String {
        while self.more() {}
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Texts of requests to one address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Texts(pub(crate) SocketAddr);

impl Texts {
    pub(crate) fn get(&self, path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.0)
    }

    /// A POST with these headers and no others but what frames it.
    pub(crate) fn post_plain(&self, headers: &str, body: &str) -> String {
        format!("POST /mcp HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n{body}", self.0, body.len())
    }

    pub(crate) fn post(&self, headers: &str, body: &str) -> String {
        let types = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
        self.post_plain(&format!("{types}{headers}"), body)
    }

    pub(crate) fn request(&self, method: &str, params: &str) -> String {
        self.post(&format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n"), &message(method, params))
    }

    pub(crate) fn call(&self, tool: &str, arguments: &str) -> String {
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n");
        self.post(&headers, &message("tools/call", &format!("\"name\":\"{tool}\",\"arguments\":{arguments},")))
    }

    pub(crate) fn echo(&self, text: &str) -> String {
        self.call("echo", &format!("{{\"text\":\"{text}\"}}"))
    }

    pub(crate) fn listen(&self) -> String {
        self.request("subscriptions/listen", "\"notifications\":{\"toolsListChanged\":true},")
    }
}

/// A modern message with id 7.
pub(crate) fn message(method: &str, params: &str) -> String {
    let meta =
        "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/clientCapabilities\":{}";
    format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"{method}\",\"params\":{{{params}\"_meta\":{{{meta}}}}}}}")
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let mut left = PATIENCE.as_millis() / 5;
    while !is_so() {
        assert!(left > 0, "not within {PATIENCE:?}: {what}");
        left -= 1;
        std::thread::sleep(Duration::from_millis(5));
    }
}
