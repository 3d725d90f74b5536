//! Batches of every size that is taken, and some that are too large.

use erlmcp_record::names::detail;

use super::session::Session;
use super::{Door, Visited, figures, texts};

const VERSION: &str = "2025-03-26";
/// Batches have 1 to so many messages, again and again.
const MESSAGES_MAX: u64 = 16;
const BATCHES: u64 = 200;
/// An erlmcp server takes 64 messages.
const TOO_MANY: u64 = 65;
const TOO_LARGE: u64 = 3;

pub(super) async fn all_sizes(door: &Door) -> Result<Visited, String> {
    let mut session = Session::open(door, VERSION).await?;
    let before = figures::now(door).await?.components;
    let (mut taken, mut messages, mut refused, mut answers) = (0, 0, 0, 0);
    let sizes = (0..BATCHES).map(|batch| batch % MESSAGES_MAX + 1).chain([TOO_MANY; TOO_LARGE as usize]);
    for size in sizes {
        let pings: Vec<String> = (1..=size).map(|id| texts::message(id, "ping", "")).collect();
        let request = texts::in_session(door, session.named(), &format!("[{}]", pings.join(",")));
        let answered = session.talk.ask(&request).await?;
        if answered.status == 200 {
            taken += 1;
            messages += size;
            let list: Vec<serde_json::Value> = serde_json::from_slice(&answered.body).unwrap_or_default();
            answers += list.len() as u64;
        } else {
            refused += 1;
        }
    }
    let after = figures::now(door).await?.components;
    session.end(door).await;
    let server = |of: fn(&figures::Components) -> u64| of(&after).saturating_sub(of(&before));
    let (batches, parts) = (server(|parts| parts.batches), server(|parts| parts.batch_messages));
    let refusals = server(|parts| parts.batches_refused);
    let difference = figures::difference(batches, taken)
        + figures::difference(parts, messages)
        + figures::difference(refusals, refused)
        + figures::difference(answers, messages);
    Ok(Visited::default()
        .with(detail::TAKEN, taken as f64)
        .with(detail::MESSAGES, messages as f64)
        .with(detail::REFUSED, refused as f64)
        .with(detail::SERVER_TAKEN, batches as f64)
        .with(detail::SERVER_REFUSED, refusals as f64)
        .with(detail::DIFFERENCE, difference)
        .saying(format!(
            "{taken} batches of {messages} messages answered and {refused} refused; the server counted {batches} of \
             {parts} and {refusals}"
        )))
}
