//! The TCP fault proxy: a process of its own in front of replicas. Clients connect to its addresses, one for each
//! replica; what they and the replica say passes a [`Lane`](lane::Lane) each, in the weather of the moment at that address.
//!
//! The run speaks to it over a socket, its standard input: a line of JSON a request, a line an answer. It ends with that
//! socket, and so with the run, however that ends.

mod lane;
mod pump;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::StressError;
pub(crate) use lane::Weather;

/// Where proxies listen, so that no address of a cluster is taken.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 66, 0, 1);
/// Descriptors that it keeps for itself: listeners, the run's socket, connections that are on their way in or out.
const OWN_DESCRIPTORS: u64 = 768;
/// Replicas that it stands in front of, at most.
const FRONTS_MAX: usize = 512;

const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Connections that a proxy can hold where a process has so many descriptors: each takes one to the client and one to the
/// replica.
pub(crate) fn connections_max(descriptors: u64) -> u64 {
    descriptors.saturating_sub(OWN_DESCRIPTORS) / 2
}

/// A request and its answer have the same number: the answer to one that was given up comes all the same.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Numbered<T> {
    pub(crate) number: u64,
    pub(crate) said: T,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Stands in front of this address, too, from now on.
    Front { target: SocketAddr },
    /// From now on, on all connections that were made to these addresses of its own; fair again by itself after so long,
    /// should nobody say so.
    Set { fronts: Vec<SocketAddr>, weather: Weather, at_most_ms: u64 },
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
    let mut proxy = Proxy::new(connections_max(crate::host::machine().descriptors));
    while let Ok(Some(line)) = lines.next_line().await {
        let reply = match serde_json::from_str::<Numbered<Request>>(&line) {
            Ok(request) => Numbered { number: request.number, said: proxy.answer(request.said).await },
            Err(error) => {
                let error = Some(format!("the proxy does not understand: {error}"));
                Numbered { number: 0, said: Reply { error, ..Reply::default() } }
            }
        };
        let text = serde_json::to_string(&reply).unwrap_or_default() + "\n";
        if writing.write_all(text.as_bytes()).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Where it listens, and what the weather is there.
#[derive(Debug)]
struct Proxy {
    fronts: BTreeMap<SocketAddr, Front>,
    /// Of all fronts together.
    room: Arc<Semaphore>,
}

#[derive(Debug)]
struct Front {
    weather: watch::Sender<Weather>,
    /// Makes it fair again.
    clearing: Option<JoinHandle<()>>,
}

impl Proxy {
    fn new(connections_max: u64) -> Self {
        let room = usize::try_from(connections_max).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { fronts: BTreeMap::new(), room: Arc::new(Semaphore::new(room)) }
    }

    async fn answer(&mut self, request: Request) -> Reply {
        let answered = match request {
            Request::Front { target } => self.front(target).await.map(Some),
            Request::Set { fronts, weather, at_most_ms } => {
                self.set(&fronts, weather, Duration::from_millis(at_most_ms)).map(|()| None)
            }
        };
        match answered {
            Ok(address) => Reply { address, error: None },
            Err(error) => Reply { address: None, error: Some(error) },
        }
    }

    async fn front(&mut self, target: SocketAddr) -> Result<SocketAddr, String> {
        if self.fronts.len() >= FRONTS_MAX {
            return Err(format!("the proxy stands in front of {FRONTS_MAX} replicas at most"));
        }
        let cannot = |error: std::io::Error| format!("the proxy cannot listen: {error}");
        let listener = TcpListener::bind((ADDRESS, 0)).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (weather, _) = watch::channel(Weather::default());
        tokio::spawn(listen(listener, target, weather.clone(), Arc::clone(&self.room)));
        self.fronts.insert(address, Front { weather, clearing: None });
        Ok(address)
    }

    fn set(&mut self, fronts: &[SocketAddr], weather: Weather, at_most: Duration) -> Result<(), String> {
        for address in fronts {
            let front = self.fronts.get_mut(address).ok_or_else(|| format!("the proxy is not at {address}"))?;
            front.clearing.take().inspect(JoinHandle::abort);
            front.weather.send_replace(weather);
            let sender = front.weather.clone();
            front.clearing = Some(tokio::spawn(async move {
                tokio::time::sleep(at_most).await;
                sender.send_replace(Weather::default());
            }));
        }
        Ok(())
    }
}

async fn listen(listener: TcpListener, target: SocketAddr, weather: watch::Sender<Weather>, room: Arc<Semaphore>) {
    loop {
        // What finds no room waits in the backlog.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((client, _)) = listener.accept().await else {
            // Where there is no descriptor left it would fail again at once.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let weather = weather.subscribe();
        tokio::spawn(async move {
            pump::connection(client, target, weather).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
mod tests;
