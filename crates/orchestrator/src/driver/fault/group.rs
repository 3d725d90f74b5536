//! Replicas in a cgroup of their own, with little CPU or memory.

mod hierarchy;

use std::ffi::OsStr;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::force::{After, Force};
use super::local::{LOOK_EVERY, LocalFaults};
use super::process::{Process, parent};
use crate::collector::Way;
use crate::driver::watchdog::{Debt, Ticket};
use crate::event::Injected;
use hierarchy::{Place, Version};

/// The kernel counts a starved group ten times a second; memory has to be asked for first.
const SEEN_WITHIN: Duration = Duration::from_secs(8);
/// Half a request that asks the replica for a buffer, on so many connections at most.
const HOARD_BYTES: usize = 900_000;
const HOARDS_MAX: usize = 512;

/// Which controllers may be used, or why not.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Groups {
    /// Where the kernel tells of mounts and processes.
    pub(in crate::driver) proc: PathBuf,
    pub(in crate::driver) cpu: Result<(), String>,
    pub(in crate::driver) memory: Result<(), String>,
}

impl Groups {
    /// Tries each with a group that nobody is in, where those of this supervisor's replicas would be. What killed runs left
    /// behind there is removed.
    pub(in crate::driver) fn find(supervisor: u32) -> Self {
        Self::of(Path::new("/proc"), supervisor)
    }

    fn of(proc: &Path, process: u32) -> Self {
        Self { proc: proc.to_path_buf(), cpu: find(proc, process, "cpu"), memory: find(proc, process, "memory") }
    }
}

fn find(proc: &Path, process: u32, controller: &str) -> Result<(), String> {
    let folder = place(proc, process, controller)?.parent;
    sweep(proc, controller, &folder);
    let trial = new_group(&folder);
    let refused = |error: std::io::Error| format!("the cgroup {} may not be changed: {error}", folder.display());
    fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).map_err(refused)
}

fn place(proc: &Path, process: u32, controller: &str) -> Result<Place, String> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let mounts = read(&proc.join("mounts")).unwrap_or_default();
    let own = read(&proc.join(process.to_string()).join("cgroup")).unwrap_or_default();
    hierarchy::place(&mounts, &own, controller, read)
}

/// The one place of all of these. In version 2 a process is in one group at a time: it would leave that of another fault, which
/// had then nobody to give back.
fn place_of_all(proc: &Path, processes: &[Process], controller: &str) -> Result<Place, String> {
    let places = processes.iter().map(|process| place(proc, process.pid, controller));
    let mut places = places.collect::<Result<Vec<_>, _>>()?;
    places.dedup();
    let is_free = |name: &OsStr| !name.to_string_lossy().starts_with(&prefix());
    match places.pop() {
        Some(place) if places.is_empty() && place.home.file_name().is_none_or(is_free) => Ok(place),
        _ => Err("they are in the cgroup of another fault, or in several".into()),
    }
}

/// How the names of our groups begin. Containers may share a controller: a process's number means something only in its own
/// namespace.
fn prefix() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("erlmcp-{number}-")
}

fn new_group(folder: &Path) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    folder.join(format!("{}{}-{}", prefix(), std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// Groups of runs that are no more, killed together with their watchdog. Their processes go where their supervisor is.
fn sweep(proc: &Path, controller: &str, folder: &Path) {
    let prefix = prefix();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.split_once('-'));
        let Some(pid) = owner.and_then(|(pid, _)| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            for pid in fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default().lines() {
                let supervisor = pid.parse().ok().and_then(parent);
                if let Some(Ok(Place { home, .. })) = supervisor.map(|pid| place(proc, pid, controller)) {
                    let _ = fs::write(home.join("cgroup.procs"), pid);
                }
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Replicas in a group of their own.
struct Enclosed {
    version: Version,
    group: PathBuf,
    /// The file that bounds it.
    limit: &'static str,
    ticket: Ticket,
}

/// Puts the replicas' processes into a group with this limit.
async fn enclose(
    local: &LocalFaults,
    replicas: &[u16],
    controller: &str,
    limit: impl Fn(Version) -> (&'static str, String),
) -> Result<Enclosed, String> {
    let processes = local.processes(replicas).await?;
    let Place { version, home, parent } = place_of_all(&local.groups.proc, &processes, controller)?;
    let group = new_group(&parent);
    let ticket = local.hold(vec![Debt::Group { group: group.clone(), home }]).await?;
    let (limit, value) = limit(version);
    let enclosed = || {
        fs::create_dir(&group)?;
        fs::write(group.join(limit), &value)?;
        processes.iter().try_for_each(|process| fs::write(group.join("cgroup.procs"), process.pid.to_string()))
    };
    match enclosed() {
        Ok(()) => Ok(Enclosed { version, group, limit, ticket }),
        Err(error) => {
            local.give_up(ticket, format!("the cgroup {} does not take them: {error}", group.display())).await
        }
    }
}

/// Leaves the replicas together so much of one core; returns when the kernel has held them back.
pub(super) async fn cpu(local: &LocalFaults, replicas: &[u16], percent: u64) -> Result<(Force, Injected), String> {
    local.groups.cpu.clone()?;
    let addresses = local.addresses(replicas).await?;
    let injected_us = local.clock.now_us();
    let enclosed = enclose(local, replicas, "cpu", |version| version.cpu(percent)).await?;
    let Enclosed { group, limit, ticket, .. } = enclosed;
    let throttled = || field(&group.join("cpu.stat"), "nr_throttled").is_some_and(|count| count > 0);
    let seen = async {
        let mut asked = 0;
        while !throttled() {
            // Something to do, should nobody else have given it any.
            let address = addresses[asked % addresses.len()];
            let page = local.way.page(address, "/metrics");
            let _ = page.get(Duration::from_millis(200)).await;
            asked += 1;
        }
        local.clock.now_us()
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        return local.give_up(ticket, format!("it never wanted more than {percent} % of a core")).await;
    };
    let method = format!("{percent} % of one core (cgroup, {limit})");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

/// Leaves the replicas together so much new memory; returns when the kernel has refused some, or has killed for it.
pub(super) async fn memory(local: &LocalFaults, replicas: &[u16], mib: u64) -> Result<(Force, Injected), String> {
    local.groups.memory.clone()?;
    let addresses = local.addresses(replicas).await?;
    let injected_us = local.clock.now_us();
    let enclosed = enclose(local, replicas, "memory", |version| version.memory(mib)).await?;
    let Enclosed { version, group, limit, ticket } = enclosed;
    let (counts, name) = version.refusals();
    let refused = || field(&group.join(counts), name).is_some_and(|count| count > 0);
    let seen = async {
        // What was allocated before is not counted: something has to ask for more.
        let mut hoards = Vec::new();
        while !refused() {
            let address = addresses[hoards.len() % addresses.len()];
            if hoards.len() < HOARDS_MAX
                && let Ok(hoard) = half_a_request(&local.way, address).await
            {
                hoards.push(hoard);
            }
            sleep(LOOK_EVERY).await;
        }
        local.clock.now_us()
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        return local.give_up(ticket, format!("it never wanted more than {mib} MiB of new memory")).await;
    };
    let method = format!("{mib} MiB of new memory (cgroup, {limit})");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

/// It waits for its end as long as what is given back is kept.
async fn half_a_request(way: &Way, address: SocketAddr) -> Result<Box<dyn Send>, String> {
    // A server that asks who comes keeps nothing of a request from nobody.
    let head = format!(
        "POST /mcp HTTP/1.1\r\n{}Content-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        way.head(&address.to_string()),
        HOARD_BYTES + 1
    );
    let mut half = head.into_bytes();
    half.resize(half.len() + HOARD_BYTES, b' ');
    way.begin(address, half, Duration::from_millis(500)).await
}

/// The value behind a name, one a line.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests;
