//! Each replica of a cluster tells the collector.

use rustix::process::Signal;
use serde_json::json;

use super::{Cluster, modern, signal};
use crate::collector::{Collector, attribute};

#[test]
fn replicas_tell_a_collector_of_what_they_serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let collector = Collector::start();
    let mut cluster = Cluster::start_with(folder.path(), 2, &["--otlp", &collector.url(), "--otlp-sample", "0"]);
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (replica, flags) in [(1, "01"), (1, "00"), (2, "01")] {
        let meta = json!({"traceparent": format!("00-{trace}-00f067aa0ba902b7-{flags}")});
        let answer = modern::call(cluster.own(replica), "echo", json!({"arguments": {"text": "a"}, "_meta": meta}));
        assert_eq!(answer["result"]["content"][0]["text"], "a", "{answer}");
    }
    // With their end they send what is left.
    signal(cluster.child.id(), Signal::TERM);
    assert_eq!(cluster.end(), Some(0));
    let told = collector.posted();
    let instances: std::collections::BTreeSet<&str> =
        told.spans.iter().map(|(instance, _)| instance.as_str()).collect();
    assert_eq!((told.spans.len(), instances.len()), (2, 2), "each replica has one: {told:?}");
    for (_, span) in &told.spans {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&json!(trace), &json!("00f067aa0ba902b7")), "{span}");
        assert_eq!(attribute(span, "gen_ai.tool.name"), Some("echo"), "{span}");
    }
    assert_eq!(told.metrics.len(), 2, "each replica tells its figures");
}
