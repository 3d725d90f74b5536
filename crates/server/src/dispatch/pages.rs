//! The pages beside the MCP endpoint.

use erlmcp_protocol::server::negotiate::Accept;
use serde_json::json;

use super::route::Page;
use crate::engine::{ClusterPages, Shared};
use crate::metrics::{State, openmetrics, prometheus_text, replica_status, snapshot_age};

/// A page as it is sent.
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

impl Shown {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: JSON, body: body.to_string().into_bytes() }
    }

    fn metrics(text: String, accept: Accept) -> Self {
        let (content_type, text) =
            if accept.openmetrics() { (OPENMETRICS, openmetrics(&text)) } else { (PROMETHEUS, text) };
        Self { status: 200, content_type, body: text.into_bytes() }
    }
}

/// Makes a page; on a shared listener for the whole cluster, where its pages are known.
pub(crate) fn show(shared: &Shared, page: Page, listener: u8, accept: Accept) -> Shown {
    let cluster = shared.is_shared_listener(listener).then(|| shared.pages()).flatten();
    match (page, cluster) {
        // Made where the request is known.
        (Page::Resource, _) => Shown::json(404, &json!({})),
        (Page::Health, _) => match shared.stalls.blocked() {
            none if none.is_empty() => Shown::json(200, &json!({"status": "live"})),
            shards => Shown::json(503, &json!({"status": "blocked", "shards": shards})),
        },
        (Page::Ready, _) => {
            let state = shared.state();
            Shown::json(if state == State::Ready { 200 } else { 503 }, &json!({"status": state}))
        }
        (Page::Metrics, Some(pages)) => {
            let mut body = pages.metrics.clone();
            body.push_str(&snapshot_age(age_ns(shared, &pages)));
            Shown::metrics(body, accept)
        }
        (Page::Metrics, None) => Shown::metrics(prometheus_text(&[shared.snapshot()]), accept),
        (Page::Status, Some(pages)) => {
            let mut status = pages.status.clone();
            if let Some(status) = status.as_object_mut() {
                status.insert("snapshot_age_ms".to_string(), json!(age_ns(shared, &pages) / 1_000_000));
                status.entry("cluster").or_insert_with(|| json!(shared.cluster));
            }
            Shown::json(200, &status)
        }
        (Page::Status, None) => Shown::json(200, &replica_status(&shared.snapshot(), shared.cluster.as_ref())),
    }
}

/// Of a server that takes no more connections.
pub(super) fn full() -> Shown {
    Shown::json(503, &json!({"status": "full"}))
}

fn age_ns(shared: &Shared, pages: &ClusterPages) -> u64 {
    shared.clock.now_ns().saturating_sub(pages.taken_at_ns)
}
