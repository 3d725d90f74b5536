//! Limits of the control groups that this process is in, of both versions.

use super::readings::Root;

/// From here on a limit of version 1 is none: it is the largest number of pages.
const NO_LIMIT: u64 = 1 << 60;

/// The least that any of the groups leaves; None: no limit, or none that can be seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    /// Cores' worth of time.
    pub(crate) cpu: Option<f64>,
    /// Bytes under the limit of memory, what is only cached counted as free.
    pub(crate) memory_left: Option<u64>,
    /// Processes and threads under their limit.
    pub(crate) tasks_left: Option<u64>,
}

impl Group {
    pub(super) fn read(root: &Root<'_>) -> Self {
        let mounts = root.text("proc/mounts").unwrap_or_default();
        let own = root.text("proc/self/cgroup").unwrap_or_default();
        let each = |controller: &str| folders(&mounts, &own, controller);
        Self {
            cpu: each("cpu").iter().filter_map(|folder| cpu(root, folder)).min_by(f64::total_cmp),
            memory_left: each("memory").iter().filter_map(|folder| memory_left(root, folder)).min(),
            tasks_left: each("pids").iter().filter_map(|folder| tasks_left(root, folder)).min(),
        }
    }
}

/// The folders of a process's groups and of all above them, in every hierarchy that has the controller. In a container
/// the path may be one that cannot be seen: then only the topmost are there.
fn folders(mounts: &str, own: &str, controller: &str) -> Vec<String> {
    let has = |list: &str| list.split(',').any(|word| word == controller);
    let mut found = Vec::new();
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, mount, kind, options, ..] = words[..] else { continue };
        let is_unified = kind == "cgroup2";
        let is_there = is_unified || (kind == "cgroup" && has(options));
        if !is_there {
            continue;
        }
        let group = own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let controllers = parts.next()?;
            let is_it = if is_unified { controllers.is_empty() } else { has(controllers) };
            is_it.then(|| parts.next()).flatten()
        });
        let mut path = group.unwrap_or_default().trim_matches('/');
        while !path.is_empty() {
            found.push(format!("{mount}/{path}"));
            path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        }
        found.push(mount.to_string());
    }
    found
}

fn cpu(root: &Root<'_>, folder: &str) -> Option<f64> {
    let (quota, period) = match root.text(&format!("{folder}/cpu.max")) {
        Some(text) => {
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?)
        }
        // Minus one is no number here, and no limit.
        None => {
            (root.number(&format!("{folder}/cpu.cfs_quota_us"))?, root.number(&format!("{folder}/cpu.cfs_period_us"))?)
        }
    };
    (period > 0).then(|| quota as f64 / period as f64)
}

fn memory_left(root: &Root<'_>, folder: &str) -> Option<u64> {
    let number = |name: &str| root.number(&format!("{folder}/{name}"));
    let (limit, used, cached) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current"), "inactive_file"),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes"), "total_inactive_file"),
    };
    let stat = root.text(&format!("{folder}/memory.stat")).unwrap_or_default();
    let cached = stat.lines().find_map(|line| line.strip_prefix(cached)?.trim().parse::<u64>().ok()).unwrap_or(0);
    (limit < NO_LIMIT).then(|| limit.saturating_sub(used.unwrap_or(0).saturating_sub(cached)))
}

fn tasks_left(root: &Root<'_>, folder: &str) -> Option<u64> {
    let number = |name: &str| root.number(&format!("{folder}/{name}"));
    Some(number("pids.max")?.saturating_sub(number("pids.current").unwrap_or(0)))
}
