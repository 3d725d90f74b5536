//! Tokens of sessions: good ones, and ones that were tampered with.

use erlmcp_record::names::detail;

use super::session::Session;
use super::{Door, Visited, figures, texts};

const VERSION: &str = "2025-11-25";
/// Enough that a sample of them is timed.
const GOOD: u64 = 6_400;
const BAD: u64 = 640;

pub(super) async fn good_and_bad(door: &Door) -> Result<Visited, String> {
    let mut session = Session::open(door, VERSION).await?;
    let before = figures::now(door).await?.components;
    let ping = texts::message(2, "ping", "");
    let good = texts::in_session(door, session.named(), &ping);
    let bad = texts::in_session(door, (&tampered(&session.id), VERSION), &ping);
    let (mut taken, mut refused, mut bad_taken) = (0, 0, 0);
    for turn in 0..GOOD + BAD {
        let is_bad = turn % (GOOD / BAD + 1) == 0;
        match session.talk.ask(if is_bad { &bad } else { &good }).await?.status {
            200 => (taken, bad_taken) = (taken + 1, bad_taken + u64::from(is_bad)),
            _ => refused += 1,
        }
    }
    let after = figures::now(door).await?.components;
    session.end(door).await;
    let counted = (
        after.tokens_good.saturating_sub(before.tokens_good),
        after.tokens_refused.saturating_sub(before.tokens_refused),
    );
    let difference = figures::difference(counted.0, taken) + figures::difference(counted.1, refused);
    let times = after.token_check.since(&before.token_check);
    Ok(Visited::default()
        .with(detail::TAKEN, taken as f64)
        .with(detail::REFUSED, refused as f64)
        .with(detail::SERVER_TAKEN, counted.0 as f64)
        .with(detail::SERVER_REFUSED, counted.1 as f64)
        .with(detail::DIFFERENCE, difference + bad_taken as f64)
        .with(detail::CLOCK_NS, after.clock_ns as f64)
        .with_times(&times)
        .saying(format!(
            "{taken} tokens taken, {bad_taken} of them bad, and {refused} refused; the server counted {} and {}",
            counted.0, counted.1
        )))
}

/// The same with its last character another one.
fn tampered(id: &str) -> String {
    let mut id = id.to_string();
    let last = id.pop();
    id.push(if last == Some('A') { 'B' } else { 'A' });
    id
}
