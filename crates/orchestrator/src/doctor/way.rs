//! The way to a target as findings, step by step.

use std::net::SocketAddr;

use erlmcp_load::agent::{Approach, Step};
use erlmcp_report::plural;

use super::command;
use super::finding::{Finding, Weight};
use crate::StressConfig;
use crate::target::{Tried, Unread, Url};

/// What the name of the target led to, and how long that took, microseconds; or why it leads nowhere.
pub(super) type Named = Result<(Vec<SocketAddr>, u64), String>;

const NAME: &str = "name";
const CONNECT: &str = "connect";
const MCP: &str = "MCP";

/// A name that leads nowhere is the end of the way.
pub(super) fn name(url: &Url, named: &Named) -> Finding {
    match named {
        Ok(_) if url.address().is_some() => Finding::ok(NAME, format!("{} is an address", url.host)),
        Ok((addresses, us)) => {
            let all: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Finding::ok(NAME, format!("{} is {} ({})", url.host, all.join(", "), took(*us)))
        }
        Err(why) => Finding::complaint(
            (NAME, "name-not-found", Weight::Stops),
            why.clone(),
            "nothing can be sent",
            [format!("getent ahosts {}", url.host)],
        ),
    }
}

/// The steps behind a connection. `run` is the one that was thought of.
pub(super) fn steps(url: &Url, approach: &Approach, run: &StressConfig) -> Vec<Finding> {
    let mut found: Vec<Finding> = approach.tls.iter().map(|tls| secured((url, run), tls)).collect();
    found.extend(approach.health.as_ref().map(|health| http(url, health)));
    found.extend(approach.mcp.as_ref().map(|mcp| match mcp {
        Ok((reached, us)) => {
            let server = if reached.server.is_empty() { "a server without a name" } else { &reached.server };
            let tools = plural(reached.tools.len() as u64, "tool");
            let versions = reached.versions.join(", ");
            Finding::ok(MCP, format!("{server} speaks {} ({versions}), {tools} ({})", reached.era, took(*us)))
        }
        Err(why) if approach.wants_credentials => Finding::complaint(
            ("credentials", "needs-credentials", Weight::Stops),
            why.clone(),
            "every request is refused",
            [command::doctor(run, &[("--bearer-file", "FILE")]), command::doctor(run, &[("-H", "Authorization: ...")])],
        ),
        Err(why) => Finding::complaint(
            (MCP, "not-mcp", Weight::Stops),
            why.clone(),
            "no request of MCP is answered",
            [command::discover(run), format!("curl -sv -X POST {url}")],
        ),
    }));
    if let (Some(Ok((status, us))), Some(Ok(_))) = (&approach.health, &approach.mcp) {
        found.push(health(url, *status, *us));
    }
    found
}

/// Each address on its own.
pub(super) fn connects(url: &Url, tried: &[Tried]) -> Vec<Finding> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (address, outcome) in tried {
        match outcome {
            Ok(us) => good.push(format!("{address} ({})", took(*us))),
            Err(why) => bad.push(format!("{address}: {why}")),
        }
    }
    let mend = || [format!("ss -ltn 'sport = :{}'", url.port), format!("curl -sv {}/health", url.origin())];
    let mut found = Vec::new();
    if !good.is_empty() {
        found.push(Finding::ok(CONNECT, good.join(", ")));
    }
    if !bad.is_empty() {
        let (id, weight, effect) = match good.is_empty() {
            true => ("not-reachable", Weight::Stops, "nothing can be sent"),
            false => ("address-down", Weight::Warning, "the run leaves it out, and says so"),
        };
        found.push(Finding::complaint((CONNECT, id, weight), bad.join("; "), effect, mend()));
    }
    found
}

fn secured((url, run): (&Url, &StressConfig), tls: &Step<()>) -> Finding {
    match tls {
        Ok(((), us)) => Finding::ok("TLS", format!("agreed ({})", took(*us))),
        Err(why) => Finding::complaint(
            ("TLS", "tls-refused", Weight::Stops),
            why.clone(),
            "nothing can be sent",
            [
                format!("openssl s_client -connect {} -servername {}", url.endpoint(), url.host),
                command::doctor(run, &[("--cacert", "FILE")]),
            ],
        ),
    }
}

/// Any answer will do: it shows that HTTP is spoken.
fn http(url: &Url, health: &Step<u16>) -> Finding {
    match health {
        Ok((_, us)) => Finding::ok("HTTP", format!("HTTP/1.1 is spoken ({})", took(*us))),
        Err(why) => Finding::complaint(
            ("HTTP", "not-http", Weight::Stops),
            why.clone(),
            "no request is answered",
            [format!("curl -sv {}/health", url.origin())],
        ),
    }
}

fn health(url: &Url, status: u16, us: u64) -> Finding {
    let topic = "/health";
    let page = format!("curl -s -o /dev/null -w '%{{http_code}}\\n' {}/health", url.origin());
    match status {
        200..300 => Finding::ok(topic, format!("HTTP {status} ({})", took(us))),
        500.. => Finding::complaint(
            (topic, "not-healthy", Weight::Warning),
            format!("HTTP {status}: it says itself that it is not well"),
            "it may refuse load, or be taken out by its balancer; reachability is judged by MCP",
            [page],
        ),
        _ => Finding::complaint(
            (topic, "no-health-page", Weight::Note),
            format!("HTTP {status}: it has no such page"),
            "reachability is judged by MCP alone",
            [page],
        ),
    }
}

/// Its page of metrics as a run reads it: how long that took, microseconds, or why it does not. `instead` is where its figures come
/// from then.
pub(super) fn metrics(
    (url, run): (&Url, &StressConfig),
    read: &Result<u64, Unread>,
    instead: Option<&str>,
    is_near: bool,
) -> Finding {
    let topic = "/metrics";
    match (read, instead) {
        (Ok(us), _) => Finding::ok(topic, format!("HTTP 200 ({})", took(*us))),
        (Err(why), Some(instead)) => Finding::ok(topic, format!("{why}; its figures come from {instead}")),
        (Err(why), None) => Finding::complaint(
            (topic, "no-metrics", Weight::Note),
            why.to_string(),
            "memory, CPU and queue of the target are not measured, and what rests on them is INCONCLUSIVE",
            [match is_near {
                true => command::stress(run, &[("--target-pid", "PID")]),
                false => format!("curl -sv {}/metrics", url.origin()),
            }],
        ),
    }
}

/// "0.35 ms".
fn took(us: u64) -> String {
    format!("{:.2} ms", us as f64 / 1e3)
}

#[cfg(test)]
mod tests;
