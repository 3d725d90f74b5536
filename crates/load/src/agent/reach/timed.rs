//! A socket whose time is over at a moment, however often it is asked until then.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::clock::monotonic_ns;

/// It lies beneath TLS, for which one read is as many of the socket as the server likes.
#[derive(Debug)]
pub(super) struct Timed {
    pub(super) stream: TcpStream,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub(super) until_ns: u64,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until_ns.saturating_sub(monotonic_ns()) {
            0 => Err(ErrorKind::TimedOut.into()),
            left_ns => Ok(Some(Duration::from_nanos(left_ns))),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::sync::Arc;

    use rustls::{ServerConfig, ServerConnection};

    use super::super::exchange::Exchanger;
    use super::super::trouble::Trouble;
    use super::*;
    use crate::agent::target::Target;
    use crate::net::tls::tests::server;
    use crate::proto;

    /// Shakes hands, and then sends one record, a byte at a time.
    fn drip(mut stream: TcpStream, config: ServerConfig) -> io::Result<()> {
        let mut tls = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        tls.writer().write_all(&[b'x'; 10_000])?;
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes)?;
        }
        for byte in bytes {
            stream.write_all(&[byte])?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    #[test]
    fn a_record_that_comes_drop_by_drop_takes_no_longer_than_any_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address: SocketAddr = listener.local_addr().expect("it is bound");
        std::thread::spawn(move || drip(listener.accept().expect("the test connects").0, server()));
        let setup = proto::Setup {
            endpoints: vec![proto::Endpoint { replica: 0, address: address.to_string() }],
            authority: address.to_string(),
            tls: true,
            insecure: true,
            ..proto::Setup::default()
        };
        let target = Target::of(&setup).expect("a good target");
        let begun_ns = monotonic_ns();
        let mut exchanger = Exchanger::new(&target, address, Duration::from_secs(2)).expect("it is loopback");
        let begun = exchanger.begin_stream(b"GET / HTTP/1.1\r\n\r\n");
        assert!(matches!(begun, Err(Trouble::Silent(..))), "{begun:?}");
        assert!(monotonic_ns() - begun_ns < 20_000_000_000, "each byte had the whole time");
    }
}
