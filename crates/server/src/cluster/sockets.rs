//! The listening sockets of a cluster, owned by the supervisor.

use std::net::{SocketAddr, TcpListener};

use super::address::{REPLICAS_MAX, replica_address};
use super::error::ClusterError;
use crate::engine::{ServerError, bind};

/// Ports that are tried where the system may choose.
const PORTS_TRIED: usize = 64;

/// All sockets at the start: the shared ones, and each replica's own, in order from replica 1.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) port: u16,
    pub(super) shared: Vec<TcpListener>,
    pub(super) own: Vec<TcpListener>,
}

/// Binds the shared addresses and those of `replicas` replicas. Port 0 becomes one that is free on all of them.
pub(super) fn bind_all(shared: &[SocketAddr], replicas: u16) -> Result<Sockets, ClusterError> {
    if replicas == 0 || replicas > REPLICAS_MAX {
        return Err(ClusterError::Replicas { asked: replicas });
    }
    let port = shared.first().ok_or(ClusterError::Shared)?.port();
    let is_own = |address: &SocketAddr| (1..=REPLICAS_MAX).any(|i| replica_address(i, port) == *address);
    if shared.iter().any(|address| address.port() != port || is_own(address) || address.ip().is_unspecified()) {
        return Err(ClusterError::Shared);
    }
    if port != 0 {
        return bind_port(shared, replicas, port);
    }
    for _ in 0..PORTS_TRIED {
        let first = bind(shared[0])?;
        let port = first.local_addr().map_err(ClusterError::system("read a socket's address"))?.port();
        drop(first);
        match bind_port(shared, replicas, port) {
            Err(ClusterError::InUse(_)) => {}
            other => return other,
        }
    }
    Err(ClusterError::NoPort { replicas })
}

fn bind_port(shared: &[SocketAddr], replicas: u16, port: u16) -> Result<Sockets, ClusterError> {
    let on_port = |address: &SocketAddr| bind(SocketAddr::new(address.ip(), port));
    let shared = shared.iter().map(on_port).collect::<Result<_, ServerError>>()?;
    let own = (1..=replicas).map(|i| bind(replica_address(i, port))).collect::<Result<_, ServerError>>()?;
    Ok(Sockets { port, shared, own })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_is_found_and_then_taken() {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let sockets = bind_all(&[any], 3).expect("free addresses");
        let addresses: Vec<SocketAddr> = sockets.own.iter().map(|own| own.local_addr().expect("bound")).collect();
        assert_eq!(addresses, [1, 2, 3].map(|i| replica_address(i, sockets.port)));
        let again = bind_all(&[SocketAddr::new(any.ip(), sockets.port)], 3).expect_err("taken").to_string();
        assert!(again.starts_with(&format!("127.0.0.1:{} is in use", sockets.port)), "{again}");
        assert!(again.contains(&format!("erlmcp cluster stop --port {}", sockets.port)), "{again}");
    }

    #[test]
    fn addresses_that_cannot_be_shared_are_refused() {
        for text in ["127.0.0.11:8080", "0.0.0.0:8080"] {
            assert!(matches!(bind_all(&[text.parse().expect(text)], 1), Err(ClusterError::Shared)), "{text}");
        }
        let any = "127.0.0.1:0".parse().expect("an address");
        assert!(matches!(bind_all(&[any], 0), Err(ClusterError::Replicas { asked: 0 })));
        assert!(matches!(bind_all(&[], 1), Err(ClusterError::Shared)));
    }
}
