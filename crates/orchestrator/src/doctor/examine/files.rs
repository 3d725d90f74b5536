//! Descriptors, and open files of the whole machine.

use erlmcp_report::plural;

use super::super::command;
use super::super::finding::{Finding, Weight};
use super::super::readings::Readings;
use super::Need;
use crate::preflight::Room;

/// What the limit of a process is set to in the commands: the kernel's own upper bound, where nobody has changed it.
const PLENTY: u64 = 1 << 20;
/// Open files that others on this machine may want beside a run.
const SPARE_FILES: u64 = 4_096;

pub(super) fn descriptors(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "descriptors";
    let Some((_, hard)) = readings.descriptors else {
        return Some(Finding::unknown(topic, "the limit of descriptors cannot be read (/proc/self/limits)"));
    };
    let most = readings.descriptors_most.unwrap_or(PLENTY);
    Some(match Room::of(readings).crew(need.config) {
        Ok(crew) => {
            let replicas = crew.replicas.map(|count| format!("{} and ", plural(u64::from(count), "replica")));
            let (connections, agents) = (plural(need.sockets(), "connection"), plural(u64::from(crew.agents), "agent"));
            let replicas = replicas.unwrap_or_default();
            Finding::ok(topic, format!("{} a process: {connections} take {replicas}{agents}", told(hard)))
        }
        Err(error) => Finding::complaint(
            (topic, "low-descriptors", Weight::Stops),
            error.to_string(),
            format!("the run does not start; the kernel would permit {most} a process"),
            [
                format!("sudo prlimit --pid $$ --nofile={most}:{most}"),
                format!("docker run --ulimit nofile={most}:{most} ..."),
            ],
        ),
    })
}

/// What is started from the same shell has the soft limit, unless it raises it itself.
pub(super) fn soft_limit(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let (soft, hard) = readings.descriptors?;
    let is_for_others = need.leads.is_some_and(|leads| leads.is_colocated) && readings.target_descriptors.is_none();
    (is_for_others && soft < hard && soft < need.sockets()).then(|| {
        Finding::complaint(
            ("soft limit of descriptors", "soft-descriptors", Weight::Note),
            format!("{soft}, and {} could be had", told(hard)),
            "erlmcp raises it for itself; a server of yours that is started here has no more than that",
            [format!("ulimit -Sn {}", if hard == u64::MAX { "unlimited".into() } else { hard.to_string() })],
        )
    })
}

pub(super) fn of_the_target(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let (topic, limit) = ("descriptors of the target", readings.target_descriptors?);
    let pid = need.config.target_pid.map_or_else(|| "PID".into(), |pid| pid.to_string());
    let sockets = need.sockets();
    Some(if limit > sockets {
        Finding::ok(topic, told(limit))
    } else {
        Finding::complaint(
            (topic, "low-descriptors", Weight::Warning),
            format!("its process has {limit}, and {} are to be held", plural(sockets, "connection")),
            "it takes no more connections than it has descriptors for, unless it has further processes",
            [
                format!("sudo prlimit --pid {pid} --nofile={0}:{0}", (sockets + 1_024).next_multiple_of(1_024)),
                command::stress(need.config, &[("-c", &limit.saturating_sub(64).max(1).to_string())]),
            ],
        )
    })
}

pub(super) fn of_the_machine(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "open files of the machine";
    let Some((used, most)) = readings.files else {
        return Some(Finding::unknown(topic, "their number cannot be read (/proc/sys/fs/file-nr)"));
    };
    let wanted = used + need.ends() + SPARE_FILES;
    Some(if wanted <= most {
        Finding::ok(topic, format!("{used} of {} are in use, and the run opens {}", told(most), need.ends()))
    } else {
        Finding::complaint(
            (topic, "low-file-max", Weight::Stops),
            format!("{used} of {most} are in use, and the run opens {}", need.ends()),
            "connections beyond it fail, and so does every other program here",
            [format!("sudo sysctl -w fs.file-max={}", wanted.next_power_of_two())],
        )
    })
}

/// The kernel's largest number is no limit.
fn told(limit: u64) -> String {
    if limit >= i64::MAX as u64 { "no limit".into() } else { limit.to_string() }
}
