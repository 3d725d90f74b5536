//! Replicas in a cgroup (version 1) of their own, with little CPU or memory.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::bench::{Bench, LOOK_EVERY};
use super::force::{After, Force};
use crate::collector::Page;
use crate::driver::watchdog::{Debt, Ticket};
use crate::event::Injected;

/// The kernel counts a starved group ten times a second; memory has to be asked for first.
const SEEN_WITHIN: Duration = Duration::from_secs(8);
const PERIOD_US: u64 = 100_000;
/// Half a request that asks the replica for a buffer, on so many connections at most.
const HOARD_BYTES: usize = 900_000;
const HOARDS_MAX: usize = 512;

/// Which controllers may be used, or why not.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Groups {
    pub(in crate::driver) cpu: Result<(), String>,
    pub(in crate::driver) memory: Result<(), String>,
}

impl Groups {
    /// Tries each with a group that nobody is in. What killed runs left behind is removed.
    pub(in crate::driver) fn find() -> Self {
        Self { cpu: find("cpu"), memory: find("memory") }
    }
}

fn find(controller: &str) -> Result<(), String> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let home =
        home(&mounts, &own, controller).ok_or_else(|| format!("there is no cgroup v1 {controller} controller"))?;
    sweep(&home);
    let trial = new_group(&home);
    let refused = |error: std::io::Error| format!("the cgroup {} may not be changed: {error}", home.display());
    fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).map_err(refused)
}

/// Where a process is now, and goes back to.
fn home_of(pid: u32, controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    home(&mounts, &fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?, controller)
}

/// The folder of a process's group of a controller.
fn home(mounts: &str, own: &str, controller: &str) -> Option<PathBuf> {
    let has = |list: &str| list.split(',').any(|word| word == controller);
    let mount = mounts.lines().find_map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        (words.get(2) == Some(&"cgroup") && words.get(3).is_some_and(|options| has(options))).then(|| words[1])
    })?;
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        parts.next().is_some_and(has).then(|| parts.next()).flatten()
    })?;
    // In a container the path may be one that is not visible here.
    let path = Path::new(mount).join(group.trim_start_matches('/'));
    Some(if path.is_dir() { path } else { PathBuf::from(mount) })
}

/// How the names of our groups begin. Containers may share a controller: a process's number means something only in its own
/// namespace.
fn prefix() -> String {
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let number: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    format!("erlmcp-{number}-")
}

fn new_group(home: &Path) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    home.join(format!("{}{}-{}", prefix(), std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
}

/// Groups of runs that are no more, killed together with their watchdog.
fn sweep(home: &Path) {
    let prefix = prefix();
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(&prefix)?.split_once('-'));
        let Some(pid) = owner.and_then(|(pid, _)| pid.parse::<u32>().ok()) else { continue };
        if !Path::new(&format!("/proc/{pid}")).exists() {
            for pid in fs::read_to_string(entry.path().join("cgroup.procs")).unwrap_or_default().lines() {
                let _ = fs::write(home.join("cgroup.procs"), pid);
            }
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Puts the replicas' processes into a group with these settings.
async fn enclose(
    bench: &Bench,
    replicas: &[u16],
    controller: &str,
    settings: &[(&str, u64)],
) -> Result<(PathBuf, Ticket), String> {
    let processes = bench.processes(replicas).await?;
    let gone = || "the replica has just ended".to_string();
    let home = processes.first().and_then(|first| home_of(first.pid, controller)).ok_or_else(gone)?;
    let group = new_group(&home);
    let debt = Debt::Group { group: group.clone(), home };
    let ticket = bench.hold(vec![debt]).await?;
    let enclosed = || {
        fs::create_dir(&group)?;
        for (name, value) in settings {
            fs::write(group.join(name), value.to_string())?;
        }
        processes.iter().try_for_each(|process| fs::write(group.join("cgroup.procs"), process.pid.to_string()))
    };
    match enclosed() {
        Ok(()) => Ok((group, ticket)),
        Err(error) => {
            bench.give_up(ticket, format!("the cgroup {} does not take them: {error}", group.display())).await
        }
    }
}

/// Leaves the replicas together so much of one core; returns when the kernel has held them back.
pub(super) async fn cpu(bench: &Bench, replicas: &[u16], percent: u64) -> Result<(Force, Injected), String> {
    bench.groups.cpu.clone()?;
    let addresses = bench.addresses(replicas).await?;
    let injected_us = bench.clock.now_us();
    let settings = [("cpu.cfs_period_us", PERIOD_US), ("cpu.cfs_quota_us", (percent * PERIOD_US / 100).max(1_000))];
    let (group, ticket) = enclose(bench, replicas, "cpu", &settings).await?;
    let throttled = || field(&group.join("cpu.stat"), "nr_throttled").is_some_and(|count| count > 0);
    let seen = async {
        let mut asked = 0;
        while !throttled() {
            // Something to do, should nobody else have given it any.
            let address = addresses[asked % addresses.len()];
            let page = Page { address, host: address.to_string(), path: "/metrics".into() };
            let _ = page.get(Duration::from_millis(200)).await;
            asked += 1;
        }
        bench.clock.now_us()
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        return bench.give_up(ticket, format!("it never wanted more than {percent} % of a core")).await;
    };
    let method = format!("{percent} % of one core (cgroup, cpu.cfs_quota_us)");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

/// Leaves the replicas together so much new memory; returns when the kernel has refused some, or has killed for it.
pub(super) async fn memory(bench: &Bench, replicas: &[u16], mib: u64) -> Result<(Force, Injected), String> {
    bench.groups.memory.clone()?;
    let addresses = bench.addresses(replicas).await?;
    let injected_us = bench.clock.now_us();
    let (group, ticket) = enclose(bench, replicas, "memory", &[("memory.limit_in_bytes", mib << 20)]).await?;
    let refused = || number(&group.join("memory.failcnt")).is_some_and(|count| count > 0);
    let seen = async {
        // What was allocated before is not counted: something has to ask for more.
        let mut hoards = Vec::new();
        while !refused() {
            let address = addresses[hoards.len() % addresses.len()];
            if hoards.len() < HOARDS_MAX
                && let Ok(stream) = half_a_request(address).await
            {
                hoards.push(stream);
            }
            sleep(LOOK_EVERY).await;
        }
        bench.clock.now_us()
    };
    let Ok(effect_us) = timeout(SEEN_WITHIN, seen).await else {
        return bench.give_up(ticket, format!("it never wanted more than {mib} MiB of new memory")).await;
    };
    let method = format!("{mib} MiB of new memory (cgroup, memory.limit_in_bytes)");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

async fn half_a_request(address: SocketAddr) -> std::io::Result<TcpStream> {
    let half = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_zero_linger()?;
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
            HOARD_BYTES + 1
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![b' '; HOARD_BYTES]).await?;
        Ok(stream)
    };
    timeout(Duration::from_millis(500), half).await.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The value behind a name, one a line.
fn field(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_of_a_controller_is_found() {
        let mounts = "proc /proc proc rw 0 0\ncgroup /tmp cgroup rw,relatime,cpu,cpuacct 0 0\n";
        let own = "3:cpu,cpuacct:/\n2:memory:/a\n0::/\n";
        assert_eq!(home(mounts, own, "cpu"), Some("/tmp".into()));
        assert_eq!(home(mounts, own, "memory"), None);
        assert_eq!(home(mounts, "3:cpu:/not/visible/here\n", "cpu"), Some("/tmp".into()));
        assert_eq!(home("cgroup2 /tmp cgroup2 rw 0 0\n", own, "cpu"), None);
    }

    #[test]
    fn only_groups_of_the_dead_are_swept_away() {
        let home = tempfile::tempdir().expect("a folder");
        let prefix = prefix();
        let names = [
            format!("{prefix}4194999-3"),
            format!("{prefix}{}-0", std::process::id()),
            "erlmcp-1-4194999-3".into(),
            "else".into(),
            format!("{prefix}x-1"),
        ];
        names.iter().for_each(|name| fs::create_dir(home.path().join(name)).expect("it is ours"));
        sweep(home.path());
        let are_there = names.map(|name| home.path().join(name).exists());
        assert_eq!(are_there, [false, true, true, true, true], "the third is of another namespace");
    }
}
