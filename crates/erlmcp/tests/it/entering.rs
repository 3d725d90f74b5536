//! Servers that want tokens, as processes: who listens where, and that no token is ever said.

use std::fs;

use serde_json::Value;

use crate::finished::erlmcp;
use crate::serving::Serving;

/// A new token and its line.
fn token(more: &[&str]) -> (String, String) {
    let made = erlmcp(&[&["token", "alice"][..], more].concat()).end();
    let words =
        |line: Option<&str>| line.and_then(|line| line.split_once(":  ")).map(|(_, rest)| rest.trim().to_string());
    let mut lines = made.output.lines();
    let (token, line) = (words(lines.next()), words(lines.next()));
    (token.unwrap_or_else(|| panic!("{}", made.said())), line.expect("a line"))
}

#[test]
fn a_server_for_other_machines_wants_tokens_or_a_word() {
    for command in ["serve", "cluster"] {
        let refused = erlmcp(&[command, "--listen", "0.0.0.0:0"]).end();
        assert!(refused.code == 1 && refused.errors.contains("--insecure-open"), "{}", refused.said());
    }
}

#[test]
fn a_server_with_tokens_is_discovered_with_one_and_says_it_nowhere() {
    let (token, line) = token(&["--scope", "mcp", "--for", "1h"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (tokens, bearer) = (file("tokens", &format!("{line}\n")), file("bearer", &token));
    let server = Serving::start(&["--tokens", &tokens, "--require-scope", "mcp"]);
    let wanted = ["discover", "--keep-alive-wait", "0s", &server.url, "--json"];
    let nobody = erlmcp(&wanted).end();
    assert!(nobody.code == 1 && nobody.errors.contains("401"), "{}", nobody.said());
    let finished = erlmcp(&[&wanted[..], &["--bearer-file", &bearer]].concat()).end();
    let found: Value = serde_json::from_str(&finished.output).unwrap_or_else(|_| panic!("{}", finished.said()));
    assert!(found["tools"].as_array().is_some_and(|tools| !tools.is_empty()), "{found}");
    assert!(!finished.said().contains(&token) && !nobody.said().contains(&token));
}
