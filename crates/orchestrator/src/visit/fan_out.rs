//! Changes on their way to streams: what the server says that it told, against what was heard.

use std::time::Duration;

use erlmcp_record::names::detail;
use serde_json::json;
use tokio::task::JoinSet;

use super::figures::{self, Components, LONG_NS, Times};
use super::talk::Talk;
use super::{Door, Visited, texts};
use crate::driver::control::{ANSWER_WITHIN, Connection, Done};

const CHANGES: u64 = 3;
const HEARD_WITHIN: Duration = Duration::from_secs(10);
/// A notification comes once: what comes twice comes within so long.
const AFTER: Duration = Duration::from_millis(300);
const CHANGED: &str = "notifications/tools/list_changed";

pub(super) async fn changes(door: &Door, streams: u64) -> Result<Visited, String> {
    let control = door.control.clone().ok_or("the target has no control socket by which it can be changed")?;
    let mut open = Vec::new();
    for stream in 0..streams {
        let endpoint = door.endpoints.get(stream as usize % door.endpoints.len().max(1));
        let (_, address) = endpoint.ok_or("the target has no address")?;
        let mut talk = Talk::connect(&door.way, *address).await?;
        talk.send(&texts::listen(door)).await?;
        if talk.until("notifications/subscriptions/acknowledged", 1, HEARD_WITHIN).await == 0 {
            return Err(format!("stream {} of {streams} was not acknowledged", stream + 1));
        }
        open.push(talk);
    }
    let before = all(door).await?;
    let mut to_last_ms: f64 = 0.0;
    for change in 1..=CHANGES {
        let mut connection = Connection::open(&control).await.map_err(|error| error.to_string())?;
        let from_us = door.clock.now_us();
        let request = json!({"op": "notify", "list": "tools"});
        let told = connection.request::<Done>("notify", &request, ANSWER_WITHIN).await;
        told.map_err(|error| error.to_string())?;
        open = hear(open, change as usize).await;
        to_last_ms = to_last_ms.max((door.clock.now_us() - from_us) as f64 / 1e3);
    }
    let mut heard = 0;
    for talk in &mut open {
        heard += talk.until(CHANGED, CHANGES as usize + 1, AFTER / streams.max(1) as u32).await as u64;
    }
    let after = all(door).await?;
    let told: u64 =
        after.iter().zip(&before).map(|(now, then)| now.notifications.saturating_sub(then.notifications)).sum();
    let times = after.iter().zip(&before).map(|(now, then)| now.fan_out.since(&then.fan_out));
    let slowest_ns = slowest_ns(times.filter(|times| times.count() > 0));
    Ok(Visited::default()
        .with(detail::TAKEN, heard as f64)
        .with(detail::SERVER_TAKEN, told as f64)
        .with(detail::EXPECTED, (streams * CHANGES) as f64)
        .with(detail::DIFFERENCE, figures::difference(told, heard) + figures::difference(streams * CHANGES, heard))
        .with(detail::TO_LAST_MS, to_last_ms)
        .with_some(detail::SERVER_TO_LAST_MS, slowest_ns.map(|ns| ns / 1e6))
        .saying(format!(
            "{heard} notifications of {CHANGES} changes heard on {streams} streams; the server counted {told}"
        )))
}

/// The upper bound of the longest of all; None where there is none, or one is above all bounds.
fn slowest_ns(mut times: impl Iterator<Item = Times>) -> Option<f64> {
    let slowest = times.try_fold(0.0_f64, |most, times| Some(most.max(times.quantile_ns(1.0, LONG_NS)?)));
    slowest.filter(|ns| *ns > 0.0)
}

/// What every replica says of its parts.
async fn all(door: &Door) -> Result<Vec<Components>, String> {
    let mut all = Vec::new();
    for (_, address) in &door.endpoints {
        all.push(figures::at(door, *address).await?.components);
    }
    Ok(all)
}

/// Waits at all streams at the same time until each has told of so many.
async fn hear(open: Vec<Talk>, count: usize) -> Vec<Talk> {
    let mut hearing = JoinSet::new();
    for mut talk in open {
        hearing.spawn(async move {
            talk.until(CHANGED, count, HEARD_WITHIN).await;
            talk
        });
    }
    let mut heard = Vec::new();
    while let Some(talk) = hearing.join_next().await {
        heard.extend(talk.ok());
    }
    heard
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_is_not_known_where_one_is_above_all_bounds() {
        let of = |buckets: &[u64]| Times { buckets: buckets.to_vec(), sum_ns: 0 };
        assert_eq!(slowest_ns([of(&[1, 0, 0]), of(&[0, 3, 0])].into_iter()), Some(2.0 * LONG_NS as f64));
        assert_eq!(slowest_ns([of(&[1, 0, 0]), of(&[0, 0, 1])].into_iter()), None);
        assert_eq!(slowest_ns([].into_iter()), None);
    }
}
