//! A session of the older era.

use super::talk::Talk;
use super::{Door, texts};
use crate::collector::Answered;

/// On a connection of its own; ended when it is told to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) talk: Talk,
    pub(super) id: String,
    version: &'static str,
}

impl Session {
    pub(super) async fn open(door: &Door, version: &'static str) -> Result<Self, String> {
        let mut talk = door.talk().await?;
        let answered = talk.ask(&texts::initialize(door, version)).await?;
        Self::opened(talk, &answered, version)
    }

    /// The session that an answer to `initialize` has opened.
    pub(super) fn opened(talk: Talk, answered: &Answered, version: &'static str) -> Result<Self, String> {
        if answered.status != 200 {
            return Err(format!("initialize was answered with HTTP {}", answered.status));
        }
        let id = answered.field("Mcp-Session-Id").ok_or("the target opens no sessions")?.to_string();
        Ok(Self { talk, id, version })
    }

    pub(super) fn named(&self) -> (&str, &'static str) {
        (&self.id, self.version)
    }

    /// Ends it. Whether the server cares is its own affair.
    pub(super) async fn end(mut self, door: &Door) {
        let request = texts::end_session(door, self.named());
        let _ = self.talk.ask(&request).await;
    }
}
