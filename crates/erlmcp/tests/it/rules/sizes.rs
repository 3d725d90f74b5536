//! Files and functions that can be read in one sitting.

use super::source::{SourceFile, tree};

const FILE_LINES_MAX: usize = 500;
const FILE_LINES_MEDIAN_MAX: usize = 150;
const FUNCTION_LINES_MAX: usize = 70;

fn long_files(files: &[SourceFile]) -> Vec<String> {
    let lines = |file: &SourceFile| file.text.lines().count();
    files.iter().filter(|file| lines(file) > FILE_LINES_MAX).map(|f| format!("{}: {}", f.path, lines(f))).collect()
}

/// Functions by their indentation, as rustfmt lays them out: from the line of `fn` to the closing brace below it.
fn long_functions(files: &[SourceFile]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.is_test()) {
        let lines: Vec<&str> = file.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let text = line.trim_start();
            let is_function = text.starts_with("fn ")
                || (text.starts_with("pub") && text.contains(" fn "))
                || text.starts_with("async fn ");
            if !is_function {
                continue;
            }
            let end = format!("{}}}", &line[..line.len() - text.len()]);
            let length = lines[start..].iter().position(|line| *line == end).map_or(0, |length| length + 1);
            if length > FUNCTION_LINES_MAX {
                found.push(format!("{}:{}: {length} lines: {text}", file.path, start + 1));
            }
        }
    }
    found
}

#[test]
fn files_are_small() {
    let files = tree();
    assert_eq!(long_files(&files), Vec::<String>::new(), "files over {FILE_LINES_MAX} lines: split by subject");
    let mut lengths: Vec<usize> = files.iter().map(|file| file.text.lines().count()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median < FILE_LINES_MEDIAN_MAX, "the median file has {median} lines");
}

#[test]
fn functions_are_short() {
    let found = long_functions(&tree());
    assert!(found.is_empty(), "functions over {FUNCTION_LINES_MAX} lines:\n{}", found.join("\n"));
}

#[test]
fn long_ones_are_found() {
    let body = "    x();\n".repeat(80);
    let file =
        SourceFile::new("crates/a/src/b.rs", &format!("pub fn long() {{\n{body}}}\nfn short() {{\n    x();\n}}\n"));
    assert_eq!(long_functions(&[file]).len(), 1);
    assert_eq!(long_files(&[SourceFile::new("crates/a/src/c.rs", &"x\n".repeat(501))]).len(), 1);
}
