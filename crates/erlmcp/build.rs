//! What `erlmcp --version` says beside the version: the commit, where git knows it, and how the build was optimised.

use std::env::var;
use std::path::Path;
use std::process::Command;

/// What a binary is made of, seen from here.
const SOURCES: [&str; 3] = ["..", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let profile = var("PROFILE").unwrap_or_default();
    let how = format!("{profile}, opt-level {}", var("OPT_LEVEL").unwrap_or_default());
    // A debug build would be made again after each commit.
    let commit = (profile == "release").then(commit).flatten();
    let build: Vec<String> = commit.into_iter().chain([how]).collect();
    println!("cargo::rustc-env=ERLMCP_BUILD={}", build.join(", "));
}

/// Twelve digits, with "-dirty" where the sources differ from it; None in a tarball and without git.
fn commit() -> Option<String> {
    // Where another project holds this one, its commit says nothing.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed =
        git(&[&["--no-optional-locks", "status", "--porcelain", "--untracked-files=no", "--"], &SOURCES[..]].concat())?;
    // It grows with each commit.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    for source in SOURCES.into_iter().chain(Path::new(&log).exists().then_some(log.as_str())) {
        println!("cargo::rerun-if-changed={source}");
    }
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8_lossy(&done.stdout).trim().to_string())
}
