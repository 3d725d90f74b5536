//! Streams of one session, up to the limit.

use std::time::Duration;

use erlmcp_record::names::detail;

use super::session::Session;
use super::talk::Talk;
use super::{Door, Visited, refusal, texts};
use crate::collector::Answered;

/// More are not tried on any server.
const STREAMS_MAX: usize = 16;
/// A stream that has not ended by then is one that others beside it did not end.
const STAYS_OPEN: Duration = Duration::from_millis(100);

pub(super) async fn most(door: &Door) -> Result<Visited, String> {
    let session = Session::open(door, "2025-11-25").await?;
    let mut streams: Vec<Talk> = Vec::new();
    let mut refused = None;
    while streams.len() < STREAMS_MAX && refused.is_none() {
        match open_on(door.talk().await?, door, &session).await {
            Ok((talk, 200, _)) => streams.push(talk),
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
