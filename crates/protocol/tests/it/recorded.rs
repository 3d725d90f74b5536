//! The recordings that `peers/record` makes.

use std::fs;
use std::path::Path;

/// Messages of one peer, one behind the other, as on one connection.
pub(crate) struct Recording {
    /// "rmcp-modern".
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    /// For each message a line that says what it is.
    pub(crate) said: Vec<String>,
}

/// Every recording of a kind, by name.
pub(crate) fn recordings(kind: &str) -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire").join(kind);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).expect("there are recordings") {
        let path = entry.expect("the folder is readable").path();
        if path.extension().is_some_and(|extension| extension == "bytes") {
            let name = path.file_stem().expect("files have names").to_string_lossy().into_owned();
            let said = fs::read_to_string(path.with_extension("said")).expect("what was said is beside the bytes");
            let said: Vec<String> = said.lines().map(str::to_string).collect();
            assert!(!said.is_empty(), "{name} is empty");
            found.push(Recording { name, bytes: fs::read(&path).expect("it is readable"), said });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Both eras of each peer are there, but for the TypeScript SDK v1, which knows one.
pub(crate) fn assert_complete(recordings: &[Recording], peers: &[&str]) {
    let mut expected: Vec<String> = Vec::new();
    for peer in peers {
        expected.push(format!("{peer}-legacy"));
        expected.extend((*peer != "typescript-v1").then(|| format!("{peer}-modern")));
    }
    expected.sort();
    assert_eq!(recordings.iter().map(|one| one.name.clone()).collect::<Vec<_>>(), expected);
}
