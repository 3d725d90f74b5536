//! What a doctor has found, for people and for machines.

use erlmcp_orchestrator::{Complaint, Diagnosis, Finding, Weight};
use erlmcp_record::{plain, plain_json};
use erlmcp_report::plural;
use serde_json::{Value, json};

const INDENT: &str = "           ";

pub(super) fn json(found: &Diagnosis) -> serde_json::Result<String> {
    let mut value = json!({ "weight": found.weight() });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, serde_json::to_value(found)?) {
        all.extend(more);
    }
    Ok(plain_json(&serde_json::to_string_pretty(&value)?) + "\n")
}

pub(super) fn text(found: &Diagnosis, is_coloured: bool) -> String {
    let connections = plural(found.connections, "connection");
    let mut text = match &found.url {
        None => format!("erlmcp doctor: {connections} on a cluster of its own\n\nThis machine\n"),
        Some(url) => format!("erlmcp doctor: {connections} to {}\n\nThis machine\n", plain(url)),
    };
    found.machine.iter().for_each(|finding| text += &lines(finding, is_coloured));
    if !found.target.is_empty() {
        text += "\nThe target\n";
        found.target.iter().for_each(|finding| text += &lines(finding, is_coloured));
    }
    text + &format!("\n{}\n", closing(found))
}

fn lines(finding: &Finding, is_coloured: bool) -> String {
    let word = format!("{:<7}", finding.weight.word());
    let word = if is_coloured { coloured(finding.weight, &word) } else { word };
    let Some(Complaint { id, effect, mend }) = &finding.complaint else {
        return format!("  {word}  {}: {}\n", finding.topic, plain(&finding.found));
    };
    let mut text = format!("  {word}  {}: {} [{id}]\n{INDENT}{effect}\n", finding.topic, plain(&finding.found));
    mend.iter().for_each(|command| text += &format!("{INDENT}$ {}\n", plain(command)));
    text
}

/// The word says the same.
fn coloured(weight: Weight, word: &str) -> String {
    let code = match weight {
        Weight::Ok => 32,
        Weight::Note | Weight::Unknown => 36,
        Weight::Warning => 33,
        Weight::Stops => 31,
    };
    format!("\u{1b}[{code}m{word}\u{1b}[0m")
}

fn closing(found: &Diagnosis) -> String {
    let count = |weight: Weight| found.findings().filter(|finding| finding.weight == weight).count() as u64;
    let parts = [
        (Weight::Stops, "would stop the run"),
        (Weight::Warning, "would bend its figures"),
        (Weight::Unknown, "could not be found out"),
    ];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(weight, _)| count(*weight) > 0)
        .map(|(weight, what)| format!("{} {what}", count(weight)))
        .collect();
    let said = if said.is_empty() { "Nothing stands in the way".into() } else { said.join(", ") };
    match found.findings().any(|finding| finding.complaint.is_some()) {
        true => format!("{said}. What each [id] means: docs/doctor.md"),
        false => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Diagnosis {
        let complaint = |id: &'static str, effect: &str, mend: &[&str]| {
            let mend = mend.iter().map(ToString::to_string).collect();
            Some(Complaint { id, effect: effect.into(), mend })
        };
        let finding = |topic, weight, found: &str, complaint| Finding { topic, weight, found: found.into(), complaint };
        Diagnosis {
            url: Some("http://localhost:8080/mcp".into()),
            connections: 100_000,
            machine: vec![
                finding("clock", Weight::Ok, "the kernel reads the time from tsc", None),
                finding(
                    "accept queue",
                    Weight::Warning,
                    "128 connections may wait to be accepted",
                    complaint("low-somaxconn", "the ramp-up is late", &["sudo sysctl -w net.core.somaxconn=65535"]),
                ),
            ],
            target: vec![
                finding(
                    "MCP",
                    Weight::Stops,
                    "not \u{1b}[31mMCP",
                    complaint("not-mcp", "no request is answered", &["a", "b"]),
                ),
                finding("load", Weight::Unknown, "it could not be tried", None),
            ],
        }
    }

    #[test]
    fn people_read_a_calm_list() {
        insta::assert_snapshot!(text(&found(), false), @r"
        erlmcp doctor: 100,000 connections to http://localhost:8080/mcp

        This machine
          ok       clock: the kernel reads the time from tsc
          warning  accept queue: 128 connections may wait to be accepted [low-somaxconn]
                   the ramp-up is late
                   $ sudo sysctl -w net.core.somaxconn=65535

        The target
          stops    MCP: not \u{1b}[31mMCP [not-mcp]
                   no request is answered
                   $ a
                   $ b
          unknown  load: it could not be tried

        1 would stop the run, 1 would bend its figures, 1 could not be found out. What each [id] means: docs/doctor.md
        ");
    }

    #[test]
    fn colour_only_stands_beside_a_word() {
        let coloured = text(&found(), true);
        let stripped = [31, 32, 33, 36]
            .iter()
            .fold(coloured.clone(), |text, code| text.replace(&format!("\u{1b}[{code}m"), "").replace("\u{1b}[0m", ""));
        assert!(coloured.len() > stripped.len());
        assert_eq!(stripped, text(&found(), false));
    }

    #[test]
    fn machines_get_the_same() {
        let value: Value = serde_json::from_str(&json(&found()).expect("it can be written")).expect("JSON");
        assert_eq!((&value["weight"], &value["connections"]), (&json!("stops"), &json!(100_000)));
        assert_eq!(value["machine"][1]["id"], "low-somaxconn");
        assert_eq!(value["machine"][1]["mend"][0], "sudo sysctl -w net.core.somaxconn=65535");
        assert_eq!((&value["machine"][0]["weight"], &value["machine"][0]["id"]), (&json!("ok"), &Value::Null));
    }

    #[test]
    fn a_machine_that_is_well_needs_one_line() {
        let finding = Finding { topic: "clock", weight: Weight::Ok, found: "tsc".into(), complaint: None };
        let well = Diagnosis { url: None, connections: 1, machine: vec![finding], target: Vec::new() };
        let text = text(&well, false);
        assert!(text.starts_with("erlmcp doctor: 1 connection on a cluster of its own\n"), "{text}");
        assert!(text.ends_with("\nNothing stands in the way\n"), "{text}");
    }
}
