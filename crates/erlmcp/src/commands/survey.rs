//! What a server tells of itself, for people and for machines.

use erlmcp_load::agent::{KeepAlive, Survey};
use erlmcp_record::plain_json;
use serde_json::{Value, json};

/// Hints of a tool that are shown, as they are called and as they are said.
const HINTS: [(&str, &str); 4] = [
    ("readOnlyHint", "read-only"),
    ("destructiveHint", "destructive"),
    ("idempotentHint", "idempotent"),
    ("openWorldHint", "open-world"),
];

pub(super) fn json(url: &str, survey: &Survey) -> serde_json::Result<String> {
    let mut value = json!({ "url": url });
    if let (Value::Object(all), Value::Object(found)) = (&mut value, serde_json::to_value(survey)?) {
        all.extend(found);
    }
    Ok(plain_json(&serde_json::to_string_pretty(&value)?) + "\n")
}

pub(super) fn text(url: &str, survey: &Survey) -> String {
    let mut lines = vec![url.to_string()];
    let mut line = |name: &str, value: String| lines.push(format!("{:<14}{value}", format!("{name}:")));
    line("Server", plain(&format!("{} {}", said(&survey.server["name"]), said(&survey.server["version"]))));
    line("Era", format!("{} ({})", survey.era, survey.version));
    line("Versions", plain(&survey.versions.join(", ")));
    line("Answers", if survey.answers == "sse" { "event stream (SSE)" } else { "JSON" }.into());
    line("Session", if survey.session { "yes, by Mcp-Session-Id" } else { "none" }.into());
    line("GET stream", get(survey));
    if let Some(keep_alive) = &survey.keep_alive {
        line("Keep-alive", seen(keep_alive));
    }
    if let Some(h2) = survey.h2 {
        line("HTTP/2", if h2 { "offered by ALPN; erlmcp speaks HTTP/1.1" } else { "not offered by ALPN" }.into());
    }
    line("Capabilities", capabilities(&survey.capabilities));
    if let Some(instructions) = &survey.instructions {
        line("Instructions", plain(instructions));
    }
    section(&mut lines, "Tools", &survey.tools, tool);
    section(&mut lines, "Resources", &survey.resources, |resource| named(resource, "uri"));
    section(&mut lines, "Resource templates", &survey.resource_templates, |template| named(template, "uriTemplate"));
    section(&mut lines, "Prompts", &survey.prompts, prompt);
    lines.push(String::new());
    lines.join("\n")
}

fn get(survey: &Survey) -> String {
    match survey.get {
        Some(get) if get.stream => "offered".into(),
        Some(get) => format!("not offered (HTTP {})", get.status),
        None => "no answer".into(),
    }
}

fn seen(keep_alive: &KeepAlive) -> String {
    let KeepAlive { stream, watched_ms, first_ms, period_ms, ended } = *keep_alive;
    let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
    let ended = if ended { ", when the server ended it" } else { "" };
    match (first_ms, period_ms) {
        (_, Some(period)) => format!("every {} (between two on a {stream} stream)", seconds(period)),
        (Some(first), None) => {
            format!("one after {}, no second in {} of a {stream} stream{ended}", seconds(first), seconds(watched_ms))
        }
        (None, None) => format!("none seen in {} of a {stream} stream{ended}", seconds(watched_ms)),
    }
}

/// `tools{listChanged} resources{}`: what is declared, with what is true of it.
fn capabilities(capabilities: &Value) -> String {
    let Value::Object(all) = capabilities else { return "-".into() };
    let one = |(name, value): (&String, &Value)| {
        let Value::Object(inner) = value else { return plain(name) };
        let parts: Vec<&str> =
            inner.iter().filter(|(_, value)| **value != false).map(|(name, _)| name.as_str()).collect();
        plain(&if parts.is_empty() { name.clone() } else { format!("{name}{{{}}}", parts.join(",")) })
    };
    let all: Vec<String> = all.iter().map(one).collect();
    if all.is_empty() { "none".into() } else { all.join(" ") }
}

fn section(lines: &mut Vec<String>, title: &str, items: &[Value], show: impl Fn(&Value) -> Vec<String>) {
    lines.push(format!("{title} ({})", items.len()));
    lines.extend(items.iter().flat_map(show).map(|line| format!("  {line}")));
}

fn tool(tool: &Value) -> Vec<String> {
    let hints: Vec<&str> =
        HINTS.iter().filter(|(hint, _)| tool["annotations"][*hint] == true).map(|(_, said)| *said).collect();
    let hints = if hints.is_empty() { String::new() } else { format!(" [{}]", hints.join(", ")) };
    let mut lines = vec![with_description(format!("{}{hints}", said(&tool["name"])), tool)];
    lines.push(format!("  input  {}", plain(&tool["inputSchema"].to_string())));
    if !tool["outputSchema"].is_null() {
        lines.push(format!("  output {}", plain(&tool["outputSchema"].to_string())));
    }
    lines
}

fn named(item: &Value, key: &str) -> Vec<String> {
    let kind = item["mimeType"].as_str().map(|kind| format!(" ({kind})")).unwrap_or_default();
    vec![with_description(format!("{} {}{kind}", said(&item[key]), said(&item["name"])), item)]
}

fn prompt(prompt: &Value) -> Vec<String> {
    let one = |argument: &Value| {
        let optional = if argument["required"] == true { "" } else { "?" };
        format!("{}{optional}", said(&argument["name"]))
    };
    let arguments: Vec<String> = prompt["arguments"].as_array().into_iter().flatten().map(one).collect();
    vec![with_description(format!("{}({})", said(&prompt["name"]), arguments.join(", ")), prompt)]
}

fn with_description(text: String, item: &Value) -> String {
    match item["description"].as_str() {
        Some(description) => plain(&format!("{text}: {description}")),
        None => plain(&text),
    }
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// One line, without anything by which a server could play with a terminal.
fn plain(text: &str) -> String {
    erlmcp_record::plain(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use erlmcp_load::agent::GetAnswer;

    fn survey() -> Survey {
        Survey {
            era: "modern",
            version: "2026-07-28",
            versions: vec!["2026-07-28".into(), "2025-11-25".into()],
            server: json!({"name": "shop", "version": "2"}),
            instructions: Some("Buy\n\u{1b}[31mnothing".into()),
            capabilities: json!({"tools": {"listChanged": true}, "resources": {"subscribe": false}}),
            answers: "json",
            session: false,
            get: Some(GetAnswer { status: 405, stream: false }),
            keep_alive: Some(KeepAlive {
                stream: "subscriptions/listen",
                watched_ms: 30_004,
                first_ms: Some(15_001),
                period_ms: Some(15_003),
                ended: false,
            }),
            h2: Some(true),
            tools: vec![json!({"name": "buy", "description": "spends", "inputSchema": {"type": "object"},
                "annotations": {"destructiveHint": true, "readOnlyHint": false}})],
            resources: vec![json!({"uri": "shop://a", "name": "a", "mimeType": "text/plain"})],
            resource_templates: Vec::new(),
            prompts: vec![json!({"name": "ask", "arguments": [{"name": "x", "required": true}, {"name": "y"}]})],
        }
    }

    #[test]
    fn people_see_what_there_is() {
        insta::assert_snapshot!(text("https://shop.example/mcp", &survey()), @r#"
        https://shop.example/mcp
        Server:       shop 2
        Era:          modern (2026-07-28)
        Versions:     2026-07-28, 2025-11-25
        Answers:      JSON
        Session:      none
        GET stream:   not offered (HTTP 405)
        Keep-alive:   every 15.0 s (between two on a subscriptions/listen stream)
        HTTP/2:       offered by ALPN; erlmcp speaks HTTP/1.1
        Capabilities: resources tools{listChanged}
        Instructions: Buy \u{1b}[31mnothing
        Tools (1)
          buy [destructive]: spends
            input  {"type":"object"}
        Resources (1)
          shop://a a (text/plain)
        Resource templates (0)
        Prompts (1)
          ask(x, y?)
        "#);
    }

    #[test]
    fn keep_alives_that_were_not_seen_are_said_to_be() {
        let keep_alive =
            |first_ms, ended| seen(&KeepAlive { stream: "GET", watched_ms: 35_000, first_ms, period_ms: None, ended });
        assert_eq!(keep_alive(None, false), "none seen in 35.0 s of a GET stream");
        assert_eq!(keep_alive(None, true), "none seen in 35.0 s of a GET stream, when the server ended it");
        assert_eq!(keep_alive(Some(20_000), false), "one after 20.0 s, no second in 35.0 s of a GET stream");
    }

    #[test]
    fn machines_get_all_of_it() {
        let text = json("https://shop.example/mcp", &survey()).expect("it can be written");
        let value: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["url"], "https://shop.example/mcp");
        assert_eq!(value["tools"][0]["annotations"]["destructiveHint"], true);
        assert_eq!(value["get"], json!({"status": 405, "stream": false}));
    }
}
