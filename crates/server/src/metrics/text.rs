//! The Prometheus text of /metrics (exposition format 0.0.4).

use std::fmt::{Display, Write};

use super::families::{About, FAMILIES, SNAPSHOT_AGE, Sample, Sink};
use super::snapshot::Snapshot;

/// The page of one or more replicas; every sample names its replica.
pub(crate) fn prometheus_text(snapshots: &[Snapshot]) -> String {
    let mut text = PrometheusText { text: String::with_capacity(4_096 * snapshots.len()), name: "", replica: 0 };
    for family in FAMILIES {
        family.begin(&mut text);
        for snapshot in snapshots {
            text.replica = snapshot.replica;
            family.samples_of(snapshot, &mut text);
        }
    }
    text.text
}

/// What a cluster-wide page ends with: how old its figures are.
pub(crate) fn snapshot_age(age_ns: u64) -> String {
    let mut text = String::new();
    write_family(&mut text, SNAPSHOT_AGE, [(String::new(), age_ns as f64 / 1e9)]);
    text
}

/// Writes a family that is not of one replica alone. Samples have their labels as they are written, braces included.
pub(crate) fn write_family(text: &mut String, about: About, samples: impl IntoIterator<Item = (String, impl Display)>) {
    begin_family(text, about);
    for (labels, value) in samples {
        line(text, format_args!("{}{labels} {value}", about.0));
    }
}

fn begin_family(text: &mut String, (name, kind, help): About) {
    line(text, format_args!("# HELP {name} {help}"));
    line(text, format_args!("# TYPE {name} {kind}"));
}

struct PrometheusText {
    text: String,
    name: &'static str,
    replica: u16,
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

impl Sink for PrometheusText {
    fn family(&mut self, about: About) {
        begin_family(&mut self.text, about);
        self.name = about.0;
    }

    fn sample(&mut self, labels: &[(&'static str, &str)], sample: Sample<'_>) {
        let value: &dyn Display = match &sample {
            Sample::Whole(value) => value,
            Sample::Real(value) => value,
            Sample::Buckets { .. } => return self.histogram(sample),
        };
        let (name, replica) = (self.name, self.replica);
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{name}{{replica=\"{replica}\"");
        for (label, label_value) in labels {
            let _ = write!(self.text, ",{label}=\"{label_value}\"");
        }
        line(&mut self.text, format_args!("}} {value}"));
    }
}

impl PrometheusText {
    fn histogram(&mut self, sample: Sample<'_>) {
        let Sample::Buckets { buckets, all, sum } = sample else { return };
        let (name, replica, text) = (self.name, self.replica, &mut self.text);
        let mut count = 0;
        for (le, bucket) in buckets {
            count += bucket;
            line(text, format_args!("{name}_bucket{{replica=\"{replica}\",le=\"{le}\"}} {count}"));
        }
        line(text, format_args!("{name}_bucket{{replica=\"{replica}\",le=\"+Inf\"}} {all}"));
        line(text, format_args!("{name}_sum{{replica=\"{replica}\"}} {sum}"));
        line(text, format_args!("{name}_count{{replica=\"{replica}\"}} {all}"));
    }
}
