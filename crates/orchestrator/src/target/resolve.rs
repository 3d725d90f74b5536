use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::clock::monotonic_ns;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Url;
use crate::StressError;

const LOOKUP: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(3);
/// More addresses of one name are not used.
const ADDRESSES_MAX: usize = 64;

/// All addresses of the URL's host, each once, in the resolver's order.
pub(super) async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, StressError> {
    if let Some(address) = url.address() {
        return Ok(vec![SocketAddr::new(address, url.port)]);
    }
    let found = timeout(LOOKUP, tokio::net::lookup_host((url.host.as_str(), url.port))).await;
    let why = match found {
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = Vec::new();
            for address in found.take(ADDRESSES_MAX) {
                if !addresses.contains(&address) {
                    addresses.push(address);
                }
            }
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            "it has no address".to_string()
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", LOOKUP.as_secs()),
    };
    Err(StressError::Unreachable(format!("cannot find the host {} of {url}: {why}. Check its name", url.host)))
}

/// An address, and how long a connection to it took, microseconds, or why it takes none.
pub(crate) type Tried = (SocketAddr, Result<u64, String>);

/// All of them at once, in their order.
pub(super) async fn tried(addresses: &[SocketAddr]) -> Vec<Tried> {
    let mut tries = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        tries.spawn(async move { (index, (address, try_one(address).await)) });
    }
    let mut outcomes = tries.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, tried)| tried).collect()
}

/// The addresses that take a connection, in their order, and why the others do not.
pub(super) async fn accepting(addresses: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (address, outcome) in tried(addresses).await {
        match outcome {
            Ok(_) => good.push(address),
            Err(why) => bad.push(format!("{address}: {why}")),
        }
    }
    (good, bad)
}

async fn try_one(address: SocketAddr) -> Result<u64, String> {
    let begun_ns = monotonic_ns();
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok((monotonic_ns() - begun_ns) / 1_000),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err("connection refused".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn every_address_is_tried() {
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let addresses: Vec<SocketAddr> = (1..=20).map(|last| SocketAddr::from(([127, 0, 0, last], port))).collect();
        let all = tried(&addresses).await;
        assert!(all.iter().map(|(address, _)| *address).eq(addresses.iter().copied()), "{all:?}");
        assert!(all.iter().all(|(_, outcome)| outcome.is_ok()), "{all:?}");
    }
}
