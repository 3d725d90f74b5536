use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Folders of an earlier process with our number may lie around; more of them are no accident.
const TRIES: u32 = 100;

/// A folder for a socket that only this user may enter; removed when dropped.
#[derive(Debug)]
pub(super) struct PrivateFolder {
    path: PathBuf,
}

impl PrivateFolder {
    /// # Errors
    /// Where there is no room for it, as a sentence.
    pub(super) fn create() -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // The system's folder and not TMPDIR where that is deep: a socket's path has 107 bytes at most.
        let parent = Some(std::env::temp_dir()).filter(|path| path.as_os_str().len() < 60).unwrap_or("/tmp".into());
        let mut last = None;
        for _ in 0..TRIES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("erlmcp-run-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) => last = Some(format!("{} cannot be created: {error}", path.display())),
            }
        }
        Err(last.unwrap_or_default())
    }

    /// Where the control socket goes.
    pub(super) fn control(&self) -> PathBuf {
        self.path.join("control.sock")
    }
}

impl Drop for PrivateFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

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
}
