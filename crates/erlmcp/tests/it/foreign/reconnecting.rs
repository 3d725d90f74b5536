//! What becomes of a client when the replica that serves it is killed.

use std::time::Duration;

use rmcp::ServiceError;
use rmcp::model::{ServerNotification, SubscriptionFilter};
use rmcp::service::SubscriptionEnd;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::steps::start_slow;
use super::{Era, Heard, Peer, call, cluster, in_time, one_with, run, text};
use crate::cluster::{Cluster, signal};

fn has_stream(figures: &Value) -> bool {
    figures["streams"] == 1
}

/// Kills the replica that runs a call of the client's; gives what the client makes of that.
async fn kill_in_a_call(peer: &Peer, cluster: &Cluster) {
    let calling = start_slow(peer).await;
    let victim = one_with(cluster, "a worker", |figures| figures["queue"]["workers_active"] == 1).await;
    let mut events = cluster.watch();
    signal(cluster.pid(victim), Signal::KILL);
    in_time("the loss", calling.await_response()).await.expect_err("the call was lost with its replica");
    events.expect("down", victim);
    works_again(peer).await;
    events.expect("up", victim);
    works_again(peer).await;
}

/// Lists and calls. A connection of a replica that has just died may be used once more before the client knows: that
/// request is lost, which the client tells, and the next one goes elsewhere.
async fn works_again(peer: &Peer) {
    let tools = until_sent(|| peer.client.list_tools(None)).await;
    assert!(!tools.tools.is_empty());
    let answered = until_sent(|| peer.client.call_tool(call("test_simple_text", json!({})))).await;
    assert!(text(&answered).starts_with("This is"));
}

async fn until_sent<T, Fut: Future<Output = Result<T, ServiceError>>>(ask: impl Fn() -> Fut) -> T {
    in_time("an answer", async {
        loop {
            match ask().await {
                Ok(answer) => return answer,
                Err(ServiceError::TransportSend(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(other) => panic!("{other}"),
            }
        }
    })
    .await
}

#[test]
fn a_modern_client_goes_on_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path());
    run(async {
        let peer = Peer::connect(&cluster, Era::Modern).await;
        works_again(&peer).await;
        kill_in_a_call(&peer, &cluster).await;

        let wanted = || SubscriptionFilter::builder().tools_list_changed().build();
        let mut stream = until_sent(|| peer.client.listen(wanted())).await;
        let victim = one_with(&cluster, "the stream", has_stream).await;
        signal(cluster.pid(victim), Signal::KILL);
        let end = in_time("the end of the stream", stream.next()).await;
        assert!(!matches!(end, Ok(Some(_))), "{end:?}");
        assert!(!matches!(stream.end(), Some(SubscriptionEnd::Graceful(_))), "{:?}", stream.end());
        let mut stream = until_sent(|| peer.client.listen(wanted())).await;
        until_sent(|| peer.client.call_tool(call("test_trigger_tool_change", json!({})))).await;
        let told = in_time("the change", stream.next()).await.expect("the stream is good");
        assert!(matches!(told, Some(ServerNotification::ToolListChangedNotification(_))), "{told:?}");
    });
}

#[test]
fn a_legacy_session_goes_on_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path());
    run(async {
        let peer = Peer::connect(&cluster, Era::Legacy).await;
        works_again(&peer).await;
        kill_in_a_call(&peer, &cluster).await;

        // The client opens its stream anew when it likes, and hears of what is changed then.
        let victim = one_with(&cluster, "the stream", has_stream).await;
        signal(cluster.pid(victim), Signal::KILL);
        in_time("a change that is heard", async {
            while !peer.user.heard().contains(&Heard::ToolsChanged) {
                let _ = peer.client.call_tool(call("test_trigger_tool_change", json!({}))).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await;
        works_again(&peer).await;
    });
}
