//! A tool that ends when a test lets it, and not when its time has come.

use std::sync::Arc;

use erlmcp_server::Registry;
use erlmcp_server::tools::{JobContext, JobFuture, QueuedTool, ToolResult, ToolSpec};
use serde_json::json;
use tokio::sync::Semaphore;

/// The tool: each call takes a permit of the gate, and answers this.
pub(crate) struct Gated {
    gate: Arc<Semaphore>,
    answer: fn() -> ToolResult<'static>,
}

impl Gated {
    pub(crate) fn new(gate: &Arc<Semaphore>, answer: fn() -> ToolResult<'static>) -> Self {
        Self { gate: Arc::clone(gate), answer }
    }
}

impl QueuedTool for Gated {
    fn start(&self, _: JobContext, _: Box<str>) -> JobFuture {
        let (gate, answer) = (Arc::clone(&self.gate), self.answer);
        Box::pin(async move {
            gate.acquire().await.expect("it stays open").forget();
            answer()
        })
    }
}

/// The built-in tools, and one named `gated`, with its gate, which is closed.
pub(crate) fn registry() -> (Registry, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let spec = ToolSpec::new("gated", "Waits for the test.", json!({"type": "object"}));
    let registry = Registry::builtin().queued(spec, Gated::new(&gate, || ToolResult::text("done")));
    (registry.expect("a good tool"), gate)
}
