use std::net::SocketAddr;
use std::time::Duration;

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

/// The addresses that take a connection, in their order, and why the others do not.
pub(super) async fn accepting(addresses: &[SocketAddr]) -> (Vec<SocketAddr>, Vec<String>) {
    let mut tries = JoinSet::new();
    for (index, address) in addresses.iter().copied().enumerate() {
        tries.spawn(async move { (index, try_one(address).await) });
    }
    let mut outcomes = tries.join_all().await;
    outcomes.sort_by_key(|(index, _)| *index);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (index, outcome) in outcomes {
        match outcome {
            Ok(()) => good.push(addresses[index]),
            Err(why) => bad.push(format!("{}: {why}", addresses[index])),
        }
    }
    (good, bad)
}

async fn try_one(address: SocketAddr) -> Result<(), String> {
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Err("connection refused".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no connection within {} s", CONNECT.as_secs())),
    }
}
