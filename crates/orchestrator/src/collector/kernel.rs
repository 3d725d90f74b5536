//! What the kernel says of this machine's sockets and processors.

use std::fs;

use erlmcp_record::KernelSample;
use rustix::param::{clock_ticks_per_second, page_size};

/// Slab caches that grow with sockets and their files.
const SOCKET_SLABS: [&str; 11] = [
    "TCP",
    "TCPv6",
    "sock_inode_cache",
    "filp",
    "eventpoll_epi",
    "eventpoll_pwq",
    "request_sock_TCP",
    "request_sock_TCPv6",
    "tw_sock_TCP",
    "tw_sock_TCPv6",
    "skbuff_head_cache",
];

/// A figure that the kernel does not give (slabs, to others than root) is None.
pub(super) fn sample() -> KernelSample {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let sockets = read("/proc/net/sockstat");
    let counters = read("/proc/net/netstat");
    let (busy_us, steal_us) = processors(&read("/proc/stat")).unzip();
    KernelSample {
        tcp_memory_bytes: socket_figure(&sockets, "TCP:", "mem").map(|pages| pages * page_size() as u64),
        sockets_in_use: socket_figure(&sockets, "sockets:", "used"),
        time_waits: socket_figure(&sockets, "TCP:", "tw"),
        listen_overflows: counter(&counters, "TcpExt:", "ListenOverflows"),
        listen_drops: counter(&counters, "TcpExt:", "ListenDrops"),
        socket_slab_bytes: slabs(&read("/proc/slabinfo")),
        steal_us,
        busy_us,
        memory_available_bytes: memory_available(&read("/proc/meminfo")),
    }
}

/// A figure of /proc/net/sockstat: "TCP: inuse 5 orphan 0 tw 2 alloc 7 mem 1".
pub(crate) fn socket_figure(text: &str, line: &str, name: &str) -> Option<u64> {
    let mut words = text.lines().find_map(|found| found.strip_prefix(line))?.split_ascii_whitespace();
    words.find(|word| *word == name)?;
    words.next()?.parse().ok()
}

/// A figure of /proc/net/netstat, where a line of names is followed by one of their values.
fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group));
    let (names, values) = (lines.next()?, lines.next()?);
    let place = names.split_ascii_whitespace().position(|found| found == name)?;
    values.split_ascii_whitespace().nth(place)?.parse().ok()
}

/// Time not idle, and time taken by others, of all processors, microseconds since the machine began.
fn processors(text: &str) -> Option<(u64, u64)> {
    times(text.lines().find_map(|line| line.strip_prefix("cpu "))?)
}

/// The same of each processor on its own, by its number.
pub(crate) fn each_processor(text: &str) -> impl Iterator<Item = (u32, (u64, u64))> {
    text.lines().filter_map(|line| {
        let (number, fields) = line.strip_prefix("cpu")?.split_once(' ')?;
        Some((number.parse().ok()?, times(fields)?))
    })
}

fn times(fields: &str) -> Option<(u64, u64)> {
    let ticks: Vec<u64> = fields.split_ascii_whitespace().map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else { return None };
    let us = |ticks: u64| ticks * 1_000_000 / clock_ticks_per_second();
    Some((us(user + nice + system + irq + softirq), us(steal)))
}

/// Pages that the socket caches have, used and unused objects alike. None where no cache can be read.
fn slabs(text: &str) -> Option<u64> {
    let sizes = text.lines().filter_map(|line| {
        let mut parts = line.split(':');
        let mut cache = parts.next()?.split_ascii_whitespace();
        let name = cache.next().filter(|name| SOCKET_SLABS.contains(name))?;
        // Behind the name: active_objs num_objs objsize objperslab pagesperslab; in the last part: active_slabs num_slabs.
        let pages_per_slab: u64 = cache.nth(4)?.parse().ok()?;
        let slabs: u64 = parts.nth(1)?.split_ascii_whitespace().nth(2)?.parse().ok()?;
        Some((name, pages_per_slab * slabs * page_size() as u64))
    });
    let sizes: Vec<_> = sizes.collect();
    (!sizes.is_empty()).then(|| sizes.iter().map(|(_, bytes)| bytes).sum())
}

pub(crate) fn memory_available(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_their_names() {
        let text = "TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 0 7 9\nIpExt: InNoRoutes\nIpExt: 3\n";
        assert_eq!(counter(text, "TcpExt:", "ListenOverflows"), Some(7));
        assert_eq!(counter(text, "TcpExt:", "ListenDrops"), Some(9));
        assert_eq!((counter(text, "TcpExt:", "Other"), counter("", "TcpExt:", "ListenDrops")), (None, None));
    }

    #[test]
    fn sockets_are_read_by_name() {
        let text = "sockets: used 204\nTCP: inuse 5 orphan 0 tw 2 alloc 7 mem 31\nUDP: inuse 1 mem 3\n";
        assert_eq!(socket_figure(text, "TCP:", "tw"), Some(2));
        assert_eq!(socket_figure(text, "TCP:", "mem"), Some(31));
        assert_eq!(socket_figure(text, "sockets:", "used"), Some(204));
        assert_eq!((socket_figure(text, "TCP:", "none"), socket_figure("", "TCP:", "tw")), (None, None));
    }

    #[test]
    fn idle_processors_are_not_busy() {
        let text = "cpu  100 20 30 9999 888 4 6 50 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n";
        let tick_us = 1_000_000 / clock_ticks_per_second();
        assert_eq!(processors(text), Some((160 * tick_us, 50 * tick_us)));
        assert_eq!(each_processor(text).collect::<Vec<_>>(), [(0, (19 * tick_us, 8 * tick_us))]);
        assert_eq!(processors("cpu  100 20\n"), None);
        assert_eq!(processors(""), None);
    }

    #[test]
    fn slabs_of_sockets_are_counted_in_whole_pages() {
        let text = "slabinfo - version: 2.1\n\
            # name <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> : slabdata <a>\n\
            TCP 26 26 2368 13 8 : tunables 0 0 0 : slabdata 2 2 0\n\
            filp 595 672 192 21 1 : tunables 0 0 0 : slabdata 32 33 0\n\
            dentry 70917 70917 192 21 1 : tunables 0 0 0 : slabdata 3377 3377 0\n";
        assert_eq!(slabs(text), Some((2 * 8 + 33) * page_size() as u64));
        assert_eq!(slabs(""), None, "only root may read it");
    }

    #[test]
    fn this_machine_has_figures() {
        assert_eq!(memory_available("MemFree: 1 kB\nMemAvailable:   16 kB\n"), Some(16_384));
        let sample = sample();
        assert!(sample.busy_us > Some(0) && sample.memory_available_bytes > Some(0), "{sample:?}");
        assert!(sample.sockets_in_use.is_some() && sample.time_waits.is_some(), "{sample:?}");
    }
}
