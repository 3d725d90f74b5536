//! A visitor of the target beside the agents: it goes to one of the target's limits and over it, or drives one part of
//! the server and compares what the server counted with what it saw itself.

mod batches;
mod body;
mod crowd;
mod fan_out;
mod figures;
mod flood;
mod held;
mod lookups;
mod open_streams;
mod route;
mod session;
mod session_streams;
mod talk;
mod texts;
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::Detail;
use erlmcp_record::names::detail;

use crate::collector::{Answered, Way};
use crate::plan::Visit;
pub(crate) use held::{END_WITHIN, Held};
use talk::Talk;

/// A visit that takes longer has failed: the load beside it does not last longer.
const VISIT_WITHIN: Duration = Duration::from_secs(120);
/// After a limit the target is tried again for so long.
pub(crate) const BACK_WITHIN: Duration = Duration::from_secs(20);
const TRY_EVERY: Duration = Duration::from_millis(20);

/// Where the visitor goes. Not to be printed: headers may hold secrets.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) clock: RunClock,
    /// By replica; the first one is visited, where one is enough.
    pub(crate) endpoints: Vec<(u16, SocketAddr)>,
    pub(crate) way: Way,
    /// What the Host field says; None: the address itself.
    pub(crate) authority: Option<String>,
    pub(crate) path: String,
    /// The user's own.
    pub(crate) headers: Vec<(String, String)>,
    /// The control socket, where the target is a cluster of this machine.
    pub(crate) control: Option<PathBuf>,
    pub(crate) held: Arc<Held>,
    /// For how long it is tried whether the target is back.
    pub(crate) back_within: Duration,
}

/// What came of a visit.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Visited {
    pub(crate) detail: Detail,
    /// One line for the person who watches.
    pub(crate) text: String,
}

impl Visited {
    fn with(mut self, name: &str, value: f64) -> Self {
        self.detail.insert(name.into(), value);
        self
    }

    fn with_some(self, name: &str, value: Option<f64>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As [`Door::back`] has it.
    fn with_back(self, back: Result<f64, f64>) -> Self {
        match back {
            Ok(ms) => self.with(detail::BACK_MS, ms),
            Err(ms) => self.with(detail::BACK_WATCHED_MS, ms),
        }
    }

    fn saying(mut self, text: String) -> Self {
        self.text = text;
        self
    }
}

impl Door {
    fn first(&self) -> Result<SocketAddr, String> {
        self.endpoints.first().map(|(_, address)| *address).ok_or_else(|| "the target has no address".into())
    }

    async fn talk(&self) -> Result<Talk, String> {
        Talk::connect(&self.way, self.first()?).await
    }

    /// Tries again and again whether it is back: after how many milliseconds since `since_us` it was, or for how many it was not.
    /// A try that has begun is not broken off: its session would be left at the target.
    async fn back<F: Future<Output = bool>>(&self, since_us: u64, is_back: impl Fn() -> F) -> Result<f64, f64> {
        let until_us = self.clock.now_us() + self.back_within.as_micros() as u64;
        loop {
            let is_back = is_back().await;
            let now_us = self.clock.now_us();
            let ms = now_us.saturating_sub(since_us) as f64 / 1e3;
            if is_back {
                return Ok(ms);
            } else if now_us >= until_us {
                return Err(ms);
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }

    /// A new connection is.
    async fn is_answered(&self) -> bool {
        // No page: a full server shows those all the same.
        let asked = async { self.talk().await?.ask(&texts::modern(self, "server/discover", "")).await };
        // Who does not know the request answers it all the same.
        asked.await.is_ok_and(|answered| answered.status < 500)
    }
}

/// Goes there, within a bound; the times of its beginning and its end are among the figures.
///
/// # Errors
/// Why nothing was found out, as part of a sentence.
pub(crate) async fn visit(visit: Visit, door: &Door) -> Result<Visited, String> {
    let from_us = door.clock.now_us();
    let visited = tokio::time::timeout(VISIT_WITHIN, go(visit, door)).await;
    let visited = visited.unwrap_or_else(|_| Err(format!("it was not over within {} s", VISIT_WITHIN.as_secs())))?;
    let to_us = door.clock.now_us();
    Ok(visited.with(detail::FROM_MS, from_us as f64 / 1e3).with(detail::TO_MS, to_us as f64 / 1e3))
}

async fn go(visit: Visit, door: &Door) -> Result<Visited, String> {
    match visit {
        Visit::Body => body::largest(door).await,
        Visit::SessionStreams => session_streams::most(door).await,
        Visit::OpenStreams { has_sessions } => open_streams::most(door, has_sessions).await,
        Visit::HeldSessions => held::most(door).await,
        Visit::Queue => flood::queue(door).await,
        Visit::Connections => crowd::fill(door).await,
        Visit::Descriptors { connections } => crowd::knock(door, connections).await,
        Visit::Registry { tools } => lookups::registry(door, tools).await,
        Visit::Router => route::requests(door).await,
        Visit::Batches => batches::all_sizes(door).await,
        Visit::Tokens => tokens::good_and_bad(door).await,
        Visit::FanOut { streams } => fan_out::changes(door, streams).await,
    }
}

/// What a request beyond the limit was answered with, as figures and in words.
fn refusal(visited: Visited, answered: &Result<Answered, String>) -> (Visited, String) {
    let answered = match answered {
        Ok(answered) => answered,
        Err(why) => return (visited.with(detail::REFUSAL_ANSWERED, 0.0), format!("no answer ({why})")),
    };
    let retry_after_s = answered.field("Retry-After").and_then(|value| value.parse::<f64>().ok());
    let code = answered.rpc_code();
    let visited = visited
        .with(detail::REFUSAL_ANSWERED, 1.0)
        .with(detail::REFUSED_STATUS, f64::from(answered.status))
        .with_some(detail::REFUSED_CODE, code.map(|code| code as f64))
        .with_some(detail::RETRY_AFTER_S, retry_after_s);
    let code = code.map(|code| format!(", code {code}")).unwrap_or_default();
    let retry = retry_after_s.map(|seconds| format!(", Retry-After {seconds} s")).unwrap_or_default();
    (visited, format!("HTTP {}{code}{retry}", answered.status))
}

#[cfg(test)]
mod tests;
