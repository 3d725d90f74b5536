//! The source as the rules see it.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file under `crates/`.
pub(crate) struct SourceFile {
    /// From the workspace root: "crates/server/src/clock.rs".
    pub(crate) path: String,
    /// The whole text.
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_string(), text: text.to_string() }
    }

    /// The folder under `crates/`.
    pub(crate) fn krate(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or("")
    }

    /// True for tests and benches, which are bound by fewer rules.
    pub(crate) fn is_test(&self) -> bool {
        let parts: Vec<&str> = self.path.split('/').collect();
        parts.iter().any(|part| matches!(*part, "tests" | "benches" | "examples"))
            || parts.last().is_some_and(|name| *name == "tests.rs" || name.ends_with("_tests.rs"))
    }

    /// The text without comments and without the items that are compiled for tests only.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut of_tests = None;
        let lines = self.text.lines().enumerate().filter(move |(_, line)| {
            if line.trim_start().starts_with("#[cfg(test)]") {
                of_tests = Some(depth(line));
            }
            let is_checked = of_tests.is_none();
            if of_tests == Some(depth(line)) && ends_item(line) {
                of_tests = None;
            }
            is_checked
        });
        lines.map(|(index, line)| (index + 1, line.split("//").next().unwrap_or("")))
    }
}

fn depth(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether the item at this depth ends here: rustfmt puts its last line where its first one is.
fn ends_item(line: &str) -> bool {
    let line = line.trim();
    !line.starts_with("//") && line.ends_with([';', '}', ','])
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace root exists")
}

/// Every Rust file of the workspace.
pub(crate) fn tree() -> Vec<SourceFile> {
    let root = root();
    let mut files = Vec::new();
    collect(&root.join("crates"), &root, &mut files);
    assert!(files.len() > 50, "the walk found only {} files: it is broken", files.len());
    files
}

fn collect(folder: &Path, root: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).expect("folders under crates/ are readable") {
        let path = entry.expect("entries are readable").path();
        if path.is_dir() {
            collect(&path, root, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root).expect("the walk began at the root").to_string_lossy().into_owned();
            files.push(SourceFile { path: name, text: fs::read_to_string(&path).expect("sources are UTF-8") });
        }
    }
}
