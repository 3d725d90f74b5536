//! The bugs that prove the audit, and what leaves checks or counting out to measure them, are in no build that was not made for it.

use std::fs;

use super::source::{root, tree};

/// What a manifest turns on unasked, in itself or in what it imports.
fn turned_on(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("manifests are TOML");
    let mut found = Vec::new();
    let list = |value: Option<&toml::Value>| -> Vec<String> {
        let names = value.and_then(|value| value.as_array()).into_iter().flatten();
        names.filter_map(|name| name.as_str()).map(str::to_string).collect()
    };
    found.extend(list(manifest.get("features").and_then(|features| features.get("default"))));
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (_, import) in manifest.get(section).and_then(|section| section.as_table()).into_iter().flatten() {
            found.extend(list(import.get("features")));
        }
    }
    found
}

#[test]
fn seeded_bugs_are_off_unless_asked_for() {
    for entry in fs::read_dir(root().join("crates")).expect("crates/ is readable") {
        let path = entry.expect("entries are readable").path().join("Cargo.toml");
        let manifest = fs::read_to_string(&path).expect("every crate has a manifest");
        let found = turned_on(&manifest);
        let is_for_people =
            |feature: &String| !["seeded", "unvalidated", "uncounted"].iter().any(|word| feature.contains(word));
        assert!(found.iter().all(is_for_people), "{}: {found:?}", path.display());
    }
    assert!(!cfg!(feature = "seeded-bugs") || std::env::var_os("ERLMCP_SEEDED_BUG").is_some(), "a build with bugs");
    let asking: Vec<String> = tree()
        .iter()
        .filter(|file| !file.is_test() && file.text.contains("feature = \"seeded-bugs\""))
        .map(|file| file.path.clone())
        .collect();
    assert_eq!(asking, ["crates/server/src/operations/seeded.rs"], "one file knows how they are turned on");
}

#[test]
fn a_manifest_that_turns_them_on_is_found() {
    let manifest = "[features]\ndefault = [\"seeded-bugs\"]\n[dependencies]\nx = { features = [\"seeded-bugs\"] }\n";
    assert_eq!(turned_on(manifest).len(), 2);
}

/// Beside the binary that people get there is one for a guard: without this line `cargo run` knows not which.
#[test]
fn cargo_run_is_the_binary_that_people_get() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).expect("it is there");
    assert!(
        manifest.lines().any(|line| line == "default-run = \"erlmcp\""),
        "the README's first command is `cargo run`"
    );
}
