//! A session of the older era.

use super::talk::Talk;
use super::{Door, texts};
use crate::collector::Answered;

/// Of a server that answers `initialize` without one, as it may.
pub(super) const NONE: &str = "the target opens no sessions";

/// On a connection of its own; ended when it is told to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) talk: Talk,
    pub(super) id: String,
    /// What the server agreed to; what was asked for, where it does not say.
    version: String,
}

impl Session {
    pub(super) async fn open(door: &Door, version: &str) -> Result<Self, String> {
        Self::on(door.talk().await?, door, version).await
    }

    /// The same, on this connection.
    pub(super) async fn on(mut talk: Talk, door: &Door, version: &str) -> Result<Self, String> {
        let answered = talk.ask(&texts::initialize(door, version)).await?;
        Self::opened(talk, &answered, version)
    }

    /// The session that an answer to `initialize` has opened.
    pub(super) fn opened(talk: Talk, answered: &Answered, version: &str) -> Result<Self, String> {
        Self::opened_if_any(talk, answered, version)?.ok_or_else(|| NONE.to_string())
    }

    /// None where the server answers without one.
    pub(super) fn opened_if_any(talk: Talk, answered: &Answered, version: &str) -> Result<Option<Self>, String> {
        if answered.status != 200 {
            return Err(format!("initialize was answered with HTTP {}", answered.status));
        }
        if let Some(code) = answered.rpc_code() {
            return Err(format!("initialize was answered with the error {code}"));
        }
        let Some(id) = answered.field("Mcp-Session-Id").map(str::to_string) else { return Ok(None) };
        let version = agreed(&answered.body).unwrap_or_else(|| version.to_string());
        Ok(Some(Self { talk, id, version }))
    }

    pub(super) fn named(&self) -> (&str, &str) {
        (&self.id, &self.version)
    }

    /// Ends it. Whether the server cares is its own affair.
    pub(super) async fn end(mut self, door: &Door) {
        let request = texts::end_session(door, self.named());
        let _ = self.talk.ask(&request).await;
    }
}

/// The version that an answer to initialize names, in JSON or in an event of a stream.
fn agreed(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let version = std::iter::once(text).chain(data).find_map(|json| {
        let answer: serde_json::Value = serde_json::from_str(json).ok()?;
        Some(answer.pointer("/result/protocolVersion")?.as_str()?.to_string())
    });
    // It becomes a header field.
    version.filter(|version| version.bytes().all(|byte| byte.is_ascii_graphic()))
}
