use std::fmt::Write;

use erlmcp_record::plain_lines;

use super::{Board, Progress};
use crate::{ReplicaView, format};

/// What stands on the board now, as plain text: the phase, the newest second, and a line a replica.
pub fn table(board: &Board, now_ms: u64) -> String {
    plain_lines(&told(board, now_ms))
}

fn told(board: &Board, now_ms: u64) -> String {
    let mut text = format!("{}\n", if board.target.is_empty() { "nothing known yet" } else { board.target.as_str() });
    let stands = board.stands();
    if let Some(stands) = &stands {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{stands}");
    }
    for phase in &board.phases {
        let how = match phase.progress {
            Progress::Waiting => "waits".into(),
            Progress::Skipped => "skipped".into(),
            Progress::Done { took_ms } => format::duration_ms(took_ms),
            Progress::Running { since_ms } => {
                let took = format::duration_ms(now_ms.saturating_sub(since_ms));
                if stands.is_some() { format!("{took}, no end recorded") } else { format!("runs for {took} so far") }
            }
        };
        let _ = writeln!(text, "  {}. {}: {how}", phase.number, phase.title);
    }
    let Some(now) = board.newest() else { return text + "No whole second has been measured yet." };
    let p95 = now.p95_ms.map_or_else(|| "not measured".into(), format::ms);
    let connections = now.open().map_or_else(|| "-".into(), format::count);
    let _ = writeln!(text, "second {}: {connections} connections, P95 {p95}", now.second);
    if now.replicas.is_empty() {
        let why = now.server_missing.as_deref().unwrap_or("the server does not say");
        return text + &format!("Replicas: not known ({why})");
    }
    let _ = write!(
        text,
        "{:>7}  {:<5} {:>11} {:>10} {:>6} {:>10} {:>6} {:>10} {:>5} {:>8} {:>6} {:>8} {:>8}",
        "replica",
        "state",
        "connections",
        "requests/s",
        "CPU",
        "memory",
        "queue",
        "stall",
        "tools",
        "sessions",
        "held",
        "streams",
        "restarts"
    );
    now.replicas.iter().for_each(|replica| text += &line(replica));
    text
}

/// What is not known is a dash, never a zero.
fn line(replica: &ReplicaView) -> String {
    let count = |value: Option<u64>| value.map_or_else(|| "-".to_string(), |value| value.to_string());
    format!(
        "\n{:>7}  {:<5} {:>11} {:>10} {:>6} {:>10} {:>6} {:>10} {:>5} {:>8} {:>6} {:>8} {:>8}",
        replica.replica,
        if replica.ready { "ready" } else { "DOWN" },
        count(replica.connections),
        replica.answered_rps.map_or_else(|| "-".into(), |rate| format!("{rate:.1}")),
        replica.cpu_percent.map_or_else(|| "-".into(), |cpu| format!("{cpu:.0} %")),
        replica.memory_bytes.map_or_else(|| "-".into(), format::mebibytes),
        count(replica.queue_depth),
        replica.longest_stall_ms.map_or_else(|| "-".into(), format::ms),
        count(replica.tools),
        count(replica.sessions),
        count(replica.sessions_held),
        count(replica.streams),
        count(replica.restarts),
    )
}
