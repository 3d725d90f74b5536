//! Connections up to the limit of one process, and beyond.

use std::time::Duration;

use erlmcp_record::names::detail;
use tokio::task::JoinSet;

use super::talk::Talk;
use super::{Door, Visited, figures, refusal, texts};
use crate::collector::Answered;

/// Opened at the same time.
const AT_ONCE: u64 = 128;
const EXCESS: u64 = 32;
/// Source addresses have so many connections each.
const A_SOURCE: u64 = 2_000;
/// Who knocks where there is no descriptor waits so long.
const KNOCK_WITHIN: Duration = Duration::from_secs(2);

/// Until the server refuses; each connection has had an answer.
pub(super) async fn fill(door: &Door) -> Result<Visited, String> {
    let before = figures::now(door).await?;
    let room = before.connections_limit.saturating_sub(before.connections.all());
    let (mut held, mut refused, mut other) = (Vec::new(), Vec::new(), 0_u64);
    let mut begun = 0;
    while refused.is_empty() && begun < room + EXCESS {
        let some = AT_ONCE.min(room + EXCESS - begun);
        for opened in open_some(door, begun, some, None).await {
            match opened {
                Ok((talk, answered)) if answered.status == 200 => held.push(talk),
                Ok((_, answered)) if answered.status == 503 => refused.push(answered),
                _ => other += 1,
            }
        }
        begun += some;
    }
    let taken = held.len() as f64;
    let refusals = refused.len() as u64;
    let closed_us = door.clock.now_us();
    drop(held);
    let back_ms = door.back_ms(closed_us).await;
    let after = figures::now(door).await?;
    let server_refused = after.connections_refused_total.saturating_sub(before.connections_refused_total);
    let visited = Visited::default()
        .with(detail::TAKEN, taken)
        .with(detail::REFUSED, refusals as f64)
        .with(detail::OTHER, other as f64)
        .with(detail::CONNECTIONS_LIMIT, before.connections_limit as f64)
        .with(detail::SERVER_REFUSED, server_refused as f64)
        .with_some(detail::BACK_MS, back_ms);
    let Some(answered) = refused.pop() else {
        return Ok(visited.saying(format!("{taken} more connections were taken and none refused")));
    };
    let (visited, said) = refusal(visited, &Ok(answered));
    Ok(visited.saying(format!("{taken} more connections were taken; one more: {said}")))
}

/// So many, whether there is room or not: how many are answered.
pub(super) async fn knock(door: &Door, connections: u64) -> Result<Visited, String> {
    let opened = open_some(door, 0, connections, Some(KNOCK_WITHIN)).await;
    let answered = opened.iter().flatten().filter(|(_, answered)| answered.status == 200).count() as f64;
    Ok(Visited::default()
        .with(detail::TAKEN, answered)
        .with(detail::REFUSED, connections as f64 - answered)
        .saying(format!("{answered} of {connections} connections were answered while descriptors were short")))
}

type Opened = Result<(Talk, Answered), String>;

async fn open_some(door: &Door, begun: u64, some: u64, within: Option<Duration>) -> Vec<Opened> {
    let mut opening = JoinSet::new();
    for one in begun..begun + some {
        let door = door.clone();
        opening.spawn(async move {
            let mut talk = Talk::connect_as(door.first()?, (one / A_SOURCE) as u16).await?;
            // No page: a full server shows those all the same.
            talk.send(&texts::modern(&door, "server/discover", "")).await?;
            let answered = match within {
                Some(within) => talk.answer_within(within).await?,
                None => talk.answer().await?,
            };
            Ok((talk, answered))
        });
    }
    let mut opened = Vec::new();
    while let Some(one) = opening.join_next().await {
        opened.push(one.map_err(|error| error.to_string()).and_then(|one| one));
    }
    opened
}
