//! Streams of all clients, up to the limit of one process and beyond.

use std::ops::Range;
use std::sync::atomic::Ordering;

use erlmcp_record::names::detail;
use tokio::task::JoinSet;

use super::held::end_all;
use super::session::Session;
use super::talk::{Talk, socket};
use super::{Door, Visited, figures, refusal, texts};
use crate::collector::{Answered, exposition};
use crate::host::spare_descriptors;

const VERSION: &str = "2025-11-25";
/// Opened at the same time.
const AT_ONCE: u64 = 128;
/// Tried beyond the room that there is.
const EXCESS: u64 = 32;
/// Source addresses have so many connections each.
const A_SOURCE: u64 = 2_000;

/// How a stream is asked for.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Subscription,
    /// Of a session of its own, which counts until it is ended.
    OfSession,
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Subscription => "subscriptions/listen",
            Self::OfSession => "GET of a new session",
        }
    }
}

enum Opened {
    Stream(Talk),
    /// What came in place of one.
    Beyond(Result<Answered, String>),
}

/// What became of one, and the session that was begun for it.
struct Tried {
    opened: Opened,
    session: Option<String>,
}

/// What is open.
#[derive(Default)]
struct Holding {
    streams: Vec<Talk>,
    sessions: Vec<String>,
}

impl Holding {
    /// Keeps what was opened, and gives what came in place of a stream.
    fn keep(&mut self, tried: Tried) -> Option<Result<Answered, String>> {
        self.sessions.extend(tried.session);
        match tried.opened {
            Opened::Stream(talk) => self.streams.push(talk),
            Opened::Beyond(answered) => return Some(answered),
        }
        None
    }

    async fn end(self, door: &Door) {
        drop(self.streams);
        end_all(door, self.sessions).await;
    }
}

/// What the server's page of metrics says of its streams.
#[derive(Debug, PartialEq)]
struct Told {
    /// Of the process or of a principal, whichever is nearer.
    limit: u64,
    room: u64,
    /// How often the two refused.
    refused: u64,
}

impl Told {
    async fn now(door: &Door) -> Result<Self, String> {
        let answered = door.talk().await?.ask(&texts::get(door, "/metrics")).await?;
        let page = String::from_utf8_lossy(&answered.body);
        Self::read(&page).ok_or_else(|| "the target's /metrics names no limit of streams".into())
    }

    fn read(page: &str) -> Option<Self> {
        let samples: Vec<_> = exposition::samples(page).collect();
        let of = |name: &str, label: &str, value: &str| {
            samples.iter().find(|found| found.name == name && found.label(label) == Some(value))?.whole()
        };
        let open = samples.iter().find(|found| found.name == "erlmcp_streams")?.whole()?;
        let limit = of("erlmcp_limit", "limit", "streams")?;
        let room = limit.saturating_sub(open);
        let principal = of("erlmcp_principal_limit", "kind", "streams");
        let own = principal
            .map(|own| (own, own.saturating_sub(of("erlmcp_principal_use_max", "kind", "streams").unwrap_or(0))));
        let (limit, room) = own.filter(|(_, own)| *own < room).unwrap_or((limit, room));
        let refused =
            ["streams", "principal"].map(|limit| of("erlmcp_limit_reached_total", "limit", limit).unwrap_or(0));
        Some(Self { limit, room, refused: refused.iter().sum() })
    }
}

/// Until the server refuses, or does not answer; then one more of each kind.
pub(super) async fn most(door: &Door, has_sessions: bool) -> Result<Visited, String> {
    let (told, before) = (Told::now(door).await?, figures::now(door).await?);
    let visited = Visited::default().with(detail::STREAMS_LIMIT, told.limit as f64);
    let needed = told.room.saturating_add(EXCESS);
    let places = before.connections_limit.saturating_sub(before.connections.all());
    let spare = spare_descriptors();
    if needed > places.min(spare) {
        return Ok(visited.saying(format!(
            "the limit of {} streams is too far: it takes {needed} connections, of which the replica takes {places} and \
             this process may open {spare}",
            told.limit
        )));
    }
    let kinds: &[Kind] = if has_sessions { &[Kind::Subscription, Kind::OfSession] } else { &[Kind::Subscription] };
    let mut held = Holding::default();
    let filled = fill(door, kinds, needed, &mut held).await;
    let refused = Told::now(door).await.ok().map(|full| full.refused.saturating_sub(told.refused) as f64);
    let closed_us = door.clock.now_us();
    held.streams.clear();
    let back = match &filled {
        Ok((_, beyond)) if !beyond.is_empty() => Some(door.back(closed_us, || is_taken(door, kinds)).await),
        _ => None,
    };
    held.end(door).await;
    let (taken, beyond) = filled?;
    let visited = visited.with(detail::TAKEN, taken as f64);
    let worst = beyond.iter().min_by_key(|(_, answered)| goodness(answered));
    let (Some((_, worst)), Some(back)) = (worst, back) else {
        return Ok(visited.saying(format!("{taken} streams were taken and none refused")));
    };
    let (visited, _) = refusal(visited.with_some(detail::SERVER_REFUSED, refused), worst);
    let said = |(kind, answered): &(&str, _)| format!("{kind}: {}", refusal(Visited::default(), answered).1);
    let said: Vec<String> = beyond.iter().map(said).collect();
    Ok(visited.with_back(back).saying(format!("{taken} streams were taken; one more, {}", said.join("; "))))
}

/// What came in place of a stream of some kind.
type Beyond = (&'static str, Result<Answered, String>);

/// Opens until the server refuses, or so many were tried; then one more of each kind. How many were taken, and what came beyond.
async fn fill(door: &Door, kinds: &[Kind], needed: u64, held: &mut Holding) -> Result<(usize, Vec<Beyond>), String> {
    let (mut begun, mut is_full) = (0, false);
    while !is_full && begun < needed && !door.held.is_cut.load(Ordering::Relaxed) {
        let some = AT_ONCE.min(needed - begun);
        let mut failed = None;
        for tried in open_some(door, kinds, begun..begun + some).await {
            match tried {
                Ok(tried) => is_full |= held.keep(tried).is_some(),
                Err(why) => failed = failed.or(Some(why)),
            }
        }
        if let Some(why) = failed {
            return Err(why);
        }
        begun += some;
    }
    let taken = held.streams.len();
    let mut beyond = Vec::new();
    for kind in kinds {
        let answered = held.keep(open(door, *kind, begun).await?);
        beyond.extend(answered.map(|answered| (kind.words(), answered)));
    }
    Ok((taken, beyond))
}

/// No answer is worse than one, and one that says when to come again the best.
fn goodness(answered: &Result<Answered, String>) -> u8 {
    match answered {
        Err(_) => 0,
        Ok(answered) if answered.field("Retry-After").is_none() => 1,
        Ok(_) => 2,
    }
}

/// Of each kind in turn.
async fn open_some(door: &Door, kinds: &[Kind], numbers: Range<u64>) -> Vec<Result<Tried, String>> {
    let mut opening = JoinSet::new();
    for (one, kind) in numbers.zip(kinds.iter().copied().cycle()) {
        let door = door.clone();
        opening.spawn(async move { open(&door, kind, one).await });
    }
    let mut opened = Vec::new();
    while let Some(one) = opening.join_next().await {
        opened.push(one.unwrap_or_else(|error| Err(error.to_string())));
    }
    opened
}

/// # Errors
/// What the visitor itself lacked, or why it had no session to ask in.
async fn open(door: &Door, kind: Kind, one: u64) -> Result<Tried, String> {
    let address = door.first()?;
    let socket = socket(address, (one / A_SOURCE) as u16)?;
    let talk = match Talk::connect_from(socket, &door.way, address).await {
        Ok(talk) => talk,
        Err(why) => return Ok(Tried { opened: Opened::Beyond(Err(why)), session: None }),
    };
    let (mut talk, request, session) = match kind {
        Kind::Subscription => (talk, texts::listen(door), None),
        Kind::OfSession => {
            let session = Session::on(talk, door, VERSION).await?;
            door.held.sessions.fetch_add(1, Ordering::Relaxed);
            let request = texts::get_stream(door, session.named());
            (session.talk, request, Some(session.id))
        }
    };
    let opened = match begin(&mut talk, &request).await {
        Ok(None) => Opened::Stream(talk),
        Ok(Some(answered)) => Opened::Beyond(Ok(answered)),
        Err(why) => Opened::Beyond(Err(why)),
    };
    Ok(Tried { opened, session })
}

/// The answer that came in place of a stream; None: it is one.
async fn begin(talk: &mut Talk, request: &[u8]) -> Result<Option<Answered>, String> {
    talk.send(request).await?;
    let (status, head) = talk.stream_head().await?;
    let is_stream = status == 200 && head.to_ascii_lowercase().contains("text/event-stream");
    if is_stream { Ok(None) } else { talk.answer().await.map(Some) }
}

/// There is room for one of each kind.
async fn is_taken(door: &Door, kinds: &[Kind]) -> bool {
    let (mut held, mut is_taken) = (Holding::default(), true);
    for kind in kinds {
        is_taken &= open(door, *kind, 0).await.is_ok_and(|tried| held.keep(tried).is_none());
    }
    held.end(door).await;
    is_taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_limit_is_gone_to() {
        let page = "erlmcp_streams{replica=\"1\"} 40\nerlmcp_limit{replica=\"1\",limit=\"session_streams\"} 4\n\
            erlmcp_limit{replica=\"1\",limit=\"streams\"} 1000\nerlmcp_limit_reached_total{replica=\"1\",limit=\"streams\"} 3\n";
        assert_eq!(Told::read(page), Some(Told { limit: 1_000, room: 960, refused: 3 }));
        let principal = "erlmcp_principal_limit{replica=\"1\",kind=\"streams\"} 50\n\
            erlmcp_principal_use_max{replica=\"1\",kind=\"streams\"} 10\n\
            erlmcp_limit_reached_total{replica=\"1\",limit=\"principal\"} 2\n";
        assert_eq!(Told::read(&format!("{page}{principal}")), Some(Told { limit: 50, room: 40, refused: 5 }));
        assert_eq!(Told::read("erlmcp_streams{replica=\"1\"} 40\n"), None);
    }
}
