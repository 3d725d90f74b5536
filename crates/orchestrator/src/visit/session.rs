//! A session of the older era.

use super::talk::Talk;
use super::{Door, texts};

/// On a connection of its own; ended when it is told to.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) talk: Talk,
    pub(super) id: String,
    version: &'static str,
}

impl Session {
    pub(super) async fn open(door: &Door, version: &'static str) -> Result<Self, String> {
        let talk = door.talk().await?;
        Self::open_on(talk, door, version).await
    }

    pub(super) async fn open_on(mut talk: Talk, door: &Door, version: &'static str) -> Result<Self, String> {
        let answered = talk.ask(&texts::initialize(door, version)).await?;
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
