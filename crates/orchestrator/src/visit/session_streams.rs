//! Streams of one session, up to the limit.

use std::time::Duration;

use erlmcp_record::names::detail;

use super::session::Session;
use super::talk::Talk;
use super::{BACK_WITHIN, Door, TRY_EVERY, Visited, refusal, texts};
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
            let back_ms = back_ms(door, &session, closed_us).await;
            visited
                .with_some(detail::BACK_MS, back_ms)
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

/// When there was room for a stream again, after all were closed.
async fn back_ms(door: &Door, session: &Session, since_us: u64) -> Option<f64> {
    let until_us = since_us + BACK_WITHIN.as_micros() as u64;
    while door.clock.now_us() < until_us {
        let opened = async { open_on(door.talk().await?, door, session).await };
        if matches!(opened.await, Ok((_, 200, _))) {
            return Some((door.clock.now_us() - since_us) as f64 / 1e3);
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
    None
}
