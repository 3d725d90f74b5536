use std::collections::BTreeSet;

use erlmcp_load::proto::{Reached, Tool};

use super::super::finding::OF_TARGET;
use super::*;

fn url() -> Url {
    Url::parse("https://shop.example/mcp").expect("a URL")
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 443))
}

fn refused(text: &str) -> Result<((), u64), String> {
    Err(text.into())
}

/// What is thought of.
fn run() -> StressConfig {
    StressConfig { target: Some(url().to_string()), connections: Some(200), ..StressConfig::default() }
}

/// All steps made.
fn whole() -> Approach {
    let reached = Reached {
        ok: true,
        era: "modern".into(),
        versions: vec!["2026-07-28".into(), "2025-11-25".into()],
        server: "shop 2".into(),
        tools: vec![Tool { name: "buy".into(), ..Tool::default() }],
        ..Reached::default()
    };
    Approach {
        tls: Some(Ok(((), 2_000))),
        health: Some(Ok((200, 900))),
        mcp: Some(Ok((reached, 5_000))),
        wants_credentials: false,
    }
}

#[test]
fn a_way_without_trouble_is_told_with_its_times() {
    let mut found = vec![name(&url(), &Ok((vec![address(1), address(2)], 4_200)))];
    found.extend(connects(&url(), &[(address(1), Ok(350)), (address(2), Ok(12_340))]));
    found.extend(steps(&url(), &whole(), &run()));
    found.push(metrics((&url(), &run()), &Ok(1_000), None, true));
    assert!(found.iter().all(|finding| finding.weight == Weight::Ok), "{found:#?}");
    let lines: Vec<String> = found.iter().map(|finding| format!("{}: {}", finding.topic, finding.found)).collect();
    let expected = [
        "name: shop.example is 192.0.2.1, 192.0.2.2 (4.20 ms)",
        "connect: 192.0.2.1:443 (0.35 ms), 192.0.2.2:443 (12.34 ms)",
        "TLS: agreed (2.00 ms)",
        "HTTP: HTTP/1.1 is spoken (0.90 ms)",
        "MCP: shop 2 speaks modern (2026-07-28, 2025-11-25), 1 tool (5.00 ms)",
        "/health: HTTP 200 (0.90 ms)",
        "/metrics: HTTP 200 (1.00 ms)",
    ];
    assert_eq!(lines, expected);
}

fn closed() -> Result<u64, String> {
    Err("connection refused".into())
}

fn unconnected(tried: &[Tried]) -> Finding {
    let complaint = connects(&url(), tried).into_iter().find(|finding| finding.complaint.is_some());
    complaint.expect("there is something to complain of")
}

/// What is wrong, and which complaint that is.
fn troubles() -> Vec<(&'static str, Weight, Finding)> {
    let first = |change: fn(&mut Approach)| {
        let mut approach = whole();
        change(&mut approach);
        let complaint = steps(&url(), &approach, &run()).into_iter().find(|finding| finding.complaint.is_some());
        complaint.expect("there is something to complain of")
    };
    let nowhere = name(&url(), &Err("cannot find the host".into()));
    vec![
        ("name-not-found", Weight::Stops, nowhere),
        ("not-reachable", Weight::Stops, unconnected(&[(address(1), closed())])),
        ("address-down", Weight::Warning, unconnected(&[(address(1), Ok(350)), (address(2), closed())])),
        (
            "tls-refused",
            Weight::Stops,
            first(|approach| {
                let tls = Some(refused("its certificate has expired: renew it"));
                *approach = Approach { tls, health: None, mcp: None, ..approach.clone() };
            }),
        ),
        ("not-http", Weight::Stops, first(|approach| approach.health = Some(Err("it does not speak HTTP".into())))),
        (
            "needs-credentials",
            Weight::Stops,
            first(|approach| {
                (approach.mcp, approach.wants_credentials) = (Some(Err("HTTP 401".into())), true);
            }),
        ),
        ("not-mcp", Weight::Stops, first(|approach| approach.mcp = Some(Err("a web page".into())))),
        ("not-healthy", Weight::Warning, first(|approach| approach.health = Some(Ok((503, 1))))),
        ("no-health-page", Weight::Note, first(|approach| approach.health = Some(Ok((404, 1))))),
        ("no-metrics", Weight::Note, metrics((&url(), &run()), &Err(Unread::Guarded(401)), None, true)),
        ("no-metrics", Weight::Note, metrics((&url(), &run()), &Err(Unread::Missing(404)), None, false)),
    ]
}

#[test]
fn every_step_that_fails_has_its_complaint() {
    for (id, weight, finding) in troubles() {
        let complaint = finding.complaint.as_ref().expect("a complaint");
        assert_eq!((complaint.id, finding.weight), (id, weight), "{finding:?}");
        assert!(!complaint.effect.is_empty() && !complaint.mend.is_empty(), "{finding:?}");
        assert!(complaint.mend.iter().all(|command| !command.contains("http://")), "{finding:?}");
        for command in complaint.mend.iter().filter(|command| command.starts_with("erlmcp stress")) {
            assert!(command.contains(" https://shop.example/mcp -c 200 "), "{command}");
        }
    }
    let reproduced: BTreeSet<&str> = troubles().iter().map(|(id, ..)| *id).chain(["connection-limit"]).collect();
    assert_eq!(reproduced, OF_TARGET.iter().copied().collect(), "connection-limit is reproduced in target/tests.rs");
}

/// A run then asks by MCP.
#[test]
fn a_server_that_is_not_well_may_pass_all_the_same() {
    let finding = health(&url(), 503, 1);
    let effect = finding.complaint.expect("it is not well").effect;
    assert!(!effect.contains("fails") && effect.ends_with("reachability is judged by MCP"), "{effect}");
}

#[test]
fn figures_that_come_from_elsewhere_are_not_missed() {
    let finding = metrics((&url(), &run()), &Err(Unread::Guarded(401)), Some("process 7"), true);
    assert_eq!((finding.weight, finding.complaint), (Weight::Ok, None));
    assert!(finding.found.contains("HTTP 401") && finding.found.ends_with("come from process 7"), "{}", finding.found);
}

#[test]
fn an_address_of_ipv6_keeps_its_brackets() {
    let url = Url::parse("https://[::1]:8443/mcp").expect("a URL");
    let mends = |found: Vec<Finding>| -> Vec<String> {
        let complaints = found.into_iter().filter_map(|finding| finding.complaint);
        complaints.flat_map(|complaint| complaint.mend).collect()
    };
    assert_eq!(mends(connects(&url, &[(address(1), closed())]))[1], "curl -sv https://[::1]:8443/health");
    let untrusted = Approach { tls: Some(refused("it is not trusted")), health: None, mcp: None, ..whole() };
    let expected = "openssl s_client -connect [::1]:8443 -servername ::1";
    assert_eq!(mends(steps(&url, &untrusted, &run()))[0], expected);
}

#[test]
fn an_address_needs_no_lookup() {
    let url = Url::parse("http://127.0.0.1:8080").expect("a URL");
    assert_eq!(name(&url, &Ok((vec![address(1)], 3))).found, "127.0.0.1 is an address");
}
