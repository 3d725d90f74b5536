//! The folder of a watch: a line for each check, and the whole record of those that did not keep the objective.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use erlmcp_report::watch::{Check, History};

use crate::StressError;
use crate::target::Url;

const DEFAULT_PARENT: &str = "test-results";
const HISTORY: &str = "history.jsonl";
/// The lines before those.
const HISTORY_BEFORE: &str = "history.1.jsonl";
const RECORDS: &str = "records";
const RECORD_PREFIX: &str = "check-";
const LOCK: &str = "lock";
/// A history that is longer goes on in a new file, and only one old one is kept: each has some ten thousand checks.
const HISTORY_BYTES_MAX: u64 = 8 << 20;

/// The folder, held by this process alone.
pub(super) struct Archive {
    folder: PathBuf,
    history: File,
    bytes: u64,
    /// Locked as long as it is open.
    _lock: File,
}

impl Archive {
    /// Opens the folder, or creates it, and reads what is known from before.
    ///
    /// # Errors
    /// Where it cannot be used, or another watch uses it.
    pub(super) fn open(folder: Option<PathBuf>, url: &Url) -> Result<(Self, History), StressError> {
        let named = || Path::new(DEFAULT_PARENT).join(format!("watch-{}-{}", url.host.replace(':', "_"), url.port));
        let folder = folder.unwrap_or_else(named);
        let cannot = |error: std::io::Error| unusable(&folder, &error);
        fs::create_dir_all(&folder).map_err(cannot)?;
        let lock = File::create(folder.join(LOCK)).map_err(cannot)?;
        if lock.try_lock().is_err() {
            return Err(StressError::failed(format!(
                "another watch keeps its history in {}: stop that one, or choose another folder with --history",
                folder.display()
            )));
        }
        let mut known = History::default();
        let mut odd = 0;
        for name in [HISTORY_BEFORE, HISTORY] {
            odd += read(&folder.join(name), &mut known).map_err(cannot)?;
        }
        if odd > 0 {
            tracing::warn!("{odd} lines of the history in {} are no checks, and are left out", folder.display());
        }
        let (history, bytes) = append_to(&folder.join(HISTORY)).map_err(cannot)?;
        Ok((Self { folder, history, bytes, _lock: lock }, known))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the record of a check that begins at this time goes.
    pub(super) fn record(&self, time: &str) -> PathBuf {
        self.folder.join(RECORDS).join(format!("{RECORD_PREFIX}{time}"))
    }

    /// The path of a record within the folder.
    pub(super) fn name_of(&self, record: &Path) -> String {
        record.strip_prefix(&self.folder).unwrap_or(record).display().to_string()
    }

    /// Removes a record that is of no use.
    pub(super) fn forget(&self, record: &Path) {
        if record.starts_with(self.folder.join(RECORDS)) {
            // It may be partly there already; the next prune takes it.
            let _ = fs::remove_dir_all(record);
        }
    }

    /// Removes the record of a check that kept the objective, and the oldest of the others beyond `most`; gives the name
    /// of this one where it is still there.
    pub(super) fn keep(&self, record: String, is_kept: bool, most: usize) -> Option<String> {
        let path = self.folder.join(&record);
        if is_kept {
            self.forget(&path);
        }
        let mut records = self.records();
        records.sort();
        let surplus = records.len().saturating_sub(most);
        records.iter().take(surplus).for_each(|old| self.forget(old));
        path.is_dir().then_some(record)
    }

    fn records(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join(RECORDS)).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(RECORD_PREFIX))
            .map(|entry| entry.path())
            .collect()
    }

    /// Writes a check down for good.
    pub(super) fn append(&mut self, check: &Check) -> Result<(), StressError> {
        let line = check.to_json_line();
        self.write(line.as_bytes()).map_err(|error| unusable(&self.folder, &error))
    }

    fn write(&mut self, line: &[u8]) -> std::io::Result<()> {
        let path = self.folder.join(HISTORY);
        if self.bytes + line.len() as u64 > HISTORY_BYTES_MAX {
            fs::rename(&path, self.folder.join(HISTORY_BEFORE))?;
            (self.history, self.bytes) = append_to(&path)?;
        }
        self.history.write_all(line)?;
        self.bytes += line.len() as u64;
        self.history.sync_data()
    }
}

/// Adds the checks of a file; gives the number of lines that are none.
fn read(path: &Path, known: &mut History) -> std::io::Result<u64> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(2 * HISTORY_BYTES_MAX).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut odd = 0;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Check>(line) {
            Ok(check) => known.push(check),
            Err(_) => odd += 1,
        }
    }
    Ok(odd)
}

/// Opens it at its end. A line that was torn when a watch was killed gets its end, so that the next one is whole.
fn append_to(path: &Path) -> std::io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut bytes = file.seek(SeekFrom::End(0))?;
    if bytes > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            bytes += 1;
        }
    }
    Ok((file, bytes))
}

fn unusable(folder: &Path, error: &std::io::Error) -> StressError {
    StressError::failed(format!(
        "cannot keep the history in {}: {error}. Choose another folder with --history",
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use erlmcp_report::watch::{Asked, Outcome};

    fn url() -> Url {
        Url::parse("http://[::1]:8080").expect("a URL")
    }

    fn check(at: &str) -> Check {
        let slo = "p95<1s".parse().expect("an objective");
        Check::without_load(at.into(), Asked::default(), &slo, Outcome::Unreachable, vec!["gone".into()])
    }

    fn open(folder: &Path) -> (Archive, History) {
        Archive::open(Some(folder.to_path_buf()), &url()).expect("a folder")
    }

    #[test]
    fn a_history_goes_on_after_a_restart_and_a_torn_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut archive, known) = open(folder.path());
        assert!(known.is_empty());
        archive.append(&check("a")).expect("written");
        drop(archive);
        let path = folder.path().join(HISTORY);
        let mut text = fs::read_to_string(&path).expect("a history");
        text.push_str("{\"watch_version\":1,\"at\":\"to");
        fs::write(&path, text).expect("written");
        let (mut archive, known) = open(folder.path());
        assert_eq!(known.len(), 1);
        archive.append(&check("b")).expect("written");
        drop(archive);
        let (_, known) = open(folder.path());
        assert_eq!((known.len(), known.last().map(|check| check.at.as_str())), (2, Some("b")));
    }

    #[test]
    fn two_watches_do_not_share_a_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let (_held, _) = open(folder.path());
        let error = Archive::open(Some(folder.path().to_path_buf()), &url()).err().expect("it is in use");
        assert!(error.to_string().contains("--history"), "{error}");
    }

    #[test]
    fn a_long_history_goes_on_in_a_new_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut archive, _) = open(folder.path());
        archive.append(&check("old")).expect("written");
        archive.bytes = HISTORY_BYTES_MAX;
        archive.append(&check("new")).expect("written");
        let lines = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file").lines().count();
        assert_eq!((lines(HISTORY_BEFORE), lines(HISTORY)), (1, 1));
        drop(archive);
        assert_eq!(open(folder.path()).1.len(), 2);
    }

    #[test]
    fn records_of_bad_checks_are_kept_and_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let (archive, _) = open(folder.path());
        let record = |time: &str| {
            let path = archive.record(time);
            fs::create_dir_all(&path).expect("created");
            archive.name_of(&path)
        };
        assert_eq!(archive.keep(record("20261126-143000"), true, 2), None);
        for time in ["20261126-143001", "20261126-143002", "20261126-143003"] {
            let name = record(time);
            assert_eq!(archive.keep(name.clone(), false, 2), Some(name));
        }
        let mut left = archive.records();
        left.sort();
        assert_eq!(left, [archive.record("20261126-143002"), archive.record("20261126-143003")]);
        archive.forget(folder.path());
        assert!(folder.path().join(HISTORY).exists(), "only records are ever removed");
    }
}
