//! Memory, cores, and who else wants them.

use erlmcp_report::{bytes, plural};

use super::super::command;
use super::super::finding::{Finding, Weight};
use super::super::readings::Readings;
use super::Need;
use crate::preflight::Room;

/// Threads of one process of ours, at most.
const THREADS: u64 = 16;
/// With fewer the target and the generator take turns on each core.
const CORES_FOR_BOTH: u32 = 4;
/// Shares of time, percent, from which on figures are bent.
const WAITED_PERCENT: f64 = 10.0;
const OTHERS_PERCENT: f64 = 25.0;
const STOLEN_PERCENT: f64 = 1.0;

pub(super) fn memory(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "memory";
    let Some(left) = readings.memory_left() else {
        return Some(Finding::unknown(topic, "what is available cannot be read (/proc/meminfo)"));
    };
    let crew = need.crew(readings)?;
    let of_group = if Some(left) == readings.group.memory_left { " by the control group's limit" } else { "" };
    let (room, both_ends) = (Room::of(readings), need.has_both_ends());
    Some(match room.check_memory(need.sockets(), crew, both_ends) {
        Ok(()) => {
            let cost = room.cost(need.sockets(), crew, both_ends);
            Finding::ok(topic, format!("{} can be had{of_group}: {cost}", bytes(left as f64)))
        }
        Err(error) => {
            let possible = room.connections_in_memory(need.sockets(), crew, both_ends);
            let raise = (!of_group.is_empty()).then(|| "docker update --memory 16g --memory-swap 16g CONTAINER".into());
            Finding::complaint(
                (topic, "little-memory", Weight::Stops),
                error.to_string(),
                "the kernel would end processes in the middle of the run",
                [command::stress(need.config, &[("-c", &possible.max(1).to_string())])].into_iter().chain(raise),
            )
        }
    })
}

pub(super) fn tasks(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let (topic, left) = ("processes and threads", readings.group.tasks_left?);
    let crew = need.crew(readings)?;
    let processes = 1 + u64::from(crew.agents) + crew.replicas.map_or(0, |replicas| u64::from(replicas) + 2);
    let wanted = processes * THREADS;
    Some(if left >= wanted {
        Finding::ok(topic, format!("the control group permits {left} more"))
    } else {
        Finding::complaint(
            (topic, "few-tasks", Weight::Stops),
            format!("the control group permits {left} more, and the run starts up to {wanted}"),
            "a process or a thread of the run cannot be started",
            [format!("docker update --pids-limit {} CONTAINER", (wanted * 2).next_power_of_two())],
        )
    })
}

pub(super) fn cores(readings: &Readings, need: &Need<'_>) -> Option<Finding> {
    let topic = "cores";
    let Some(cores) = readings.cores_left() else {
        return Some(Finding::unknown(topic, "their number cannot be read (/proc/self/status)"));
    };
    let said = plural(u64::from(cores), "core");
    let elsewhere = [command::stress_from_elsewhere(need.config)];
    Some(match (cores, need.has_both_ends()) {
        (0..2, _) => Finding::complaint(
            (topic, "few-cores", Weight::Warning),
            said,
            "the generator waits for the core whenever anything else runs, and verdicts are inconclusive for that",
            elsewhere,
        ),
        (2..CORES_FOR_BOTH, true) => Finding::complaint(
            (topic, "few-cores", Weight::Note),
            format!("{said} for the target and for the generator"),
            "what one of them uses the other has not: the most that the target carries is more on a machine of its own",
            elsewhere,
        ),
        _ => Finding::ok(topic, said),
    })
}

pub(super) fn quota(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let (quota, cores) = (readings.group.cpu?, readings.cores?);
    (quota < f64::from(cores)).then(|| {
        Finding::complaint(
            ("CPU of the control group", "cpu-quota", Weight::Warning),
            format!("{quota:.1} of {} may be used", plural(u64::from(cores), "core")),
            "when that is used up, everything in the group stands still for the rest of each 100 ms: latencies have steps",
            [format!("docker update --cpus {cores} CONTAINER")],
        )
    })
}

pub(super) fn noise(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let topic = "noisy neighbours";
    let quiet = readings.quiet.as_ref()?;
    let cores = f64::from(quiet.cores.max(1));
    let watched = quiet.watched_us.max(1) as f64;
    let waited = quiet.waited_us.zip(quiet.used_us).map(|(waited, used)| share(waited, waited + used));
    let own = quiet.used_us.unwrap_or(0);
    let others = quiet.busy_us.map(|busy| busy.saturating_sub(own) as f64 * 100.0 / (watched * cores));
    let Some((waited, others)) = waited.zip(others) else {
        return Some(Finding::unknown(topic, "the kernel does not say who waits for a core (schedstat, /proc/stat)"));
    };
    let ms = |us: u64| us as f64 / 1e3;
    let said = format!(
        "others use {others:.0} % of the cores; a thread that sleeps 1 ms and works 0.25 ms waits {waited:.0} % of its \
         time for a core, and wakes up to {:.1} ms late",
        ms(quiet.overslept_us)
    );
    let is_noisy = waited >= WAITED_PERCENT || others >= OTHERS_PERCENT;
    Some(if is_noisy {
        Finding::complaint(
            (topic, "noisy-neighbours", Weight::Warning),
            said,
            "latencies and lag contain their work: a verdict near its limit is theirs, not the target's",
            ["top -b -n 1 -o %CPU | head -20".to_string()],
        )
    } else {
        Finding::ok(topic, said)
    })
}

pub(super) fn steal(readings: &Readings, _: &Need<'_>) -> Option<Finding> {
    let quiet = readings.quiet.as_ref()?;
    let percent = share(quiet.steal_us?, quiet.watched_us.saturating_mul(u64::from(quiet.cores)));
    Some(if percent >= STOLEN_PERCENT {
        Finding::complaint(
            ("stolen time", "stolen-cpu", Weight::Warning),
            format!("the host gave {percent:.1} % of this machine's time to others"),
            "the generator and the target stand still without knowing it: long latencies are the host's",
            ["vmstat 1 5".to_string()],
        )
    } else {
        Finding::ok("stolen time", format!("{percent:.1} %"))
    })
}

/// Percent.
fn share(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}
