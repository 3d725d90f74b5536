//! A local cluster as the autoscaler sees it.

use std::path::Path;
use std::time::Duration;

use super::control::{self, Done};
use crate::autoscale::Load;

/// What its replicas have to do, by their own figures.
///
/// # Errors
/// Why it does not say, as a sentence.
pub(crate) async fn load_of(control: &Path) -> Result<Load, String> {
    let status = control::status(control).await.map_err(|error| error.to_string())?;
    let mut load = Load { replicas: u16::try_from(status.replicas.len()).unwrap_or(u16::MAX), ..Load::default() };
    for one in &status.replicas {
        let Some(snapshot) = &one.snapshot else {
            // One that starts, or starts again, has nothing to do yet.
            load.silent += u16::from(one.state == "ready");
            continue;
        };
        load.told += 1;
        load.connections += snapshot.connections.mcp;
        load.queue_depth += snapshot.queue.depth;
        load.queue_limit += snapshot.queue.limit;
    }
    Ok(load)
}

/// Returns when all are ready, or those that go are drained.
///
/// # Errors
/// Why that was not done, as a sentence.
pub(crate) async fn scale_to(control: &Path, replicas: u16, within: Duration) -> Result<(), String> {
    let request = ("scale", Some(("replicas", u64::from(replicas))));
    control::ask::<Done>(control, request, within).await.map(drop).map_err(|error| error.to_string())
}
