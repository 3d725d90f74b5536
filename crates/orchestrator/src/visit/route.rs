//! Plain requests, to see what the router takes of them.

use erlmcp_record::names::detail;

use super::{Door, Visited, figures, texts};

/// Enough that a sample of them is timed.
const REQUESTS: u64 = 12_800;

pub(super) async fn requests(door: &Door) -> Result<Visited, String> {
    let mut talk = door.talk().await?;
    let before = figures::now(door).await?;
    let request = texts::modern(door, "server/discover", "");
    let mut answered = 0;
    for _ in 0..REQUESTS {
        answered += u64::from(talk.ask(&request).await?.status == 200);
    }
    let after = figures::now(door).await?;
    // The page itself is a request, which is counted nowhere else.
    let counted = after.requests_total.saturating_sub(before.requests_total);
    let times = after.components.router.since(&before.components.router);
    Ok(Visited::default()
        .with(detail::TAKEN, answered as f64)
        .with(detail::SERVER_TAKEN, counted as f64)
        .with(detail::DIFFERENCE, figures::difference(counted, answered))
        .with(detail::CLOCK_NS, after.components.clock_ns as f64)
        .with_times(&times)
        .saying(format!("{answered} requests answered; the server counted {counted}")))
}
