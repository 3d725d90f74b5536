//! The store's own account of all operations, and the audit of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::operations::convert_export;
use erlmcp_report::audit::{Audit, AuditVerdict, Standing, audit as audit_run};

use super::Link;
use super::control::{Connection, ControlError, insist};
use crate::event::{Answer, Audited};

/// The store's account, until it is a journal.
const EXPORT: &str = "operations-store.tsv";

pub(super) async fn audit(link: Link, folder: PathBuf, within: Duration) {
    let outcome = match effects(&link.control, &folder.join(EXPORT), within).await {
        Ok(()) => {
            let clock = link.clock;
            let read = tokio::task::spawn_blocking(move || judged(&folder, &clock));
            read.await.unwrap_or_else(|error| Err(format!("the audit has ended with an internal error: {error}")))
        }
        Err(error) => Err(format!("the store's own account could not be had: {error}")),
    };
    link.answer(Answer::Audited(outcome)).await;
}

async fn effects(control: &Path, to: &Path, within: Duration) -> Result<(), ControlError> {
    // The cluster has a folder of its own.
    let to = std::path::absolute(to).unwrap_or_else(|_| to.to_path_buf());
    let to = &to;
    insist("effects", within, || async move { Connection::open(control).await?.effects(to, within).await }).await
}

fn judged(folder: &Path, clock: &RunClock) -> Result<Audited, String> {
    let export = folder.join(EXPORT);
    let converted = convert_export(&export, folder, clock.monotonic_at(0));
    // The journal has all of it.
    let _ = std::fs::remove_file(&export);
    converted.map_err(|error| error.to_string())?;
    let audit = audit_run(folder).map_err(|error| error.to_string())?;
    Ok(Audited { operations: audit.operations.attempted, violations: violations(&audit), why: why(&audit) })
}

fn violations(audit: &Audit) -> Option<u64> {
    match audit.verdict {
        AuditVerdict::Valid => Some(0),
        AuditVerdict::Unknown => None,
        AuditVerdict::Invalid => Some(audit.invariants.iter().map(|invariant| invariant.violations).sum()),
    }
}

/// The first thing that is violated, or not known.
fn why(audit: &Audit) -> String {
    let violated = audit.invariants.iter().find(|invariant| invariant.standing == Standing::Violated);
    if let Some(invariant) = violated {
        let what = invariant.found.first().map_or("", |found| found.what.as_str());
        return format!("{} {}: {what}", invariant.id, invariant.name);
    }
    let unknown = audit.invariants.iter().find_map(|invariant| match &invariant.standing {
        Standing::Unknown { reason } => Some(format!("{} {}: {reason}", invariant.id, invariant.name)),
        _ => None,
    });
    unknown.or_else(|| audit.nothing.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::driver::fake::{self, FakeCluster};

    #[tokio::test]
    async fn a_store_that_starts_again_is_asked_again() {
        let cluster = FakeCluster::new(fake::status(std::process::id(), &[Some(1)]));
        let refusal = |why: &str, again: bool| json!({"ok": false, "error": why, "again": again});
        let within = Duration::from_secs(20);
        cluster.set(json!({"exports": [refusal("the store has ended", true), {"ok": true, "rows": 3}]}));
        effects(cluster.control(), Path::new("x"), within).await.expect("the second time it is there");
        cluster.set(json!({"exports": [refusal("the effects cannot be exported: no room", false)]}));
        let why = effects(cluster.control(), Path::new("x"), within).await.expect_err("it stays so").to_string();
        assert!(why.contains("no room"), "{why}");
        let again = "the store is not ready, or makes other exports";
        cluster.set(json!({"exports": vec![refusal(again, true); 9]}));
        let short = effects(cluster.control(), Path::new("x"), Duration::from_millis(700)).await;
        assert!(short.expect_err("it was not ready in time").to_string().contains(again));
    }
}
