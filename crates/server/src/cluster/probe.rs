//! A probe of a replica's own address: GET /ready over a connection that is kept.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use erlmcp_protocol::client::head::{self, Framing};
use socket2::SockRef;
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use super::membership::Verdict;
use crate::clock::monotonic_ns;
use crate::entry::{Inside, Insider};

/// From the start of one probe to the start of the next.
const INTERVAL: Duration = Duration::from_millis(250);
/// While a replica is not a member: so that it gets back soon.
const INTERVAL_EAGER: Duration = Duration::from_millis(50);
/// A probe without an answer has failed after this time.
const TIMEOUT: Duration = Duration::from_millis(500);
/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 8 * 1_024;

/// Probes one address again and again.
#[derive(Debug)]
pub(super) struct Probe {
    address: SocketAddr,
    source: Option<IpAddr>,
    inside: Inside,
    connection: Option<Insider>,
    began_ns: u64,
}

impl Probe {
    /// Connections come from `source` where one is given.
    pub(super) fn new(address: SocketAddr, source: Option<IpAddr>, inside: Inside) -> Self {
        Self { address, source, inside, connection: None, began_ns: 0 }
    }

    /// Waits for the time of the next probe, and for what comes of it.
    pub(super) async fn next(&mut self, is_member: bool) -> Verdict {
        let pause = if is_member { INTERVAL } else { INTERVAL_EAGER };
        let since_ns = monotonic_ns().saturating_sub(self.began_ns);
        sleep(pause.saturating_sub(Duration::from_nanos(since_ns))).await;
        self.began_ns = monotonic_ns();
        let asked = timeout(TIMEOUT, self.is_ready()).await;
        let good = matches!(asked, Ok(Ok(true)));
        if !good {
            self.connection = None;
        }
        Verdict { good, at_ns: monotonic_ns() }
    }

    /// A kept connection may have been closed meanwhile: then a new one has the last word.
    async fn is_ready(&mut self) -> io::Result<bool> {
        if let Some(kept) = &mut self.connection
            && let Ok(ready) = ask(kept, self.address).await
        {
            return Ok(ready);
        }
        let fresh = self.connect().await?;
        ask(self.connection.insert(fresh), self.address).await
    }

    async fn connect(&self) -> io::Result<Insider> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(source) = self.source {
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        // A probe leaves no TIME_WAIT behind.
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        self.inside.over(stream, self.address)
    }
}

async fn ask(stream: &mut Insider, address: SocketAddr) -> io::Result<bool> {
    let request = format!("GET /ready HTTP/1.1\r\nHost: {address}\r\nUser-Agent: erlmcp-probe\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut answer, mut piece) = (Vec::with_capacity(512), [0; 512]);
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        answer.extend_from_slice(&piece[..count]);
        if let Some(status) = whole_answer(&answer)? {
            return Ok(status == 200);
        }
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is too long"));
        }
    }
}

/// The status of an answer once it is there with its body; none before.
fn whole_answer(answer: &[u8]) -> io::Result<Option<u16>> {
    let Some((head, head_bytes)) = head::read(answer).map_err(io::Error::other)? else { return Ok(None) };
    let Framing::Length(length) = head.framing else { return Err(io::Error::other("the answer has no length")) };
    Ok(((answer.len() - head_bytes) as u64 >= length).then_some(head.status))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 3\r\n\r\nno\n";
        assert_eq!(whole_answer(answer).expect("HTTP"), Some(503));
        for cut in 0..answer.len() {
            assert_eq!(whole_answer(&answer[..cut]).expect("the begin of HTTP"), None, "{cut} bytes");
        }
        assert!(whole_answer(b"SSH-2.0-x\r\n\r\n").is_err());
        assert!(whole_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }

    #[test]
    fn a_closed_connection_is_replaced_and_silence_fails() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a socket");
            let address = listener.local_addr().expect("bound");
            let server = tokio::spawn(async move {
                // Two answers, each on a connection of its own that is closed afterwards; then silence.
                for _ in 0..2 {
                    let (mut stream, _) = listener.accept().await.expect("a connection");
                    let mut request = [0; 512];
                    assert!(stream.read(&mut request).await.expect("a request") > 0);
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("answered");
                }
                std::future::pending::<()>().await;
            });
            let mut probe = Probe::new(address, Some(address.ip()), Inside::default());
            let mut verdicts = Vec::new();
            for _ in 0..3 {
                verdicts.push(probe.next(false).await.good);
            }
            assert_eq!(verdicts, [true, true, false]);
            server.abort();
        });
    }
}
