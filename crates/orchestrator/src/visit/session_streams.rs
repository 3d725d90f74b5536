//! Streams of one session, up to the limit.

use std::time::Duration;

use erlmcp_record::names::detail;

use super::session::{self, Session};
use super::talk::Talk;
use super::{Door, Visited, refusal, texts};
use crate::collector::Answered;

const VERSION: &str = "2025-11-25";
/// More are not tried on any server.
const STREAMS_MAX: usize = 16;
/// A stream that has not ended by then is one that others beside it did not end.
const STAYS_OPEN: Duration = Duration::from_millis(100);

pub(super) async fn most(door: &Door) -> Result<Visited, String> {
    let mut talk = door.talk().await?;
    let answered = talk.ask(&texts::initialize(door, VERSION)).await?;
    let Some(session) = Session::opened_if_any(talk, &answered, VERSION)? else {
        return Ok(without(session::NONE));
    };
    let mut streams: Vec<Talk> = Vec::new();
    let mut refused = None;
    while streams.len() < STREAMS_MAX && refused.is_none() {
        match open_on(door.talk().await?, door, &session).await {
            Ok((talk, 200, _)) => streams.push(talk),
            Ok((_, status, _)) if streams.is_empty() => {
                session.end(door).await;
                return none_at_all(status);
            }
            Ok((_, status, head)) => refused = Some(Ok(Answered { status, head, body: Vec::new() })),
            // Before any was taken, that tells nothing of a limit.
            Err(why) if streams.is_empty() => return Err(why),
            Err(why) => refused = Some(Err(why)),
        }
    }
    let visited = match refused {
        None => {
            let mut open = 0;
            for stream in &mut streams {
                open += usize::from(!stream.ends(STAYS_OPEN).await);
            }
            Visited::default().with(detail::TAKEN, open as f64).saying(match open {
                STREAMS_MAX => format!("{STREAMS_MAX} streams of one session were taken; no more were tried"),
                _ => format!("{STREAMS_MAX} streams of one session were taken; {open} of them stayed open"),
            })
        }
        Some(answered) => {
            let taken = streams.len() as f64;
            let closed_us = door.clock.now_us();
            drop(streams);
            let visited = Visited::default().with(detail::TAKEN, taken);
            let (visited, said) = refusal(visited, &answered);
            visited
                .with_back(door.back(closed_us, || is_taken(door, &session)).await)
                .saying(format!("{taken} streams of one session were taken; one more: {said}"))
        }
    };
    session.end(door).await;
    Ok(visited)
}

fn without(text: &str) -> Visited {
    Visited::default().with(detail::TAKEN, 0.0).saying(text.into())
}

/// A server need not have streams of sessions, and says 405 then; any other answer to the first one is no limit.
fn none_at_all(status: u16) -> Result<Visited, String> {
    match status {
        405 => Ok(without("the target has no streams of sessions")),
        _ => Err(format!("the first stream of a session was answered with HTTP {status}")),
    }
}

async fn open_on(mut talk: Talk, door: &Door, session: &Session) -> Result<(Talk, u16, String), String> {
    talk.send(&texts::get_stream(door, session.named())).await?;
    let (status, head) = talk.stream_head().await?;
    Ok((talk, status, head))
}

/// There is room for a stream.
async fn is_taken(door: &Door, session: &Session) -> bool {
    let opened = async { open_on(door.talk().await?, door, session).await };
    matches!(opened.await, Ok((_, 200, _)))
}
