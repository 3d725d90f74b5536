//! A folder of a process's own, for what does not outlive it.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::process::getuid;

use crate::random;

/// What the names begin with; the user's number follows.
const NAME: &str = "erlmcp-store-";
/// A file in it that is locked for as long as the folder is in use.
const ALIVE: &str = "alive";
/// Its name until it is locked: by the other one it could be found, and its folder taken for an abandoned one.
const UNLOCKED: &str = "unlocked";

/// A folder for this user alone, in the system's folder for temporary files. It is removed with this value; where a process
/// was killed, the next one removes it.
#[derive(Debug)]
pub struct PrivateFolder {
    path: PathBuf,
    _alive: File,
}

impl PrivateFolder {
    /// Makes one.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn create() -> io::Result<Self> {
        let base = std::env::temp_dir();
        let prefix = format!("{NAME}{}-", getuid().as_raw());
        remove_abandoned(&base, &prefix);
        let path = base.join(format!("{prefix}{:016x}", u64::from_ne_bytes(random::bytes())));
        DirBuilder::new().mode(0o700).create(&path)?;
        let alive = File::create(path.join(UNLOCKED))?;
        flock(&alive, FlockOperation::NonBlockingLockExclusive)?;
        fs::rename(path.join(UNLOCKED), path.join(ALIVE))?;
        Ok(Self { path, _alive: alive })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        // What can't be removed now is removed by the next process.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed processes left behind.
fn remove_abandoned(base: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(base) else { return };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))
            && entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == getuid().as_raw());
        // One without the file is just being made.
        let Ok(alive) = File::open(entry.path().join(ALIVE)) else { continue };
        if is_ours && flock(&alive, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_there_until_it_is_dropped_and_an_abandoned_one_goes() {
        let folder = PrivateFolder::create().expect("a folder");
        let path = folder.path().to_path_buf();
        assert!(path.is_dir());
        let base = path.parent().expect("it is in one").to_path_buf();
        let abandoned = base.join(format!("{NAME}{}-test-{}", getuid().as_raw(), std::process::id()));
        fs::create_dir_all(&abandoned).expect("made");
        fs::write(abandoned.join(ALIVE), "").expect("written");
        let another = PrivateFolder::create().expect("a folder");
        assert!(path.is_dir() && another.path().is_dir() && !abandoned.exists());
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn one_that_is_just_being_made_is_not_taken_for_an_abandoned_one() {
        let make_some = || {
            for _ in 0..200 {
                let folder = PrivateFolder::create().expect("nobody else has its lock");
                assert!(folder.path().join(ALIVE).is_file(), "removed by somebody else");
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(make_some);
            }
        });
    }
}
