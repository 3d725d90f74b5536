//! A server's own page of metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use erlmcp_record::{MemorySource, ReplicaSample};

use super::exposition::{Sample, samples};
use super::page::Page;

/// Replicas of a page; one that names more is not believed.
const REPLICAS_MAX: usize = 1_000;

/// What one page tells.
#[derive(Debug)]
pub(super) struct Scraped {
    /// A server that names none is replica 0.
    pub(super) replicas: Vec<ReplicaSample>,
    /// When their processes began, microseconds since 1970; empty where it does not say.
    pub(super) began_us: Vec<u64>,
    /// To the microsecond, so that no two processes have the same.
    pub(super) is_precise: bool,
}

/// What one page tells of its replicas.
///
/// # Errors
/// Why there is no page, as a sentence.
pub(super) async fn scrape(page: &Page, within: Duration) -> Result<Scraped, String> {
    let answered = page.get(within).await?;
    if answered.status != 200 {
        return Err(format!("GET {} at {}: status {}", page.path, page.address, answered.status));
    }
    let scraped = read(&String::from_utf8_lossy(&answered.body));
    if scraped.replicas.is_empty() {
        return Err(format!("GET {} at {}: no figure that is known", page.path, page.address));
    }
    Ok(scraped)
}

pub(super) fn read(text: &str) -> Scraped {
    let (mut replicas, mut began, mut process_began) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for sample in samples(text) {
        let number = sample.label("replica").and_then(|label| label.parse().ok()).unwrap_or(0);
        if replicas.len() < REPLICAS_MAX || replicas.contains_key(&number) {
            let is_known = take(replicas.entry(number).or_insert_with(|| (none(number), false)), &sample);
            if let Some((_, known)) = replicas.get_mut(&number) {
                *known |= is_known;
            }
            let into = match sample.name.as_str() {
                "erlmcp_start_time_seconds" => Some(&mut began),
                "process_start_time_seconds" => Some(&mut process_began),
                _ => None,
            };
            if let (Some(into), Some(us)) = (into, micros(&sample)) {
                into.insert(number, us);
            }
        }
    }
    let is_precise = !began.is_empty();
    let began = if is_precise { began } else { process_began };
    Scraped {
        replicas: replicas.into_values().filter(|(_, is_known)| *is_known).map(|(replica, _)| replica).collect(),
        began_us: began.into_values().collect(),
        is_precise,
    }
}

/// A page that answers is of a server that is ready, unless it says that it is not.
fn none(replica: u16) -> ReplicaSample {
    ReplicaSample { replica, ready: true, ..ReplicaSample::default() }
}

/// Takes one figure over; true where it is one of those that are known.
fn take((into, _): &mut (ReplicaSample, bool), sample: &Sample) -> bool {
    let add = |sum: &mut Option<u64>| *sum = sample.whole().map(|value| sum.unwrap_or(0) + value).or(*sum);
    match sample.name.as_str() {
        "erlmcp_connections" if sample.label("kind") == Some("mcp") => into.connections = sample.whole(),
        "erlmcp_requests_total" => add(&mut into.requests_total),
        "erlmcp_queue_depth" => into.queue_depth = sample.whole(),
        "erlmcp_queue_limit" => into.queue_limit = sample.whole(),
        "erlmcp_queue_refused_total" => into.refused_total = sample.whole(),
        "erlmcp_streams" => into.streams = sample.whole(),
        "erlmcp_tools" => into.tools = sample.whole(),
        "erlmcp_sessions" if sample.label("kind") == Some("streaming") => into.sessions = sample.whole(),
        "erlmcp_sessions" if sample.label("kind") == Some("held") => into.sessions_held = sample.whole(),
        "erlmcp_loop_stall_seconds" => into.longest_stall_us = micros(sample),
        "erlmcp_loop_turn_cpu_seconds" => into.longest_turn_cpu_us = micros(sample),
        "erlmcp_draining" => into.ready = sample.value == 0.0,
        // What a server says of its own memory is a resident size, whoever wrote it.
        "process_resident_memory_bytes" => {
            into.memory_bytes = sample.whole();
            into.rss_bytes = into.memory_bytes;
            into.memory_source = into.memory_bytes.map_or(MemorySource::None, |_| MemorySource::Reported);
        }
        "process_cpu_seconds_total" => into.cpu_us = micros(sample),
        "process_open_fds" => into.descriptors = sample.whole(),
        _ => return false,
    }
    true
}

fn micros(seconds: &Sample) -> Option<u64> {
    (seconds.value.is_finite() && seconds.value >= 0.0).then(|| (seconds.value * 1e6).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_erlmcp_are_read_by_replica() {
        let text = "erlmcp_connections{replica=\"2\",kind=\"mcp\"} 40\nerlmcp_connections{replica=\"2\",kind=\"new\"} 9\n\
            erlmcp_requests_total{replica=\"2\",method=\"ping\",outcome=\"ok\"} 5\n\
            erlmcp_requests_total{replica=\"2\",method=\"tools/call\",outcome=\"ok\"} 7\n\
            erlmcp_tools{replica=\"2\"} 9\nerlmcp_sessions{replica=\"2\",kind=\"streaming\"} 5\n\
            erlmcp_sessions{replica=\"2\",kind=\"held\"} 3\nerlmcp_queue_depth{replica=\"2\"} 0\nerlmcp_loop_stall_seconds{replica=\"2\"} 0.00125\n\
            process_resident_memory_bytes{replica=\"2\"} 4096\nprocess_cpu_seconds_total{replica=\"2\"} 1.5\n\
            erlmcp_connections{replica=\"1\",kind=\"mcp\"} 41\nerlmcp_draining{replica=\"1\"} 1\n";
        let replicas = read(text).replicas;
        assert_eq!(replicas.len(), 2);
        let (one, two) = (&replicas[0], &replicas[1]);
        assert_eq!((one.replica, one.ready, one.connections, one.queue_depth), (1, false, Some(41), None));
        assert_eq!((two.replica, two.ready, two.connections), (2, true, Some(40)));
        assert_eq!((two.requests_total, two.queue_depth, two.longest_stall_us), (Some(12), Some(0), Some(1_250)));
        assert_eq!((two.tools, two.sessions, two.sessions_held), (Some(9), Some(5), Some(3)));
        assert_eq!((two.memory_bytes, two.memory_source), (Some(4_096), MemorySource::Reported));
        assert_eq!((two.cpu_us, two.descriptors, one.memory_bytes), (Some(1_500_000), None, None));
        assert_eq!(one.memory_source, MemorySource::None);
    }

    #[test]
    fn other_servers_tell_what_all_processes_tell() {
        let text = "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1.048576e+06\n\
            process_open_fds 12\nhttp_requests_total{code=\"200\"} 77\ngo_goroutines{replica=\"9\"} 4\n";
        let replicas = read(text).replicas;
        assert_eq!(replicas.len(), 1, "one of which nothing is known is none: {replicas:?}");
        assert_eq!((replicas[0].memory_bytes, replicas[0].descriptors), (Some(1_048_576), Some(12)));
        assert_eq!((replicas[0].requests_total, replicas[0].connections), (None, None));
        assert_eq!(read("<html>").replicas, Vec::new());
    }
}
