//! Batches of every size that is taken, and some that are too large.

use std::collections::BTreeSet;

use erlmcp_record::names::detail;
use serde_json::Value;

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
    let (mut taken, mut messages, mut refused, mut unpaired) = (0, 0, 0, 0);
    let sizes = (0..BATCHES).map(|batch| batch % MESSAGES_MAX + 1).chain([TOO_MANY; TOO_LARGE as usize]);
    for size in sizes {
        let pings: Vec<String> = (1..=size).map(|id| texts::message(id, "ping", "")).collect();
        let request = texts::in_session(door, session.named(), &format!("[{}]", pings.join(",")));
        let answered = session.talk.ask(&request).await?;
        if answered.status == 200 {
            taken += 1;
            messages += size;
            unpaired += without_the_other(size, &answered.body);
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
        + unpaired as f64;
    Ok(Visited::default()
        .with(detail::TAKEN, taken as f64)
        .with(detail::MESSAGES, messages as f64)
        .with(detail::REFUSED, refused as f64)
        .with(detail::SERVER_TAKEN, batches as f64)
        .with(detail::SERVER_REFUSED, refusals as f64)
        .with(detail::DIFFERENCE, difference)
        .saying(format!(
            "{taken} batches of {messages} messages answered and {refused} refused, {unpaired} messages and answers without \
             the other; the server counted {batches} of {parts} and {refusals}"
        )))
}

/// Of a batch with the ids 1 to `size`: messages that have no answer in `body`, and answers that are of no message, or are
/// the second of one.
fn without_the_other(size: u64, body: &[u8]) -> u64 {
    let mut unanswered: BTreeSet<u64> = (1..=size).collect();
    let answers: Vec<Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut strays = 0;
    for answer in &answers {
        let is_one = answer["jsonrpc"] == "2.0" && answer.get("result").is_some() != answer.get("error").is_some();
        let is_awaited = answer["id"].as_u64().is_some_and(|id| is_one && unanswered.remove(&id));
        strays += u64::from(!is_awaited);
    }
    strays + unanswered.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is missing is not made up for by what cannot be read, or came twice.
    #[test]
    fn each_message_of_a_batch_has_one_answer() {
        let of = |id: u64| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}");
        let error = r#"{"jsonrpc":"2.0","id":2,"error":{"code":-32603,"message":"no"}}"#.to_string();
        for (answers, unpaired) in [
            (vec![of(2), of(1)], 0),
            (vec![of(1), error], 0),
            (vec![of(1)], 1),
            (vec![of(1), of(2), of(3)], 1),
            (vec![of(1), of(1)], 2),
            (vec![of(1), "null".into()], 2),
            (vec![of(1), "{\"id\":2}".into()], 2),
            (vec![], 2),
        ] {
            let body = format!("[{}]", answers.join(","));
            assert_eq!(without_the_other(2, body.as_bytes()), unpaired, "{body}");
        }
        assert_eq!(without_the_other(2, of(1).as_bytes()), 2, "no array");
    }
}
