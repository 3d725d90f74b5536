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
    /// Its times: of its content, which tools can set, and of its state, which only the system sets.
    changed: [(i64, i64); 2],
}

/// A file, and its state when it was read.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) path: PathBuf,
    /// None: it is to be read again.
    stamp: Option<Stamp>,
    /// Why it could not be read the last time.
    trouble: Option<String>,
}

impl Watched {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, trouble: None }
    }

    /// The text, where it may be another one than at the last time, or why it can't be read, where that is new; a file that has
    /// gone is not.
    pub(crate) fn changed(&mut self) -> Option<Result<String, EntryError>> {
        if self.stamp == Some(stamp(&self.path)?) {
            return None;
        }
        let before = self.trouble.take();
        let text = self.read();
        (text.is_ok() || self.trouble != before).then_some(text)
    }

    pub(crate) fn read(&mut self) -> Result<String, EntryError> {
        let stamp = stamp(&self.path);
        let is_too_large = stamp.is_some_and(|stamp| stamp.bytes > BYTES_MAX);
        let text = if is_too_large {
            Err(std::io::ErrorKind::FileTooLarge.into())
        } else {
            std::fs::read_to_string(&self.path)
        };
        self.trouble = text.as_ref().err().map(ToString::to_string);
        self.stamp = stamp.filter(|_| text.is_ok());
        text.map_err(|source| EntryError::Read { path: self.path.clone(), source })
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = std::fs::metadata(path).ok()?;
    let changed = [(of.mtime(), of.mtime_nsec()), (of.ctime(), of.ctime_nsec())];
    Some(Stamp { inode: of.ino(), bytes: of.len(), changed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watched = Watched::new(folder.path().join("file"));
        std::fs::create_dir(&watched.path).expect("it is free");
        assert!(watched.changed().is_some_and(|text| text.is_err()));
        assert!(watched.changed().is_none() && watched.stamp.is_none(), "told once, and tried each time");
        std::fs::remove_dir(&watched.path).and_then(|()| std::fs::write(&watched.path, "text")).expect("written");
        assert_eq!(watched.changed().and_then(Result::ok).as_deref(), Some("text"));
        assert!(watched.changed().is_none());
    }

    #[test]
    fn a_file_that_is_as_long_and_as_old_as_before_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut watched = Watched::new(folder.path().join("file"));
        std::fs::write(&watched.path, "some").expect("written");
        assert!(watched.read().is_ok());
        // The system's clock of files is a coarse one.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let of = std::fs::metadata(&watched.path).and_then(|of| of.modified()).expect("it is there");
        std::fs::write(&watched.path, "more").expect("written");
        std::fs::File::options().write(true).open(&watched.path).and_then(|file| file.set_modified(of)).expect("ours");
        assert_eq!(watched.changed().and_then(Result::ok).as_deref(), Some("more"));
    }
}
