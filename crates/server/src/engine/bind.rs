//! Listening sockets.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::config::ServerError;

/// Connections that may wait in the kernel to be accepted; net.core.somaxconn caps it.
const BACKLOG: i32 = 65_535;

/// Binds and listens: non-blocking, closed on exec, and without SO_REUSEPORT, so that a second server on the same
/// address is told of it.
///
/// # Errors
/// Where the address is taken, not this machine's, or not permitted.
pub fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    listen().map_err(|source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AddrInUse => ServerError::InUse(address),
        _ => ServerError::Bind { address, source },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_told() {
        let first = bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = first.local_addr().expect("it is bound");
        assert!(matches!(bind(address), Err(ServerError::InUse(taken)) if taken == address));
        let elsewhere = bind("192.0.2.1:0".parse().expect("an address")).expect_err("not an address of this machine");
        assert!(elsewhere.to_string().starts_with("cannot listen on 192.0.2.1:0: "), "{elsewhere}");
    }
}
