//! The official Rust SDK as a client of a cluster: it shares no code with either end of ours.

mod reconnecting;
mod steps;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, Implementation, JsonObject, ProgressNotificationParam,
    ProtocolVersion, ResourceUpdatedNotificationParam,
};
use rmcp::service::{NotificationContext, RequestContext, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientCacheConfig, ClientHandler, ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde_json::{Value, json};

use super::cluster::{Cluster, PATIENCE};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Era {
    Modern,
    Legacy,
}

/// Something that the server has said unasked.
#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Progress(f64, Option<f64>),
    ToolsChanged,
    Updated(String),
}

/// The user of a client: hears what is told, and answers what is asked.
#[derive(Clone, Default)]
struct User(Arc<Mutex<Vec<Heard>>>);

impl User {
    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.0.lock().expect("nobody panics with it")
    }

    fn note(&self, heard: Heard) {
        self.heard().push(heard);
    }

    /// Waits until so many of what was heard are of a kind, and gives them.
    async fn wait_for(&self, count: usize, is_meant: impl Fn(&Heard) -> bool) -> Vec<Heard> {
        in_time("what is told", async {
            loop {
                let found: Vec<Heard> = self.heard().iter().filter(|heard| is_meant(heard)).cloned().collect();
                if found.len() >= count {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation = Some(ElicitationCapability::new());
        ClientConfig::new(capabilities, Implementation::new("erlmcp-test", "1.0.0"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let content = json!({"name": "Ada", "username": "ada", "email": "ada@example.com"});
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.note(Heard::Progress(told.progress, told.total));
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.note(Heard::ToolsChanged);
    }

    async fn on_resource_updated(&self, told: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        self.note(Heard::Updated(told.uri));
    }
}

/// A client of a server, mostly of the shared address of a cluster of three.
struct Peer {
    era: Era,
    user: User,
    client: RunningService<RoleClient, User>,
}

impl Peer {
    async fn connect(cluster: &Cluster, era: Era) -> Self {
        Self::connect_to(format!("http://{}/mcp", cluster.shared), era).await
    }

    async fn connect_to(url: String, era: Era) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let config = StreamableHttpClientTransportConfig::with_uri(url);
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let lifecycle = match era {
            Era::Modern => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
            Era::Legacy => ClientLifecycleMode::Initialize,
        };
        let user = User::default();
        let connecting = user.clone().serve_with_lifecycle(transport, lifecycle);
        let client = in_time("connecting", connecting).await.expect("it connects");
        // What it already knows would show nothing of the server.
        client.set_response_cache_config(ClientCacheConfig::disabled()).await;
        Self { era, user, client }
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        let calling = self.client.call_tool(call(tool, arguments));
        in_time(tool, calling).await.unwrap_or_else(|error| panic!("{tool}: {error}"))
    }
}

fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(object(arguments))
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().expect("arguments are an object")
}

fn text(result: &CallToolResult) -> &str {
    assert_ne!(result.is_error, Some(true), "{result:?}");
    &result.content[0].as_text().unwrap_or_else(|| panic!("no text: {result:?}")).text
}

/// No call of it ends by the server's own timeout.
fn cluster(folder: &Path) -> Cluster {
    Cluster::start_with(folder, 3, &["--fixtures", "conformance", "--limit", "call_timeout_ms=600000"])
}

async fn in_time<T>(what: &str, doing: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, doing).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"))
}

/// Replicas of which something is so, by their figures.
fn replicas_with(cluster: &Cluster, is_so: impl Fn(&Value) -> bool) -> Vec<u16> {
    let status = cluster.status();
    let replicas = status["replicas"].as_array().expect("a list");
    let found = replicas.iter().filter(|one| is_so(&one["snapshot"]));
    found.filter_map(|one| u16::try_from(one["replica"].as_u64()?).ok()).collect()
}

/// Waits until something is so of one replica, and gives that. The client goes on meanwhile.
async fn one_with(cluster: &Cluster, what: &str, is_so: impl Fn(&Value) -> bool) -> u16 {
    in_time(what, async {
        loop {
            if let [replica] = replicas_with(cluster, &is_so)[..] {
                return replica;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// A test with a client: what the client does beside goes on while the test looks at the cluster.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}
