//! What `/metrics` shows, as metrics of OTLP: the same families by the same names, so that rules and dashboards hold for both.

use serde::Serialize;

use super::otlp::Attribute;
use crate::metrics::{About, Sample, Sink, Snapshot, tell};

/// AGGREGATION_TEMPORALITY_CUMULATIVE.
const CUMULATIVE: u8 = 2;

#[derive(Debug, Serialize)]
pub(super) struct Metric {
    name: &'static str,
    description: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    unit: &'static str,
    #[serde(flatten)]
    data: Data,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Data {
    Gauge {
        #[serde(rename = "dataPoints")]
        points: Vec<Point>,
    },
    Sum {
        #[serde(rename = "aggregationTemporality")]
        temporality: u8,
        #[serde(rename = "isMonotonic")]
        is_monotonic: bool,
        #[serde(rename = "dataPoints")]
        points: Vec<Point>,
    },
    Histogram {
        #[serde(rename = "aggregationTemporality")]
        temporality: u8,
        #[serde(rename = "dataPoints")]
        points: Vec<Point>,
    },
}

impl Data {
    fn points(&mut self) -> &mut Vec<Point> {
        match self {
            Self::Gauge { points } | Self::Sum { points, .. } | Self::Histogram { points, .. } => points,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    attributes: Vec<Attribute<'static>>,
    start_time_unix_nano: String,
    time_unix_nano: String,
    #[serde(flatten)]
    value: Value,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Value {
    Whole {
        #[serde(rename = "asInt")]
        value: String,
    },
    Seconds {
        #[serde(rename = "asDouble")]
        value: f64,
    },
    Buckets {
        count: String,
        sum: f64,
        #[serde(rename = "bucketCounts")]
        counts: Vec<String>,
        #[serde(rename = "explicitBounds")]
        bounds: Vec<f64>,
    },
}

/// All families of a snapshot; when the server began and now, ns since 1970.
pub(super) fn metrics(snapshot: &Snapshot, began_ns: u64, now_ns: u64) -> Vec<Metric> {
    let mut points = Points { metrics: Vec::new(), replica: snapshot.replica, began_ns, now_ns };
    tell(snapshot, &mut points);
    // What this server has nothing to say of, as of operations without a store.
    points.metrics.retain_mut(|metric| !metric.data.points().is_empty());
    points.metrics
}

struct Points {
    metrics: Vec<Metric>,
    replica: u16,
    began_ns: u64,
    now_ns: u64,
}

impl Sink for Points {
    fn family(&mut self, (name, kind, help): About) {
        let (temporality, points) = (CUMULATIVE, Vec::new());
        let data = match kind {
            "counter" => Data::Sum { temporality, is_monotonic: true, points },
            "histogram" => Data::Histogram { temporality, points },
            _ => Data::Gauge { points },
        };
        self.metrics.push(Metric { name, description: help, unit: unit(name), data });
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], sample: Sample<'_>) {
        let replica = Attribute::new("replica", self.replica.to_string());
        let others = labels.iter().map(|(name, value)| Attribute::new(name, value.to_string()));
        let value = match sample {
            Sample::Whole(value) => Value::Whole { value: value.to_string() },
            Sample::Real(value) => Value::Seconds { value },
            Sample::Buckets { buckets, all, sum } => {
                let (bounds, mut counts): (Vec<f64>, Vec<u64>) = buckets.unzip();
                counts.push(all.saturating_sub(counts.iter().sum()));
                let counts = counts.iter().map(u64::to_string).collect();
                Value::Buckets { count: all.to_string(), sum, counts, bounds }
            }
        };
        let point = Point {
            attributes: std::iter::once(replica).chain(others).collect(),
            start_time_unix_nano: self.began_ns.to_string(),
            time_unix_nano: self.now_ns.to_string(),
            value,
        };
        if let Some(metric) = self.metrics.last_mut() {
            metric.data.points().push(point);
        }
    }
}

/// The unit that a family's name tells of, as UCUM writes it.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}
