//! Where a connection may go, asked at each connect: an address may be another one by then.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::net::byte_stream::{ByteStream, over};
use crate::net::tls::Tls;

/// Of a connection that is reset in the end.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The addresses that may be connected to: loopback, and others only where the user has named them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) foreign: bool,
}

impl Allowed {
    pub(crate) fn has(self, address: SocketAddr) -> bool {
        self.foreign || address.ip().is_loopback()
    }

    fn check(self, address: SocketAddr) -> io::Result<()> {
        let named = || io::Error::new(io::ErrorKind::PermissionDenied, format!("{address} was not named by the user"));
        if self.has(address) { Ok(()) } else { Err(named()) }
    }

    /// A connection to this address. `prepare` is given its socket before.
    ///
    /// # Errors
    /// `PermissionDenied` where it may not be connected to; else what the system says.
    pub(crate) async fn connect(
        self,
        address: SocketAddr,
        prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
    ) -> io::Result<TcpStream> {
        self.check(address)?;
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        prepare(&socket)?;
        socket.connect(address).await
    }

    /// The same for a connection that is reset in the end: no TIME_WAIT on the machine under test. None where it does not
    /// come in time.
    pub(crate) async fn connect_to_be_reset(
        self,
        address: SocketAddr,
        prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
    ) -> Option<TcpStream> {
        let stream = timeout(CONNECT_WITHIN, self.connect(address, prepare)).await.ok()?.ok()?;
        let _ = stream.set_zero_linger();
        Some(stream)
    }

    /// The same with TLS, where there is some.
    pub(crate) async fn speak_to_be_reset(
        self,
        address: SocketAddr,
        tls: Option<&Tls>,
        prepare: impl FnOnce(&TcpSocket) -> io::Result<()>,
    ) -> Option<Box<dyn ByteStream>> {
        let stream = self.connect_to_be_reset(address, prepare).await?;
        let _ = stream.set_nodelay(true);
        timeout(CONNECT_WITHIN, over(stream, tls)).await.ok()?.ok()
    }

    /// The same for a thread that waits.
    pub(crate) fn connect_within(self, address: SocketAddr, within: Duration) -> io::Result<std::net::TcpStream> {
        self.check(address)?;
        std::net::TcpStream::connect_timeout(&address, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn other_hosts_must_be_named() {
        let (own, named) = (Allowed { foreign: false }, Allowed { foreign: true });
        let other: SocketAddr = ([192, 0, 2, 1], 80).into();
        assert!(!own.has(other) && named.has(other));
        let refused = [
            own.connect(other, |_| Ok(())).await.map(drop).unwrap_err(),
            own.connect_within(other, Duration::from_secs(1)).map(drop).unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.kind() == io::ErrorKind::PermissionDenied), "{refused:?}");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        assert!(
            own.connect(address, |_| Ok(())).await.is_ok()
                && own.connect_within(address, Duration::from_secs(20)).is_ok()
        );
    }
}
