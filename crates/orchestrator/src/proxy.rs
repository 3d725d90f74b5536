//! The TCP fault proxy: a process of its own in front of a replica. Clients connect to its address; what they and the
//! replica say passes a [`Lane`] each, in the weather of the moment.
//!
//! The run speaks to it over a socket, its standard input: a line of JSON a request, a line an answer. It ends with that
//! socket, and so with the run, however that ends.

mod lane;
mod pump;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Semaphore, watch};

use crate::StressError;
pub(crate) use lane::Weather;

/// Each has two descriptors; the rest of the limit is for the process itself.
const CONNECTIONS_MAX: usize = 9_000;
/// Where proxies listen, so that no address of a cluster is taken.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Stands in front of this address from now on.
    Front { target: SocketAddr },
    /// From now on, on all connections; fair again by itself after so long, should nobody say so.
    Set { weather: Weather, at_most_ms: u64 },
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// Where clients connect.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) error: Option<String>,
}

/// The whole life of a proxy, which a run started with a socket as standard input.
///
/// # Errors
/// Where standard input is no socket: somebody else started it.
pub async fn fault_proxy() -> Result<(), StressError> {
    let failed = |error: std::io::Error| StressError::failed(format!("a fault proxy is started by a run: {error}"));
    let stream = StdStream::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    stream.set_nonblocking(true).map_err(failed)?;
    crate::host::raise_descriptors();
    let (reading, mut writing) = UnixStream::from_std(stream).map_err(failed)?.into_split();
    let mut lines = BufReader::new(reading).lines();
    let (weather, _) = watch::channel(Weather::default());
    let mut clearing: Option<tokio::task::JoinHandle<()>> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str(&line) {
            Ok(Request::Front { target }) => front(target, weather.clone()).await,
            Ok(Request::Set { weather: next, at_most_ms }) => {
                clearing.take().inspect(tokio::task::JoinHandle::abort);
                weather.send_replace(next);
                let weather = weather.clone();
                clearing = Some(tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(at_most_ms)).await;
                    weather.send_replace(Weather::default());
                }));
                Reply::default()
            }
            Err(error) => Reply { error: Some(format!("the proxy does not understand: {error}")), ..Reply::default() },
        };
        let text = serde_json::to_string(&reply).unwrap_or_default() + "\n";
        if writing.write_all(text.as_bytes()).await.is_err() {
            break;
        }
    }
    Ok(())
}

async fn front(target: SocketAddr, weather: watch::Sender<Weather>) -> Reply {
    let bound = TcpListener::bind((ADDRESS, 0)).await;
    let listener = match bound {
        Ok(listener) => listener,
        Err(error) => return Reply { error: Some(format!("the proxy cannot listen: {error}")), ..Reply::default() },
    };
    let address = listener.local_addr().ok();
    tokio::spawn(async move {
        let room = std::sync::Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            // What finds no room waits in the backlog.
            let Ok(permit) = std::sync::Arc::clone(&room).acquire_owned().await else { return };
            if let Ok((client, _)) = listener.accept().await {
                let weather = weather.subscribe();
                tokio::spawn(async move {
                    pump::connection(client, target, weather).await;
                    drop(permit);
                });
            }
        }
    });
    Reply { address, error: None }
}

#[cfg(test)]
mod tests;
