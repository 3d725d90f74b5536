//! Where a cluster is found: its replicas' addresses, its control socket.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use rustix::process::getuid;

/// Most replicas of one cluster.
pub const REPLICAS_MAX: u16 = 1_000;

/// The address of replica `replica` (from 1): 127.0.0.11 for the first one, 127.0.1.4 for the 250th.
pub fn replica_address(replica: u16, port: u16) -> SocketAddr {
    let base = u32::from(Ipv4Addr::new(127, 0, 0, 10));
    SocketAddr::from((Ipv4Addr::from(base + u32::from(replica)), port))
}

/// Where the control socket of the cluster on `port` is when nobody says otherwise: in the user's runtime folder.
pub fn default_control_path(port: u16) -> PathBuf {
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join("erlmcp"),
        _ => PathBuf::from(format!("/tmp/erlmcp-{}", getuid().as_raw())),
    };
    folder.join(format!("cluster-{port}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_have_addresses_of_their_own() {
        let address = |replica| replica_address(replica, 80).to_string();
        assert_eq!(address(1), "127.0.0.11:80");
        assert_eq!(address(245), "127.0.0.255:80");
        assert_eq!(address(250), "127.0.1.4:80");
        assert_eq!(address(REPLICAS_MAX), "127.0.3.242:80");
    }
}
