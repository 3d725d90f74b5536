//! Which crate may import which, and what the protocol crate must never pull in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::source::root;

/// Each crate's folder with the crates of ours that it may import.
const EDGES: [(&str, &[&str]); 7] = [
    ("protocol", &[]),
    ("record", &[]),
    ("server", &["protocol"]),
    ("load", &["protocol", "record"]),
    ("report", &["record"]),
    ("orchestrator", &["load", "report", "record"]),
    ("erlmcp", &["server", "orchestrator", "load", "report", "record"]),
];

/// The crates of ours that a manifest imports outside its tests.
fn imports(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().expect("manifests are TOML");
    let mut found = BTreeSet::new();
    for section in ["dependencies", "build-dependencies"] {
        let Some(table) = manifest.get(section).and_then(|section| section.as_table()) else { continue };
        found.extend(table.keys().filter_map(|name| name.strip_prefix("erlmcp-")).map(str::to_string));
    }
    found
}

fn forbidden(krate: &str, manifest: &str) -> Vec<String> {
    let allowed = EDGES.iter().find(|(name, _)| *name == krate).map_or(&[][..], |(_, allowed)| allowed);
    imports(manifest).into_iter().filter(|import| !allowed.contains(&import.as_str())).collect()
}

#[test]
fn crates_import_only_what_the_design_allows() {
    let crates = root().join("crates");
    let mut seen = BTreeSet::new();
    for entry in fs::read_dir(&crates).expect("crates/ is readable") {
        let folder = entry.expect("entries are readable").path();
        let name = folder.file_name().expect("folders have names").to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("every crate has a manifest");
        assert_eq!(forbidden(&name, &manifest), Vec::<String>::new(), "forbidden edges of crates/{name}");
        let own = ["src/lib.rs", "src/main.rs"].iter().find_map(|file| fs::read_to_string(folder.join(file)).ok());
        let is_safe = own.is_some_and(|text| text.contains("\n#![forbid(unsafe_code)]\n"));
        assert!(is_safe, "crates/{name} does not forbid unsafe code");
        seen.insert(name);
    }
    assert_eq!(seen, EDGES.iter().map(|(name, _)| name.to_string()).collect(), "crates and the table differ");
}

#[test]
fn a_forbidden_edge_is_found() {
    let manifest = "[dependencies]\nerlmcp-record = { workspace = true }\nerlmcp-server = { workspace = true }\n";
    assert_eq!(forbidden("load", manifest), ["server"]);
}

/// Every package that `from` needs, by the lock file (build and test needs of others included).
fn reachable(lock: &str, from: &str) -> BTreeSet<String> {
    let lock: toml::Table = lock.parse().expect("the lock file is TOML");
    let packages = lock["package"].as_array().expect("the lock file lists packages");
    let mut needs: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let dependencies = package.get("dependencies").and_then(|list| list.as_array());
        let names = dependencies.into_iter().flatten().filter_map(|name| name.as_str()?.split(' ').next());
        needs.entry(package["name"].as_str().expect("packages have names")).or_default().extend(names);
    }
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(name) = open.pop() {
        if found.insert(name.to_string()) {
            open.extend(needs.get(name).into_iter().flatten());
        }
    }
    found
}

#[test]
fn the_protocol_crate_knows_no_runtime() {
    let lock = fs::read_to_string(root().join("Cargo.lock")).expect("the lock file is committed");
    let needs = reachable(&lock, "erlmcp-protocol");
    assert!(needs.contains("httparse"), "the walk over the lock file is broken");
    for runtime in ["tokio", "mio", "hyper", "socket2"] {
        assert!(!needs.contains(runtime), "crates/protocol pulls in {runtime}");
    }
}
