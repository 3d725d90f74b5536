//! The audit: was any operation lost, done twice, invented or mixed up?
//!
//! Works from a run's folder alone: the journals that agents wrote, the store's own journal, and the run's record with
//! its faults and the server's counters. Ten invariants are checked, each over all operations, by an external merge:
//! what concerns one operation is brought together in partitions by its id, in temporary files beside the record where
//! it is much, so that memory stays bounded (see [`AuditLimits`]) whatever the number of operations.

mod compact;
mod evaluate;
mod exposure;
mod inputs;
mod limits;
mod model;
mod operation;
mod partitions;
mod rules;
mod scan;
mod standing;
mod surroundings;
mod text;
mod witness;

use std::path::{Path, PathBuf};

use erlmcp_record::JournalError;
use erlmcp_record::operations::OperationsError;

pub use limits::AuditLimits;
pub use model::{
    Audit, AuditVerdict, Found, Invariant, JournalFacts, OperationCounts, Standing, Witness, WitnessRecord,
};
pub use text::text;

use crate::Analysis;

/// Why a run cannot be audited at all.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Record(#[from] JournalError),
    #[error(transparent)]
    Operations(#[from] OperationsError),
    #[error("cannot keep what is sorted in {folder}: {source}. Make room there or set TMPDIR")]
    Sorting { folder: PathBuf, source: std::io::Error },
    #[error("the operations are too many for one audit: more than {0} of them fall into one partition")]
    TooMany(usize),
}

/// Audits the run in a folder.
///
/// # Errors
/// Where the record or a journal cannot be read, or there is no room to sort. What is damaged is no error: it is found.
pub fn audit(folder: &Path) -> Result<Audit, AuditError> {
    audit_within(folder, &AuditLimits::default())
}

/// The same within other limits of memory and threads.
///
/// # Errors
/// As [`audit`].
pub fn audit_within(folder: &Path, limits: &AuditLimits) -> Result<Audit, AuditError> {
    let analysis = Analysis::from_folder(folder)?;
    let inputs = inputs::Inputs::of(folder, &analysis)?;
    let scanned = scan::scan(&inputs, limits)?;
    let evaluated = evaluate::evaluate(&scanned, &inputs, limits)?;
    let witnesses = witness::collect(&inputs, &scanned, &evaluated)?;
    Ok(standing::judge(&analysis, &inputs, &scanned, evaluated, witnesses))
}
