//! Faults of the fault proxy in front of replicas: for the connections that were made through it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use super::HealError;
use super::force::Force;
use super::local::{LOOK_EVERY, LocalFaults};
use crate::collector::{Page, Way};
use crate::driver::watchdog::Program;
use crate::event::Injected;
use crate::fault::{Fault, Kind};
use crate::proxy::{Numbered, Reply, Request, Weather};

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
const SEEN_WITHIN: Duration = Duration::from_secs(10);
/// A page through a proxy in fair weather comes in milliseconds.
const PAGE_WITHIN: Duration = Duration::from_millis(500);
/// The weather is fair again by itself so long after it should have been made so.
const MARGIN: Duration = Duration::from_secs(20);

const COST_PAGES: u32 = 51;

/// The proxy of a run; it dies with the run's end of the socket, and with this handle.
#[derive(Debug)]
pub(in crate::driver) struct FrontProxy {
    child: Child,
    talk: Talk,
    /// How those behind it are spoken to.
    way: Way,
    /// Where clients connect, by replica.
    pub(in crate::driver) addresses: BTreeMap<u16, SocketAddr>,
    /// In front of which the weather is bad.
    at_work: BTreeSet<u16>,
}

/// None where no proxy is wanted.
pub(in crate::driver) type Front = Arc<Mutex<Option<FrontProxy>>>;

/// Questions to the proxy and their answers.
#[derive(Debug)]
struct Talk {
    answers: Lines<BufReader<OwnedReadHalf>>,
    writing: OwnedWriteHalf,
    /// The number of the last question.
    asked: u64,
}

impl Talk {
    fn over(stream: UnixStream) -> Self {
        let (reading, writing) = stream.into_split();
        Self { answers: BufReader::new(reading).lines(), writing, asked: 0 }
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, String> {
        self.asked += 1;
        let number = self.asked;
        let text =
            serde_json::to_string(&Numbered { number, said: request }).map_err(|error| error.to_string())? + "\n";
        let exchange = async {
            self.writing.write_all(text.as_bytes()).await.ok()?;
            loop {
                let line = self.answers.next_line().await.ok()??;
                match serde_json::from_str::<Numbered<Reply>>(&line) {
                    Ok(reply) if reply.number == number => return Some(reply.said),
                    // To a question that was given up.
                    _ => {}
                }
            }
        };
        let reply = timeout(ANSWER_WITHIN, exchange).await.ok().flatten().ok_or("the fault proxy does not answer")?;
        match reply.error {
            Some(error) => Err(error),
            None => Ok(reply),
        }
    }
}

impl FrontProxy {
    /// Starts one in front of these replicas' own addresses.
    pub(in crate::driver) async fn start(
        program: &Program,
        targets: &[(u16, SocketAddr)],
        way: Way,
    ) -> Result<Self, String> {
        let (child, stream) = program.start()?;
        let (talk, addresses, at_work) = (Talk::over(stream), BTreeMap::new(), BTreeSet::new());
        let mut proxy = Self { child, talk, way, addresses, at_work };
        for (replica, target) in targets {
            let reply = proxy.talk.ask(&Request::Front { target: *target }).await?;
            proxy.addresses.insert(*replica, reply.address.ok_or("the fault proxy does not say where it is")?);
        }
        Ok(proxy)
    }

    /// Its process, for its CPU.
    pub(in crate::driver) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn set(&mut self, replicas: &[u16], weather: Weather, at_most: Duration) -> Result<Vec<SocketAddr>, String> {
        let fronts = self.fronts(replicas)?;
        let at_most_ms = at_most.as_millis() as u64;
        self.talk.ask(&Request::Set { fronts: fronts.clone(), weather, at_most_ms }).await?;
        Ok(fronts)
    }

    fn fronts(&self, replicas: &[u16]) -> Result<Vec<SocketAddr>, String> {
        let front = |replica: &u16| {
            let found = self.addresses.get(replica).copied();
            found.ok_or_else(|| format!("the fault proxy does not stand in front of replica {replica}"))
        };
        replicas.iter().map(front).collect()
    }

    /// Bad weather in front of these replicas, where it is fair.
    async fn begin(&mut self, fault: &Fault) -> Result<Vec<SocketAddr>, String> {
        if let Some(replica) = fault.replicas.iter().find(|replica| self.at_work.contains(replica)) {
            return Err(format!("the fault proxy does something else to replica {replica} already"));
        }
        let set = self.set(&fault.replicas, weather(fault), fault.hold + SEEN_WITHIN + MARGIN).await;
        match set {
            Ok(_) => self.at_work.extend(&fault.replicas),
            // It may do it later: then fair weather comes after that.
            Err(_) => drop(self.end(&fault.replicas).await),
        }
        set
    }

    async fn end(&mut self, replicas: &[u16]) -> Result<Vec<SocketAddr>, String> {
        let fronts = self.set(replicas, Weather::default(), MARGIN).await?;
        self.at_work.retain(|replica| !replicas.contains(replica));
        Ok(fronts)
    }
}

fn weather(fault: &Fault) -> Weather {
    let (amount, fair) = (fault.amount, Weather::default());
    match fault.kind {
        Kind::Latency => Weather { latency_in_ms: amount, latency_out_ms: amount, ..fair },
        Kind::LatencyIn => Weather { latency_in_ms: amount, ..fair },
        Kind::LatencyOut => Weather { latency_out_ms: amount, ..fair },
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
        Kind::LatencyIn => format!("each byte to the replica {amount} ms later (fault proxy)"),
        Kind::LatencyOut => format!("each byte from the replica {amount} ms later (fault proxy)"),
        Kind::Bandwidth => format!("{amount} bytes a second in each direction of a connection (fault proxy)"),
        Kind::Slicing => format!("in pieces of {amount} bytes, 1 ms apart (fault proxy)"),
        Kind::BlackHole => format!("nothing after {amount} bytes of answers (fault proxy)"),
        _ => format!("reset after {amount} bytes of answers (fault proxy)"),
    }
}

const NO_PROXY: &str = "no fault proxy stands in front of the replicas";

pub(super) async fn inject(local: &LocalFaults, fault: &Fault) -> Result<(Force, Injected), String> {
    let injected_us = local.clock.now_us();
    let fronts = local.front.lock().await.as_mut().ok_or(NO_PROXY)?.begin(fault).await?;
    let seen = async {
        let mut last_us = injected_us;
        for address in fronts {
            last_us = loop {
                let began_us = local.clock.now_us();
                if shows(fault, address, local).await {
                    break began_us;
                }
                sleep(LOOK_EVERY).await;
            };
        }
        last_us
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        local.front.lock().await.as_mut().ok_or(NO_PROXY)?.end(&fault.replicas).await?;
        return Err("a page that was fetched through the fault proxy did not show it".into());
    };
    let injected = Injected::seen(method(fault), injected_us, effect_us);
    Ok((Force::Weather(Arc::clone(&local.front), fault.replicas.clone()), injected))
}

/// A page that is fetched through the proxy takes as long as it must, or does not come.
async fn shows(fault: &Fault, address: SocketAddr, local: &LocalFaults) -> bool {
    let page = local.way.page(address, "/metrics");
    let began_us = local.clock.now_us();
    match fault.kind {
        Kind::BlackHole | Kind::Cut => page.get(PAGE_WITHIN).await.is_err(),
        kind => {
            let Ok(answered) = page.get(SEEN_WITHIN).await else { return false };
            let bytes = answered.body.len() as u64;
            // With TLS hands are shaken first.
            let round_trips = if local.way.is_secured() { 2 } else { 1 };
            let least_ms = match kind {
                Kind::Latency => 2 * round_trips * fault.amount,
                Kind::LatencyIn | Kind::LatencyOut => round_trips * fault.amount,
                Kind::Bandwidth => bytes * 1_000 / fault.amount,
                _ => bytes / fault.amount,
            };
            least_ms > 0 && local.clock.now_us() - began_us >= least_ms * 1_000
        }
    }
}

/// Fair weather again, and a page comes.
pub(super) async fn clear(front: &Front, replicas: &[u16]) -> Result<(), HealError> {
    let gone = || HealError::Otherwise("the fault proxy is gone".into());
    let (fronts, way) = {
        let mut front = front.lock().await;
        let proxy = front.as_mut().ok_or_else(gone)?;
        (proxy.end(replicas).await.map_err(HealError::Stuck)?, proxy.way.clone())
    };
    let come = async {
        for address in fronts {
            let page = way.page(address, "/health");
            while page.get(PAGE_WITHIN).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
        }
    };
    let silent = |_| HealError::Otherwise("no page came through the fault proxy afterwards".into());
    timeout(SEEN_WITHIN, come).await.map_err(silent)
}

/// What the proxy itself costs: a small page of a replica, fetched directly and through it, the medians in microseconds.
pub(in crate::driver) async fn cost(page: &Page, through: SocketAddr, clock: &RunClock) -> Option<(u64, u64)> {
    let mut times = [Vec::new(), Vec::new()];
    let pages = [page.clone(), page.at(through)];
    for _ in 0..COST_PAGES {
        // In turn, so that both see the same machine.
        for (page, times) in pages.iter().zip(&mut times) {
            let began_us = clock.now_us();
            page.get(PAGE_WITHIN).await.ok()?;
            times.push(clock.now_us() - began_us);
        }
    }
    let [direct, through] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    Some((direct, through))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_answer_is_not_taken_for_that_of_the_next_question() {
        let (ours, theirs) = UnixStream::pair().expect("a socket");
        let mut talk = Talk::over(ours);
        let (reading, mut writing) = theirs.into_split();
        let mut questions = BufReader::new(reading).lines();
        let proxy = async {
            for error in ["late", "in time"] {
                let line = questions.next_line().await.expect("it is read").expect("it is asked");
                let number = serde_json::from_str::<Numbered<Request>>(&line).expect("a question").number;
                let reply = Numbered { number, said: Reply { error: Some(error.into()), address: None } };
                let text = serde_json::to_string(&reply).expect("JSON") + "\n";
                writing.write_all(text.as_bytes()).await.expect("it is heard");
            }
        };
        let question = || Request::Front { target: ([127, 0, 0, 1], 1).into() };
        // Nobody answers yet, and it is given up.
        assert!(timeout(Duration::from_millis(10), talk.ask(&question())).await.is_err());
        let question = question();
        let (answer, ()) = tokio::join!(talk.ask(&question), proxy);
        assert_eq!(answer.unwrap_err(), "in time");
    }
}
