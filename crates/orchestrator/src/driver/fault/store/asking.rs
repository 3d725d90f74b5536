//! Questions about operations that nobody has begun: they need the store, and leave nothing there.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::super::local::LOOK_EVERY;
use crate::collector::Page;

/// A replica waits for its store for two seconds before it refuses.
const WITHIN: Duration = Duration::from_secs(5);
const METHOD: &str = "operation/status";

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// The store has answered.
    Answered,
    /// 503 with the word that nothing was executed.
    Refused,
    /// Anything else, as a sentence.
    Otherwise(String),
}

/// Asks a replica at its own address.
pub(super) async fn ask(mcp: &Page) -> Asked {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": METHOD, "params": {
        "operation": format!("erlmcp-question-{}", std::process::id()), "settle": false,
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}},
    }});
    let fields = format!(
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {METHOD}\r\n"
    );
    match mcp.post(&fields, &body.to_string(), WITHIN).await {
        Ok(answered) => judge(answered.status, &answered.body),
        Err(why) => Asked::Otherwise(why),
    }
}

fn judge(status: u16, body: &[u8]) -> Asked {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match status {
        200 if answer["result"]["state"].is_string() => Asked::Answered,
        503 if answer["error"]["data"]["executed"] == false => Asked::Refused,
        status => Asked::Otherwise(format!("{METHOD} was answered with status {status}: {}", answer["error"])),
    }
}

/// Asks each of them until it is answered.
///
/// # Errors
/// Where one is not within the time, with what it said last.
pub(super) async fn until_answered(replicas: &[Page], within: Duration) -> Result<(), String> {
    let mut last = String::from("no replica takes requests");
    let answered = async {
        for mcp in replicas {
            loop {
                last = match ask(mcp).await {
                    Asked::Answered => break,
                    Asked::Refused => format!("{} refused", mcp.address),
                    Asked::Otherwise(why) => why,
                };
                sleep(LOOK_EVERY).await;
            }
        }
    };
    let answered = timeout(within, answered).await;
    if replicas.is_empty() { Err(last) } else { answered.map_err(|_| last) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        assert_eq!(judge(200, br#"{"result":{"operation":"x","state":"unknown"}}"#), Asked::Answered);
        let refused = br#"{"error":{"code":53003,"data":{"executed":false,"scope":"store"}}}"#;
        assert_eq!(judge(503, refused), Asked::Refused);
        let unmarked = judge(503, br#"{"error":{"code":53003}}"#);
        assert!(matches!(&unmarked, Asked::Otherwise(why) if why.contains("503")), "{unmarked:?}");
        assert!(matches!(judge(200, b"[]"), Asked::Otherwise(_)));
    }
}
