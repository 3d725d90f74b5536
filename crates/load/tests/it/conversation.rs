//! Call by call, with the client that agents are.

use std::sync::atomic::Ordering;

use erlmcp_load::agent::{Conversation, converse};
use erlmcp_load::proto;
use serde_json::{Value, json};

use crate::server::{self, Manner};

/// Speaks with such a server. Answers with what came of it, and the server's count.
async fn with<T: Send + 'static>(
    manner: Manner,
    talk: impl FnOnce(&mut Conversation<'_>) -> Result<T, String> + Send + 'static,
) -> (Result<T, String>, u64) {
    let server = server::start(manner).await;
    let setup = proto::Setup {
        endpoints: vec![proto::Endpoint { replica: 0, address: server.address.to_string() }],
        authority: server.address.to_string(),
        path: "/mcp".into(),
        era: "auto".into(),
        ..proto::Setup::default()
    };
    let said = tokio::task::spawn_blocking(move || converse(&setup, talk)).await.expect("no panic");
    (said, server.calls.load(Ordering::SeqCst))
}

/// Calls the first tool that is listed.
fn call(server: &mut Conversation<'_>) -> Result<Value, String> {
    let tools = server.tools()?;
    let tool = tools.first().ok_or("no tool")?;
    server.call(tool, &Conversation::arguments_for(tool))
}

#[tokio::test]
async fn arguments_are_made_from_the_schema_and_mirrored_in_headers() {
    // The server takes no call whose header and argument differ.
    let (result, calls) = with(Manner::Modern, call).await;
    assert_eq!(result.expect("a result")["content"][0]["type"], "text");
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_version_that_was_refused_and_named_is_tried_again() {
    let (tools, _) = with(Manner::Capricious, |server| server.tools()).await;
    assert_eq!(tools.map(|tools| tools.len()), Ok(2));
}

#[tokio::test]
async fn what_is_asked_on_the_stream_of_a_call_is_answered() {
    assert_eq!(with(Manner::Asking, call).await, (Ok(json!({"content": []})), 1));
}

#[tokio::test]
async fn what_is_asked_on_the_sessions_own_stream_is_answered() {
    let listening = |server: &mut Conversation<'_>| {
        server.listen()?;
        call(server)
    };
    assert_eq!(with(Manner::AskingAside, listening).await, (Ok(json!({"content": []})), 1));
}

#[tokio::test]
async fn a_stream_that_ends_early_is_gone_on_with() {
    assert_eq!(with(Manner::Leaving, call).await, (Ok(json!({"content": []})), 1));
}

#[tokio::test]
async fn a_call_without_a_result_is_a_sentence() {
    let wrong = |server: &mut Conversation<'_>| server.get("prompts/get", "x");
    let (said, _) = with(Manner::Modern, wrong).await;
    assert_eq!(said, Err("prompts/get is answered with error -32601 (no such method)".into()));
}
