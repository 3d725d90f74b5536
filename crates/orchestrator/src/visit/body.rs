//! The largest body that is taken, and what a larger one is answered with.

use erlmcp_record::names::detail;

use super::session::Session;
use super::texts::{initialize_body, modern_parts, post_head};
use super::{Door, Visited, refusal};
use crate::collector::Answered;

/// Of a server of the older era.
const VERSION: &str = "2025-11-25";
const FIRST_BYTES: usize = 16 * 1_024;
/// A larger one is not tried on any server.
const LAST_BYTES: usize = 32 << 20;
/// Halvings between the largest that was taken and the smallest that was not.
const HALVINGS: u32 = 6;

/// A harmless request that can be of any size.
struct Padded {
    fields: String,
    /// What the body is before and after its padding.
    parts: (String, String),
}

impl Padded {
    fn new(fields: String, body: &str, before: &str) -> Self {
        let at = body.find(before).map_or(0, |at| at + before.len());
        let (front, back) = body.split_at(at);
        Self { fields, parts: (format!("{front}\"padding\":\""), format!("\",{back}")) }
    }

    fn modern() -> Self {
        let (fields, body) = modern_parts("server/discover", None, "");
        Self::new(fields, &body, "\"_meta\":{")
    }

    fn legacy() -> Self {
        Self::new(String::new(), &initialize_body(VERSION), "\"clientInfo\":{")
    }

    async fn ask(&self, door: &Door, bytes: usize) -> Result<Answered, String> {
        let (front, back) = &self.parts;
        let mut body = Vec::with_capacity(bytes);
        body.extend_from_slice(front.as_bytes());
        body.resize(bytes.saturating_sub(back.len()).max(front.len()), b'x');
        body.extend_from_slice(back.as_bytes());
        let mut talk = door.talk().await?;
        let answered = talk.ask_large(&post_head(door, &self.fields, body.len()), &body).await?;
        if let Ok(Some(session)) = Session::opened_if_any(talk, &answered, VERSION) {
            session.end(door).await;
        }
        Ok(answered)
    }
}

pub(super) async fn largest(door: &Door) -> Result<Visited, String> {
    let mut padded = Padded::modern();
    if padded.ask(door, 2_048).await?.status != 200 {
        padded = Padded::legacy();
        let status = padded.ask(door, 2_048).await?.status;
        if status != 200 {
            return Err(format!("a small request was answered with HTTP {status}"));
        }
    }
    let mut taken = 2_048;
    let mut refused = None;
    let mut bytes = FIRST_BYTES;
    while bytes <= LAST_BYTES && refused.is_none() {
        match padded.ask(door, bytes).await {
            Ok(answered) if answered.status == 200 => taken = bytes,
            answered => refused = Some((bytes, answered)),
        }
        bytes *= 2;
    }
    let Some((mut smallest, mut answered)) = refused else {
        let text = format!("a body of {} MiB was taken; no larger one was tried", LAST_BYTES >> 20);
        return Ok(Visited::default().with(detail::TAKEN_BYTES, taken as f64).saying(text));
    };
    for _ in 0..HALVINGS {
        let middle = taken + (smallest - taken) / 2;
        match padded.ask(door, middle).await {
            Ok(again) if again.status == 200 => taken = middle,
            again => (smallest, answered) = (middle, again),
        }
    }
    let (visited, said) = refusal(Visited::default(), &answered);
    let back = door.back(door.clock.now_us(), || door.is_answered()).await;
    Ok(visited
        .with(detail::TAKEN_BYTES, taken as f64)
        .with(detail::REFUSED_BYTES, smallest as f64)
        .with_back(back)
        .saying(format!("{taken} bytes were taken, {smallest} were not: {said}")))
}
