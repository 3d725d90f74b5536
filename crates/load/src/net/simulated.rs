//! A network and a clock for tests: everything happens in the order of its time, and the same seed gives the same.

mod peer;
mod streams;
mod talks;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};

use super::{Closing, Net, Readiness};
use crate::random::Random;

pub(crate) use peer::{Listens, Peer, Reply};

#[derive(Debug)]
struct Socket {
    to: SocketAddr,
    number: u64,
    established: bool,
    requests: u64,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    /// How the peer has ended it.
    ended: Option<ErrorKind>,
    closed: bool,
    /// A stream of notifications: the id of its request, 0 for a GET.
    stream: Option<u64>,
    /// When the last of what was said on it arrives.
    said_us: u64,
    is_endless: bool,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Established,
    Refused,
    Bytes(Vec<u8>),
    /// And the end of the connection.
    LastBytes(Vec<u8>),
    Fin,
    /// The same, if no more than so many requests have come.
    IdleFin(u64),
    Reset,
}

/// When, and after what else at that time; on which connection, and on which socket of it.
type Happening = (u64, u64, u32, u64, What);

/// See the module.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) now_us: u64,
    pub(crate) peers: BTreeMap<SocketAddr, Peer>,
    /// Addresses of all connects, with their times.
    pub(crate) connects: Vec<(u64, SocketAddr)>,
    /// When each request was written.
    pub(crate) writes: Vec<u64>,
    /// Sessions asked for.
    pub(crate) initializes: u64,
    /// Sessions opened, and handshakes ended.
    pub(crate) handshakes: (u64, u64),
    /// Sessions ended.
    pub(crate) ended: u64,
    /// Sessions, with each token that came in them.
    pub(crate) bearers: BTreeSet<(String, String)>,
    pub(crate) talks: talks::Talks,
    /// Connections that can be had at once.
    pub(crate) descriptors: usize,
    /// Bytes of one read at most, whatever the buffer holds.
    pub(crate) read_max: usize,
    sockets: BTreeMap<u32, Socket>,
    events: BinaryHeap<Reverse<Happening>>,
    random: Random,
    numbers: u64,
}

impl Simulated {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now_us: 1_000_000,
            peers: BTreeMap::new(),
            connects: Vec::new(),
            writes: Vec::new(),
            initializes: 0,
            handshakes: (0, 0),
            ended: 0,
            bearers: BTreeSet::new(),
            talks: talks::Talks::default(),
            descriptors: usize::MAX,
            read_max: usize::MAX,
            sockets: BTreeMap::new(),
            events: BinaryHeap::new(),
            random: Random::new(seed, 99),
            numbers: 0,
        }
    }

    pub(crate) fn peer(&mut self, to: SocketAddr) -> &mut Peer {
        self.peers.get_mut(&to).expect("the peer is there")
    }

    /// The server's process is gone: its connections are reset, and nobody listens.
    pub(crate) fn kill(&mut self, to: SocketAddr) {
        self.peer(to).refuses = true;
        self.reset_all(to, usize::MAX);
    }

    /// Resets some connections of a server.
    pub(crate) fn reset_all(&mut self, to: SocketAddr, count: usize) {
        for (key, number) in self.established(to).into_iter().take(count) {
            self.later(10, key, number, What::Reset);
        }
    }

    /// A server closes its connections in order on which nothing is on its way.
    pub(crate) fn close_idle(&mut self, to: SocketAddr) {
        let busy: BTreeSet<(u32, u64)> =
            self.events.iter().map(|Reverse((.., key, number, _))| (*key, *number)).collect();
        for (key, number) in self.established(to).into_iter().filter(|socket| !busy.contains(socket)) {
            self.later(10, key, number, What::Fin);
        }
    }

    fn established(&self, to: SocketAddr) -> Vec<(u32, u64)> {
        self.sockets.iter().filter(|(_, s)| s.to == to && s.established).map(|(k, s)| (*k, s.number)).collect()
    }

    /// Bytes that nobody asked for, on every connection of a server.
    pub(crate) fn shout(&mut self, to: SocketAddr) {
        self.say_to_all(to, &good(7));
    }

    /// The word that connections were idle for too long, and their end.
    pub(crate) fn time_out(&mut self, to: SocketAddr) {
        self.say_to_all(to, &http("408 Request Timeout", "Connection: close\r\n", ""));
    }

    fn say_to_all(&mut self, to: SocketAddr, bytes: &[u8]) {
        for (key, number) in self.established(to) {
            self.later(10, key, number, What::Bytes(bytes.to_vec()));
        }
    }

    pub(crate) fn next_event_us(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at_us, ..))| *at_us)
    }

    fn later(&mut self, after_us: u64, key: u32, number: u64, what: What) {
        self.numbers += 1;
        self.events.push(Reverse((self.now_us + after_us, self.numbers, key, number, what)));
    }

    /// What happens at this time, one connection after another.
    pub(crate) fn next_ready(&mut self) -> Option<(u32, Readiness)> {
        while self.next_event_us().is_some_and(|at_us| at_us <= self.now_us) {
            let Reverse((_, _, key, number, what)) = self.events.pop()?;
            let Some(socket) = self.sockets.get_mut(&key).filter(|socket| socket.number == number) else { continue };
            if self.peers[&socket.to].cut {
                continue;
            }
            let mut readiness = Readiness::default();
            match what {
                What::Established => {
                    socket.established = true;
                    readiness.writable = true;
                }
                What::Refused => {
                    socket.ended = Some(ErrorKind::ConnectionRefused);
                    readiness = Readiness { readable: true, writable: true, ended: true };
                }
                What::Bytes(bytes) => {
                    socket.inbox.extend_from_slice(&bytes);
                    readiness.readable = true;
                }
                What::LastBytes(bytes) => {
                    socket.inbox.extend_from_slice(&bytes);
                    socket.closed = true;
                    readiness = Readiness { readable: true, writable: true, ended: true };
                }
                What::IdleFin(requests) if socket.requests > requests => continue,
                What::Fin | What::IdleFin(_) => {
                    socket.closed = true;
                    readiness = Readiness { readable: true, writable: true, ended: true };
                }
                What::Reset => {
                    socket.ended = Some(ErrorKind::ConnectionReset);
                    readiness = Readiness { readable: true, writable: true, ended: true };
                }
            }
            return Some((key, readiness));
        }
        None
    }

    /// The server reads what has come and answers.
    fn serve(&mut self, key: u32) {
        let socket = self.sockets.get_mut(&key).expect("it was written to");
        let text = String::from_utf8_lossy(&socket.outbox).into_owned();
        let header = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(String::from);
        self.initializes += u64::from(text.contains("\"initialize\""));
        self.bearers.extend(header("Mcp-Session-Id: ").zip(header("Authorization: ")));
        let is_get = text.starts_with("GET ") && !text.contains("Last-Event-ID: e-");
        let is_unknown = |generation: u32| !text.contains(&format!("Mcp-Session-Id: {generation}-"));
        if text.contains("subscriptions/listen") || (is_get && !self.peers[&socket.to].sessions.is_some_and(is_unknown))
        {
            return self.begin_stream(key, &text);
        }
        if let Some(generation) = self.peers[&socket.to].sessions
            && let Some(mut answer) = self.in_session(&text, generation)
        {
            if self.peers[&self.sockets[&key].to].replies == [Reply::GoodAndLast] {
                let text = String::from_utf8(answer).expect("text");
                answer = text.replacen("\r\n", "\r\nConnection: close\r\n", 1).into();
            }
            let socket = self.sockets.get_mut(&key).expect("it was written to");
            socket.outbox.clear();
            let number = socket.number;
            return self.later(300, key, number, What::Bytes(answer));
        }
        if self.take_aside(&text, key) {
            return;
        }
        let socket = self.sockets.get_mut(&key).expect("it was written to");
        let Some(at) = text.find("\"id\":") else { return };
        let digits: String = text[at + 5..].chars().take_while(char::is_ascii_digit).collect();
        let id: u64 = digits.parse().expect("ids are numbers");
        socket.outbox.clear();
        let (to, number) = (socket.to, socket.number);
        let peer = &self.peers[&to];
        let reply = peer.replies[self.random.below(peer.replies.len() as u64) as usize];
        let tool_us = match text.contains("tools/call") {
            true if text.contains(r#""name":"work""#) => peer.queued_us,
            true => peer.tool_us,
            false => 0,
        };
        let after_us = 1 + tool_us + self.random.jitter(peer.latency_us);
        match reply {
            Reply::Rounds(_) | Reply::Asks(_) | Reply::Resumes(_) | Reply::LeavesOpen => {
                self.talk(reply, &text, id, after_us, key)
            }
            reply => self.reply(reply, id, after_us, key, number),
        }
    }

    /// What a legacy server says of handshake and session; None: the request is one of a session.
    fn in_session(&mut self, text: &str, generation: u32) -> Option<Vec<u8>> {
        let id = || text.split("\"id\":").nth(1)?.split(',').next()?.parse::<u64>().ok();
        if text.contains("\"initialize\"") {
            assert!(!text.contains("Mcp-Session-Id"), "a session is opened outside of all sessions");
            self.handshakes.0 += 1;
            let session = format!("Mcp-Session-Id: {generation}-{}\r\n", self.handshakes.0);
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}", id()?);
            return Some(http("200 OK", &session, &body));
        }
        let given = text.split("Mcp-Session-Id: ").nth(1).and_then(|rest| rest.split('-').next());
        if given != Some(generation.to_string().as_str()) {
            return Some(http("404 Not Found", "", ""));
        }
        if text.starts_with("DELETE ") {
            self.ended += 1;
            return Some(http("204 Gone", "", ""));
        }
        if text.contains("notifications/initialized") {
            self.handshakes.1 += 1;
            return Some(http("202 Accepted", "", ""));
        }
        None
    }

    fn reply(&mut self, reply: Reply, id: u64, after_us: u64, key: u32, number: u64) {
        let bytes = |sim: &mut Self, bytes: Vec<u8>| sim.later(after_us, key, number, What::Bytes(bytes));
        match reply {
            Reply::Good => bytes(self, good(id)),
            Reply::ToolError => bytes(self, answer(id, "\"result\":{\"isError\":true}")),
            Reply::RpcError => bytes(self, answer(id, "\"error\":{\"code\":-32603,\"message\":\"no\"}")),
            Reply::Forgotten => bytes(self, http("404 Not Found", "", "")),
            Reply::InputRequired => {
                bytes(self, answer(id, "\"result\":{\"resultType\":\"input_required\",\"requestState\":\"s\"}"));
            }
            Reply::Http500 => bytes(self, http("500 Broken", "", "oops")),
            Reply::Refuse(ms) => {
                let data = format!("{{\"executed\":false,\"retryAfterMs\":{ms},\"scope\":\"node\"}}");
                let body = format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{{\"code\":53003,\"message\":\"overloaded\",\"data\":{data}}}}}"
                );
                bytes(self, http("503 Overloaded", "Retry-After: 1\r\n", &body));
            }
            Reply::WrongId => bytes(self, good(id + 1_000_000_000)),
            Reply::Twice => bytes(self, [good(id), good(id)].concat()),
            Reply::Never => {}
            Reply::Close => self.later(after_us, key, number, What::Fin),
            Reply::Reset => self.later(after_us, key, number, What::Reset),
            Reply::HalfThenClose => {
                let whole = good(id);
                bytes(self, whole[..whole.len() / 2].to_vec());
                self.later(after_us + 5, key, number, What::Fin);
            }
            Reply::EmptyThenGood => bytes(self, EMPTY_STREAM.to_vec()),
            Reply::Rounds(_) | Reply::Asks(_) | Reply::Resumes(_) | Reply::LeavesOpen => {
                unreachable!("these are talks")
            }
            Reply::Endless => {
                self.sockets.get_mut(&key).expect("it was written to").is_endless = true;
                bytes(self, STREAM_HEAD.to_vec());
            }
            Reply::Stalls(count) => bytes(self, [LARGE_HEAD, &vec![b' '; count]].concat()),
            Reply::NotHttp => bytes(self, b"SSH-2.0-hello\r\n\r\n".to_vec()),
            Reply::GoodThenClose => {
                bytes(self, good(id));
                self.later(after_us, key, number, What::Fin);
            }
            Reply::GoodAndLast => bytes(self, good_with("Connection: close\r\n", id)),
            Reply::GoodAndKept(seconds) => bytes(self, good_with(&format!("Keep-Alive: timeout={seconds}\r\n"), id)),
            Reply::GoodAndClose => self.later(after_us, key, number, What::LastBytes(good(id))),
        }
    }
}

/// Of a stream that ends with its connection.
const STREAM_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
const LARGE_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16777216\r\n\r\n";
/// What reading a full buffer of comments takes.
const COMMENTS_US: u64 = 10_000;

const EMPTY_STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// One event of a stream, in a chunk of its own.
fn event(data: &str) -> String {
    chunk(&format!("data: {data}\n\n"))
}

fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}");
    format!("{head}\r\n\r\n{body}").into_bytes()
}

fn answer(id: u64, what: &str) -> Vec<u8> {
    http("200 OK", "", &format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{what}}}"))
}

fn good(id: u64) -> Vec<u8> {
    answer(id, "\"result\":{\"resultType\":\"complete\",\"content\":[]}")
}

fn good_with(headers: &str, id: u64) -> Vec<u8> {
    http("200 OK", headers, &format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}"))
}

impl Net for Simulated {
    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn connect(&mut self, key: u32, to: SocketAddr, _source: Option<Ipv4Addr>) -> io::Result<()> {
        assert!(!self.sockets.contains_key(&key), "a key has one socket");
        if self.sockets.len() >= self.descriptors {
            return Err(rustix::io::Errno::MFILE.into());
        }
        self.connects.push((self.now_us, to));
        self.numbers += 1;
        let number = self.numbers;
        let open = self.sockets.values().filter(|socket| socket.to == to).count();
        let peer = &self.peers[&to];
        let (refuses, full) = (peer.refuses, open >= peer.accepts_max);
        let established_us = peer.established_us;
        self.sockets.insert(
            key,
            Socket {
                to,
                number,
                established: false,
                requests: 0,
                inbox: Vec::new(),
                outbox: Vec::new(),
                ended: None,
                closed: false,
                stream: None,
                said_us: 0,
                is_endless: false,
            },
        );
        self.later(established_us, key, number, if refuses { What::Refused } else { What::Established });
        if full {
            self.later(established_us + 10, key, number, What::Fin);
        }
        Ok(())
    }

    fn write(&mut self, key: u32, bytes: &[u8]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(&key).expect("only sockets are written to");
        if let Some(kind) = socket.ended {
            return Err(kind.into());
        }
        if !socket.established {
            return Err(ErrorKind::WouldBlock.into());
        }
        socket.outbox.extend_from_slice(bytes);
        self.writes.push(self.now_us);
        socket.requests += 1;
        let (closed, number, requests) = (socket.closed, socket.number, socket.requests);
        if let Some(idle_us) = self.peers[&socket.to].idle_us {
            self.later(idle_us, key, number, What::IdleFin(requests));
        }
        if !closed {
            self.serve(key);
        }
        Ok(bytes.len())
    }

    fn read(&mut self, key: u32, buffer: &mut [u8]) -> io::Result<usize> {
        let socket = self.sockets.get_mut(&key).expect("only sockets are read from");
        if let Some(kind) = socket.ended {
            return Err(kind.into());
        }
        if socket.is_endless {
            while socket.inbox.len() < buffer.len() {
                socket.inbox.extend(std::iter::repeat_n(b':', 1_023).chain([b'\n']));
            }
            self.now_us += COMMENTS_US;
            assert!(self.now_us < 100_000_000, "somebody reads on and on");
        }
        if socket.inbox.is_empty() {
            return if socket.closed { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let count = socket.inbox.len().min(buffer.len()).min(self.read_max);
        buffer[..count].copy_from_slice(&socket.inbox[..count]);
        socket.inbox.drain(..count);
        Ok(count)
    }

    fn may_have_more(&self, key: u32) -> bool {
        self.sockets.get(&key).is_some_and(|socket| !socket.inbox.is_empty())
    }

    fn close(&mut self, key: u32, _how: Closing) {
        self.sockets.remove(&key);
    }

    fn sockets(&self) -> u32 {
        self.sockets.len() as u32
    }
}
