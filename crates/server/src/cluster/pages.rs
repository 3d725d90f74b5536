//! What the shared address answers for the whole cluster.

use std::sync::Arc;

use serde_json::{Value, json};

use super::line;
use super::messages::{Line, ToReplica};
use super::slot::Row;
use crate::metrics::{
    CLUSTER_MEMBER, CLUSTER_PEER_HEARD, CLUSTER_PEERS, CLUSTER_REPLACEMENTS, CLUSTER_RESTARTS, ClusterReference,
    ComponentFigures, Memory, Snapshot, prometheus_text, write_family,
};

/// Figures that are older are a stopped replica's: they are left out, and the page shows it as down.
const STALE_NS: u64 = 2_000_000_000;

/// Both pages, as they are sent. Their age is that of their oldest figure. `state` is the cluster's own; with it, where there
/// may be any, this machine and the others.
pub(super) fn render(
    rows: &[Row<'_>],
    cluster: &ClusterReference,
    (state, machines): (&str, Option<(Value, Value)>),
    now_ns: u64,
    unix_ns: u64,
) -> Line {
    let fresh: Vec<Snapshot> = rows.iter().filter_map(fresh).cloned().collect();
    let taken_at_ns = fresh.iter().map(|snapshot| snapshot.taken_at_ns).min().unwrap_or(now_ns);
    let (mut metrics, mut status) = (metrics(rows, &fresh), status(rows, &fresh, cluster, state));
    if let Some((machine, peers)) = machines {
        tell_peers(&mut metrics, &peers, unix_ns);
        (status["machine"], status["peers"]) = (machine, peers);
    }
    let mut line = line::to_line(&ToReplica::Pages { metrics_bytes: metrics.len(), status, taken_at_ns });
    line.extend_from_slice(metrics.as_bytes());
    Arc::new(line)
}

fn fresh<'a>(row: &Row<'a>) -> Option<&'a Snapshot> {
    row.snapshot.filter(|_| row.snapshot_age_ns.is_some_and(|age_ns| age_ns <= STALE_NS))
}

fn metrics(rows: &[Row<'_>], fresh: &[Snapshot]) -> String {
    let mut page = prometheus_text(fresh);
    let mut family = |about, value: fn(&Row<'_>) -> u64| {
        let sample = |row: &Row<'_>| (format!("{{replica=\"{}\"}}", row.replica), value(row));
        write_family(&mut page, about, rows.iter().map(sample));
    };
    family(CLUSTER_MEMBER, |row| u64::from(row.member));
    family(CLUSTER_RESTARTS, |row| row.restarts);
    family(CLUSTER_REPLACEMENTS, |row| row.replacements);
    page
}

/// Other clusters on the same database. Their own words are not taken for labels.
fn tell_peers(page: &mut String, peers: &Value, unix_ns: u64) {
    let peers = peers.as_array().map(Vec::as_slice).unwrap_or_default();
    let of = |peer: &Value| match peer["state"].as_str() {
        Some("silent") => "silent",
        Some("unknown") => "unknown",
        _ => "heard",
    };
    let count = |state: &str| peers.iter().filter(|peer| of(peer) == state).count();
    let sample = |state| (format!("{{state=\"{state}\"}}"), count(state));
    write_family(page, CLUSTER_PEERS, ["heard", "silent", "unknown"].map(sample));
    let longest_ms = peers.iter().filter_map(|peer| peer["last_seen_ms"].as_u64()).max();
    let heard = longest_ms.map(|ms| (String::new(), (unix_ns / 1_000_000).saturating_sub(ms) as f64 / 1e3));
    write_family(page, CLUSTER_PEER_HEARD, heard);
}

/// The same names as in a replica's own status, with the sums, or the most where a sum has no meaning; then the replicas one
/// by one.
fn status(rows: &[Row<'_>], fresh: &[Snapshot], cluster: &ClusterReference, state: &str) -> Value {
    let sum = |part: fn(&Snapshot) -> u64| fresh.iter().map(part).sum::<u64>();
    let most = |part: fn(&Snapshot) -> u64| fresh.iter().map(part).max().unwrap_or(0);
    json!({
        "server": "erlmcp-server",
        "version": env!("CARGO_PKG_VERSION"),
        "state": state,
        "connections": {
            "mcp": sum(|s| s.connections.mcp),
            "admin": sum(|s| s.connections.admin),
            "new": sum(|s| s.connections.new),
        },
        "requests_total": sum(Snapshot::requests_total),
        "connections_limit": (!fresh.is_empty()).then(|| sum(|s| s.connections_limit)),
        "connections_refused_total": sum(|s| s.connections_refused_total),
        "worker_pool": {
            "active": sum(|s| s.queue.workers_active),
            "active_max": most(|s| s.queue.workers_active_max),
            "size": sum(|s| s.queue.workers),
        },
        "queue": {
            "depth": sum(|s| s.queue.depth),
            "limit": sum(|s| s.queue.limit),
            "depth_max": most(|s| s.queue.depth_max),
            "refused_total": sum(|s| s.queue.refused_total),
        },
        "tools": fresh.first().map(|s| s.tools.as_slice()).unwrap_or_default(),
        "streams": sum(|s| s.streams),
        "sessions": sum(|s| s.sessions),
        "sessions_held": sum(|s| s.sessions_held),
        "shards_blocked": sum(|s| s.shards_blocked),
        "memory": Memory {
            anonymous: sum(|s| s.memory.anonymous),
            rss: sum(|s| s.memory.rss),
            connections: sum(|s| s.memory.connections),
            buffers: sum(|s| s.memory.buffers),
            queue: sum(|s| s.memory.queue),
            replays: sum(|s| s.memory.replays),
            tls: sum(|s| s.memory.tls),
        },
        "tasks": sum(|s| s.tasks),
        "descriptors": {"open": sum(|s| s.descriptors_open), "limit": sum(|s| s.descriptors_limit)},
        "components": components(fresh),
        "cluster": cluster,
        "replicas": rows.iter().map(replica).collect::<Vec<Value>>(),
    })
}

fn components(fresh: &[Snapshot]) -> ComponentFigures {
    let mut all = ComponentFigures::default();
    fresh.iter().for_each(|snapshot| all.add(&snapshot.components));
    all
}

fn replica(row: &Row<'_>) -> Value {
    let mut shown = json!({
        "replica": row.replica,
        "address": row.address,
        "pid": row.pid,
        "state": row.state,
        "member": row.member,
        "down_since_ns": row.down_since_ns,
        "restarts": row.restarts,
        "replacements": row.replacements,
    });
    if let Some(snapshot) = fresh(row) {
        shown["version"] = json!(snapshot.version);
        shown["uptime_ms"] = json!(snapshot.uptime_ms);
        shown["connections_limit"] = json!(snapshot.connections_limit);
        shown["connections"] = json!(snapshot.connections);
        shown["requests_total"] = json!(snapshot.requests_total());
        shown["worker_pool"] = json!({"active": snapshot.queue.workers_active, "size": snapshot.queue.workers});
        shown["queue"] = json!({"depth": snapshot.queue.depth, "limit": snapshot.queue.limit});
        shown["memory"] = json!(snapshot.memory);
        shown["operations"] = json!(snapshot.operations);
        shown["shards"] = json!(snapshot.shards);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::slot::Shown;
    use crate::metrics::{ConnectionCounts, Histogram, PrincipalFigures, QueueFigures, Share, State};

    fn snapshot(replica: u16, taken_at_ns: u64) -> Snapshot {
        Snapshot {
            version: "1".into(),
            replica,
            pid: 9,
            state: State::Ready,
            taken_at_ns,
            start_time_seconds: 0.0,
            uptime_ms: 5,
            connections: ConnectionCounts { mcp: 10, admin: 1, new: 0 },
            connections_limit: 1_000,
            connections_an_address_max: None,
            connections_an_address_limit: None,
            connections_refused_address_total: 0,
            connections_accepted_total: 11,
            connections_refused_total: 3,
            requests: Vec::new(),
            limits_reached: Vec::new(),
            memory_pressure: 0,
            latency: Histogram::default(),
            queue: QueueFigures {
                depth: 2,
                limit: 500,
                depth_max: 3,
                refused_total: 1,
                workers: 50,
                workers_active: 4,
                workers_active_max: 9,
            },
            tools: vec!["echo".into()],
            streams: 0,
            sessions: 0,
            sessions_held: 5,
            memory: Memory::default(),
            tls: None,
            principals: Some(PrincipalFigures { streams: Share { most: 2, max: 9 }, ..PrincipalFigures::default() }),
            telemetry: None,
            tasks: 0,
            descriptors_open: 20,
            descriptors_limit: 100,
            cpu_seconds: 0.5,
            shards: Vec::new(),
            shards_blocked: 1,
            shard_stalls_total: 0,
            operations: None,
            components: ComponentFigures { tools: 1, batches: 2, ..ComponentFigures::default() },
        }
    }

    fn row(snapshot: &Snapshot, now_ns: u64) -> Row<'_> {
        Row {
            replica: snapshot.replica,
            address: crate::cluster::replica_address(snapshot.replica, 80),
            pid: Some(9),
            state: Shown::Ready,
            member: true,
            down_since_ns: None,
            restarts: 0,
            replacements: 0,
            snapshot: Some(snapshot),
            snapshot_age_ns: Some(now_ns - snapshot.taken_at_ns),
        }
    }

    #[test]
    fn pages_are_as_old_as_their_oldest_figure_and_stale_figures_are_left_out() {
        let now_ns = 10_000_000_000;
        let snapshots = [snapshot(1, now_ns - 100), snapshot(2, now_ns - 700), snapshot(3, now_ns - STALE_NS - 1)];
        let mut rows = snapshots.each_ref().map(|snapshot| row(snapshot, now_ns));
        (rows[2].member, rows[2].state) = (false, Shown::Down);
        let cluster = ClusterReference { control: "c".into(), port: 80, replicas: 3 };
        let peers = json!([
            {"name": "west", "state": "silent", "last_seen_ms": 9_500},
            {"name": "north", "state": "say \"hi\"", "last_seen_ms": 300},
        ]);
        let line = render(
            &rows,
            &cluster,
            ("running", Some((json!({"name": "east"}), peers.clone()))),
            now_ns,
            1_000_000_000_000,
        );

        let end = line.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
        let ToReplica::Pages { metrics_bytes, status, taken_at_ns } = line::parse(&line[..end]).expect("a message")
        else {
            panic!("not the pages");
        };
        assert_eq!(taken_at_ns, now_ns - 700);
        assert_eq!((&status["connections"]["mcp"], &status["connections_limit"]), (&json!(20), &json!(2_000)));
        assert_eq!((&status["machine"]["name"], &status["peers"]), (&json!("east"), &peers));
        assert_eq!(status["worker_pool"], json!({"active": 8, "active_max": 9, "size": 100}));
        assert_eq!((&status["components"]["tools"], &status["components"]["batches"]), (&json!(1), &json!(4)));
        let others = ["connections_refused_total", "sessions_held", "shards_blocked"].map(|name| status[name].as_u64());
        assert_eq!(others, [Some(6), Some(10), Some(2)]);
        assert_eq!(status["replicas"].as_array().map(Vec::len), Some(3));
        assert_eq!(
            (&status["replicas"][2]["state"], &status["replicas"][2]["connections"]),
            (&json!("down"), &Value::Null)
        );

        let metrics = std::str::from_utf8(&line[end..]).expect("text");
        assert_eq!(metrics.len(), metrics_bytes);
        assert!(metrics.contains("erlmcp_connections{replica=\"2\",kind=\"mcp\"} 10\n"), "{metrics}");
        assert!(!metrics.contains("erlmcp_connections{replica=\"3\""), "{metrics}");
        assert!(metrics.contains("erlmcp_cluster_member{replica=\"3\"} 0\n"), "{metrics}");
        assert!(metrics.contains("peers{state=\"heard\"} 1\nerlmcp_cluster_peers{state=\"silent\"} 1\n"), "{metrics}");
        assert!(metrics.contains("\nerlmcp_cluster_peer_heard_timestamp_seconds 990.5\n"), "{metrics}");
        assert!(metrics.contains("principal_use_max{replica=\"2\",kind=\"streams\"} 2\n"), "{metrics}");
        assert!(metrics.contains("principal_limit{replica=\"2\",kind=\"streams\"} 9\n"), "{metrics}");
        assert!(metrics.contains("erlmcp_build_info{replica=\"1\",version=\"1\"} 1\n"), "{metrics}");
    }
}
