//! What this machine says of itself, as far as a run depends on it: plain figures, read from /proc and /sys.

use std::fs;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::group::Group;
use super::quiet::Quiet;
use crate::collector::kernel;

/// A figure that could not be read is None.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Readings {
    /// Of a process: the soft limit and the hard one; `u64::MAX` is none.
    pub(crate) descriptors: Option<(u64, u64)>,
    /// What the hard limit can be raised to.
    pub(crate) descriptors_most: Option<u64>,
    /// Of the target's process, where it was named: the soft limit, which is what it has.
    pub(crate) target_descriptors: Option<u64>,
    /// Open files of the whole machine, and how many there may be.
    pub(crate) files: Option<(u64, u64)>,
    pub(crate) somaxconn: Option<u64>,
    pub(crate) syn_backlog: Option<u64>,
    pub(crate) syn_cookies: Option<bool>,
    /// The first local port and the last.
    pub(crate) ports: Option<(u16, u16)>,
    /// Pages of all TCP sockets.
    pub(crate) tcp_pages_used: Option<u64>,
    /// From which on the kernel takes none back, takes some back, gives no more.
    pub(crate) tcp_pages: Option<[u64; 3]>,
    /// Tracked connections, and room for them; None where the tracking is not loaded.
    pub(crate) conntrack: Option<(u64, u64)>,
    pub(crate) time_waits: Option<u64>,
    /// Bytes that can be had without swapping, of the machine.
    pub(crate) memory: Option<u64>,
    pub(crate) group: Group,
    /// Those that this process may run on: how many, and their numbers.
    pub(crate) cores: Option<u32>,
    pub(crate) allowed: Vec<RangeInclusive<u32>>,
    /// All of the machine.
    pub(crate) processors: Option<u32>,
    pub(crate) clock_source: Option<String>,
    /// "Docker", "Podman", "Kubernetes".
    pub(crate) container: Option<&'static str>,
    /// A namespace of one's own may be made without being root.
    pub(crate) user_namespaces: bool,
    /// Docker's socket; None: there is none.
    pub(crate) docker: Option<Result<(), String>>,
    /// Packets may be dropped; None: nobody has tried.
    pub(crate) firewall: Option<Result<(), String>>,
    /// None: it was not measured.
    pub(crate) quiet: Option<Quiet>,
}

/// The files of a machine, or of a test that looks like one.
#[derive(Debug)]
pub(super) struct Root<'a>(pub(super) &'a Path);

impl Root<'_> {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.trim().parse().ok()
    }

    fn numbers<const N: usize>(&self, path: &str) -> Option<[u64; N]> {
        let text = self.text(path)?;
        let numbers: Vec<u64> = text.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect();
        numbers.try_into().ok()
    }
}

impl Readings {
    /// Of the machine whose `/` this is. It takes milliseconds and tries nothing out.
    pub(crate) fn of(root: &Path, target_pid: Option<u32>) -> Self {
        let root = Root(root);
        let net = |name: &str| root.number(&format!("proc/sys/net/{name}"));
        let sockets = root.text("proc/net/sockstat").unwrap_or_default();
        let ports = root.numbers::<2>("proc/sys/net/ipv4/ip_local_port_range");
        let conntrack = net("netfilter/nf_conntrack_count").zip(net("netfilter/nf_conntrack_max"));
        let allowed = root.text("proc/self/status").and_then(|text| allowed_cores(&text));
        let processors = |text: &str| kernel::each_processor(text).count() as u32;
        let limits = |process: &str| open_files(&root.text(&format!("proc/{process}/limits"))?);
        Self {
            descriptors: limits("self"),
            descriptors_most: root.number("proc/sys/fs/nr_open"),
            target_descriptors: target_pid.and_then(|pid| limits(&pid.to_string())).map(|(soft, _)| soft),
            files: root.numbers::<3>("proc/sys/fs/file-nr").map(|[used, _, most]| (used, most)),
            somaxconn: net("core/somaxconn"),
            syn_backlog: net("ipv4/tcp_max_syn_backlog"),
            syn_cookies: net("ipv4/tcp_syncookies").map(|value| value > 0),
            ports: ports.and_then(|[first, last]| Some((first.try_into().ok()?, last.try_into().ok()?))),
            tcp_pages_used: kernel::socket_figure(&sockets, "TCP:", "mem"),
            tcp_pages: root.numbers("proc/sys/net/ipv4/tcp_mem"),
            conntrack,
            time_waits: kernel::socket_figure(&sockets, "TCP:", "tw"),
            memory: root.text("proc/meminfo").and_then(|text| kernel::memory_available(&text)),
            group: Group::read(&root),
            cores: allowed.as_ref().map(|ranges| ranges.iter().map(|range| range.end() - range.start() + 1).sum()),
            allowed: allowed.unwrap_or_default(),
            processors: root.text("proc/stat").map(|text| processors(&text)).filter(|count| *count > 0),
            clock_source: root
                .text("sys/devices/system/clocksource/clocksource0/current_clocksource")
                .map(|text| text.trim().to_string()),
            container: container(&root),
            user_namespaces: may_make_namespaces(&root),
            docker: docker(&root),
            firewall: None,
            quiet: None,
        }
    }

    /// Memory that a run may have: of the machine, or of its control group.
    pub(crate) fn memory_left(&self) -> Option<u64> {
        let memory = self.memory?;
        Some(self.group.memory_left.map_or(memory, |left| left.min(memory)))
    }

    /// Cores that a run may have: those of this process, or whole ones of its control group's time.
    pub(crate) fn cores_left(&self) -> Option<u32> {
        let cores = self.cores?;
        Some(self.group.cpu.map_or(cores, |quota| cores.min((quota as u32).max(1))))
    }
}

/// Soft and hard limit of /proc/PID/limits.
fn open_files(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut words = line.split_ascii_whitespace();
    let mut limit = || match words.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some((limit()?, limit()?))
}

/// The processors of a list as "0-3,8".
fn allowed_cores(status: &str) -> Option<Vec<RangeInclusive<u32>>> {
    let list = crate::host::field(status, "Cpus_allowed_list")?;
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some(first..=last)
    };
    list.split(',').map(range).collect()
}

fn container(root: &Root<'_>) -> Option<&'static str> {
    let has = |file: &str, word: &str| root.text(file).is_some_and(|text| text.contains(word));
    // With cgroup v2 a pod's own group is "/".
    if has("proc/self/cgroup", "kubepods") || has("proc/self/environ", "KUBERNETES_SERVICE_HOST=") {
        return Some("Kubernetes");
    }
    let files = [(".dockerenv", "Docker"), ("run/.containerenv", "Podman")];
    files.into_iter().find(|(file, _)| root.path(file).exists()).map(|(_, name)| name)
}

fn may_make_namespaces(root: &Root<'_>) -> bool {
    let kernel = |name: &str| root.number(&format!("proc/sys/kernel/{name}"));
    root.number("proc/sys/user/max_user_namespaces").is_some_and(|most| most > 0)
        && kernel("unprivileged_userns_clone") != Some(0)
        && kernel("apparmor_restrict_unprivileged_userns") != Some(1)
}

fn docker(root: &Root<'_>) -> Option<Result<(), String>> {
    let socket = ["var/run/docker.sock", "run/docker.sock"].into_iter().map(|path| root.path(path));
    let socket = socket.into_iter().find(|path| path.exists())?;
    Some(UnixStream::connect(socket).map(drop).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => "this user may not speak to it".into(),
        ErrorKind::ConnectionRefused => "nobody listens there".into(),
        _ => error.to_string(),
    }))
}

#[cfg(test)]
mod tests;
