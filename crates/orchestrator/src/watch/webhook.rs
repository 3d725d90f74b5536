//! Who is told of a violation: a POST of JSON to an address that may itself be a secret.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::agent;
use erlmcp_load::proto;
use erlmcp_report::watch::{Check, Outcome, change_line};
use serde_json::json;

use crate::StressError;
use crate::target::{Target, Url};

/// Waits before the second try and the third; there is no fourth.
const AGAIN_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];

/// An address that takes JSON. Only its host is ever said: the path of a webhook is mostly its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
}

impl Webhook {
    /// # Errors
    /// Where it is no URL; the text is not said again.
    pub fn parse(text: &str) -> Result<Self, StressError> {
        // Without a path it is the server itself, and not an MCP endpoint of it.
        let rooted = match text.split_once("://") {
            Some((scheme, rest)) if !rest.contains('/') => {
                let (authority, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
                format!("{scheme}://{authority}/{query}")
            }
            _ => text.to_string(),
        };
        let url = Url::parse(&rooted).map_err(|_| {
            StressError::usage("--webhook is no URL that JSON can be posted to: write it as https://host/path")
        })?;
        Ok(Self { url })
    }

    /// Posts it, three times at most.
    ///
    /// # Errors
    /// Why it was not taken, without the address.
    pub(super) async fn post(&self, json: &str) -> Result<(), String> {
        let mut waits = AGAIN_AFTER.iter();
        loop {
            let (why, may_pass) = match self.try_once(json).await {
                Ok(200..300) => return Ok(()),
                Ok(status) => (format!("HTTP {status}"), matches!(status, 408 | 425 | 429 | 500..)),
                Err(why) => (why, true),
            };
            match waits.next().filter(|_| may_pass) {
                Some(wait) => tokio::time::sleep(*wait).await,
                None => return Err(why),
            }
        }
    }

    async fn try_once(&self, json: &str) -> Result<u16, String> {
        let addresses = Target::addresses(&self.url).await;
        // What it says names the whole address.
        let addresses = addresses.map_err(|_| format!("the host {} cannot be found", self.url.host))?;
        let endpoint = |address: &SocketAddr| proto::Endpoint { replica: 0, address: address.to_string() };
        let setup = proto::Setup {
            endpoints: addresses.iter().map(endpoint).collect(),
            authority: self.url.authority.clone(),
            path: self.url.path.clone(),
            tls: self.url.tls,
            allow_foreign: true,
            ..proto::Setup::default()
        };
        let json = json.to_string();
        let told = tokio::task::spawn_blocking(move || agent::tell(&setup, &json)).await;
        told.map_err(|error| format!("an internal error: {error}"))?
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the webhook at {}", self.url.authority)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What there is to tell after a check: that the objective is violated, that it is kept again, or that something
/// changed; None: nothing. `text` is the whole of it for people, as chats take it; `check` is the line of the history.
pub(super) fn message(check: &Check, was_violation: bool) -> Option<String> {
    let event = match check.outcome {
        _ if check.is_violation() => "violation",
        _ if !check.changes.is_empty() => "change",
        Outcome::Kept if was_violation => "kept_again",
        _ => return None,
    };
    let target = &check.asked.target;
    let what = match check.outcome {
        Outcome::Unreachable => format!("{target} does not answer"),
        _ if check.is_violation() => format!("{target} violates {}", check.slo),
        Outcome::Kept if was_violation => format!("{target} keeps {} again", check.slo),
        _ => format!("{target} has changed"),
    };
    let more: Vec<String> =
        check.reasons.iter().cloned().chain(check.changes.iter().map(|change| change_line(change, check))).collect();
    let text = if more.is_empty() { what } else { format!("{what}: {}", more.join("; ")) };
    Some(json!({ "event": event, "text": text, "check": check }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use erlmcp_report::watch::Asked;

    fn check(outcome: Outcome) -> Check {
        let asked = Asked { target: "http://a/mcp".into(), ..Asked::default() };
        let slo = "p95<100ms".parse().expect("an objective");
        let reasons = if outcome == Outcome::Kept { vec![] } else { vec!["p95 120.00 ms is not under 100ms".into()] };
        Check::without_load("2026-11-26T14:30:00+01:00".into(), asked, &slo, outcome, reasons)
    }

    #[test]
    fn an_address_is_never_said_whole() {
        let webhook = Webhook::parse("https://hooks.example/T0/s3cret?k=s3cret").expect("a URL");
        assert_eq!((webhook.to_string(), format!("{webhook:?}")), {
            let said = "the webhook at hooks.example".to_string();
            (said.clone(), said)
        });
        let error = Webhook::parse("ftp://hooks.example/s3cret").expect_err("no URL").to_string();
        assert!(!error.contains("s3cret") && error.contains("--webhook"), "{error}");
        assert_eq!(Webhook::parse("http://a:1").expect("a URL").url.path, "/");
        assert_eq!(Webhook::parse("http://a:1?x=1").expect("a URL").url.path, "/?x=1");
    }

    #[test]
    fn only_what_is_new_is_told() {
        assert_eq!(message(&check(Outcome::Kept), false), None);
        assert_eq!(message(&check(Outcome::Inconclusive), true), None);
        let again = message(&check(Outcome::Kept), true).expect("good news");
        assert!(again.contains(r#""event":"kept_again""#) && again.contains("keeps p95<100ms again"), "{again}");
        let bad: serde_json::Value =
            serde_json::from_str(&message(&check(Outcome::Violated), true).expect("bad news")).expect("JSON");
        assert_eq!(bad["text"], "http://a/mcp violates p95<100ms: p95 120.00 ms is not under 100ms");
        assert_eq!((&bad["check"]["outcome"], &bad["event"]), (&json!("violated"), &json!("violation")));
    }
}
