//! A registry of so many tools: a server of the visitor's own, of the same program as this one.

use erlmcp_record::names::detail;

use super::{Door, Visited, figures, texts};
use crate::collector::Way;
use crate::driver::LoneServer;

/// Enough that a sample of them is timed.
const CALLS: u64 = 12_800;
/// Names are called in an order that no cache knows.
const STRIDE: u64 = 7_919;

pub(super) async fn registry(door: &Door, tools: u64) -> Result<Visited, String> {
    // Three tools are built in.
    let extra = tools.saturating_sub(3).max(1);
    let server = LoneServer::start(extra).await?;
    let (endpoints, way) = (vec![(0, server.address())], Way::default());
    let door = Door { endpoints, way, authority: None, headers: Vec::new(), ..door.clone() };
    let visited = measure(&door, extra).await;
    let left = server.stop().await;
    let visited = visited?;
    if left { Ok(visited) } else { Err("the server with many tools did not end".into()) }
}

async fn measure(door: &Door, extra: u64) -> Result<Visited, String> {
    let mut talk = door.talk().await?;
    let before = figures::now(door).await?.components;
    let from_us = door.clock.now_us();
    let mut answered = 0;
    for call in 0..CALLS {
        let name = format!("extra-{}", call * STRIDE % extra + 1);
        answered += u64::from(talk.ask(&texts::call(door, &name, "{}")).await?.status == 200);
    }
    let took_us = door.clock.now_us() - from_us;
    let after = figures::now(door).await?.components;
    let times = after.lookup.since(&before.lookup);
    let expected = CALLS / after.sampled.max(1);
    // Requests that came in two pieces are looked at twice; each look counts for the sample.
    let is_sampled = times.count() > 0 && times.count() <= expected + 1;
    if !is_sampled {
        return Err(format!("{} of {CALLS} lookups were timed, not about {expected}", times.count()));
    }
    Ok(Visited::default()
        .with(detail::TOOLS, after.tools as f64)
        .with(detail::TAKEN, answered as f64)
        .with(detail::CLOCK_NS, after.clock_ns as f64)
        .with(detail::CLIENT_MEAN_US, took_us as f64 / CALLS as f64)
        .with_times(&times)
        .saying(format!(
            "{} tools: a lookup took {:.0} ns in the mean of {}, reading the clock ({} ns) in it",
            after.tools,
            times.mean_ns().unwrap_or(f64::NAN),
            times.count(),
            after.clock_ns
        )))
}
