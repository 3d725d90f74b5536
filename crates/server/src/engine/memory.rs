//! How much memory is left, and what is given up where that is little: sessions and streams first, connections last. The
//! shares of the cap are Envoy's overload manager's, but for the first.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, Ordering};

/// What is given up; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pressure {
    None,
    /// No session and no stream begins.
    NothingLasting,
    /// Connections end with their next answer.
    NoKeepAlive,
    /// What is not critical is refused.
    CriticalOnly,
    /// No connection is accepted.
    NoConnections,
}

impl Pressure {
    /// Each level and the percentage of the cap from which on it is there.
    const LEVELS: [(Self, u64); 4] =
        [(Self::NoConnections, 98), (Self::CriticalOnly, 95), (Self::NoKeepAlive, 92), (Self::NothingLasting, 85)];

    fn of(used: u64, cap: u64) -> Self {
        let percent = u128::from(used) * 100 / u128::from(cap.max(1));
        let level = Self::LEVELS.iter().find(|(_, least)| percent >= u128::from(*least));
        level.map_or(Self::None, |(level, _)| *level)
    }
}

/// The memory of this process, looked at from time to time.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    cap: u64,
    group: Option<Group>,
    pressure: AtomicU8,
}

impl MemoryWatch {
    /// `cap`: bytes that this process may have of its own. The control group that it begins in may have less.
    pub(crate) fn new(cap: u64) -> Self {
        Self { cap, group: Group::own(), pressure: AtomicU8::new(Pressure::None as u8) }
    }

    /// What this process can have, bytes.
    pub(crate) fn cap(&self) -> u64 {
        self.group.as_ref().map_or(self.cap, |group| group.cap.min(self.cap))
    }

    /// Called every tenth of a second. Where nothing can be read, all is as before; a group that has gone presses on nobody.
    pub(crate) fn look(&self) {
        self.look_at(own_bytes());
    }

    fn look_at(&self, own_bytes: Option<u64>) {
        let Some(own_bytes) = own_bytes else { return };
        let own = Pressure::of(own_bytes, self.cap);
        let group = self.group.as_ref().and_then(|group| Some(Pressure::of(group.used()?, group.cap)));
        self.pressure.store(own.max(group.unwrap_or(Pressure::None)) as u8, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn press(&self, level: Pressure) {
        self.pressure.store(level as u8, Ordering::Relaxed);
    }

    /// True where so much is given up.
    pub(crate) fn is(&self, level: Pressure) -> bool {
        self.pressure.load(Ordering::Relaxed) >= level as u8
    }

    /// 0 for nothing to 4 for all levels.
    pub(crate) fn pressure(&self) -> u64 {
        self.pressure.load(Ordering::Relaxed).into()
    }
}

/// What no file and no other process has a part in.
fn own_bytes() -> Option<u64> {
    let pages = procfs::process::Process::myself().and_then(|process| process.statm()).ok()?;
    Some(pages.resident.saturating_sub(pages.shared) * procfs::page_size())
}

/// A control group with a limit of memory, of either version.
#[derive(Debug)]
struct Group {
    folder: PathBuf,
    cap: u64,
    usage: &'static str,
    /// What is only cached, and given back before anybody is killed.
    cached: &'static str,
}

impl Group {
    /// The one with the least limit of those that this process is in.
    fn own() -> Option<Self> {
        let groups = procfs::process::Process::myself().and_then(|process| process.cgroups()).ok()?;
        groups.into_iter().find_map(|group| {
            let (top, version) = match group.controllers.iter().any(|controller| controller == "memory") {
                true => ("/sys/fs/cgroup/memory", VERSION_1),
                false if group.hierarchy == 0 => ("/sys/fs/cgroup", VERSION_2),
                false => return None,
            };
            Self::least(Path::new(top), &group.pathname, version)
        })
    }

    /// Of the one with this path and all above it. In a container the path may be one that cannot be seen: the topmost folder
    /// is then that of its group.
    fn least(top: &Path, path: &str, version: [&'static str; 3]) -> Option<Self> {
        let own = top.join(path.trim_start_matches('/'));
        let folders = own.ancestors().take_while(|folder| folder.starts_with(top));
        folders.filter_map(|folder| Self::at(folder, version)).min_by_key(|group| group.cap)
    }

    fn at(folder: &Path, [cap, usage, cached]: [&'static str; 3]) -> Option<Self> {
        // Version 2 says "max" where there is none, version 1 a number that no machine has.
        let cap = number(&fs::read_to_string(folder.join(cap)).ok()?)?;
        (cap < 1 << 60).then(|| Self { folder: folder.to_path_buf(), cap, usage, cached })
    }

    fn used(&self) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).ok();
        let stat = read("memory.stat").unwrap_or_default();
        let cached = stat.lines().find_map(|line| number(line.strip_prefix(self.cached)?));
        Some(number(&read(self.usage)?)?.saturating_sub(cached.unwrap_or(0)))
    }
}

const VERSION_1: [&str; 3] = ["memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "];
const VERSION_2: [&str; 3] = ["memory.max", "memory.current", "inactive_file "];

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_given_up_the_less_is_left() {
        let levels = [84, 85, 91, 92, 94, 95, 97, 98, 200].map(|used| Pressure::of(used, 100));
        use Pressure::{CriticalOnly, NoConnections, NoKeepAlive, None, NothingLasting};
        let expected = [
            None,
            NothingLasting,
            NothingLasting,
            NoKeepAlive,
            NoKeepAlive,
            CriticalOnly,
            CriticalOnly,
            NoConnections,
            NoConnections,
        ];
        assert_eq!(levels, expected);
        assert_eq!(Pressure::of(u64::MAX / 2, u64::MAX), None);
    }

    #[test]
    fn this_process_has_memory_of_its_own_and_is_measured_by_its_cap() {
        let roomy = MemoryWatch { group: Option::None, ..MemoryWatch::new(u64::MAX) };
        roomy.look();
        assert!(!roomy.is(Pressure::NothingLasting));
        let tight = MemoryWatch { group: Option::None, ..MemoryWatch::new(own_bytes().expect("it can be read") / 2) };
        tight.look();
        assert!(tight.is(Pressure::NoConnections) && tight.pressure() == 4);
        tight.look_at(Option::None);
        assert_eq!(tight.pressure(), 4, "without a descriptor nobody can see that there is more");
    }

    #[test]
    fn a_group_is_read_in_both_versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("room");
        let cases = [
            (VERSION_2, "max\n", "anon 5\ninactive_file 60\nactive_file 7\n"),
            (VERSION_1, "9223372036854771712\n", "inactive_file 1\ntotal_inactive_file 60\n"),
        ];
        for (version, no_limit, stat) in cases {
            let [cap, usage, _] = version;
            assert!(Group::at(folder.path(), version).is_none(), "no group");
            write(cap, no_limit);
            assert!(Group::at(folder.path(), version).is_none(), "no limit");
            write(cap, "1000\n");
            write(usage, "960\n");
            write("memory.stat", stat);
            let group = Group::at(folder.path(), version).expect("a limit");
            assert_eq!((group.cap, group.used()), (1_000, Some(900)), "{cap}");
        }
    }

    #[test]
    fn a_group_is_bound_by_all_above_it() {
        let top = tempfile::tempdir().expect("a folder");
        let write = |group: &str, limit: &str| {
            let folder = top.path().join(group);
            fs::create_dir_all(&folder).expect("room");
            fs::write(folder.join("memory.max"), limit).expect("room");
        };
        write("a.slice/b.service", "3000\n");
        write("a.slice", "2000\n");
        let least = |path: &str| Group::least(top.path(), path, VERSION_2).map(|group| group.cap);
        assert_eq!(least("/a.slice/b.service"), Some(2_000));
        write("a.slice", "max\n");
        assert_eq!(least("/a.slice/b.service"), Some(3_000));
        assert_eq!(least("/not/seen"), Option::None);
        write("", "1000\n");
        assert_eq!(least("/not/seen"), Some(1_000));
    }
}
