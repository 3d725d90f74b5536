use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::super::FaultDriver;
use super::super::contract::{self, Stage};
use super::*;
use crate::fault::{Fault, Kind};
use crate::lacking::lacking;

/// One hierarchy with both controllers, and what the kernel would tell of it and of these processes.
struct Machine {
    _folder: TempDir,
    proc: PathBuf,
    /// Where they are.
    home: PathBuf,
    /// Where groups are made for them.
    parent: PathBuf,
}

impl Machine {
    fn new(version: Version, processes: &[u32]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (proc, mount) = (folder.path().join("proc"), folder.path().join("groups"));
        let (kind, controllers, own, parent) = match version {
            Version::One => ("cgroup", "cpu,memory", "", mount.clone()),
            Version::Two => ("cgroup2", "", "a.slice/b.scope", mount.join("a.slice")),
        };
        let home = mount.join(own);
        fs::create_dir_all(&home).expect("it is ours");
        let write = |file: PathBuf, text: String| fs::write(file, text).expect("it is ours");
        write(home.join("cgroup.procs"), String::new());
        if version == Version::Two {
            write(mount.join("cgroup.controllers"), "cpu memory\n".into());
            write(parent.join("cgroup.subtree_control"), "cpu memory\n".into());
        }
        for process in processes {
            fs::create_dir_all(proc.join(process.to_string())).expect("it is ours");
            write(proc.join(process.to_string()).join("cgroup"), format!("0:{controllers}:/{own}\n"));
        }
        write(proc.join("mounts"), format!("none {} {kind} rw,{controllers} 0 0\n", mount.display()));
        Self { _folder: folder, proc, home, parent }
    }

    /// The group that this process was put into; None: there is none, or it is not in it yet.
    fn group_of(&self, pid: u32) -> Option<PathBuf> {
        let mut groups = fs::read_dir(&self.parent).ok()?.flatten().map(|entry| entry.path());
        groups.find(|group| *group != self.home && has(group, pid))
    }
}

fn has(group: &Path, pid: u32) -> bool {
    field(&group.join("cgroup.procs"), "") == Some(u64::from(pid))
}

async fn is_made_seen_and_undone(version: Version, last: u8, fault: Fault, limit: (&str, &str), effect: (&str, &str)) {
    let stage = Stage::new(last, None);
    let pid = stage.pid();
    let machine = Machine::new(version, &[pid]);
    let local = LocalFaults { groups: Groups::of(&machine.proc, pid), ..contract::local(stage.cluster.control()) };
    let inject = local.inject(&fault);
    // What the kernel does: it holds the group back.
    let kernel = async {
        loop {
            if let Some(group) = machine.group_of(pid) {
                fs::write(group.join(effect.0), effect.1).expect("it is ours");
                return group;
            }
            sleep(LOOK_EVERY).await;
        }
    };
    let (injected, group) = tokio::join!(inject, kernel);
    let (force, injected) = injected.expect("its effect is seen");
    assert!(injected.injected_us <= injected.effect_us && injected.method.contains(limit.0), "{injected:?}");
    assert_eq!(fs::read_to_string(group.join(limit.0)).expect("it was told"), limit.1);
    assert_eq!(fs::read_dir(&group).expect("it is there").count(), 3, "its limit, its processes, the effect");
    // And a group's own files go with it.
    let kernel = async {
        while !has(&machine.home, pid) {
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
    let fault = Fault { amount: 20, ..Fault::of(Kind::Cpu, vec![1]) };
    let effect = ("cpu.stat", "nr_periods 9\nnr_throttled 3\n");
    is_made_seen_and_undone(Version::One, 31, fault.clone(), ("cpu.cfs_quota_us", "20000"), effect).await;
    is_made_seen_and_undone(Version::Two, 32, fault, ("cpu.max", "20000 100000"), effect).await;
}

#[tokio::test]
async fn little_memory_is_given_and_taken_back() {
    let fault = Fault { amount: 4, ..Fault::of(Kind::Memory, vec![1]) };
    let limit = ("memory.limit_in_bytes", "4194304");
    is_made_seen_and_undone(Version::One, 33, fault.clone(), limit, ("memory.failcnt", "1\n")).await;
    let effect = ("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n");
    is_made_seen_and_undone(Version::Two, 34, fault, ("memory.max", "4194304"), effect).await;
}

#[tokio::test]
async fn the_kernel_takes_a_process_into_a_group_and_gives_it_back() {
    for controller in ["cpu", "memory"] {
        if let Err(why) = find(Path::new("/proc"), std::process::id(), controller) {
            lacking("cgroups", &why);
            continue;
        }
        let stage = Stage::new(35, None);
        let own = || fs::read_to_string(format!("/proc/{}/cgroup", stage.pid())).expect("it runs");
        let before = own();
        let local = contract::local(stage.cluster.control());
        let limit = |version: Version| if controller == "cpu" { version.cpu(10) } else { version.memory(4) };
        let enclosed = enclose(&local, &[1], controller, limit).await.expect("a trial went well");
        assert_ne!(own(), before);
        let told = fs::read_to_string(enclosed.group.join(enclosed.limit)).expect("it is there");
        assert_eq!(told.trim(), limit(enclosed.version).1);
        local.watchdog.release(enclosed.ticket).await.expect("it is undone");
        assert_eq!((own(), enclosed.group.exists()), (before, false));
    }
}

#[test]
fn a_process_is_in_one_group_at_a_time() {
    let pid = std::process::id();
    let process = Process::open(pid).expect("it is this one");
    let machine = Machine::new(Version::Two, &[pid]);
    let all = || place_of_all(&machine.proc, std::slice::from_ref(&process), "memory");
    assert_eq!(all().map(|place| place.home), Ok(machine.home.clone()));
    let group = new_group(&machine.parent);
    fs::create_dir(&group).expect("it is ours");
    fs::write(group.join("cgroup.procs"), pid.to_string()).expect("it is ours");
    let name = group.file_name().and_then(OsStr::to_str).expect("plain");
    fs::write(machine.proc.join(pid.to_string()).join("cgroup"), format!("0::/a.slice/{name}\n")).expect("it is ours");
    assert!(all().unwrap_err().contains("another fault"), "the first one's heal would find nobody to give back");
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
    sweep(Path::new("/proc"), "cpu", home.path());
    let are_there = names.map(|name| home.path().join(name).exists());
    assert_eq!(are_there, [false, true, true, true, true], "the third is of another namespace");
}

#[test]
fn what_a_killed_run_left_goes_to_its_supervisor() {
    let mut replica = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
    let machine = Machine::new(Version::Two, &[std::process::id()]);
    let left = machine.parent.join(format!("{}4194999-3", prefix()));
    fs::create_dir(&left).expect("it is ours");
    fs::write(left.join("cgroup.procs"), format!("{}\n", replica.id())).expect("it is ours");
    assert_eq!(Groups::of(&machine.proc, std::process::id()).cpu, Ok(()));
    assert!(has(&machine.home, replica.id()));
    replica.kill().expect("it is our child");
    replica.wait().expect("it is our child");
}

#[tokio::test]
async fn who_hoards_says_who_it_is() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("it is bound");
    let way = Way::default().with("Authorization: Bearer x\r\n");
    let heard = async {
        let (mut stream, _) = listener.accept().await.expect("one comes");
        let mut bytes = Vec::new();
        while bytes.len() < HOARD_BYTES {
            stream.read_buf(&mut bytes).await.expect("it says more");
        }
        bytes
    };
    let (held, heard) = tokio::join!(half_a_request(&way, address), heard);
    held.expect("it was taken");
    let head = String::from_utf8_lossy(&heard[..200]).into_owned();
    assert!(head.contains(&format!("\r\nHost: {address}\r\nAuthorization: Bearer x\r\n")), "{head}");
}
