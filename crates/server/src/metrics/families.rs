//! The metrics of a server: what there is, and where the values are found.

use super::components::{ShortHistogram, short_bounds_ns};
use super::histogram::{Histogram, bounds_us};
use super::snapshot::{LimitValue, Share, Snapshot, State};

/// A metric's name, kind and meaning.
pub(crate) type About = (&'static str, &'static str, &'static str);

// What only the page of a whole cluster has.
pub(crate) const CLUSTER_MEMBER: About = ("erlmcp_cluster_member", "gauge", "1 where the replica is a member.");
pub(crate) const CLUSTER_RESTARTS: About = ("erlmcp_cluster_restarts_total", "counter", "Restarts of the replica.");
pub(crate) const CLUSTER_REPLACEMENTS: About = (
    "erlmcp_cluster_replacements_total",
    "counter",
    "Processes that took the replica's place while the one before was still there.",
);
pub(crate) const CLUSTER_PEERS: About =
    ("erlmcp_cluster_peers", "gauge", "Clusters on other machines, by whether they are heard.");
pub(crate) const CLUSTER_PEER_HEARD: About = (
    "erlmcp_cluster_peer_heard_timestamp_seconds",
    "gauge",
    "When the cluster of another machine that was heard longest ago was heard last, seconds since 1970.",
);
pub(super) const SNAPSHOT_AGE: About = ("erlmcp_snapshot_age_seconds", "gauge", "Age of the figures on this page.");

/// One metric: what it is, and where its value is found.
pub(super) struct Family {
    about: About,
    /// Gives the samples of one replica.
    samples: fn(&mut Page<'_>, &Snapshot),
}

impl Family {
    pub(super) fn begin(&self, sink: &mut dyn Sink) {
        sink.family(self.about);
    }

    pub(super) fn samples_of(&self, snapshot: &Snapshot, sink: &mut dyn Sink) {
        (self.samples)(&mut Page(sink), snapshot);
    }
}

const fn gauge(name: &'static str, help: &'static str, samples: fn(&mut Page<'_>, &Snapshot)) -> Family {
    Family { about: (name, "gauge", help), samples }
}

const fn histogram(name: &'static str, help: &'static str, samples: fn(&mut Page<'_>, &Snapshot)) -> Family {
    Family { about: (name, "histogram", help), samples }
}

const fn counter(name: &'static str, help: &'static str, samples: fn(&mut Page<'_>, &Snapshot)) -> Family {
    Family { about: (name, "counter", help), samples }
}

pub(super) const FAMILIES: &[Family] = &[
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
        |page, s| s.connections_an_address_max.iter().for_each(|most| page.one(*most)),
    ),
    gauge(
        "erlmcp_connections_an_address_limit",
        "Connections that each address may have, where they are limited.",
        |page, s| {
            s.connections_an_address_limit.iter().for_each(|limit| page.one(*limit));
        },
    ),
    counter("erlmcp_connections_refused_address_total", "Of those refused: their address had its share.", |page, s| {
        page.one(s.connections_refused_address_total)
    }),
    counter("erlmcp_requests_total", "Requests by method and outcome.", requests),
    gauge("erlmcp_limit", "Where a limit is that is a number: of fields, levels, calls, sessions, ...", |page, s| {
        limits(s, |value| value.number).for_each(|(limit, number)| page.labelled("limit", limit, number));
    }),
    gauge("erlmcp_limit_bytes", "Where a limit is that is one of bytes.", |page, s| {
        limits(s, |value| value.bytes).for_each(|(limit, bytes)| page.labelled("limit", limit, bytes));
    }),
    gauge("erlmcp_limit_seconds", "Where a limit is that is one of time.", |page, s| {
        for (limit, ms) in limits(s, |value| value.ms) {
            page.0.sample(&[("limit", limit)], Sample::Real(ms as f64 / 1e3));
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
    histogram("erlmcp_latency_seconds", "From a request read to its answer handed to the kernel.", |page, s| {
        latency(page, &s.latency)
    }),
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
    histogram(
        "erlmcp_store_latency_seconds",
        "From a question to the store of operations to its durable answer.",
        |page, s| s.operations.iter().for_each(|operations| latency(page, &operations.store_latency)),
    ),
    gauge("erlmcp_store_backlog", "Questions that the store has not answered.", |page, s| {
        s.operations.iter().for_each(|operations| page.one(operations.store_backlog));
    }),
    gauge("erlmcp_streams", "Open subscription streams.", |page, s| page.one(s.streams)),
    gauge("erlmcp_sessions", "Sessions of the older protocol that are more than their token.", |page, s| {
        page.labelled("kind", "streaming", s.sessions);
        page.labelled("kind", "held", s.sessions_held);
    }),
    gauge("erlmcp_principals", "Principals with a token whose use is counted.", |page, s| {
        s.principals.iter().for_each(|principals| page.one(principals.known));
    }),
    gauge("erlmcp_principals_limit", "Principals that may be counted; more are refused.", |page, s| {
        s.principals.iter().for_each(|principals| page.one(principals.known_max));
    }),
    counter(
        "erlmcp_principals_refused_total",
        "Requests refused since there were as many principals as may be counted.",
        |page, s| {
            s.principals.iter().for_each(|principals| page.one(principals.refused_total));
        },
    ),
    gauge(
        "erlmcp_principal_use_max",
        "What the principal uses that uses most: requests of this second, streams, sessions that were not ended, and those held.",
        |page, s| shares(page, s, |share| share.most),
    ),
    gauge("erlmcp_principal_limit", "What each principal may use.", |page, s| shares(page, s, |share| share.max)),
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
    gauge(
        "erlmcp_memory_pressure",
        "What is given up for lack of memory: 0 nothing, 1 new sessions and streams, 2 also keep-alive, 3 also all but what is critical, 4 also new connections.",
        |page, s| page.one(s.memory_pressure),
    ),
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
    counter("erlmcp_telemetry_spans_total", "Spans for the collector of --otlp, by what became of them.", |page, s| {
        if let Some(telemetry) = &s.telemetry {
            page.labelled("outcome", "exported", telemetry.exported);
            page.labelled("outcome", "failed", telemetry.failed);
            page.labelled("outcome", "dropped", telemetry.dropped);
        }
    }),
    gauge("erlmcp_descriptors_limit", "Descriptors that may be open.", |page, s| page.one(s.descriptors_limit)),
    gauge("erlmcp_draining", "1 while the server drains.", |page, s| page.one(u64::from(s.state == State::Draining))),
    gauge("erlmcp_build_info", "1, of the version that runs.", |page, s| page.labelled("version", &s.version, 1)),
    gauge("erlmcp_start_time_seconds", "When the server began, seconds since 1970.", |page, s| {
        page.seconds(s.start_time_seconds)
    }),
    gauge("erlmcp_tasks", "Asynchronous tasks alive.", |page, s| page.one(s.tasks)),
    gauge("process_resident_memory_bytes", "Resident memory.", |page, s| page.one(s.memory.rss)),
    gauge("process_open_fds", "Open descriptors.", |page, s| page.one(s.descriptors_open)),
    counter("process_cpu_seconds_total", "CPU time used.", |page, s| page.seconds(s.cpu_seconds)),
];

/// Name, kind and meaning of all that `/metrics` has, what only a cluster has last.
pub fn metric_families() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    FAMILIES.iter().map(|family| family.about).chain([
        CLUSTER_MEMBER,
        CLUSTER_RESTARTS,
        CLUSTER_REPLACEMENTS,
        CLUSTER_PEERS,
        CLUSTER_PEER_HEARD,
        SNAPSHOT_AGE,
    ])
}

/// Tells of all families of one replica.
pub(crate) fn tell(snapshot: &Snapshot, sink: &mut dyn Sink) {
    for family in FAMILIES {
        family.begin(sink);
        family.samples_of(snapshot, sink);
    }
}

/// Where figures go.
pub(crate) trait Sink {
    /// What the samples that follow are of.
    fn family(&mut self, about: About);
    fn sample(&mut self, labels: &[(&'static str, &str)], sample: Sample<'_>);
}

/// A figure of a family.
pub(crate) enum Sample<'a> {
    Whole(u64),
    Real(f64),
    Buckets {
        /// Upper bounds, seconds, with the counts of each bucket alone; the one without a bound is in `all` only.
        buckets: &'a mut dyn Iterator<Item = (f64, u64)>,
        all: u64,
        /// Seconds.
        sum: f64,
    },
}

pub(super) struct Page<'a>(&'a mut dyn Sink);

impl Page<'_> {
    fn one(&mut self, value: u64) {
        self.0.sample(&[], Sample::Whole(value));
    }

    fn seconds(&mut self, value: f64) {
        self.0.sample(&[], Sample::Real(value));
    }

    fn labelled(&mut self, label: &'static str, label_value: &str, value: u64) {
        self.0.sample(&[(label, label_value)], Sample::Whole(value));
    }
}

/// The limits that have a value in one unit.
fn limits(snapshot: &Snapshot, value: fn(&LimitValue) -> Option<u64>) -> impl Iterator<Item = (&str, u64)> {
    snapshot.limits_reached.iter().filter_map(move |one| Some((&*one.limit, value(&one.value)?)))
}

fn shares(page: &mut Page<'_>, snapshot: &Snapshot, figure: fn(&Share) -> u64) {
    let Some(principals) = &snapshot.principals else { return };
    page.labelled("kind", "requests", figure(&principals.requests));
    page.labelled("kind", "streams", figure(&principals.streams));
    page.labelled("kind", "sessions", figure(&principals.sessions));
    page.labelled("kind", "sessions_held", figure(&principals.sessions_held));
}

fn requests(page: &mut Page<'_>, snapshot: &Snapshot) {
    for request in &snapshot.requests {
        let labels = [("method", request.method.as_str()), ("outcome", request.outcome.as_str())];
        page.0.sample(&labels, Sample::Whole(request.count));
    }
}

fn latency(page: &mut Page<'_>, histogram: &Histogram) {
    let mut buckets = bounds_us().map(|bound| bound as f64 / 1e6).zip(histogram.buckets);
    let (all, sum) = (histogram.count(), histogram.sum_ns as f64 / 1e9);
    page.0.sample(&[], Sample::Buckets { buckets: &mut buckets, all, sum });
}

fn short(page: &mut Page<'_>, histogram: &ShortHistogram) {
    let mut buckets = short_bounds_ns().map(|bound| bound as f64 / 1e9).zip(histogram.buckets.iter().copied());
    let (all, sum) = (histogram.count(), histogram.sum_ns as f64 / 1e9);
    page.0.sample(&[], Sample::Buckets { buckets: &mut buckets, all, sum });
}
