//! What the run may do here.

use erlmcp_report::command_line;

use super::super::command;
use super::super::finding::{Finding, Weight};
use super::super::readings::Readings;
use super::Need;

/// Where a cluster of the user's own is broken by dropped packets.
pub(super) fn firewall(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "firewall";
    let why = match readings.firewall.as_ref()? {
        Ok(()) => return Some(Finding::ok(topic, "packets may be dropped (nftables)")),
        Err(_) if !need.has_both_ends() => return None,
        Err(why) => why,
    };
    let apart = || {
        let script = format!("ip link set lo up && exec {}", command::stress(need.config, &[]));
        command_line(&["unshare", "--user", "--map-root-user", "--net", "sh", "-c", &script].map(String::from))
    };
    // No server of the user's is there.
    let namespace = (readings.user_namespaces && need.leads.is_none()).then(apart);
    Some(Finding::complaint(
        (topic, "no-firewall-permission", Weight::Note),
        format!("packets cannot be dropped ({why})"),
        "a partition is made by stopping the process instead, and faults that need dropped packets are SKIPPED",
        ["sudo apt-get install nftables".to_string(), "docker run --cap-add NET_ADMIN ...".to_string()]
            .into_iter()
            .chain(namespace),
    ))
}

pub(super) fn container(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let name = readings.container?;
    Some(Finding::complaint(
        ("container", "in-container", Weight::Note),
        format!("this is a container of {name}"),
        "its limits are those that it was started with, and most sysctls can only be set from outside",
        ["docker run --ulimit nofile=1048576:1048576 --sysctl net.core.somaxconn=65535 --cap-add NET_ADMIN ..."
            .to_string()],
    ))
}

pub(super) fn docker(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let topic = "Docker";
    Some(match readings.docker.as_ref()? {
        Ok(()) => Finding::ok(topic, "it is there"),
        Err(why) => Finding::complaint(
            (topic, "docker-not-reachable", Weight::Note),
            format!("its socket is there, but {why}"),
            "a target in a container cannot be looked at with docker stats",
            ["sudo usermod -aG docker $USER && newgrp docker".to_string()],
        ),
    })
}
