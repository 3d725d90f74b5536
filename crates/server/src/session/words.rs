//! What a session's client says on one replica and another one may have to know.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest response that goes to another replica, as it came: what is sent has to stay well below the bounds of
/// the channel.
pub(super) const RESPONSE_BYTES_MAX: usize = 64 * 1_024;

/// Something that a session's client has said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Word {
    pub(crate) session: u128,
    /// When the session ends, seconds since 1970.
    pub(crate) expires: u64,
    pub(crate) said: Said,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// A JSON-RPC response to a question that a replica has asked.
    Response(Value),
    /// It wants no answer to this request any more: the id as JSON text.
    Cancelled(String),
    /// It wants log messages from this level on.
    Level(String),
    /// It wants to be told of a resource, or not any more.
    Subscribed { uri: String, wanted: bool },
}

/// How a word was taken, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taken {
    Yes,
    /// There is no room for it.
    Busy,
    TooLong,
    /// It has a number that is too large for us, or more levels.
    Unreadable,
}
