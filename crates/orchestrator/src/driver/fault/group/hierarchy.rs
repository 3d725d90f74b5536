//! The cgroup that a process is in, and where one can be made for it, in both versions.

use std::path::{Path, PathBuf};

/// Of a new group.
const PERIOD_US: u64 = 100_000;

/// How the files of a group are named, and what they say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    /// The file that leaves a group so much of one core, and what to write there.
    pub(super) fn cpu(self, percent: u64) -> (&'static str, String) {
        let quota_us = (percent * PERIOD_US / 100).max(1_000);
        match self {
            Version::One => ("cpu.cfs_quota_us", quota_us.to_string()),
            Version::Two => ("cpu.max", format!("{quota_us} {PERIOD_US}")),
        }
    }

    /// The same for memory.
    pub(super) fn memory(self, mib: u64) -> (&'static str, String) {
        let file = match self {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        (file, (mib << 20).to_string())
    }

    /// The file that counts how often the group was at its limit of memory, and the word before the number.
    pub(super) fn refusals(self) -> (&'static str, &'static str) {
        match self {
            Version::One => ("memory.failcnt", ""),
            Version::Two => ("memory.events", "max "),
        }
    }
}

/// Where a process is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    /// The group that it is in, and goes back to.
    pub(super) home: PathBuf,
    /// The group in which one is made for it.
    pub(super) parent: PathBuf,
}

/// The place of a process by /proc/mounts, its /proc/PID/cgroup, and what `read` has of the groups' files.
///
/// # Errors
/// Why no group with that controller can be made for it, as a sentence.
pub(super) fn place(
    mounts: &str,
    own: &str,
    controller: &str,
    read: impl Fn(&Path) -> Option<String>,
) -> Result<Place, String> {
    let has = |list: &str| list.split(',').any(|word| word == controller);
    let hierarchies = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (mount, kind, options) = (words.next()?, words.next()?, words.next()?);
        let version = match kind {
            "cgroup" if has(options) => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        Some((version, Path::new(mount), options))
    });
    // Where both are mounted, a controller that version 1 has is not in version 2.
    let (version, mount, options) = hierarchies
        .min_by_key(|(version, ..)| *version)
        .ok_or_else(|| format!("there are no cgroups with the {controller} controller"))?;
    if options.split(',').any(|option| option == "ro") {
        return Err(format!("the cgroups at {} are read-only, as in most containers", mount.display()));
    }
    let group = own.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        let is_it = match version {
            Version::One => has(controllers),
            Version::Two => controllers.is_empty(),
        };
        is_it.then(|| parts.next()).flatten()
    });
    let none = || format!("the process has ended, or is in none of the cgroups at {}", mount.display());
    let group = group.ok_or_else(none)?;
    let home = mount.join(group.trim_start_matches('/'));
    let is_visible = read(&home.join("cgroup.procs")).is_some();
    match version {
        Version::One => {
            // In a container the path may be one that is not visible here.
            let home = if is_visible { home } else { mount.to_path_buf() };
            Ok(Place { version, parent: home.clone(), home })
        }
        Version::Two if !is_visible => {
            Err(format!("the process's cgroup {group} is not visible at {}", mount.display()))
        }
        Version::Two => Ok(Place { version, parent: handing_down(mount, &home, controller, read)?, home }),
    }
}

/// The nearest group of version 2, from a process's own upwards, whose children have the controller: what bounds those above it
/// bounds them as well. Nothing is enabled, not even in the root: all groups beside ours would have the controller too, and the
/// machine would be shared otherwise while it is measured.
fn handing_down(
    mount: &Path,
    home: &Path,
    controller: &str,
    read: impl Fn(&Path) -> Option<String>,
) -> Result<PathBuf, String> {
    let lists = |group: &Path, file: &str| {
        let text = read(&group.join(file)).unwrap_or_default();
        text.split_ascii_whitespace().any(|word| word == controller)
    };
    if !lists(mount, "cgroup.controllers") {
        return Err(format!("cgroup v2 at {} has no {controller} controller", mount.display()));
    }
    let mut groups = home.ancestors().take_while(|group| group.starts_with(mount));
    let found = groups.find(|group| lists(group, "cgroup.subtree_control"));
    let none = || format!("no cgroup from {} up hands the {controller} controller down", home.display());
    found.map(Path::to_path_buf).ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTROLLERS: &str = "cpuset cpu io memory hugetlb pids rdma misc\n";
    const UNIFIED: &str = "sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0\n\
        cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate,memory_recursiveprot 0 0\n";
    const HYBRID: &str = "tmpfs /sys/fs/cgroup tmpfs ro,nosuid,nodev,noexec,size=4096k,nr_inodes=1024,mode=755 0 0\n\
        cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid,nodev,noexec,relatime 0 0\n\
        cgroup /sys/fs/cgroup/systemd cgroup rw,nosuid,nodev,noexec,relatime,xattr,name=systemd 0 0\n\
        cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0\n";

    /// Of a machine whose groups have these files.
    fn place_in(mounts: &str, own: &str, controller: &str, files: &[(&str, &str)]) -> Result<Place, String> {
        let text =
            |path: &Path| files.iter().find(|(file, _)| Path::new(file) == path).map(|(_, text)| text.to_string());
        place(mounts, own, controller, text)
    }

    fn at(version: Version, home: &str, parent: &str) -> Result<Place, String> {
        Ok(Place { version, home: home.into(), parent: parent.into() })
    }

    #[test]
    fn on_a_host_with_systemd_the_group_is_made_in_the_nearest_slice() {
        let own = "0::/user.slice/user-0.slice/session-3.scope\n";
        let files = [
            ("/sys/fs/cgroup/cgroup.controllers", CONTROLLERS),
            ("/sys/fs/cgroup/cgroup.subtree_control", "cpuset cpu io memory pids\n"),
            ("/sys/fs/cgroup/user.slice/cgroup.subtree_control", "cpu memory pids\n"),
            ("/sys/fs/cgroup/user.slice/user-0.slice/cgroup.subtree_control", "memory pids\n"),
            ("/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope/cgroup.subtree_control", "\n"),
            ("/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope/cgroup.procs", "812\n"),
        ];
        let home = "/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope";
        let expected = at(Version::Two, home, "/sys/fs/cgroup/user.slice/user-0.slice");
        assert_eq!(place_in(UNIFIED, own, "memory", &files), expected);
        assert_eq!(place_in(UNIFIED, own, "cpu", &files), at(Version::Two, home, "/sys/fs/cgroup/user.slice"));
        let why =
            "no cgroup from /sys/fs/cgroup/user.slice/user-0.slice/session-3.scope up hands the misc controller down";
        assert_eq!(place_in(UNIFIED, own, "misc", &files).unwrap_err(), why);
        // Where nobody manages groups, all are in the root.
        let bare = [files[0], files[1], ("/sys/fs/cgroup/cgroup.procs", "1\n")];
        let expected = at(Version::Two, "/sys/fs/cgroup", "/sys/fs/cgroup");
        assert_eq!(place_in(UNIFIED, "0::/\n", "cpu", &bare), expected);
    }

    #[test]
    fn a_user_has_what_systemd_delegates() {
        let own = "0::/user.slice/user@1000.service/app.slice/term.scope\n";
        let files = [
            ("/sys/fs/cgroup/cgroup.controllers", CONTROLLERS),
            ("/sys/fs/cgroup/user.slice/user@1000.service/cgroup.subtree_control", "cpu memory pids\n"),
            ("/sys/fs/cgroup/user.slice/user@1000.service/app.slice/cgroup.subtree_control", "memory pids\n"),
            ("/sys/fs/cgroup/user.slice/user@1000.service/app.slice/term.scope/cgroup.procs", "812\n"),
        ];
        let user = "/sys/fs/cgroup/user.slice/user@1000.service";
        let (home, app) = (format!("{user}/app.slice/term.scope"), format!("{user}/app.slice"));
        assert_eq!(place_in(UNIFIED, own, "memory", &files), at(Version::Two, &home, &app));
        assert_eq!(place_in(UNIFIED, own, "cpu", &files), at(Version::Two, &home, user));
    }

    #[test]
    fn a_container_says_what_it_lacks() {
        let files = [
            ("/sys/fs/cgroup/cgroup.controllers", CONTROLLERS),
            ("/sys/fs/cgroup/cgroup.subtree_control", "\n"),
            ("/sys/fs/cgroup/cgroup.procs", "1\n"),
        ];
        let read_only = UNIFIED.replace("cgroup2 rw,", "cgroup2 ro,");
        let why = |mounts: &str, own: &str| place_in(mounts, own, "cpu", &files).unwrap_err();
        let expected = "the cgroups at /sys/fs/cgroup are read-only, as in most containers";
        assert_eq!(why(&read_only, "0::/\n"), expected);
        let read_only = HYBRID.replace("cgroup rw,", "cgroup ro,");
        assert!(why(&read_only, "4:cpu,cpuacct:/\n").contains("/sys/fs/cgroup/cpu,cpuacct are read-only"));
        // A privileged one; its first process is in its topmost group, which so can hand nothing down.
        assert_eq!(why(UNIFIED, "0::/\n"), "no cgroup from /sys/fs/cgroup/ up hands the cpu controller down");
        let outside = "the process's cgroup /../other is not visible at /sys/fs/cgroup";
        assert_eq!(why(UNIFIED, "0::/../other\n"), outside);
    }

    #[test]
    fn version_1_keeps_the_controllers_that_it_has() {
        let own =
            "5:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice/session-3.scope\n0::/user.slice/session-3.scope\n";
        let files = [
            ("/sys/fs/cgroup/unified/cgroup.controllers", "hugetlb\n"),
            ("/sys/fs/cgroup/unified/user.slice/session-3.scope/cgroup.procs", "812\n"),
            ("/sys/fs/cgroup/cpu,cpuacct/user.slice/cgroup.procs", "812\n"),
        ];
        let slice = "/sys/fs/cgroup/cpu,cpuacct/user.slice";
        assert_eq!(place_in(HYBRID, own, "cpu", &files), at(Version::One, slice, slice));
        let why = "cgroup v2 at /sys/fs/cgroup/unified has no memory controller";
        assert_eq!(place_in(HYBRID, own, "memory", &files).unwrap_err(), why);
        let old = HYBRID.replace("cgroup2", "none");
        assert_eq!(place_in(&old, own, "cpu", &files), at(Version::One, slice, slice));
        let top = "/sys/fs/cgroup/cpu,cpuacct";
        assert_eq!(place_in(&old, "5:cpu,cpuacct:/docker/abc\n", "cpu", &files), at(Version::One, top, top));
        let why = "there are no cgroups with the memory controller";
        assert_eq!(place_in(&old, own, "memory", &files).unwrap_err(), why);
        assert_eq!(place_in("proc /proc proc rw 0 0\n", "", "memory", &[]).unwrap_err(), why);
        assert!(place_in(&old, "", "cpu", &files).unwrap_err().contains("in none of the cgroups"), "it has ended");
    }
}
