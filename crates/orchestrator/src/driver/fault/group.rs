//! Replicas in a cgroup (version 1) of their own, with little CPU or memory.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::force::{After, Force};
use super::local::{LOOK_EVERY, LocalFaults};
use crate::collector::Way;
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
    /// Where the kernel tells of mounts and processes.
    pub(in crate::driver) proc: PathBuf,
    pub(in crate::driver) cpu: Result<(), String>,
    pub(in crate::driver) memory: Result<(), String>,
}

impl Groups {
    /// Tries each with a group that nobody is in. What killed runs left behind is removed.
    pub(in crate::driver) fn find() -> Self {
        Self::of(Path::new("/proc"))
    }

    fn of(proc: &Path) -> Self {
        Self { proc: proc.to_path_buf(), cpu: find(proc, "cpu"), memory: find(proc, "memory") }
    }
}

fn find(proc: &Path, controller: &str) -> Result<(), String> {
    let home =
        home_of(proc, "self", controller).ok_or_else(|| format!("there is no cgroup v1 {controller} controller"))?;
    sweep(&home);
    let trial = new_group(&home);
    let refused = |error: std::io::Error| format!("the cgroup {} may not be changed: {error}", home.display());
    fs::create_dir(&trial).and_then(|()| fs::remove_dir(&trial)).map_err(refused)
}

/// Where a process is now, and goes back to.
fn home_of(proc: &Path, process: &str, controller: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string(proc.join("mounts")).ok()?;
    home(&mounts, &fs::read_to_string(proc.join(process).join("cgroup")).ok()?, controller)
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
    local: &LocalFaults,
    replicas: &[u16],
    controller: &str,
    settings: &[(&str, u64)],
) -> Result<(PathBuf, Ticket), String> {
    let processes = local.processes(replicas).await?;
    let gone = || "the replica has just ended".to_string();
    let first = processes.first().ok_or_else(gone)?;
    let home = home_of(&local.groups.proc, &first.pid.to_string(), controller).ok_or_else(gone)?;
    let group = new_group(&home);
    let debt = Debt::Group { group: group.clone(), home };
    let ticket = local.hold(vec![debt]).await?;
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
            local.give_up(ticket, format!("the cgroup {} does not take them: {error}", group.display())).await
        }
    }
}

/// Leaves the replicas together so much of one core; returns when the kernel has held them back.
pub(super) async fn cpu(local: &LocalFaults, replicas: &[u16], percent: u64) -> Result<(Force, Injected), String> {
    local.groups.cpu.clone()?;
    let addresses = local.addresses(replicas).await?;
    let injected_us = local.clock.now_us();
    let settings = [("cpu.cfs_period_us", PERIOD_US), ("cpu.cfs_quota_us", (percent * PERIOD_US / 100).max(1_000))];
    let (group, ticket) = enclose(local, replicas, "cpu", &settings).await?;
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
    let method = format!("{percent} % of one core (cgroup, cpu.cfs_quota_us)");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

/// Leaves the replicas together so much new memory; returns when the kernel has refused some, or has killed for it.
pub(super) async fn memory(local: &LocalFaults, replicas: &[u16], mib: u64) -> Result<(Force, Injected), String> {
    local.groups.memory.clone()?;
    let addresses = local.addresses(replicas).await?;
    let injected_us = local.clock.now_us();
    let (group, ticket) = enclose(local, replicas, "memory", &[("memory.limit_in_bytes", mib << 20)]).await?;
    let refused = || number(&group.join("memory.failcnt")).is_some_and(|count| count > 0);
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
    let method = format!("{mib} MiB of new memory (cgroup, memory.limit_in_bytes)");
    let force = Force::Held { ticket, after: After::Gone(group), addresses };
    Ok((force, Injected::seen(method, injected_us, effect_us)))
}

/// It waits for its end as long as what is given back is kept.
async fn half_a_request(way: &Way, address: SocketAddr) -> Result<Box<dyn Send>, String> {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
        HOARD_BYTES + 1
    );
    let mut half = head.into_bytes();
    half.resize(half.len() + HOARD_BYTES, b' ');
    way.begin(address, half, Duration::from_millis(500)).await
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
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::super::FaultDriver;
    use super::super::contract::{self, Stage};
    use super::*;
    use crate::fault::{Fault, Kind};

    /// One hierarchy with both controllers, and what the kernel would tell of it and of these processes.
    fn hierarchy(pid: u32) -> (TempDir, Groups) {
        let folder = tempfile::tempdir().expect("a folder");
        let (proc, groups) = (folder.path().join("proc"), folder.path().join("groups"));
        fs::create_dir_all(&groups).expect("it is ours");
        for process in ["self", &pid.to_string()] {
            fs::create_dir_all(proc.join(process)).expect("it is ours");
            fs::write(proc.join(process).join("cgroup"), "3:cpu,memory:/\n").expect("it is ours");
        }
        let mounts = format!("cgroup {} cgroup rw,cpu,memory 0 0\n", groups.display());
        fs::write(proc.join("mounts"), mounts).expect("it is ours");
        let groups = Groups::of(&proc);
        (folder, groups)
    }

    /// What a group was told, without its processes; None: it is not there, or nobody is in it yet.
    fn settings(home: &Path, pid: u32) -> Option<(PathBuf, BTreeMap<String, u64>)> {
        let group = fs::read_dir(home).ok()?.flatten().map(|entry| entry.path()).find(|path| path.is_dir())?;
        (number(&group.join("cgroup.procs")) == Some(u64::from(pid))).then_some(())?;
        let files = fs::read_dir(&group).ok()?.flatten().map(|entry| entry.path());
        let told = files.filter_map(|file| Some((file.file_name()?.to_str()?.to_string(), number(&file)?)));
        let told = told.filter(|(name, _)| name != "cgroup.procs").collect();
        Some((group, told))
    }

    async fn is_made_seen_and_undone(last: u8, fault: Fault, expected: &[(&str, u64)], effect: (&str, &str)) {
        let stage = Stage::new(last, None);
        let (folder, groups) = hierarchy(stage.pid());
        let (home, pid) = (folder.path().join("groups"), stage.pid());
        let local = LocalFaults { groups, ..contract::local(stage.cluster.control()) };
        let inject = local.inject(&fault);
        // What the kernel does: it holds the group back, once it was told how far.
        let kernel = async {
            loop {
                if let Some((group, told)) = settings(&home, pid) {
                    fs::write(group.join(effect.0), effect.1).expect("it is ours");
                    return (group, told);
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let (injected, (group, told)) = tokio::join!(inject, kernel);
        let (force, injected) = injected.expect("its effect is seen");
        assert!(injected.injected_us <= injected.effect_us && injected.method.contains("cgroup"), "{injected:?}");
        let expected: BTreeMap<String, u64> = expected.iter().map(|(name, value)| (name.to_string(), *value)).collect();
        assert_eq!(told, expected);
        // And a group's own files go with it.
        let kernel = async {
            while number(&home.join("cgroup.procs")) != Some(u64::from(pid)) {
                sleep(LOOK_EVERY).await;
            }
            for file in fs::read_dir(&group).into_iter().flatten().flatten() {
                fs::remove_file(file.path()).expect("it is ours");
            }
        };
        let (healed, ()) = tokio::join!(local.heal(force), kernel);
        healed.expect("the processes went home");
        assert!(!group.exists());
    }

    #[tokio::test]
    async fn little_cpu_is_given_and_taken_back() {
        let told = [("cpu.cfs_period_us", 100_000), ("cpu.cfs_quota_us", 20_000)];
        let fault = Fault { amount: 20, ..Fault::of(Kind::Cpu, vec![1]) };
        is_made_seen_and_undone(31, fault, &told, ("cpu.stat", "nr_periods 9\nnr_throttled 3\n")).await;
    }

    #[tokio::test]
    async fn little_memory_is_given_and_taken_back() {
        let fault = Fault { amount: 4, ..Fault::of(Kind::Memory, vec![1]) };
        let told = [("memory.limit_in_bytes", 4 << 20)];
        is_made_seen_and_undone(32, fault, &told, ("memory.failcnt", "1\n")).await;
    }

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
