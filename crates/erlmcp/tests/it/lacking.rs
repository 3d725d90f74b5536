//! What a machine lacks for a test. The crates whose own tests lack something have this file, too.

use std::io::{Write, stderr};

/// Says that a test does nothing here, or less, past the harness, which keeps what a test prints that passes. Where
/// ERLMCP_TESTS_NEED has the word for what it lacks ("nft,mount"), the test fails.
pub(crate) fn lacking(what: &str, why: &str) {
    let needed = std::env::var("ERLMCP_TESTS_NEED").unwrap_or_default();
    assert!(needed.split(',').all(|need| need != what), "{what} is needed: {why}");
    let _ = stderr().write_all(format!("SKIPPED, for want of {what}: {why}\n").as_bytes());
}
