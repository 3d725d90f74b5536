//! The network as the engine sees it.

pub(crate) mod byte_stream;
mod parting;
mod poll;
mod secured;
#[cfg(test)]
pub(crate) mod simulated;
mod socket;
pub(crate) mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

pub(crate) use poll::Wake;
pub(crate) use socket::Sockets;

/// How a connection is ended by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    /// SO_LINGER 0: leaves no TIME_WAIT.
    Reset,
    Fin,
    /// FIN, sent again for a minute, to a peer that does not seem to hear.
    Unheard,
}

/// What has happened on a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The peer has closed, or the connection has an error.
    pub(crate) ended: bool,
}

/// The end of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Woken {
    pub(crate) at_us: u64,
    /// There may be more connections ready than were taken.
    pub(crate) is_full: bool,
}

/// Sockets and the clock. Nothing in it waits. The readiness of a connection is told once, when it comes up.
pub(crate) trait Net {
    /// Microseconds on the run's clock.
    fn now_us(&self) -> u64;

    /// Begins a connection that will be known as `key`; it is writable when it is established.
    fn connect(&mut self, key: u32, to: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<()>;

    /// On a connection that is not established yet, `WouldBlock`.
    fn write(&mut self, key: u32, bytes: &[u8]) -> io::Result<usize>;

    fn read(&mut self, key: u32, buffer: &mut [u8]) -> io::Result<usize>;

    /// Behind what was read last there may be more, of which nobody tells again, though the buffer was not filled.
    fn may_have_more(&self, _key: u32) -> bool {
        false
    }

    fn close(&mut self, key: u32, how: Closing);

    /// Sockets in use.
    fn sockets(&self) -> u32;
}
