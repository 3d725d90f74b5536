//! The erlmcp cluster that a target is, where its control socket is on this machine.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::getuid;

use super::{ClusterReference, Status, Target};
use crate::driver::control;

impl Target {
    /// The cluster that answers here, as `status` says. Where that cannot be read (it asks for tokens, or has its pages
    /// elsewhere), the cluster of this machine whose control socket is at its usual place and says that it is here.
    pub(crate) async fn cluster(&self, status: Option<&Status>) -> Option<ClusterReference> {
        match status {
            Some(status) => status.cluster.clone(),
            None if self.is_colocated => at(&usual_place(self.url.port), &self.addresses).await,
            None => None,
        }
    }
}

/// Where `erlmcp cluster` puts the control socket, unless it is told otherwise.
fn usual_place(port: u16) -> PathBuf {
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder).join("erlmcp"),
        _ => PathBuf::from(format!("/tmp/erlmcp-{}", getuid().as_raw())),
    };
    folder.join(format!("cluster-{port}.sock"))
}

/// The cluster behind this control socket, where all of the addresses are its own.
async fn at(socket: &Path, addresses: &[SocketAddr]) -> Option<ClusterReference> {
    let said = control::status(socket).await.ok()?;
    let shared = said.shared;
    let is_its = |address: &SocketAddr| {
        let is_shared = *address == shared || (shared.ip().is_unspecified() && address.port() == shared.port());
        is_shared || said.replicas.iter().any(|one| one.address == *address)
    };
    let is_it = is_of_our_network(said.pid) && addresses.iter().all(is_its);
    is_it.then(|| ClusterReference { control: socket.to_path_buf(), port: shared.port() })
}

/// In another network namespace the same addresses are others'.
fn is_of_our_network(pid: u32) -> bool {
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    network("self").zip(network(&pid.to_string())).is_some_and(|(ours, its)| ours == its)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fake::{self, FakeCluster};

    #[tokio::test]
    async fn a_cluster_is_the_target_where_all_addresses_are_its_own() {
        let cluster = FakeCluster::new(fake::status(std::process::id(), &[Some(1)]));
        let found = async |addresses: &[&str]| {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|one| one.parse().expect("an address")).collect();
            at(cluster.control(), &addresses).await
        };
        let its = Some(ClusterReference { control: cluster.control().to_path_buf(), port: 8080 });
        assert_eq!(found(&["127.0.0.1:8080"]).await, its);
        assert_eq!(found(&["127.77.9.11:8080", "127.0.0.1:8080"]).await, its);
        for other in [&["127.0.0.1:8080", "[::1]:8080"][..], &["127.0.0.2:8080"], &["127.0.0.1:8081"]] {
            assert_eq!(found(other).await, None, "{other:?}");
        }
        assert_eq!(at(Path::new("/nowhere"), &[]).await, None);
        cluster.set(fake::status(u32::MAX, &[Some(1)]));
        assert_eq!(found(&["127.0.0.1:8080"]).await, None, "its process is not here");
    }
}
