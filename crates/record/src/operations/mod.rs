//! The journals of operations: what each agent did about every operation, and what the store says of it.
//!
//! An agent writes `operations-agent-I.journal` itself, and an operation's first record is in the file before its
//! first byte is on the wire: a SIGKILL of the agent loses no record that matters. `operations-store.journal` is made
//! at the end from the store's export. Both hold records of one size, each with a sequence number and a CRC32C, behind
//! a header. A torn end is what a crash leaves and is dropped; anything else that is amiss is damage, and an error.

mod event;
mod export;
mod id;
mod layout;
mod reader;
mod writer;

use std::path::{Path, PathBuf};

pub use event::{Class, Event, Reason};
pub use export::{Converted, convert_export};
pub use id::OperationId;
pub use layout::{JournalOf, OPERATIONS_VERSION, OperationRecord, RECORD_BYTES};
pub use reader::{OperationReader, Tail};
pub use writer::OperationWriter;

/// A journal of operations could not be written, read or made.
#[derive(Debug, thiserror::Error)]
pub enum OperationsError {
    #[error("cannot write the journal {path}: {source}. Free the disk or choose another folder with --output")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read the journal {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is no journal of operations: {what}")]
    NotAJournal { path: PathBuf, what: String },
    #[error("{path} is damaged at record {record}: {what}")]
    Damaged { path: PathBuf, record: u64, what: String },
    #[error("{path} was written by a newer erlmcp (journal version {found}, this one reads {OPERATIONS_VERSION})")]
    TooNew { path: PathBuf, found: u32 },
    #[error("{path} is no export of the store: line {line}: {what}")]
    BadExport { path: PathBuf, line: u64, what: String },
}

/// The store's journal in a run's folder.
pub fn store_journal(folder: &Path) -> PathBuf {
    folder.join("operations-store.journal")
}

/// An agent's journal in a run's folder.
pub fn agent_journal(folder: &Path, agent: u32) -> PathBuf {
    folder.join(format!("operations-agent-{agent}.journal"))
}

/// The agents that have a journal in a run's folder, by number.
///
/// # Errors
/// Where the folder cannot be listed.
pub fn agent_journals(folder: &Path) -> Result<Vec<(u32, PathBuf)>, OperationsError> {
    let read = |source| OperationsError::Read { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        let number = path.file_name().and_then(|name| name.to_str()).and_then(agent_of);
        found.extend(number.map(|number| (number, path)));
    }
    found.sort_unstable();
    Ok(found)
}

fn agent_of(name: &str) -> Option<u32> {
    let number = name.strip_prefix("operations-agent-")?.strip_suffix(".journal")?;
    // One spelling a number, so that no agent is there twice.
    number.parse().ok().filter(|parsed: &u32| parsed.to_string() == number)
}
