//! Sessions that the server has to hold something of: those with a log level of their own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use erlmcp_record::names::detail;
use tokio::task::JoinSet;

use super::session::Session;
use super::talk::Talk;
use super::{Door, TRY_EVERY, Visited, refusal, texts};
use crate::collector::Answered;

const VERSION: &str = "2025-11-25";
/// Connections that ask for them at the same time.
const AT_ONCE: usize = 8;
/// Connections that end them: every replica is told of an end before it is answered.
const ENDING_AT_ONCE: usize = 64;
/// What has not been ended by then ends by itself in an hour.
pub(crate) const END_WITHIN: Duration = Duration::from_secs(40);
/// More are not tried: an erlmcp server holds 16,384.
const SESSIONS_MAX: u64 = 17_000;
/// Nor is it gone on for longer than this: what was taken has to be given back, too.
const FILL_WITHIN_US: u64 = 20_000_000;
/// Refusals in a row, of one connection, that are the limit: a single one may be of a moment.
const REFUSALS: u32 = 5;

/// What a visitor has of the target's beside its connections, and what it is told.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Opened, and not ended yet.
    pub(crate) sessions: AtomicU64,
    /// No more are opened; those that there are are ended.
    pub(crate) is_cut: AtomicBool,
}

#[derive(Default)]
struct Shared {
    taken: AtomicU64,
    is_full: AtomicBool,
}

/// What one connection has opened, also where it failed in the end.
#[derive(Default)]
struct Part {
    ids: Vec<String>,
    refused: Option<Answered>,
    ended: Option<Ended>,
}

/// Why a connection goes on no longer.
enum Ended {
    Unanswered(String),
    Failed(String),
}

pub(super) async fn most(door: &Door) -> Result<Visited, String> {
    let shared = Arc::new(Shared::default());
    let mut parts = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (door, shared) = (door.clone(), Arc::clone(&shared));
        parts.spawn(async move {
            let mut part = Part::default();
            part.ended = fill(&door, &shared, &mut part).await.err();
            part
        });
    }
    let mut ids = Vec::new();
    let (mut refused, mut unanswered, mut failed) = (None, None, None);
    while let Some(part) = parts.join_next().await {
        let failed_with = |why: String| Part { ended: Some(Ended::Failed(why)), ..Part::default() };
        let part = part.unwrap_or_else(|error| failed_with(error.to_string()));
        ids.extend(part.ids);
        refused = refused.or(part.refused);
        match part.ended {
            Some(Ended::Unanswered(why)) => unanswered = unanswered.or(Some(why)),
            Some(Ended::Failed(why)) => failed = failed.or(Some(why)),
            None => {}
        }
    }
    let full_us = door.clock.now_us();
    let taken = shared.taken.load(Ordering::Relaxed);
    end_all(door, ids).await;
    // Before any was taken, no answer tells nothing of a limit.
    if let Some(why) = failed.or_else(|| unanswered.take_if(|_| taken == 0)) {
        return Err(why);
    }
    if door.held.is_cut.load(Ordering::Relaxed) {
        return Err("the visit was cut".into());
    }
    let visited = Visited::default().with(detail::TAKEN, taken as f64);
    let Some(beyond) = refused.map(Ok).or(unanswered.map(Err)) else {
        return Ok(visited.saying(format!("{taken} sessions with a log level were taken; no more were tried")));
    };
    let (visited, said) = refusal(visited, &beyond);
    let ended_us = door.clock.now_us();
    Ok(visited
        .with(detail::CLEARED_MS, (ended_us - full_us) as f64 / 1e3)
        .with_back(door.back(ended_us, || is_taken(door)).await)
        .saying(format!("{taken} sessions with a log level were taken; one more: {said}")))
}

async fn set_level(talk: &mut Talk, door: &Door, id: &str) -> Result<Answered, String> {
    let message = texts::message(2, "logging/setLevel", "\"level\":\"error\"");
    talk.ask(&texts::in_session(door, (id, VERSION), &message)).await
}

async fn fill(door: &Door, shared: &Shared, part: &mut Part) -> Result<(), Ended> {
    // Who got no answer is at the limit: nobody goes on.
    let unanswered = |why: String| {
        shared.is_full.store(true, Ordering::Relaxed);
        Ended::Unanswered(why)
    };
    let mut talk = door.talk().await.map_err(Ended::Failed)?;
    let until_us = door.clock.now_us() + FILL_WITHIN_US;
    let is_enough = || shared.taken.load(Ordering::Relaxed) >= SESSIONS_MAX || door.clock.now_us() >= until_us;
    let is_over = || shared.is_full.load(Ordering::Relaxed) || door.held.is_cut.load(Ordering::Relaxed);
    while !is_over() && !is_enough() {
        let answered = talk.ask(&texts::initialize(door, VERSION)).await.map_err(unanswered)?;
        let session = Session::opened(talk, &answered, VERSION).map_err(Ended::Failed)?;
        door.held.sessions.fetch_add(1, Ordering::Relaxed);
        talk = session.talk;
        part.ids.push(session.id.clone());
        let mut refusals = 0;
        loop {
            let answered = set_level(&mut talk, door, &session.id).await.map_err(unanswered)?;
            if answered.status == 200 && answered.rpc_code().is_none() {
                shared.taken.fetch_add(1, Ordering::Relaxed);
                break;
            }
            refusals += 1;
            if refusals == REFUSALS || shared.is_full.load(Ordering::Relaxed) {
                shared.is_full.store(true, Ordering::Relaxed);
                part.refused = Some(answered);
                break;
            }
            tokio::time::sleep(TRY_EVERY).await;
        }
    }
    Ok(())
}

/// Ends all of them, so that the server has its room back.
pub(super) async fn end_all(door: &Door, ids: Vec<String>) {
    let share = ids.len().div_ceil(ENDING_AT_ONCE).max(1);
    let mut ending = JoinSet::new();
    for ids in ids.chunks(share) {
        let (door, ids) = (door.clone(), ids.to_vec());
        ending.spawn(async move {
            let Ok(mut talk) = door.talk().await else { return };
            for id in ids {
                if talk.ask(&texts::end_session(&door, (&id, VERSION))).await.is_ok() {
                    door.held.sessions.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
    }
    let all = async { while ending.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(END_WITHIN, all).await;
}

/// A new session can have a level.
async fn is_taken(door: &Door) -> bool {
    let Ok(mut session) = Session::open(door, VERSION).await else { return false };
    let id = session.id.clone();
    let answered = set_level(&mut session.talk, door, &id).await;
    session.end(door).await;
    answered.is_ok_and(|answered| answered.status == 200 && answered.rpc_code().is_none())
}
