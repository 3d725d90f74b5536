//! The Prometheus text of /metrics (exposition format 0.0.4).

use std::fmt::Write;

use super::components::{ShortHistogram, short_bounds_ns};
use super::histogram::{Histogram, bounds_us};
use super::snapshot::{Snapshot, State};

/// How old the figures of a cluster-wide page are, s.
pub(crate) const SNAPSHOT_AGE_METRIC: &str = "erlmcp_snapshot_age_seconds";

/// One metric: what it is, and where its value is found.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    /// Writes the samples of one replica.
    samples: fn(&mut Page, &Snapshot),
}

const fn gauge(name: &'static str, help: &'static str, samples: fn(&mut Page, &Snapshot)) -> Family {
    Family { name, kind: "gauge", help, samples }
}

const fn histogram(name: &'static str, help: &'static str, samples: fn(&mut Page, &Snapshot)) -> Family {
    Family { name, kind: "histogram", help, samples }
}

const fn counter(name: &'static str, help: &'static str, samples: fn(&mut Page, &Snapshot)) -> Family {
    Family { name, kind: "counter", help, samples }
}

const FAMILIES: &[Family] = &[
    gauge("erlmcp_connections", "Open connections by what their last request was for.", |page, s| {
        page.labelled("kind", "mcp", s.connections.mcp);
        page.labelled("kind", "admin", s.connections.admin);
        page.labelled("kind", "new", s.connections.new);
    }),
    gauge("erlmcp_connections_limit", "Connections that may be open.", |page, s| page.one(s.connections_limit)),
    counter("erlmcp_connections_accepted_total", "Connections accepted.", |page, s| {
        page.one(s.connections_accepted_total)
    }),
    counter("erlmcp_connections_refused_total", "Connections refused at a limit.", |page, s| {
        page.one(s.connections_refused_total)
    }),
    gauge(
        "erlmcp_connections_an_address_max",
        "Connections of the address that has most, where they are limited.",
        |page, s| page.one(s.connections_an_address_max),
    ),
    counter("erlmcp_connections_refused_address_total", "Of those refused: their address had its share.", |page, s| {
        page.one(s.connections_refused_address_total)
    }),
    counter("erlmcp_requests_total", "Requests by method and outcome.", requests),
    gauge("erlmcp_limit", "Where a limit is: bytes, levels, ms or a number.", |page, s| {
        for one in &s.limits_reached {
            page.labelled("limit", &one.limit, one.at);
        }
    }),
    counter(
        "erlmcp_limit_reached_total",
        "How often a limit refused or ended something, or made it wait.",
        |page, s| {
            for one in &s.limits_reached {
                page.labelled("limit", &one.limit, one.count);
            }
        },
    ),
    Family {
        name: "erlmcp_latency_seconds",
        kind: "histogram",
        help: "From a request read to its answer handed to the kernel.",
        samples: |page, s| latency(page, &s.latency),
    },
    gauge("erlmcp_queue_depth", "Tool calls that wait for a worker.", |page, s| page.one(s.queue.depth)),
    gauge("erlmcp_queue_limit", "Tool calls that may wait for a worker.", |page, s| page.one(s.queue.limit)),
    gauge("erlmcp_queue_depth_max", "Most tool calls that ever waited.", |page, s| page.one(s.queue.depth_max)),
    counter("erlmcp_queue_refused_total", "Tool calls refused because the queue was full.", |page, s| {
        page.one(s.queue.refused_total)
    }),
    gauge("erlmcp_workers", "Tool calls that may run at once.", |page, s| page.one(s.queue.workers)),
    gauge("erlmcp_workers_active", "Tool calls that run.", |page, s| page.one(s.queue.workers_active)),
    gauge("erlmcp_workers_active_max", "Most tool calls that ever ran at once.", |page, s| {
        page.one(s.queue.workers_active_max)
    }),
    histogram("erlmcp_queue_wait_seconds", "From a tool call's admission until a worker took it.", |page, s| {
        latency(page, &s.components.queue_wait)
    }),
    histogram("erlmcp_worker_seconds", "What tool calls took their workers.", |page, s| {
        latency(page, &s.components.worker_time)
    }),
    gauge("erlmcp_tools", "Tools in the registry.", |page, s| page.one(s.components.tools)),
    gauge(
        "erlmcp_clock_seconds",
        "What reading the clock takes: it is in lookup, route and token check.",
        |page, s| page.seconds(s.components.clock_ns as f64 / 1e9),
    ),
    histogram("erlmcp_route_seconds", "From a whole head to where its request goes; of a sample.", |page, s| {
        short(page, &s.components.router)
    }),
    histogram("erlmcp_tool_lookup_seconds", "A tool found by its name, or not; of a sample.", |page, s| {
        short(page, &s.components.lookup)
    }),
    histogram("erlmcp_session_check_seconds", "A session's token checked; of a sample.", |page, s| {
        short(page, &s.components.token_check)
    }),
    counter("erlmcp_session_checks_total", "Session tokens checked, by outcome.", |page, s| {
        page.labelled("outcome", "good", s.components.tokens_good);
        page.labelled("outcome", "refused", s.components.tokens_refused);
    }),
    counter("erlmcp_batches_total", "Batches of 2025-03-26, by outcome.", |page, s| {
        page.labelled("outcome", "taken", s.components.batches);
        page.labelled("outcome", "refused", s.components.batches_refused);
    }),
    counter("erlmcp_batch_messages_total", "Messages in the batches that were taken.", |page, s| {
        page.one(s.components.batch_messages)
    }),
    counter("erlmcp_stream_notifications_total", "Notifications of changes written to streams.", |page, s| {
        page.one(s.components.notifications)
    }),
    histogram("erlmcp_fan_out_seconds", "From a change until the last stream of a shard was told of it.", |page, s| {
        latency(page, &s.components.fan_out)
    }),
    counter(
        "erlmcp_operations_total",
        "Attempts at operations by outcome; \"asked\" counts operation/status.",
        |page, s| {
            for one in s.operations.iter().flat_map(|operations| &operations.outcomes) {
                page.labelled("outcome", &one.outcome, one.count);
            }
        },
    ),
    Family {
        name: "erlmcp_store_latency_seconds",
        kind: "histogram",
        help: "From a question to the store of operations to its durable answer.",
        samples: |page, s| s.operations.iter().for_each(|operations| latency(page, &operations.store_latency)),
    },
    gauge("erlmcp_store_backlog", "Questions that the store has not answered.", |page, s| {
        s.operations.iter().for_each(|operations| page.one(operations.store_backlog));
    }),
    gauge("erlmcp_streams", "Open subscription streams.", |page, s| page.one(s.streams)),
    gauge("erlmcp_sessions", "Sessions of the older protocol that are more than their token.", |page, s| {
        page.labelled("kind", "streaming", s.sessions);
        page.labelled("kind", "held", s.sessions_held);
    }),
    gauge(
        "erlmcp_loop_stall_seconds",
        "Longest time that a shard did not poll in the last whole second.",
        |page, s| {
            page.seconds(s.longest_stall_last_second_us() as f64 / 1e6);
        },
    ),
    gauge(
        "erlmcp_loop_turn_cpu_seconds",
        "Most CPU time that one turn of a shard's loop took in the last whole second; a longer stall waited for a core.",
        |page, s| {
            page.seconds(s.longest_turn_cpu_last_second_us() as f64 / 1e6);
        },
    ),
    gauge("erlmcp_shards_blocked", "Shards that a tool keeps from all of their connections.", |page, s| {
        page.one(s.shards_blocked)
    }),
    counter("erlmcp_shard_stalls_total", "How often a shard was found to be blocked.", |page, s| {
        page.one(s.shard_stalls_total)
    }),
    gauge("erlmcp_memory_bytes", "Memory by part.", |page, s| {
        page.labelled("part", "anonymous", s.memory.anonymous);
        page.labelled("part", "rss", s.memory.rss);
        page.labelled("part", "connections", s.memory.connections);
        page.labelled("part", "buffers", s.memory.buffers);
        page.labelled("part", "queue", s.memory.queue);
        page.labelled("part", "replays", s.memory.replays);
        page.labelled("part", "tls", s.memory.tls);
    }),
    gauge("erlmcp_tls_connections", "Open connections with TLS, or on their way to it.", |page, s| {
        s.tls.iter().for_each(|tls| page.one(tls.connections));
    }),
    counter("erlmcp_tls_handshakes_total", "TLS handshakes by outcome.", |page, s| {
        if let Some(tls) = &s.tls {
            page.labelled("outcome", "good", tls.handshakes_total);
            page.labelled("outcome", "failed", tls.handshakes_failed_total);
        }
    }),
    counter("erlmcp_tls_certificates_total", "Certificates read again, by outcome.", |page, s| {
        if let Some(tls) = &s.tls {
            page.labelled("outcome", "taken", tls.certificates_total);
            page.labelled("outcome", "refused", tls.certificates_refused_total);
        }
    }),
    gauge("erlmcp_descriptors_limit", "Descriptors that may be open.", |page, s| page.one(s.descriptors_limit)),
    gauge("erlmcp_draining", "1 while the server drains.", |page, s| page.one(u64::from(s.state == State::Draining))),
    gauge("erlmcp_start_time_seconds", "When the server began, seconds since 1970.", |page, s| {
        page.seconds(s.start_time_seconds)
    }),
    gauge("erlmcp_tasks", "Asynchronous tasks alive.", |page, s| page.one(s.tasks)),
    gauge("process_resident_memory_bytes", "Resident memory.", |page, s| page.one(s.memory.rss)),
    gauge("process_open_fds", "Open descriptors.", |page, s| page.one(s.descriptors_open)),
    counter("process_cpu_seconds_total", "CPU time used.", |page, s| page.seconds(s.cpu_seconds)),
];

/// Name, kind and meaning of all that `/metrics` has.
pub fn metric_families() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FAMILIES.iter().map(|family| (family.name, family.kind, family.help))
}

/// The page of one or more replicas; every sample names its replica.
pub(crate) fn prometheus_text(snapshots: &[Snapshot]) -> String {
    let mut page = Page { text: String::with_capacity(4_096 * snapshots.len()), name: "", replica: 0 };
    for family in FAMILIES {
        line(&mut page.text, format_args!("# HELP {} {}", family.name, family.help));
        line(&mut page.text, format_args!("# TYPE {} {}", family.name, family.kind));
        page.name = family.name;
        for snapshot in snapshots {
            page.replica = snapshot.replica;
            (family.samples)(&mut page, snapshot);
        }
    }
    page.text
}

/// The line that a cluster-wide page ends with: how old its figures are.
pub(crate) fn snapshot_age_line(age_ns: u64) -> String {
    let age = age_ns as f64 / 1e9;
    format!(
        "# HELP {SNAPSHOT_AGE_METRIC} Age of the figures on this page.\n# TYPE {SNAPSHOT_AGE_METRIC} gauge\n{SNAPSHOT_AGE_METRIC} {age}\n"
    )
}

struct Page {
    text: String,
    name: &'static str,
    replica: u16,
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

impl Page {
    fn one(&mut self, value: u64) {
        line(&mut self.text, format_args!("{}{{replica=\"{}\"}} {value}", self.name, self.replica));
    }

    fn seconds(&mut self, value: f64) {
        line(&mut self.text, format_args!("{}{{replica=\"{}\"}} {value}", self.name, self.replica));
    }

    fn labelled(&mut self, label: &str, label_value: &str, value: u64) {
        line(
            &mut self.text,
            format_args!("{}{{replica=\"{}\",{label}=\"{label_value}\"}} {value}", self.name, self.replica),
        );
    }
}

fn requests(page: &mut Page, snapshot: &Snapshot) {
    for request in &snapshot.requests {
        line(
            &mut page.text,
            format_args!(
                "{}{{replica=\"{}\",method=\"{}\",outcome=\"{}\"}} {}",
                page.name, page.replica, request.method, request.outcome, request.count
            ),
        );
    }
}

fn latency(page: &mut Page, histogram: &Histogram) {
    let buckets = bounds_us().map(|bound| bound as f64 / 1e6).zip(histogram.buckets);
    write_histogram(page, buckets, histogram.count(), histogram.sum_ns);
}

fn short(page: &mut Page, histogram: &ShortHistogram) {
    let buckets = short_bounds_ns().map(|bound| bound as f64 / 1e9).zip(histogram.buckets.iter().copied());
    write_histogram(page, buckets, histogram.count(), histogram.sum_ns);
}

/// Buckets with their upper bounds in seconds; the one without a bound is in the count only.
fn write_histogram(page: &mut Page, buckets: impl Iterator<Item = (f64, u64)>, all: u64, sum_ns: u64) {
    let mut count = 0;
    for (le, bucket) in buckets {
        count += bucket;
        line(&mut page.text, format_args!("{}_bucket{{replica=\"{}\",le=\"{le}\"}} {count}", page.name, page.replica));
    }
    line(&mut page.text, format_args!("{}_bucket{{replica=\"{}\",le=\"+Inf\"}} {all}", page.name, page.replica));
    let sum = sum_ns as f64 / 1e9;
    line(&mut page.text, format_args!("{}_sum{{replica=\"{}\"}} {sum}", page.name, page.replica));
    line(&mut page.text, format_args!("{}_count{{replica=\"{}\"}} {all}", page.name, page.replica));
}
