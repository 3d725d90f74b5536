use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

/// Folders of an earlier process with our number may lie around; more of them are no accident.
const TRIES: u32 = 100;

const PREFIX: &str = "erlmcp-run-";
const SOCKET: &str = "control.sock";
const STORE: &str = "operations.db";
/// A file that is locked for as long as the folder is in use, also while its cluster is dead.
const ALIVE: &str = "alive";

/// A folder for a cluster's socket and store that only this user may enter; removed when dropped.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    path: PathBuf,
    _alive: File,
}

impl PrivateFolder {
    /// # Errors
    /// Where there is no room for it, as a sentence.
    pub(super) fn create() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // The system's folder and not TMPDIR where that is deep: a socket's path has 107 bytes at most.
        let parent = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 60).unwrap_or("/tmp".into());
        sweep(&parent);
        let mut last = None;
        for _ in 0..TRIES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => match Self::hold(path) {
                    Ok(held) => return Ok(held),
                    Err(why) => last = Some(why),
                },
                Err(error) => last = Some(format!("{} cannot be created: {error}", path.display())),
            }
        }
        Err(last.unwrap_or_default())
    }

    fn hold(path: PathBuf) -> Result<Self, String> {
        let held = File::create(path.join(ALIVE)).and_then(|alive| {
            flock(&alive, FlockOperation::NonBlockingLockExclusive)?;
            // Another run may have swept it away before it was held.
            path.join(ALIVE).metadata().map(|_| alive)
        });
        match held {
            Ok(alive) => Ok(Self { path, _alive: alive }),
            Err(error) => Err(format!("{} cannot be used: {error}", path.display())),
        }
    }

    /// Where the store of operations goes: it outlives the cluster's supervisor.
    pub(super) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Where the control socket goes.
    pub(super) fn control(&self) -> PathBuf {
        self.path.join(SOCKET)
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed runs of this user left behind: folders that no run holds, with a socket that nobody listens at any
/// more, or that were left before there was one.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    let ours = rustix::process::geteuid().as_raw();
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX)) {
        let is_ours = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == ours);
        let listens = || UnixStream::connect(entry.path().join(SOCKET)).map_err(|error| error.kind());
        // Held while the folder is removed, so that nobody comes to hold it meanwhile.
        let alive = File::open(entry.path().join(ALIVE));
        let is_free = |alive: &File| flock(alive, FlockOperation::NonBlockingLockExclusive).is_ok();
        let is_dead = || match (listens(), &alive) {
            (Err(ErrorKind::ConnectionRefused | ErrorKind::NotFound), Ok(alive)) => is_free(alive),
            (Err(ErrorKind::ConnectionRefused), Err(_)) => true,
            _ => false,
        };
        if is_ours && is_dead() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    #[test]
    fn it_is_private_and_goes() {
        let (one, other) = (PrivateFolder::create().expect("room"), PrivateFolder::create().expect("room"));
        assert_ne!(one.path, other.path);
        let mode = fs::metadata(&one.path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        fs::write(one.control(), b"").expect("it is ours");
        let path = one.path.clone();
        drop(one);
        assert!(!path.exists() && other.path.exists());
    }

    #[test]
    fn only_what_nobody_listens_at_is_swept_away() {
        let parent = tempfile::tempdir().expect("a folder");
        let folder = |name: &str| {
            let path = parent.path().join(name);
            fs::create_dir(&path).expect("it is ours");
            path
        };
        let [dead, alive, young, other] = ["erlmcp-run-1-0", "erlmcp-run-2-0", "erlmcp-run-3-0", "else"].map(folder);
        let (headless, early) = (folder("erlmcp-run-4-0"), folder("erlmcp-run-5-0"));
        fs::write(early.join(ALIVE), "").expect("it is ours");
        drop(UnixListener::bind(headless.join(SOCKET)).expect("a socket"));
        let _held = PrivateFolder::hold(headless.clone()).expect("it is ours");
        drop(UnixListener::bind(dead.join(SOCKET)).expect("a socket"));
        drop(UnixListener::bind(other.join(SOCKET)).expect("a socket"));
        let _listener = UnixListener::bind(alive.join(SOCKET)).expect("a socket");
        sweep(parent.path());
        assert_eq!([dead, alive, young, other].map(|path| path.exists()), [false, true, true, true]);
        assert!(!early.exists(), "its run was killed before there was a socket");
        assert!(headless.exists(), "its run starts another supervisor there");
    }
}
