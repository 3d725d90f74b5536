//! Files that are read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::config::EntryError;

/// The longest file that is read.
const BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

/// A file, and its state when it was read.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) path: PathBuf,
    stamp: Option<Stamp>,
}

impl Watched {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, stamp: None }
    }

    /// The text, where it may be another one than at the last time; a file that has gone is not.
    pub(crate) fn changed(&mut self) -> Option<Result<String, EntryError>> {
        let stamp = stamp(&self.path)?;
        if self.stamp == Some(stamp) {
            return None;
        }
        self.stamp = Some(stamp);
        Some(self.read())
    }

    pub(crate) fn read(&mut self) -> Result<String, EntryError> {
        let unreadable = |source| EntryError::Read { path: self.path.clone(), source };
        self.stamp = stamp(&self.path);
        if self.stamp.is_some_and(|stamp| stamp.bytes > BYTES_MAX) {
            return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
        }
        std::fs::read_to_string(&self.path).map_err(unreadable)
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = std::fs::metadata(path).ok()?;
    Some(Stamp { inode: of.ino(), bytes: of.len(), changed: (of.mtime(), of.mtime_nsec()) })
}
