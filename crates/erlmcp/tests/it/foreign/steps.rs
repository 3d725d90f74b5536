//! What every client does, in each era.
#![expect(deprecated, reason = "what only the older era has is tested too")]

use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequest, ClientRequest, GetPromptRequestParams, ReadResourceRequestParams, ResourceContents,
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{PeerRequestOptions, RequestHandle};
use serde_json::json;

use super::{Era, Heard, Peer, call, cluster, in_time, object, one_with, replicas_with, run, text};
use crate::cluster::Cluster;

const WATCHED: &str = "test://watched-resource";

#[test]
fn a_modern_client_uses_everything() {
    every_step(Era::Modern);
}

#[test]
fn a_legacy_client_uses_everything() {
    every_step(Era::Legacy);
}

fn every_step(era: Era) {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = cluster(folder.path());
    run(async {
        let peer = Peer::connect(&cluster, era).await;
        plain_steps(&peer).await;
        match era {
            Era::Modern => listen(&peer).await,
            Era::Legacy => subscribe(&peer, &cluster).await,
        }
        cancel(&peer, &cluster).await;
        in_time("the end", peer.client.cancel()).await.expect("it ends");
    });
}

/// For `peers/record`, which says where to go: only what the client sends is of interest.
fn at_a_url(era: Era) {
    let url = std::env::var("ERLMCP_FOREIGN_URL").expect("ERLMCP_FOREIGN_URL is the URL of a server");
    run(async {
        let peer = Peer::connect_to(url, era).await;
        plain_steps(&peer).await;
        match era {
            Era::Modern => listen(&peer).await,
            Era::Legacy => {
                in_time("subscribing", peer.client.subscribe(SubscribeRequestParams::new(WATCHED)))
                    .await
                    .expect("it is");
                in_time("cancelling", start_slow(&peer).await.cancel(None)).await.expect("it is told");
            }
        }
        in_time("the end", peer.client.cancel()).await.expect("it ends");
    });
}

#[test]
#[ignore = "sends requests to the server at ERLMCP_FOREIGN_URL, for peers/record"]
fn a_modern_client_at_a_url() {
    at_a_url(Era::Modern);
}

#[test]
#[ignore = "sends requests to the server at ERLMCP_FOREIGN_URL, for peers/record"]
fn a_legacy_client_at_a_url() {
    at_a_url(Era::Legacy);
}

/// What takes nothing but a client.
async fn plain_steps(peer: &Peer) {
    list(peer).await;
    let answered = peer.call("test_simple_text", json!({})).await;
    assert_eq!(text(&answered), "This is a simple text response for testing.");
    progress(peer).await;
    read(peer).await;
    prompt(peer).await;
    elicit(peer).await;
}

async fn list(peer: &Peer) {
    let tools = in_time("tools", peer.client.list_all_tools()).await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "test_simple_text"), "{tools:?}");
    let resources = in_time("resources", peer.client.list_all_resources()).await.expect("resources");
    assert!(resources.iter().any(|resource| resource.uri == WATCHED), "{resources:?}");
    let templates = in_time("templates", peer.client.list_all_resource_templates()).await.expect("templates");
    assert_eq!(templates[0].uri_template, "test://template/{id}/data");
    let prompts = in_time("prompts", peer.client.list_all_prompts()).await.expect("prompts");
    assert!(prompts.iter().any(|prompt| prompt.name == "test_simple_prompt"), "{prompts:?}");
}

async fn progress(peer: &Peer) {
    assert_eq!(text(&peer.call("test_tool_with_progress", json!({})).await), "Done.");
    let mut told = peer.user.wait_for(3, |heard| matches!(heard, Heard::Progress(..))).await;
    // The client hands each one on in a task of its own.
    told.sort_by(|one, other| format!("{one:?}").len().cmp(&format!("{other:?}").len()));
    assert_eq!(told, [0.0, 50.0, 100.0].map(|done| Heard::Progress(done, Some(100.0))));
}

async fn read(peer: &Peer) {
    let reading = |uri: &str| peer.client.read_resource(ReadResourceRequestParams::new(uri));
    let found = in_time("reading", reading("test://static-text")).await.expect("it is read");
    let ResourceContents::TextResourceContents { text, .. } = &found.contents[0] else { panic!("{found:?}") };
    assert_eq!(text, "This is the content of the static text resource.");
    let found = in_time("reading", reading("test://template/7/data")).await.expect("it is read");
    assert!(format!("{found:?}").contains("Data for ID: 7"), "{found:?}");
    in_time("reading", reading("test://nothing")).await.expect_err("there is no such resource");
}

async fn prompt(peer: &Peer) {
    let arguments = object(json!({"arg1": "one", "arg2": "two"}));
    let asked = GetPromptRequestParams::new("test_prompt_with_arguments").with_arguments(arguments);
    let prompt = in_time("the prompt", peer.client.get_prompt(asked)).await.expect("a prompt");
    let said = prompt.messages[0].content.as_text().expect("a text");
    assert_eq!(said.text, "Prompt with arguments: arg1='one', arg2='two'");
}

async fn listen(peer: &Peer) {
    let wanted = SubscriptionFilter::builder().tools_list_changed().resource_subscription(WATCHED).build();
    let mut stream = in_time("listening", peer.client.listen(wanted)).await.expect("a subscription");
    assert_eq!(stream.acknowledged().tools_list_changed, Some(true));
    peer.call("test_trigger_tool_change", json!({})).await;
    let told = in_time("the change", stream.next()).await.expect("the stream is good");
    assert!(matches!(told, Some(ServerNotification::ToolListChangedNotification(_))), "{told:?}");
    peer.call("test_trigger_resource_change", json!({})).await;
    let told = in_time("the update", stream.next()).await.expect("the stream is good");
    let Some(ServerNotification::ResourceUpdatedNotification(updated)) = told else { panic!("{told:?}") };
    assert_eq!(updated.params.uri, WATCHED);
    in_time("the end of the stream", stream.cancel()).await.expect("it is told");
}

async fn subscribe(peer: &Peer, cluster: &Cluster) {
    // The client opens its GET stream when it likes.
    one_with(cluster, "the stream of the session", |figures| figures["streams"] == 1).await;
    peer.call("test_trigger_tool_change", json!({})).await;
    peer.user.wait_for(1, |heard| *heard == Heard::ToolsChanged).await;
    let subscribing = peer.client.subscribe(SubscribeRequestParams::new(WATCHED));
    in_time("subscribing", subscribing).await.expect("it is subscribed");
    peer.call("test_trigger_resource_change", json!({})).await;
    peer.user.wait_for(1, |heard| *heard == Heard::Updated(WATCHED.to_string())).await;
    let unsubscribing = peer.client.unsubscribe(UnsubscribeRequestParams::new(WATCHED));
    in_time("unsubscribing", unsubscribing).await.expect("it is unsubscribed");
}

async fn elicit(peer: &Peer) {
    let result = match peer.era {
        Era::Modern => peer.call("test_input_required_result_elicitation", json!({})).await,
        Era::Legacy => peer.call("test_elicitation", json!({"message": "Who?"})).await,
    };
    assert!(text(&result).to_lowercase().contains("ada"), "{result:?}");
}

async fn cancel(peer: &Peer, cluster: &Cluster) {
    let calling = start_slow(peer).await;
    let is_busy = |figures: &serde_json::Value| figures["queue"]["workers_active"] == 1;
    one_with(cluster, "a worker", is_busy).await;
    in_time("cancelling", calling.cancel(Some("enough".to_string()))).await.expect("it is told");
    in_time("the end of the work", async {
        while !replicas_with(cluster, is_busy).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    let next = peer.call("test_simple_text", json!({})).await;
    assert!(text(&next).starts_with("This is"), "the next call works");
}

/// A call that takes far longer than a test has patience, where nothing ends it.
pub(super) async fn start_slow(peer: &Peer) -> RequestHandle<RoleClient> {
    let slow = CallToolRequest::new(call("slow_compute", json!({"seconds": 600, "label": "slow"})));
    let options = PeerRequestOptions::no_options();
    let calling = peer.client.send_cancellable_request(ClientRequest::CallToolRequest(slow), options);
    in_time("the call", calling).await.expect("it is sent")
}
