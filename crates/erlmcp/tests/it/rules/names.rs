//! Names that say nothing are not given.

use super::source::{SourceFile, tree};

const EMPTY_NAMES: [&str; 8] = ["utils", "util", "common", "helper", "helpers", "manager", "misc", "stuff"];

fn badly_named(files: &[SourceFile]) -> Vec<&str> {
    let says_nothing =
        |path: &str| path.trim_end_matches(".rs").split(['/', '_']).any(|part| EMPTY_NAMES.contains(&part));
    files.iter().map(|file| file.path.as_str()).filter(|path| says_nothing(path)).collect()
}

#[test]
fn files_are_named_by_their_subject() {
    assert_eq!(badly_named(&tree()), Vec::<&str>::new());
}

#[test]
fn an_empty_name_is_found() {
    let files = [SourceFile::new("crates/load/src/session_manager.rs", ""), SourceFile::new("crates/a/src/b.rs", "")];
    assert_eq!(badly_named(&files), ["crates/load/src/session_manager.rs"]);
}
