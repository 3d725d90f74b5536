use std::os::unix::net::UnixListener;

use super::*;

/// A `/` with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("created");
        fs::write(path, text).expect("written");
    }
    folder
}

const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
    Max cpu time              unlimited            unlimited            seconds   \n\
    Max open files            1024                 20000                files     \n";

#[test]
fn every_figure_is_read_from_its_file() {
    let folder = root(&[
        ("proc/self/limits", LIMITS),
        ("proc/77/limits", "Max open files            unlimited            unlimited            files     \n"),
        ("proc/sys/fs/nr_open", "1048576\n"),
        ("proc/sys/fs/file-nr", "201127\t0\t2466170\n"),
        ("proc/sys/net/core/somaxconn", "4096\n"),
        ("proc/sys/net/ipv4/tcp_max_syn_backlog", "2048\n"),
        ("proc/sys/net/ipv4/tcp_syncookies", "0\n"),
        ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
        ("proc/sys/net/ipv4/tcp_mem", "287898\t383867\t575796\n"),
        ("proc/net/sockstat", "sockets: used 204\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 31\n"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
        ("proc/sys/net/netfilter/nf_conntrack_count", "5\n"),
        ("proc/meminfo", "MemTotal:  20 kB\nMemAvailable:  16 kB\n"),
        ("proc/self/status", "Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t0-3,8\n"),
        ("proc/stat", "cpu  2 2 2 2 2 2 2 2 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu1 1 1 1 1 1 1 1 1 0 0\nintr 7\n"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n"),
        ("proc/sys/user/max_user_namespaces", "96365\n"),
        (".dockerenv", ""),
    ]);
    let read = Readings::of(folder.path(), Some(77));
    let expected = Readings {
        descriptors: Some((1_024, 20_000)),
        descriptors_most: Some(1_048_576),
        target_descriptors: Some(u64::MAX),
        files: Some((201_127, 2_466_170)),
        somaxconn: Some(4_096),
        syn_backlog: Some(2_048),
        syn_cookies: Some(false),
        ports: Some((32_768, 60_999)),
        tcp_pages_used: Some(31),
        tcp_pages: Some([287_898, 383_867, 575_796]),
        conntrack: Some((5, 262_144)),
        time_waits: Some(2),
        memory: Some(16_384),
        group: Group::default(),
        cores: Some(5),
        allowed: vec![0..=3, 8..=8],
        processors: Some(2),
        clock_source: Some("hpet".into()),
        container: Some("Docker"),
        user_namespaces: true,
        docker: None,
        firewall: None,
        quiet: None,
    };
    assert_eq!(read, expected);
}

#[test]
fn what_is_not_there_is_not_made_up() {
    let folder = root(&[]);
    assert_eq!(Readings::of(folder.path(), Some(1)), Readings::default());
    let odd = root(&[
        ("proc/self/limits", "Max open files            many                 20000                files\n"),
        ("proc/sys/fs/file-nr", "1 2\n"),
        ("proc/sys/net/ipv4/ip_local_port_range", "1 99999\n"),
        ("proc/self/status", "Cpus_allowed_list:\t3-1\n"),
        ("proc/sys/net/netfilter/nf_conntrack_max", "262144\n"),
    ]);
    assert_eq!(Readings::of(odd.path(), None), Readings::default());
}

#[test]
fn a_group_of_version_2_is_bound_by_all_above_it() {
    let folder = root(&[
        ("proc/mounts", "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"),
        ("proc/self/cgroup", "0::/work.slice/run\n"),
        ("sys/fs/cgroup/work.slice/run/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/work.slice/cpu.max", "150000 100000\n"),
        ("sys/fs/cgroup/work.slice/run/memory.max", "1000000\n"),
        ("sys/fs/cgroup/work.slice/run/memory.current", "700000\n"),
        ("sys/fs/cgroup/work.slice/run/memory.stat", "anon 100\ninactive_file 200000\n"),
        ("sys/fs/cgroup/work.slice/memory.max", "max\n"),
        ("sys/fs/cgroup/work.slice/run/pids.max", "max\n"),
        ("sys/fs/cgroup/work.slice/pids.max", "100\n"),
        ("sys/fs/cgroup/work.slice/pids.current", "30\n"),
        ("proc/meminfo", "MemAvailable:  16000 kB\n"),
        ("proc/self/status", "Cpus_allowed_list:\t0-7\n"),
    ]);
    let read = Readings::of(folder.path(), None);
    assert_eq!(read.group, Group { cpu: Some(1.5), memory_left: Some(500_000), tasks_left: Some(70) });
    assert_eq!((read.memory_left(), read.cores_left()), (Some(500_000), Some(1)));
}

#[test]
fn groups_of_version_1_have_names_of_their_own() {
    let folder = root(&[
        (
            "proc/mounts",
            "cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0\n\
             cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0\n",
        ),
        ("proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n2:pids:/\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
        // The path is one outside of the container: only the topmost folder is there.
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "4000\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "3000\n"),
        ("sys/fs/cgroup/memory/memory.stat", "cache 2500\ntotal_inactive_file 1500\n"),
        ("sys/fs/cgroup/pids/pids.max", "max\n"),
    ]);
    let group = Readings::of(folder.path(), None).group;
    assert_eq!(group, Group { cpu: Some(2.5), memory_left: Some(2_500), tasks_left: None });
    let free = root(&[
        ("proc/mounts", "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\ncgroup /c cgroup rw,cpu 0 0\n"),
        ("proc/self/cgroup", "4:memory:/\n3:cpu:/\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("c/cpu.cfs_quota_us", "-1\n"),
        ("c/cpu.cfs_period_us", "100000\n"),
    ]);
    assert_eq!(Readings::of(free.path(), None).group, Group::default());
}

#[test]
fn a_pod_is_known_in_both_versions() {
    let files = [
        ("proc/self/cgroup", "4:memory:/kubepods/burstable/pod1/abc\n"),
        ("proc/self/environ", "HOME=/\0KUBERNETES_SERVICE_HOST=10.0.0.1\0"),
    ];
    for file in files {
        assert_eq!(Readings::of(root(&[file]).path(), None).container, Some("Kubernetes"), "{}", file.0);
    }
}

#[test]
fn dockers_socket_is_tried() {
    let folder = root(&[("run/.containerenv", "")]);
    let run = folder.path().join("run");
    let listener = UnixListener::bind(run.join("docker.sock")).expect("bound");
    let read = Readings::of(folder.path(), None);
    assert_eq!((read.docker, read.container), (Some(Ok(())), Some("Podman")));
    drop(listener);
    assert_eq!(Readings::of(folder.path(), None).docker, Some(Err("nobody listens there".into())));
}

#[test]
fn namespaces_may_be_forbidden_in_three_ways() {
    let with = |files: &[(&str, &str)]| {
        let most = [("proc/sys/user/max_user_namespaces", "100")];
        Readings::of(root(&[&most, files].concat()).path(), None).user_namespaces
    };
    assert!(with(&[]) && with(&[("proc/sys/kernel/unprivileged_userns_clone", "1")]));
    assert!(!with(&[("proc/sys/kernel/unprivileged_userns_clone", "0")]));
    assert!(!with(&[("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")]));
    assert!(!with(&[("proc/sys/user/max_user_namespaces", "0")]));
}
