//! Servers that keep streams of notifications open.

use std::net::SocketAddr;

use super::{Listens, Simulated, What, chunk, event, http};

impl Simulated {
    /// A stream of notifications is asked for.
    pub(super) fn begin_stream(&mut self, key: u32, text: &str) {
        let socket = self.sockets.get_mut(&key).expect("it was written to");
        let id = text.split("\"id\":").nth(1).and_then(|rest| rest.split(',').next()?.parse().ok()).unwrap_or(0);
        socket.outbox.clear();
        let (number, listens) = (socket.number, self.peers[&socket.to].listens);
        if !matches!(listens, Listens::No | Listens::NoMethod | Listens::Silent | Listens::Closes) {
            socket.stream = Some(id);
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let acknowledged = match id {
            0 => String::new(),
            _ => event(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}"#),
        };
        if text.contains("Last-Event-ID: s-1\r\n") {
            self.talks.resumed.push(self.now_us);
        }
        match listens {
            Listens::Well => self.say(key, format!("{head}{acknowledged}").as_bytes()),
            Listens::Unacknowledged => self.say(key, head.as_bytes()),
            Listens::AtOnceOver => {
                self.say(key, format!("{head}{acknowledged}").as_bytes());
                self.end_stream(key);
            }
            Listens::Retries(ms) => {
                self.say(key, format!("{head}{}", chunk(&format!("id: s-1\nretry: {ms}\ndata:\n\n"))).as_bytes());
                self.end_stream(key);
                self.talks.ended.push(self.now_us + 300);
            }
            Listens::No => self.later(300, key, number, What::Bytes(http("405 Method Not Allowed", "", ""))),
            Listens::NoMethod => {
                let body = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}"#;
                self.later(300, key, number, What::Bytes(http("404 Not Found", "", body)));
            }
            Listens::Silent => {}
            Listens::Closes => self.later(300, key, number, What::Fin),
        }
    }

    /// Sends something on a stream, in pieces.
    fn say(&mut self, key: u32, bytes: &[u8]) {
        let now_us = self.now_us;
        let socket = self.sockets.get_mut(&key).expect("it is a stream");
        let (number, pieces) = (socket.number, self.peers[&socket.to].pieces.max(1));
        let begin_us = socket.said_us.max(now_us + 300);
        socket.said_us = begin_us + bytes.chunks(pieces).len() as u64;
        for (at, piece) in bytes.chunks(pieces).enumerate() {
            self.later(begin_us - now_us + at as u64, key, number, What::Bytes(piece.to_vec()));
        }
    }

    fn end_stream(&mut self, key: u32) {
        let Some(id) = self.sockets.get_mut(&key).and_then(|socket| socket.stream.take()) else { return };
        let result = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete"}}}}"#);
        let result = if id == 0 { String::new() } else { event(&result) };
        self.say(key, format!("{result}0\r\n\r\n").as_bytes());
    }

    fn streams_of(&self, to: SocketAddr) -> Vec<u32> {
        self.sockets.iter().filter(|(_, s)| s.to == to && s.stream.is_some()).map(|(key, _)| *key).collect()
    }

    /// Tells the first `count` streams of a server that something has changed.
    pub(crate) fn announce(&mut self, to: SocketAddr, count: usize) {
        let notice = event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#);
        self.streams_of(to).into_iter().take(count).for_each(|key| self.say(key, notice.as_bytes()));
    }

    /// Tells one stream of a server that something has changed, as if it were the one that a request with this id has opened.
    pub(crate) fn announce_astray(&mut self, to: SocketAddr, id: u64) {
        let notice = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/tools/list_changed",
                "params":{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
        );
        let notice = event(&notice.replace('\n', ""));
        self.streams_of(to).into_iter().take(1).for_each(|key| self.say(key, notice.as_bytes()));
    }

    /// Sends a comment on every stream of a server.
    pub(crate) fn keep_alive(&mut self, to: SocketAddr) {
        self.streams_of(to).into_iter().for_each(|key| self.say(key, chunk(": keep-alive\n\n").as_bytes()));
    }

    /// Ends every stream of a server in order.
    pub(crate) fn end_streams(&mut self, to: SocketAddr) {
        self.streams_of(to).into_iter().for_each(|key| self.end_stream(key));
    }

    /// Streams that servers have open.
    pub(crate) fn streams(&self) -> u64 {
        self.sockets.values().filter(|socket| socket.stream.is_some()).count() as u64
    }
}
