//! Room for the record: how much a run may write, and what the disk has left.

use std::path::{Path, PathBuf};

/// Seconds between two looks.
const EVERY_S: u64 = 5;
/// So much of the disk is left to others, and to the reports that are made at the end.
const FREE_MIN: u64 = 256 << 20;

/// Watches how a run's folder grows.
#[derive(Debug)]
pub(crate) struct Room {
    folder: PathBuf,
    /// Bytes that all files of the folder may have together.
    limit: u64,
    looked_at_s: u64,
}

impl Room {
    pub(crate) fn new(folder: &Path, limit: u64) -> Self {
        Self { folder: folder.to_path_buf(), limit, looked_at_s: 0 }
    }

    /// Why the run has to end now; None while there is room. A folder or a disk that cannot be asked has room:
    /// who writes to it will say what is wrong.
    pub(crate) fn ended(&mut self, now_s: u64) -> Option<String> {
        if now_s < self.looked_at_s + EVERY_S {
            return None;
        }
        self.looked_at_s = now_s;
        let free = rustix::fs::statvfs(&self.folder).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        self.judge(size(&self.folder), free)
    }

    fn judge(&self, size: u64, free: Option<u64>) -> Option<String> {
        if size >= self.limit {
            let (has, limit) = (megabytes(size), megabytes(self.limit));
            return Some(format!("the record has {has} MB of {limit} MB; --record-limit allows more"));
        }
        let free = free.filter(|free| *free < FREE_MIN)?;
        Some(format!("{} MB are left on the disk of the record; free some, or name another --output", megabytes(free)))
    }
}

/// Bytes of the files in `folder`, which has no folders in it.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_the_run_at_its_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("one"), [0; 600]).expect("written");
        let mut room = Room::new(folder.path(), 1_000);
        assert_eq!(room.ended(EVERY_S), None);
        std::fs::write(folder.path().join("two"), [0; 400]).expect("written");
        assert_eq!(room.ended(EVERY_S + 1), None, "not looked at every second");
        let why = room.ended(2 * EVERY_S).expect("full");
        assert!(why.contains("--record-limit"), "{why}");
    }

    #[test]
    fn a_disk_that_fills_up_ends_the_run_before_it_is_full() {
        let room = Room::new(Path::new("nowhere"), 1_000);
        assert_eq!(room.judge(0, Some(FREE_MIN)), None);
        assert_eq!(room.judge(0, None), None);
        let why = room.judge(0, Some(FREE_MIN - 1)).expect("too little");
        assert!(why.starts_with("268 MB are left") && why.contains("--output"), "{why}");
    }
}
