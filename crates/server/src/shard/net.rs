//! The network as a shard sees it: sockets, or a test's own.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;
use socket2::SockRef;

use super::ConnToken;
use super::secure::Secure;
use crate::engine::AddressPlace;

/// One connection's bytes. Nothing in it waits.
pub(crate) trait Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Tells the peer that nothing more comes.
    fn finish(&mut self) -> io::Result<()>;

    /// The kernel takes more: what lies between the connection's bytes and those on the wire is sent.
    fn go_on(&mut self) {}

    /// Behind what was read last there may be more, be it bytes, the end of the stream, or what cannot be read, and nobody will
    /// tell of it again.
    fn may_have_more(&self) -> bool {
        false
    }

    /// From now on a peer that leaves bytes unacknowledged for so long is given up. Else the kernel takes a quarter of an hour.
    fn expect_acknowledgements(&mut self, _within: Duration) {}
}

/// What a socket can besides reading and writing.
pub(crate) trait Shut {
    /// Tells the peer that nothing more comes.
    fn shut(&mut self) -> io::Result<()>;
}

impl Shut for TcpStream {
    fn shut(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// A socket as it is, or one that needs more than its descriptor. Two cases, so that plain connections stay small.
pub(crate) enum Link {
    Plain(TcpStream),
    Held(Box<Held>),
}

/// See [`Link`].
pub(crate) enum Held {
    /// Plain, where each address may have only so many.
    Counted(TcpStream, #[expect(dead_code, reason = "it counts by being there")] AddressPlace),
    Secure(Box<Secure<TcpStream>>),
}

impl Link {
    fn socket(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Held(held) => match &mut **held {
                Held::Counted(socket, _) => socket,
                Held::Secure(secure) => &mut secure.socket,
            },
        }
    }

    /// None where the bytes of the socket are those of the connection.
    fn secure(&mut self) -> Option<&mut Secure<TcpStream>> {
        match self {
            Self::Held(held) => match &mut **held {
                Held::Secure(secure) => Some(secure),
                Held::Counted(..) => None,
            },
            Self::Plain(_) => None,
        }
    }
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

impl Transport for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.secure() {
            None => self.socket().read(buffer),
            Some(secure) => secure.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.secure() {
            None => self.socket().write(bytes),
            Some(secure) => secure.write(bytes),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self.secure() {
            None => self.socket().shut(),
            Some(secure) => secure.finish(),
        }
    }

    fn go_on(&mut self) {
        if let Some(secure) = self.secure() {
            secure.go_on();
        }
    }

    fn may_have_more(&self) -> bool {
        matches!(self, Self::Held(held) if matches!(&**held, Held::Secure(secure) if secure.may_have_more()))
    }

    fn expect_acknowledgements(&mut self, within: Duration) {
        // Where the system does not take it, the peer is given up later.
        let _ = SockRef::from(&*self.socket()).set_tcp_user_timeout(Some(within));
    }
}

/// Sockets, told of by mio.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) registry: mio::Registry,
}

impl Net for Sockets {
    type Stream = Link;

    fn register(&mut self, link: &mut Link, token: ConnToken) -> io::Result<()> {
        // Both at once: with edges a connection that is always writable tells so only once.
        self.registry.register(link.socket(), token.into(), Interest::READABLE | Interest::WRITABLE)
    }

    fn release(&mut self, link: Link) -> io::Result<OwnedFd> {
        let mut socket = match link {
            Link::Plain(socket) => socket,
            Link::Held(held) => match *held {
                Held::Counted(socket, _) => socket,
                // Its keys stay here, and without them its socket is of no use to anyone.
                Held::Secure(_) => return Err(io::ErrorKind::Unsupported.into()),
            },
        };
        // The socket lives on elsewhere, and the kernel would go on to tell of it here.
        self.registry.deregister(&mut socket)?;
        Ok(std::net::TcpStream::from(socket).into())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_gives_up_a_peer_that_has_vanished() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        let address = listener.local_addr().expect("it listens");
        let mut link = Link::Plain(TcpStream::connect(address).expect("it begins"));
        link.expect_acknowledgements(Duration::from_secs(30));
        let timeout = SockRef::from(&*link.socket()).tcp_user_timeout().expect("it is known");
        assert_eq!(timeout, Some(Duration::from_secs(30)));
    }
}
