use std::fmt::Write as _;

use erlmcp_record::plain;

use crate::SecondView;

/// The columns of [`csv_line`].
const COLUMNS: &str = "second,phase,phase_name,connections,connections_server,opened,lost,closed,offered_rps,answered_rps,\
                       p50_ms,p95_ms,p99_ms,max_ms,mean_ms,requests,ok,not_ok,memory_bytes,queue_depth,queue_limit,\
                       queue_refused_total,replicas_ready,replicas_cpu_percent,agents_cpu_percent,longest_stall_ms,\
                       tcp_memory_bytes,time_waits,faults,errors";

/// The first line of the table of seconds.
pub fn csv_heading() -> String {
    format!("{COLUMNS}\r\n")
}

/// A second in one line (RFC 4180). What was not measured is empty, never 0.
pub fn csv_line(view: &SecondView) -> String {
    let mut line = String::new();
    let requests = view.fates.total();
    let ok = view.fates.get(erlmcp_record::Fate::Ok);
    let cpu = view.replicas.iter().filter_map(|replica| replica.cpu_percent).reduce(|sum, cpu| sum + cpu);
    let agents_cpu = view.agents.iter().map(|agent| agent.cpu_percent).reduce(|sum, cpu| sum + cpu);
    let stall = view.replicas.iter().filter_map(|replica| replica.longest_stall_ms).reduce(f64::max);
    let ready = view.replicas.iter().filter(|replica| replica.ready).count();
    let queue = view.queue.as_ref();
    let faults = view.faults.iter().map(|fault| format!("{} {}", fault.id, fault.scenario));
    let errors = view.errors.iter().map(|(cause, count)| format!("{cause}: {count}"));
    let _ = write!(line, "{},{},{},{}", view.second, view.phase, text(&view.phase_name), view.connections);
    line += &optional(view.connections_server);
    let _ = write!(line, ",{},{},{},{},{}", view.opened, view.lost, view.closed, view.offered_rps, view.answered_rps);
    for value in [view.p50_ms, view.p95_ms, view.p99_ms, view.max_ms, view.mean_ms] {
        line += &optional(value);
    }
    let _ = write!(line, ",{requests},{ok},{}", requests - ok);
    line += &optional(view.memory_bytes);
    line += &optional(queue.map(|queue| queue.depth));
    line += &optional(queue.and_then(|queue| queue.limit));
    line += &optional(queue.and_then(|queue| queue.refused_total));
    line += &optional((!view.replicas.is_empty()).then_some(ready));
    line += &optional(cpu);
    line += &optional(agents_cpu);
    line += &optional(stall);
    line += &optional(view.tcp_memory_bytes);
    line += &optional(view.time_waits);
    let _ = write!(line, ",{}", text(&faults.collect::<Vec<_>>().join("; ")));
    let _ = write!(line, ",{}\r\n", text(&errors.collect::<Vec<_>>().join("; ")));
    line
}

fn optional<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| ",".into(), |value| format!(",{value}"))
}

/// Quoted where it must be. A leading sign of a formula is put behind a quote, so that no spreadsheet runs it.
fn text(text: &str) -> String {
    let text = plain(text);
    let safe = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text };
    if safe.contains([',', '"']) { format!("\"{}\"", safe.replace('"', "\"\"")) } else { safe }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_line_has_every_column() {
        let view = SecondView {
            second: 7,
            phase_name: "sustained_load".into(),
            errors: BTreeMap::from([("http 500".into(), 2), ("a \"quoted\", cause".into(), 1)]),
            ..SecondView::default()
        };
        let line = csv_line(&view);
        let quoted = "\"a \"\"quoted\"\", cause: 1; http 500: 2\"\r\n";
        let plain = line.strip_suffix(quoted).expect("the causes are last");
        assert_eq!(plain.matches(',').count(), COLUMNS.matches(',').count());
        assert!(plain.starts_with("7,0,sustained_load,0,,0,0,0,0,0,,,,,,0,0,0,,"), "{plain}");
        assert_eq!(text("=1+1"), "'=1+1");
        assert_eq!(text("a\u{1b}[2J\r\n\u{202e}"), r"a\u{1b}[2J\r\n\u{202e}");
    }
}
