//! The audit finds what is wrong with a history, and nothing wrong with one that is right.

mod history;
mod mutations;
mod streams;
mod unknown;
mod valid;

use erlmcp_report::audit::{Audit, AuditLimits, Invariant, Standing, Witness, audit_within};
use history::History;

/// The audit of a history, with memory for all of it.
fn audited(history: &History) -> Audit {
    audited_within(history, &AuditLimits::default())
}

fn audited_within(history: &History, limits: &AuditLimits) -> Audit {
    let folder = tempfile::tempdir().expect("a folder");
    history.write(folder.path());
    audit_within(folder.path(), limits).expect("it can be audited")
}

fn invariant<'a>(audit: &'a Audit, id: &str) -> &'a Invariant {
    audit.invariants.iter().find(|invariant| invariant.id == id).expect("each invariant is there")
}

fn violated(audit: &Audit) -> Vec<&'static str> {
    let violated = audit.invariants.iter().filter(|invariant| invariant.standing == Standing::Violated);
    violated.map(|invariant| invariant.id).collect()
}

/// Why an invariant is unknown.
fn unknown<'a>(audit: &'a Audit, id: &str) -> &'a str {
    match &invariant(audit, id).standing {
        Standing::Unknown { reason } => reason,
        other => panic!("{id} is {other:?}"),
    }
}

fn witness<'a>(audit: &'a Audit, id: &str, operation: &str) -> &'a Witness {
    let found = audit.witnesses.iter().find(|witness| witness.invariant == id && witness.operation == operation);
    found.unwrap_or_else(|| panic!("no witness of {id} for {operation}: {:#?}", audit.witnesses))
}
