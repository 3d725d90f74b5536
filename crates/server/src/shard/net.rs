//! The network as a shard sees it: sockets, or a test's own.

use std::io;
use std::os::fd::OwnedFd;

use mio::Interest;
use mio::net::TcpStream;

use super::ConnToken;

/// One connection's bytes. Nothing in it waits. This is where TLS goes in.
pub(crate) trait Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Tells the peer that nothing more comes.
    fn finish(&mut self) -> io::Result<()>;
}

/// Where connections come from and where their readiness is told, once, when it comes up.
pub(crate) trait Net {
    type Stream: Transport;

    /// Begins to tell of this connection's readiness.
    fn register(&mut self, stream: &mut Self::Stream, token: ConnToken) -> io::Result<()>;

    /// Tells no more of it, and lets go of it without closing it.
    fn release(&mut self, stream: Self::Stream) -> io::Result<OwnedFd>;
}

/// What has happened on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer sends nothing more, or the connection is broken.
    pub(crate) ended: bool,
}

impl Transport for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(self, buffer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::Write::write(self, bytes)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// Sockets, told of by mio.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) registry: mio::Registry,
}

impl Net for Sockets {
    type Stream = TcpStream;

    fn register(&mut self, stream: &mut TcpStream, token: ConnToken) -> io::Result<()> {
        // Both at once: with edges a connection that is always writable tells so only once.
        self.registry.register(stream, token.into(), Interest::READABLE | Interest::WRITABLE)
    }

    fn release(&mut self, mut stream: TcpStream) -> io::Result<OwnedFd> {
        // The socket lives on elsewhere, and the kernel would go on to tell of it here.
        self.registry.deregister(&mut stream)?;
        Ok(std::net::TcpStream::from(stream).into())
    }
}

impl From<ConnToken> for mio::Token {
    fn from(token: ConnToken) -> Self {
        Self((token.generation as usize) << 32 | token.key as usize)
    }
}

impl From<mio::Token> for ConnToken {
    fn from(token: mio::Token) -> Self {
        Self::new(token.0 as u32, (token.0 >> 32) as u32)
    }
}
