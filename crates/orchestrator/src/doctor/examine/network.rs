//! What the kernel keeps for connections.

use erlmcp_load::CONNECTIONS_PER_SOURCE;
use erlmcp_report::plural;

use super::super::command;
use super::super::finding::{Finding, Weight};
use super::super::readings::Readings;
use super::Need;

/// Ports in TIME_WAIT that slow down the search for a free one: half of them.
const CROWDED: u64 = 2;
/// Source addresses of one agent on loopback.
const SOURCES: u64 = 254;
const PLENTY: u64 = 65_535;

/// Of the listening sockets, where these are of this machine.
pub(super) fn accept_queue(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "accept queue";
    if !need.has_both_ends() {
        return None;
    }
    let Some(places) = readings.somaxconn else {
        return Some(Finding::unknown(topic, "net.core.somaxconn cannot be read"));
    };
    let wanted = need.queued_openings();
    Some(if places >= wanted {
        Finding::ok(topic, format!("{places} connections may wait to be accepted (net.core.somaxconn)"))
    } else {
        Finding::complaint(
            (topic, "low-somaxconn", Weight::Warning),
            format!("{places} connections may wait to be accepted (net.core.somaxconn), and {wanted} come in 250 ms"),
            "those that find no place try again after 1 s: the ramp-up is late, or openings fail",
            [format!("sudo sysctl -w net.core.somaxconn={PLENTY}")],
        )
    })
}

/// With SYN cookies a full one costs options of TCP, not connections.
pub(super) fn half_open(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "half-open queue";
    let places = readings.syn_backlog.filter(|_| need.has_both_ends())?;
    let wanted = need.queued_openings();
    let has_cookies = readings.syn_cookies == Some(true);
    Some(if places >= wanted {
        Finding::ok(topic, format!("{places} connections may be half open (net.ipv4.tcp_max_syn_backlog)"))
    } else {
        let effect = match has_cookies {
            true => "the kernel goes on with SYN cookies, which lose options of TCP",
            false => "more of them are dropped, and tried again after 1 s: the ramp-up is late, or openings fail",
        };
        let weight = if has_cookies { Weight::Note } else { Weight::Warning };
        Finding::complaint(
            (topic, "low-syn-backlog", weight),
            format!(
                "{places} connections may be half open (net.ipv4.tcp_max_syn_backlog), and {wanted} come in 250 ms"
            ),
            effect,
            [format!("sudo sysctl -w net.ipv4.tcp_max_syn_backlog={PLENTY}")],
        )
    })
}

/// On loopback each agent has many source addresses; elsewhere there is one.
pub(super) fn ports(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "local ports";
    let Some((first, last)) = readings.ports else {
        return Some(Finding::unknown(topic, "net.ipv4.ip_local_port_range cannot be read"));
    };
    let range = u64::from(last.saturating_sub(first)) + 1;
    let is_loopback = need.leads.is_none_or(|leads| leads.is_loopback);
    let addresses = need.leads.map_or(1, |leads| leads.addresses).max(1);
    let agents = need.crew(readings).map_or(1, |crew| u64::from(crew.agents));
    let a_source = range.saturating_mul(addresses);
    let (sources, room) = match is_loopback {
        true => (agents * SOURCES, agents * SOURCES * a_source.min(u64::from(CONNECTIONS_PER_SOURCE))),
        false => (1, a_source),
    };
    let said = match sources {
        1 => format!("{first} to {last} ({range}), from one source address"),
        _ => format!("{first} to {last} ({range}), from {sources} source addresses"),
    };
    let mend = ["sudo sysctl -w net.ipv4.ip_local_port_range='1024 65535'".to_string()];
    Some(if room < need.sockets() {
        Finding::complaint(
            (topic, "few-ports", Weight::Stops),
            format!("{said}: room for {room} connections, and {} are asked for", need.sockets()),
            "the others cannot be opened (EADDRNOTAVAIL)",
            mend.into_iter().chain([command::stress(need.config, &[("-c", &room.max(1).to_string())])]),
        )
    } else if !is_loopback && room < need.sockets().saturating_mul(5) / 4 {
        Finding::complaint(
            (topic, "few-ports", Weight::Warning),
            format!("{said}: room for {room} connections, and {} are asked for", need.sockets()),
            "connections that are opened again while old ones are in TIME_WAIT find none",
            mend,
        )
    } else {
        Finding::ok(topic, said)
    })
}

pub(super) fn time_waits(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let topic = "TIME_WAITs";
    let Some(count) = readings.time_waits else {
        return Some(Finding::unknown(topic, "their number cannot be read (/proc/net/sockstat)"));
    };
    let (first, last) = readings.ports?;
    let range = u64::from(last.saturating_sub(first)) + 1;
    Some(if count < range / CROWDED {
        Finding::ok(topic, format!("{count} closed connections are still remembered"))
    } else {
        Finding::complaint(
            (topic, "many-time-waits", Weight::Warning),
            format!("{count} closed connections are still remembered, and there are {range} ports"),
            "the kernel looks long for a free port: the ramp-up is slow",
            ["sleep 60".to_string(), "sudo sysctl -w net.ipv4.tcp_tw_reuse=1".to_string()],
        )
    })
}

pub(super) fn buffers(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "TCP memory";
    let Some((used, [_, pressure, high])) = readings.tcp_pages_used.zip(readings.tcp_pages) else {
        return Some(Finding::unknown(topic, "it cannot be read (net.ipv4.tcp_mem, /proc/net/sockstat)"));
    };
    let wanted = used + need.ends();
    let mend = || {
        let most = wanted.max(high).saturating_mul(2);
        [format!("sudo sysctl -w net.ipv4.tcp_mem='{} {} {most}'", most / 2, most / 3 * 2)]
    };
    Some(if used >= pressure {
        Finding::complaint(
            (topic, "tcp-memory", Weight::Warning),
            format!("{used} pages are in use, and from {pressure} on the kernel takes buffers away (net.ipv4.tcp_mem)"),
            "answers wait for buffers: latencies rise without a fault of the target",
            mend(),
        )
    } else if wanted > high {
        Finding::complaint(
            (topic, "tcp-memory", Weight::Note),
            format!("{high} pages at most (net.ipv4.tcp_mem), and {} ends of connections", need.ends()),
            "idle connections need none; where each of them has a page that waits to be read, packets are dropped",
            mend(),
        )
    } else {
        Finding::ok(topic, format!("{used} of {high} pages are in use (net.ipv4.tcp_mem)"))
    })
}

/// A table without an entry belongs to a tracking that no rule asks for.
pub(super) fn tracking(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "connection tracking";
    let Some((count, most)) = readings.conntrack else {
        return Some(Finding::ok(topic, "not loaded"));
    };
    let wanted = count + need.sockets();
    let said = format!("{count} of {most} places are taken (nf_conntrack)");
    Some(if wanted <= most {
        Finding::ok(topic, said)
    } else {
        let (weight, effect) = match count {
            0 => (
                Weight::Note,
                "it tracks nothing now; where a rule begins to, the packets of connections without a \
                                 place are dropped",
            ),
            _ => (Weight::Stops, "packets of connections that find no place are dropped: openings time out"),
        };
        Finding::complaint(
            (topic, "conntrack-full", weight),
            format!("{said}, and {} are to come", plural(need.sockets(), "connection")),
            effect,
            [format!("sudo sysctl -w net.netfilter.nf_conntrack_max={}", wanted.saturating_mul(2).next_power_of_two())],
        )
    })
}
