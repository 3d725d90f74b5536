//! `work`: keeps a worker for a given time, asleep or busy.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::clock::monotonic_ns;
use crate::tools::{Annotations, Arguments, Cancellation, JobContext, ToolResult, ToolSpec};

/// The longest work, ms.
const MS_MAX: u64 = 60_000;

#[derive(Deserialize)]
struct Work {
    ms: u64,
    #[serde(default)]
    busy: bool,
}

pub(crate) fn spec() -> ToolSpec {
    let schema = json!({
        "type": "object",
        "properties": {
            "ms": {"type": "integer", "minimum": 0, "maximum": MS_MAX, "description": "How long to work, ms."},
            "busy": {"type": "boolean", "default": false, "description": "Burn CPU time instead of sleeping."},
        },
        "required": ["ms"],
    });
    ToolSpec::new("work", "Works for a given time: asleep, or burning CPU time.", schema)
        .titled("Work")
        .annotated(Annotations::READ_ONLY)
}

pub(crate) async fn call(context: JobContext, arguments: Box<str>) -> ToolResult<'static> {
    let work = match Arguments::new(&arguments).parse::<Work>() {
        Ok(work) => work,
        Err(bad) => return bad,
    };
    if work.ms > MS_MAX {
        return ToolResult::error(format!("Bad arguments: ms is {}, more than {MS_MAX}.", work.ms));
    }
    if !work.busy {
        tokio::time::sleep(Duration::from_millis(work.ms)).await;
        // Whoever asked for it gets a stream.
        context.progress(1.0, Some(1.0), None).await;
        return ToolResult::text(format!("slept {} ms", work.ms));
    }
    let cancellation = context.cancellation().clone();
    match tokio::task::spawn_blocking(move || burn(work.ms, &cancellation)).await {
        Ok(()) => ToolResult::text(format!("worked {} ms", work.ms)),
        Err(_) => ToolResult::error("The work could not be finished: the server is shutting down."),
    }
}

/// Keeps a core busy, by the wall clock.
fn burn(ms: u64, cancellation: &Cancellation) {
    let end = monotonic_ns() + ms * 1_000_000;
    while monotonic_ns() < end && !cancellation.is_cancelled() {
        std::hint::spin_loop();
    }
}
