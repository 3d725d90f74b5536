//! Faults of the fault proxy in front of one replica: for the connections that were made through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::HealError;
use super::bench::{Bench, LOOK_EVERY};
use super::hold::Force;
use crate::collector::Page;
use crate::driver::watchdog::Program;
use crate::event::Injected;
use crate::fault::{Fault, Kind};
use crate::proxy::{Reply, Request, Weather};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// A page through a proxy in fair weather comes in milliseconds.
const PAGE_WITHIN: Duration = Duration::from_millis(500);
/// The weather is fair again by itself so long after it should have been made so.
const MARGIN: Duration = Duration::from_secs(20);

/// The proxy of a run; it dies with the run's end of the socket, and with this handle.
#[derive(Debug)]
pub(in crate::driver) struct FrontProxy {
    _child: Child,
    answers: BufReader<OwnedReadHalf>,
    writing: OwnedWriteHalf,
    pub(in crate::driver) replica: u16,
    /// Where clients connect.
    pub(in crate::driver) address: SocketAddr,
}

/// None where no proxy is wanted.
pub(in crate::driver) type Front = Arc<Mutex<Option<FrontProxy>>>;

impl FrontProxy {
    /// Starts one in front of a replica's own address.
    pub(in crate::driver) async fn start(
        program: &Program,
        (replica, target): (u16, SocketAddr),
    ) -> Result<Self, String> {
        let (child, stream) = program.start()?;
        let (reading, writing) = stream.into_split();
        let mut proxy = Self { _child: child, answers: BufReader::new(reading), writing, replica, address: target };
        let reply = proxy.ask(&Request::Front { target }).await?;
        proxy.address = reply.address.ok_or("the fault proxy does not say where it is")?;
        Ok(proxy)
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, String> {
        let text = serde_json::to_string(request).map_err(|error| error.to_string())? + "\n";
        let exchange = async {
            self.writing.write_all(text.as_bytes()).await.ok()?;
            let mut line = String::new();
            self.answers.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            serde_json::from_str::<Reply>(&line).ok()
        };
        let reply = timeout(ANSWER_WITHIN, exchange).await.ok().flatten().ok_or("the fault proxy does not answer")?;
        match reply.error {
            Some(error) => Err(error),
            None => Ok(reply),
        }
    }

    async fn set(&mut self, weather: Weather, at_most: Duration) -> Result<(), String> {
        let at_most_ms = at_most.as_millis() as u64;
        self.ask(&Request::Set { weather, at_most_ms }).await.map(|_| ())
    }
}

fn weather(fault: &Fault) -> Weather {
    let (amount, fair) = (fault.amount, Weather::default());
    match fault.kind {
        Kind::Latency => Weather { latency_ms: amount, ..fair },
        Kind::Bandwidth => Weather { bytes_a_second: amount, ..fair },
        Kind::Slicing => Weather { slice: amount, ..fair },
        Kind::BlackHole => Weather { then_nothing: Some(amount), ..fair },
        _ => Weather { then_reset: Some(amount), ..fair },
    }
}

fn method(fault: &Fault) -> String {
    let amount = fault.amount;
    match fault.kind {
        Kind::Latency => format!("each byte {amount} ms later, in both directions (fault proxy)"),
        Kind::Bandwidth => format!("{amount} bytes a second in each direction of a connection (fault proxy)"),
        Kind::Slicing => format!("in pieces of {amount} bytes, 1 ms apart (fault proxy)"),
        Kind::BlackHole => format!("nothing after {amount} bytes of answers (fault proxy)"),
        _ => format!("reset after {amount} bytes of answers (fault proxy)"),
    }
}

pub(super) async fn inject(bench: &Bench, fault: &Fault) -> Result<(Force, Injected), String> {
    let mut front = bench.front.lock().await;
    let proxy = front.as_mut().ok_or("no fault proxy stands in front of the replicas")?;
    if fault.replicas != [proxy.replica] {
        return Err(format!("the fault proxy stands in front of replica {} only", proxy.replica));
    }
    let injected_us = bench.clock.now_us();
    proxy.set(weather(fault), fault.hold + SEEN_WITHIN + MARGIN).await?;
    let address = proxy.address;
    let seen = async {
        loop {
            let began_us = bench.clock.now_us();
            if shows(fault, address, bench).await {
                return began_us;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        proxy.set(Weather::default(), MARGIN).await?;
        return Err("a page that was fetched through the fault proxy did not show it".into());
    };
    let injected = Injected { method: method(fault), injected_us, effect_us, at_most_us: None };
    Ok((Force::Weather(Arc::clone(&bench.front)), injected))
}

/// A page that is fetched through the proxy takes as long as it must, or does not come.
async fn shows(fault: &Fault, address: SocketAddr, bench: &Bench) -> bool {
    let page = |path: &str| Page { address, host: address.to_string(), path: path.into() };
    let began_us = bench.clock.now_us();
    match fault.kind {
        Kind::BlackHole | Kind::Cut => page("/metrics").get(PAGE_WITHIN).await.is_err(),
        kind => {
            let Ok(answered) = page("/metrics").get(SEEN_WITHIN).await else { return false };
            let bytes = answered.body.len() as u64;
            let least_ms = match kind {
                Kind::Latency => 2 * fault.amount,
                Kind::Bandwidth => bytes * 1_000 / fault.amount,
                _ => bytes / fault.amount,
            };
            least_ms > 0 && bench.clock.now_us() - began_us >= least_ms * 1_000
        }
    }
}

/// Fair weather again, and a page comes.
pub(super) async fn clear(front: &Front) -> Result<(), HealError> {
    let mut front = front.lock().await;
    let proxy = front.as_mut().ok_or_else(|| HealError::Otherwise("the fault proxy is gone".into()))?;
    proxy.set(Weather::default(), MARGIN).await.map_err(HealError::Stuck)?;
    let (address, path) = (proxy.address, "/health".to_string());
    let page = Page { address, host: address.to_string(), path };
    let comes = async {
        while page.get(PAGE_WITHIN).await.is_err() {
            sleep(LOOK_EVERY).await;
        }
    };
    let silent = |_| HealError::Otherwise("no page came through the fault proxy afterwards".into());
    timeout(SEEN_WITHIN, comes).await.map_err(silent)
}
