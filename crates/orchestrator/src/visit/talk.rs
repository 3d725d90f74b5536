//! One connection of a visitor.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use erlmcp_load::ByteStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::collector::{Answered, Way, whole_answer};

/// A request of a visitor, or its connection, may take so long.
const PATIENCE: Duration = Duration::from_secs(15);
/// Of a body at once.
const PIECE_BYTES: usize = 64 * 1_024;
/// What is kept of a stream.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// An answer that is longer is given up, and so is one with a longer head.
const BYTES_MAX: usize = 16 << 20;
const HEAD_BYTES_MAX: usize = 64 * 1_024;

#[derive(Debug)]
pub(super) struct Talk {
    stream: Box<dyn ByteStream>,
    /// Read, and not part of an answer that was taken.
    bytes: Vec<u8>,
}

impl Talk {
    pub(super) async fn connect(way: &Way, address: SocketAddr) -> Result<Self, String> {
        Self::established((way, address), TcpStream::connect(address)).await
    }

    /// From a source address of its own on loopback, so that ports do not run out.
    pub(super) async fn connect_as(way: &Way, address: SocketAddr, source: u16) -> Result<Self, String> {
        Self::connect_from(socket(address, source)?, way, address).await
    }

    pub(super) async fn connect_from(socket: TcpSocket, way: &Way, address: SocketAddr) -> Result<Self, String> {
        Self::established((way, address), socket.connect(address)).await
    }

    async fn established(
        (way, address): (&Way, SocketAddr),
        connecting: impl Future<Output = std::io::Result<TcpStream>>,
    ) -> Result<Self, String> {
        let connected = timeout(PATIENCE, async {
            let stream = connecting.await.map_err(|error| format!("{address} takes no connection: {error}"))?;
            // The answers are read to their ends: a reset leaves no TIME_WAIT on the very machine that is measured.
            let _ = stream.set_nodelay(true).and_then(|()| stream.set_zero_linger());
            way.over(stream).await
        });
        match connected.await {
            Ok(stream) => Ok(Self { stream: stream?, bytes: Vec::new() }),
            Err(_) => Err(format!("{address} took no connection within {} s", PATIENCE.as_secs())),
        }
    }

    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), String> {
        let sent = timeout(PATIENCE, async {
            self.stream.write_all(request).await?;
            self.stream.flush().await
        });
        sent.await.map_err(|_| "the request was not taken".to_string())?.map_err(|error| error.to_string())
    }

    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<Answered, String> {
        self.send(request).await?;
        self.answer().await
    }

    /// The answer that is due.
    pub(super) async fn answer(&mut self) -> Result<Answered, String> {
        self.answer_within(PATIENCE).await
    }

    pub(super) async fn answer_within(&mut self, within: Duration) -> Result<Answered, String> {
        let answered = timeout(within, async {
            loop {
                if let Some(answered) = whole_answer(&self.bytes, false)? {
                    self.bytes.clear();
                    return Ok(answered);
                }
                if !self.read().await? {
                    return whole_answer(&self.bytes, true)?.ok_or_else(|| "the answer ended early".to_string());
                }
            }
        });
        answered.await.unwrap_or_else(|_| Err(format!("no answer within {} ms", within.as_millis())))
    }

    /// Sends a head and a body that the other side may refuse before its end.
    pub(super) async fn ask_large(&mut self, head: &[u8], body: &[u8]) -> Result<Answered, String> {
        self.send(head).await?;
        for piece in body.chunks(PIECE_BYTES) {
            if self.has_answer().await? || self.send(piece).await.is_err() {
                break;
            }
        }
        self.answer().await
    }

    /// Something has come already, or the end.
    async fn has_answer(&mut self) -> Result<bool, String> {
        let mut reading = pin!(self.read());
        let now = std::future::poll_fn(|context| Poll::Ready(reading.as_mut().poll(context)));
        match now.await {
            Poll::Ready(read) => read.map(|_| true),
            Poll::Pending => Ok(false),
        }
    }

    /// False at the end of the connection.
    async fn read(&mut self) -> Result<bool, String> {
        if self.bytes.len() > BYTES_MAX {
            return Err(format!("its answer is longer than {} MiB", BYTES_MAX >> 20));
        }
        let read = self.stream.read_buf(&mut self.bytes).await.map_err(|error| error.to_string())?;
        Ok(read > 0)
    }

    /// Reads on until so many of these were there in all, or the time is over; gives how many there were.
    pub(super) async fn until(&mut self, what: &str, count: usize, within: Duration) -> usize {
        let found = timeout(within, async {
            while self.count(what) < count && self.bytes.len() < KEPT_BYTES_MAX && self.read().await.unwrap_or(false) {}
        });
        let _ = found.await;
        self.count(what)
    }

    /// Whether a stream comes to its end within this time. What comes until then is of no interest.
    pub(super) async fn ends(&mut self, within: Duration) -> bool {
        let ended = timeout(within, async {
            while self.read().await.unwrap_or(false) {
                self.bytes.clear();
            }
        });
        ended.await.is_ok()
    }

    fn count(&self, what: &str) -> usize {
        let what = what.as_bytes();
        self.bytes.windows(what.len()).filter(|window| *window == what).count()
    }

    /// The head of an answer that goes on as a stream; what followed it stays.
    pub(super) async fn stream_head(&mut self) -> Result<(u16, String), String> {
        let until = timeout(PATIENCE, async {
            while self.count("\r\n\r\n") == 0 {
                if self.bytes.len() > HEAD_BYTES_MAX {
                    return Err(format!("the head of its answer is longer than {} KiB", HEAD_BYTES_MAX >> 10));
                }
                if !self.read().await? {
                    return Err("the connection was closed before the head was whole".to_string());
                }
            }
            Ok(())
        });
        until.await.unwrap_or_else(|_| Err("no head of an answer came".into()))?;
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        let head = text.split("\r\n\r\n").next().unwrap_or_default().to_string();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("it is not HTTP")?;
        Ok((status, head))
    }
}

/// A socket to connect with, of that source on loopback. What is lacking for it is the visitor's own.
pub(super) fn socket(address: SocketAddr, source: u16) -> Result<TcpSocket, String> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| format!("no socket to connect with: {error}"))?;
    if matches!(address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        let [high, low] = source.to_be_bytes();
        let from = SocketAddr::from((Ipv4Addr::new(127, 201, high, low.max(1)), 0));
        socket.bind(from).map_err(|error| format!("no port to connect from: {error}"))?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// With a server that says this, and then goes on without end.
    async fn endless(begins: &'static str) -> Talk {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("the test connects");
            let mut said = stream.write_all(begins.as_bytes()).await;
            while said.is_ok() {
                said = stream.write_all(&[b'x'; PIECE_BYTES]).await;
            }
        });
        Talk::connect(&Way::default(), address).await.expect("it listens")
    }

    #[tokio::test]
    async fn what_has_no_end_is_not_kept() {
        let mut talk = endless("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n").await;
        assert_eq!(talk.answer().await.err().as_deref(), Some("its answer is longer than 16 MiB"));
        let mut talk = endless("HTTP/1.1 200 OK\r\nX: ").await;
        assert_eq!(talk.stream_head().await.err().as_deref(), Some("the head of its answer is longer than 64 KiB"));
        let mut talk = endless("HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(talk.stream_head().await.is_ok() && !talk.ends(Duration::from_millis(200)).await);
        assert!(talk.bytes.len() < KEPT_BYTES_MAX, "{}", talk.bytes.len());
    }
}
