//! A connection that is told what to send, and reads answers without believing them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::case::End;

/// So many bytes are sent one by one at most; what is left goes in pieces that grow.
const SINGLE_BYTES_MAX: usize = 2_048;

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    Answer(Answer),
    /// The connection has ended between two answers.
    End,
}

pub(crate) struct Peer {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// Until when answers are waited for.
    until: Instant,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr, patience: Duration) -> Result<Self, String> {
        let stream =
            TcpStream::connect_timeout(&address, patience).map_err(|error| format!("no connection: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        stream.set_write_timeout(Some(patience)).map_err(|error| error.to_string())?;
        Ok(Self { stream, bytes: Vec::new(), until: Instant::now() + patience })
    }

    pub(crate) fn wait_for(&mut self, patience: Duration) {
        self.until = Instant::now() + patience;
    }

    /// Sends; that the server may have closed already is found out by reading.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Byte by byte.
    pub(crate) fn send_singly(&mut self, bytes: &[u8]) {
        let (single, mut rest) = bytes.split_at(bytes.len().min(SINGLE_BYTES_MAX));
        for byte in single {
            if self.stream.write_all(&[*byte]).is_err() {
                return;
            }
        }
        let mut size = 7;
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(rest.len().min(size));
            if self.stream.write_all(piece).is_err() {
                return;
            }
            (rest, size) = (more, size * 2);
        }
    }

    pub(crate) fn end(&mut self, end: End) {
        if end == End::Rst {
            let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        } else {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    /// The next answer, or the end.
    pub(crate) fn next(&mut self, bodiless: bool) -> Result<Came, String> {
        let Some(head) = self.until(b"\r\n\r\n")? else {
            return if self.bytes.is_empty() { Ok(Came::End) } else { Err(self.broken("ended within a head")) };
        };
        let status = head.get(9..12).and_then(|digits| digits.parse().ok());
        let mut answer =
            Answer { status: status.ok_or_else(|| format!("no status: {head:?}"))?, head, ..Answer::default() };
        if bodiless || answer.status < 200 || answer.status == 204 {
            return Ok(Came::Answer(answer));
        }
        answer.body = match answer.field("Content-Length").map(str::parse::<usize>) {
            Some(length) => self.exactly(length.map_err(|error| error.to_string())?)?,
            None if answer.field("Transfer-Encoding") == Some("chunked") => self.chunks()?,
            None if answer.closes() => self.rest()?,
            None => return Err(format!("no length: {}", answer.head)),
        };
        Ok(Came::Answer(answer))
    }

    fn chunks(&mut self) -> Result<String, String> {
        let mut body = String::new();
        loop {
            let size = self.until(b"\r\n")?.ok_or_else(|| self.broken("ended within chunks"))?;
            let size = usize::from_str_radix(size.trim_end(), 16).map_err(|error| error.to_string())?;
            let chunk = self.exactly(size + 2)?;
            if size == 0 {
                return Ok(body);
            }
            body.push_str(chunk.trim_end_matches("\r\n"));
        }
    }

    fn until(&mut self, end: &[u8]) -> Result<Option<String>, String> {
        loop {
            if let Some(at) = self.bytes.windows(end.len()).position(|window| window == end) {
                return self.exactly(at + end.len()).map(Some);
            }
            if !self.more()? {
                return Ok(None);
            }
        }
    }

    fn exactly(&mut self, count: usize) -> Result<String, String> {
        while self.bytes.len() < count {
            if !self.more()? {
                return Err(self.broken("ended within an answer"));
            }
        }
        Ok(String::from_utf8_lossy(&self.bytes.drain(..count).collect::<Vec<u8>>()).into_owned())
    }

    /// All that comes until the end.
    pub(crate) fn rest(&mut self) -> Result<String, String> {
        while self.more()? {}
        Ok(String::from_utf8_lossy(&std::mem::take(&mut self.bytes)).into_owned())
    }

    /// False at the end of the connection.
    fn more(&mut self) -> Result<bool, String> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.broken("nothing came in time"));
        }
        self.stream.set_read_timeout(Some(left)).map_err(|error| error.to_string())?;
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.bytes.extend_from_slice(&buffer[..count]);
                Ok(count > 0)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(self.broken("nothing came in time"))
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(_) => Ok(false),
        }
    }

    fn broken(&self, what: &str) -> String {
        let start = &self.bytes[..self.bytes.len().min(300)];
        format!("{what}, after {:?}", String::from_utf8_lossy(start))
    }
}
