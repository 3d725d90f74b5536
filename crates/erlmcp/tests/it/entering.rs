//! Servers that want tokens, as processes: who listens where, and that no token is ever said.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::finished::{erlmcp, erlmcp_after};
use crate::secured::holding;
use crate::serving::Serving;

/// A new token and its line.
pub(crate) fn token(more: &[&str]) -> (String, String) {
    let made = erlmcp(&[&["token", "alice"][..], more].concat()).end();
    let words =
        |line: Option<&str>| line.and_then(|line| line.split_once(":  ")).map(|(_, rest)| rest.trim().to_string());
    let mut lines = made.output.lines();
    let (token, line) = (words(lines.next()), words(lines.next()));
    (token.unwrap_or_else(|| panic!("{}", made.said())), line.expect("a line"))
}

/// Writes a file; where it is.
fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn a_server_for_other_machines_wants_tokens_or_a_word() {
    for command in ["serve", "cluster"] {
        let refused = erlmcp(&[command, "--listen", "0.0.0.0:0"]).end();
        assert!(refused.code == 1 && refused.errors.contains("--insecure-open"), "{}", refused.said());
        let shown = [command, "--listen", "127.0.0.1:0", "--admin-listen", "0.0.0.0:0"];
        let refused = erlmcp(&shown).end();
        assert!(refused.code == 1 && refused.errors.contains("--admin-listen"), "{}", refused.said());
    }
}

#[test]
fn what_rests_on_tokens_is_refused_without_them() {
    for [flag, value] in
        [["--require-scope", "mcp"], ["--principal-requests", "5"], ["--resource", "https://a.example"]]
    {
        let refused = erlmcp(&["serve", "--listen", "127.0.0.1:0", flag, value]).end();
        assert!(refused.code == 2 && refused.errors.contains("--tokens"), "{}", refused.said());
    }
    let deep = erlmcp(&["serve", "--listen", "127.0.0.1:0", "--limit", "json_depth_max=1000000"]).end();
    assert!(deep.code == 2 && deep.errors.contains("512"), "{}", deep.said());
}

#[test]
fn a_server_with_tokens_is_discovered_with_one_and_says_it_nowhere() {
    let (token, line) = token(&["--scope", "mcp", "--for", "1h"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| file(&folder, name, text);
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

#[test]
fn a_server_with_tokens_is_observed_with_one_and_says_it_nowhere() {
    let (token, line) = token(&["--scope", "metrics"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| file(&folder, name, text);
    let (tokens, bearer) = (file("tokens", &format!("{line}\n")), file("bearer", &token));
    let server = Serving::start(&["--tokens", &tokens]);
    let wanted = ["observe", &server.url, "--once"];
    let nobody = erlmcp(&wanted).end();
    assert!(nobody.code == 1 && nobody.errors.contains("--bearer-file"), "{}", nobody.said());
    let observed = erlmcp(&[&wanted[..], &["--bearer-file", &bearer]].concat()).end();
    assert!(observed.code == 0 && observed.output.contains("  ready  "), "{}", observed.said());
    assert!(!observed.said().contains(&token));
    let lost = erlmcp(&[&wanted[..], &["--bearer-file", "/nowhere/token"]].concat()).end();
    assert!(lost.code == 2 && lost.errors.contains("/nowhere/token"), "{}", lost.said());
}

#[test]
fn a_cluster_whose_pages_want_tokens_is_known_by_its_control_socket() {
    let (token, line) = token(&["--scope", "mcp"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| file(&folder, name, text);
    let (tokens, bearer) = (file("tokens", &format!("{line}\n")), file("bearer", &token));
    // Its usual place is there.
    let here = format!("export XDG_RUNTIME_DIR={}", folder.path().display());
    let wanted = ["cluster", "--tied", "--listen", "127.0.0.1:0", "--replicas", "2", "--tokens", &tokens];
    let cluster = Serving::of(erlmcp_after(&here, &wanted));
    let observed = erlmcp_after(&here, &["observe", &cluster.url, "--once"]).end();
    assert!(observed.code == 0 && observed.output.contains("erlmcp cluster ("), "{}", observed.said());
    let load = ["-c", "6", "-d", "2s", "-r", "30", "--agents", "1", "--phases", "1,2,3", "--bearer-file", &bearer];
    let finished = erlmcp_after(&here, &[&["stress", &cluster.url][..], &load].concat()).end();
    assert_eq!(finished.report()["configuration"]["attached"], true, "{}", finished.said());
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
}

#[test]
fn a_run_s_token_opens_the_target_s_figures_too() {
    let (token, line) = token(&["--scope", "mcp", "--scope", "metrics"]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| file(&folder, name, text);
    let (tokens, bearer) = (file("tokens", &format!("{line}\n")), file("bearer", &token));
    let server = Serving::start(&["--tokens", &tokens]);
    let load = ["-c", "4", "-d", "2s", "-r", "20", "--agents", "1", "--phases", "1,2,3", "--bearer-file", &bearer];
    let finished = erlmcp(&[&["stress", &server.url][..], &load].concat()).end();
    let metrics = fs::read_to_string(finished.results().join("metrics.jsonl")).expect("metrics");
    let seconds: Vec<Value> = metrics.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(seconds.iter().any(|second| second["connections_server"] == 4), "{metrics}");
    assert_eq!(holding(finished.folder(), &[&token]), Vec::<String>::new());
    let finding = erlmcp(&["doctor", &server.url, "-c", "4", "--bearer-file", &bearer]).end();
    assert!(finding.output.contains("/metrics: HTTP 200"), "{}", finding.said());
}

#[test]
fn a_run_leaves_no_key_of_its_target_s_query_behind() {
    let server = Serving::start(&[]);
    let url = format!("{}?k=SECRET12", server.url);
    let load = ["-c", "4", "-d", "2s", "-r", "20", "--agents", "1", "--phases", "1,2,3"];
    let finished = erlmcp(&[&["stress", &url][..], &load].concat()).end();
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    assert_eq!(finished.report()["configuration"]["target"], format!("{}/mcp?k=***", server.url));
    assert!(!finished.said().contains("SECRET12"), "{}", finished.said());
    assert_eq!(holding(finished.folder(), &["SECRET12"]), Vec::<String>::new());
}

#[test]
fn a_run_with_many_tokens_leaves_none_of_them_behind() {
    let made: Vec<(String, String)> = (0..3).map(|_| token(&["--scope", "mcp"])).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, lines: Vec<&str>| file(&folder, name, &lines.join("\n"));
    let tokens = file("tokens", made.iter().map(|(_, line)| line.as_str()).collect());
    let secrets: Vec<&str> = made.iter().map(|(token, _)| token.as_str()).collect();
    let bearers = file("bearers", secrets.clone());
    let server = Serving::start(&["--tokens", &tokens, "--require-scope", "mcp"]);
    let load = ["-c", "6", "-d", "2s", "-r", "30", "--agents", "2", "--phases", "1,2,3", "--token-file", &bearers];
    let finished = erlmcp(&[&["stress", &server.url][..], &load].concat()).end();
    assert_ne!(finished.verdict("sla.error_rate_percent"), "fail", "{}", finished.said());
    let said = holding(finished.folder(), &secrets);
    assert_eq!(said, Vec::<String>::new(), "outputs, record, journals and reports are without tokens");
    // One of them is not known: its connections are refused, and the run says so without naming it.
    let bearers = file("bearers", vec![secrets[0], "unkn0wn-token-of-nobody", secrets[1]]);
    let load = ["-c", "6", "-d", "2s", "-r", "30", "--agents", "2", "--phases", "1,2,3", "--token-file", &bearers];
    let refused = erlmcp(&[&["stress", &server.url][..], &load].concat()).end();
    assert_ne!(refused.code, 0, "{}", refused.said());
    assert_eq!(holding(refused.folder(), &[&secrets[..], &["unkn0wn-token-of-nobody"]].concat()), Vec::<String>::new());
}
