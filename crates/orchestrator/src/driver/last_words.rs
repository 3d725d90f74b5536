use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The end of a log is read so far.
const TAIL_BYTES: u64 = 16_384;

/// What a process said last in its log, behind the first `from` bytes: the last line that tells of an error, else the
/// last line; without the word that it begins with.
pub(super) fn last_words(log: &Path, from: u64) -> Option<String> {
    let mut file = File::open(log).ok()?;
    let from = from.max(file.metadata().ok()?.len().saturating_sub(TAIL_BYTES));
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    let lines = || tail.lines().map(str::trim).filter(|line| !line.is_empty());
    let tells = |line: &&str| line.to_ascii_lowercase().contains("error");
    let line = lines().rfind(tells).or_else(|| lines().next_back())?;
    let without =
        ["erlmcp: ", "error: ", "Error: "].iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
    Some(without.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, from: u64) -> Option<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("cluster.log");
        std::fs::write(&log, text).expect("it is ours");
        last_words(&log, from)
    }

    #[test]
    fn the_last_error_is_quoted() {
        let text = "listening\nerlmcp: error: port 8080 is in use: choose another\nbye\n\n";
        assert_eq!(said(text, 0).as_deref(), Some("port 8080 is in use: choose another"));
        assert_eq!(said("one\ntwo\n", 0).as_deref(), Some("two"));
        assert_eq!(said("error: of another run\n", 22), None);
        assert_eq!(said("", 0), None);
        let long = format!("error: old\n{}\nlast\n", "x".repeat(20_000));
        assert_eq!(said(&long, 0).as_deref(), Some("last"));
    }
}
