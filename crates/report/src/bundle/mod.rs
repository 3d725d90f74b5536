//! A run in one file that can be handed on: what its verdicts rest on, with a hash of each file. Whoever gets it
//! unpacks it (`tar --zstd`), checks it (`sha256sum --check SHA256SUMS`), and comes to the same verdicts with
//! `erlmcp audit` and `erlmcp report`, which also take it as it is.

mod contents;
mod pack;
mod unpack;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use pack::pack;
pub use unpack::{Unpacked, unpack};

/// The version of [`Manifest`].
const BUNDLE_VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const SUMS: &str = "SHA256SUMS";
/// No manifest comes near this.
const MANIFEST_MAX: u64 = 1 << 20;

/// What is in a bundle, and what its run came to where it was packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub bundle_version: u32,
    /// The version of the erlmcp that packed it.
    pub packed_by: String,
    pub run_id: String,
    /// As the run's process ended: 0 pass, 1 error, 3 inconclusive, 99 failed, 105 interrupted.
    pub exit_code: u8,
    /// "valid", "invalid" or "unknown": of `erlmcp audit`.
    pub audit: String,
    pub files: Vec<Listed>,
}

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub name: String,
    pub bytes: u64,
    /// In hexadecimal digits.
    pub sha256: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("{} is not the folder of a run: it has no journal.jsonl", .0.display())]
    NoRun(PathBuf),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {}: {source}. Free the disk or choose another place", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{} has changed while it was packed: wait until the run has ended, and pack it again", .0.display())]
    Changed(PathBuf),
    #[error("{} is not a bundle of a run: {what}", path.display())]
    NotOne { path: PathBuf, what: String },
    #[error("{} is not as it was packed: {what}. Ask for it again", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} was packed by a newer erlmcp (bundle version {found}, this one reads up to {BUNDLE_VERSION})", path.display())]
    TooNew { path: PathBuf, found: u32 },
    #[error(transparent)]
    Audit(#[from] crate::audit::AuditError),
    #[error(transparent)]
    Record(#[from] erlmcp_record::JournalError),
}
