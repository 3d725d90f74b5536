//! Connections up to the limit of one process, and beyond.

use std::time::Duration;

use erlmcp_record::names::detail;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::talk::{Talk, socket};
use super::{Door, Visited, figures, refusal, texts};
use crate::collector::Answered;

/// Opened at the same time.
const AT_ONCE: u64 = 128;
const EXCESS: u64 = 32;
/// Source addresses have so many connections each.
const A_SOURCE: u64 = 2_000;
/// Who knocks where there is no descriptor waits so long.
const KNOCK_WITHIN: Duration = Duration::from_secs(2);

/// Until the server refuses, or does not answer; each connection that is held has had an answer.
pub(super) async fn fill(door: &Door) -> Result<Visited, String> {
    let before = figures::now(door).await?;
    let room = before.connections_limit.saturating_sub(before.connections.all());
    let (mut held, mut refused, mut other) = (Vec::new(), Vec::new(), 0_u64);
    let (mut unanswered, mut not_begun) = (None, None);
    let mut begun = 0;
    while refused.is_empty() && unanswered.is_none() && not_begun.is_none() && begun < room + EXCESS {
        let some = AT_ONCE.min(room + EXCESS - begun);
        for opened in open_some(door, begun, some, None).await {
            match opened {
                Opened::Answered(talk, answered) if answered.status == 200 => held.push(talk),
                Opened::Answered(_, answered) if answered.status == 503 => refused.push(answered),
                Opened::Answered(..) => other += 1,
                Opened::Unanswered(why) => {
                    other += 1;
                    unanswered = unanswered.or(Some(why));
                }
                Opened::NotBegun(why) => not_begun = not_begun.or(Some(why)),
            }
        }
        begun += some;
    }
    let taken = held.len() as f64;
    let refusals = refused.len() as u64;
    let closed_us = door.clock.now_us();
    drop(held);
    let back = door.back(closed_us, || door.is_answered()).await;
    // A server that is not back says nothing, either.
    let after = figures::now(door).await.ok();
    let server_refused =
        after.map(|after| after.connections_refused_total.saturating_sub(before.connections_refused_total) as f64);
    let visited = Visited::default()
        .with(detail::TAKEN, taken)
        .with(detail::REFUSED, refusals as f64)
        .with(detail::OTHER, other as f64)
        .with(detail::CONNECTIONS_LIMIT, before.connections_limit as f64)
        .with_some(detail::SERVER_REFUSED, server_refused)
        .with_back(back);
    let beyond = match (refused.pop(), unanswered, not_begun) {
        (Some(answered), ..) => Ok(answered),
        (None, Some(why), _) => Err(why),
        (None, None, Some(why)) => return Err(why),
        (None, None, None) => {
            return Ok(visited.saying(format!("{taken} more connections were taken and none refused")));
        }
    };
    let (visited, said) = refusal(visited, &beyond);
    Ok(visited.saying(format!("{taken} more connections were taken; one more: {said}")))
}

/// So many, whether there is room or not: how many are answered.
pub(super) async fn knock(door: &Door, connections: u64) -> Result<Visited, String> {
    let opened = open_some(door, 0, connections, Some(KNOCK_WITHIN)).await;
    let is_answered = |one: &&Opened| matches!(one, Opened::Answered(_, answered) if answered.status == 200);
    let answered = opened.iter().filter(is_answered).count() as f64;
    Ok(Visited::default()
        .with(detail::TAKEN, answered)
        .with(detail::REFUSED, connections as f64 - answered)
        .saying(format!("{answered} of {connections} connections were answered while descriptors were short")))
}

/// What became of a connection.
enum Opened {
    Answered(Talk, Answered),
    Unanswered(String),
    /// The visitor itself had nothing to connect with.
    NotBegun(String),
}

async fn open_some(door: &Door, begun: u64, some: u64, within: Option<Duration>) -> Vec<Opened> {
    let mut opening = JoinSet::new();
    for one in begun..begun + some {
        let door = door.clone();
        opening.spawn(async move { open(&door, one, within).await.unwrap_or_else(Opened::NotBegun) });
    }
    let mut opened = Vec::new();
    while let Some(one) = opening.join_next().await {
        opened.push(one.unwrap_or_else(|error| Opened::NotBegun(error.to_string())));
    }
    opened
}

async fn open(door: &Door, one: u64, within: Option<Duration>) -> Result<Opened, String> {
    let address = door.first()?;
    let socket = socket(address, (one / A_SOURCE) as u16)?;
    let asked = async {
        let mut talk = Talk::connect_from(socket, &door.way, address).await?;
        // No page: a full server shows those all the same.
        let answered = talk.ask(&texts::modern(door, "server/discover", "")).await?;
        Ok::<_, String>(Opened::Answered(talk, answered))
    };
    let asked = match within {
        // The handshake of TLS, too.
        Some(within) => timeout(within, asked).await.unwrap_or_else(|_| Err("nothing came".into())),
        None => asked.await,
    };
    Ok(asked.unwrap_or_else(Opened::Unanswered))
}
