//! `reference`: docs/reference.md, made of what the code itself says. A test holds the page against it.

mod commands;
mod rows;

use std::process::ExitCode;

use erlmcp_report::verdict::{entry, thresholds};

use crate::{console, exit};

const HEAD: &str = "# Reference

Made by `erlmcp reference` from the code itself: [commands](#commands) with their flags, [exit codes](#exit-codes), the
[checks](#checks) of a run and their limits, the metrics of [a server](#metrics-of-a-server) and of [a run](#metrics-of-a-run), and the
[rows of a record](#rows-of-a-record). What the words of a verdict mean stands in [method.md](method.md).

";

pub(crate) fn run() -> ExitCode {
    console::print(&text());
    ExitCode::SUCCESS
}

fn text() -> String {
    [HEAD, &commands::text(), &exit_codes(), &checks(), &server_metrics(), &run_metrics(), &rows::text()].concat()
}

/// A table; `|` in a cell would end it.
fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: [String; N]| format!("| {} |\n", cells.map(|cell| cell.replace('|', "\\|")).join(" | "));
    let mut text = line(heading.map(String::from)) + &format!("|{}\n", "---|".repeat(N));
    rows.into_iter().for_each(|row| text += &line(row));
    text + "\n"
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn exit_codes() -> String {
    let rows = exit::MEANINGS.map(|(code, meaning)| [code.to_string(), meaning.to_string()]);
    let order = "Of those of a run the first counts that applies, in the order 105, 1, 99, 3, 0.\n\n";
    format!("## Exit codes\n\n{}{order}", table(["code", "means"], rows))
}

fn checks() -> String {
    let rows = thresholds().iter().map(|row| {
        let phase = row.phase.map_or_else(|| "the whole run".into(), code);
        let limit = format!("{} {} {}", row.comparison.sign(), row.default, row.unit);
        let see = entry(row.id).map(|entry| format!("[{entry}](doctor.md#{entry})")).unwrap_or_default();
        [code(row.id), row.name.to_string(), phase, limit.trim_end().to_string(), see]
    });
    let about = "A check passes where its figure keeps the limit; `--threshold NAME=VALUE` and `--thresholds-file` change limits, \
                 `--assert` adds checks of your own (`assert.p95_ms`), and a workload may have some (`workload.`...).\n\n";
    format!("## Checks\n\n{about}{}", table(["name", "of", "phase", "limit", "where it fails, see"], rows))
}

fn server_metrics() -> String {
    let rows = erlmcp_server::metric_families().map(|(name, kind, help)| [code(name), kind.into(), help.into()]);
    let about = "`/metrics` of `erlmcp serve` and `erlmcp cluster`. Every sample has the label `replica`; a cluster's shared address has \
                 the samples of all replicas.\n\n";
    format!("## Metrics of a server\n\n{about}{}", table(["name", "kind", "is"], rows))
}

fn run_metrics() -> String {
    let rows = erlmcp_report::render::prometheus_families().into_iter().map(|(name, help)| [code(&name), help]);
    let about =
        "`erlmcp report RUN --format prometheus`, all of them gauges. See [reports.md](reports.md#prometheus).\n\n";
    format!("## Metrics of a run\n\n{about}{}", table(["name", "is"], rows))
}
