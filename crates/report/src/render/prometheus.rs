use std::fmt::Write as _;

use erlmcp_record::plain_lines;

use crate::verdict::Verdict;
use crate::{Analysis, Figure, Summary, Value, exit_code};

/// Text for a push gateway (Prometheus exposition format 0.0.4): the verdicts, the limits, the figures and the ledger of
/// a finished run. What was not measured has no sample.
pub fn prometheus(summary: &Summary) -> String {
    let mut text = String::new();
    info(summary, &mut text);
    checks(summary, &mut text);
    figures(summary, &mut text);
    ledger(summary, &mut text);
    faults(summary, &mut text);
    text
}

/// Only of a run that had a list of faults.
const FAULTS: (&str, &str) = ("erlmcp_run_faults", "Faults of the run's list by verdict.");

/// Names and meanings of all that it may have.
pub fn prometheus_families() -> Vec<(String, String)> {
    let page = prometheus(&Analysis::new().summary());
    let told = page.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    told.chain([FAULTS]).map(|(name, help)| (name.to_string(), help.to_string())).collect()
}

fn family(text: &mut String, name: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn sample(text: &mut String, name: &str, labels: &[(&str, &str)], value: f64) {
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let _ = writeln!(text, "{name}{labels} {value}");
}

fn label(value: &str) -> String {
    plain_lines(value).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::Inconclusive { .. } => "inconclusive",
        Verdict::Skipped { .. } => "skipped",
    }
}

const VERDICTS: [&str; 4] = ["pass", "fail", "inconclusive", "skipped"];

fn info(summary: &Summary, text: &mut String) {
    let run = summary.run.as_ref();
    let of = |get: fn(&erlmcp_record::RunHeader) -> &str| run.map_or("", get);
    let target = summary.configuration.as_ref().map_or("", |config| config.target.as_str());
    family(text, "erlmcp_run_info", "What was run; always 1.");
    let labels = [
        ("run_id", of(|run| &run.run_id)),
        ("command", of(|run| &run.command)),
        ("version", of(|run| &run.version)),
        ("started_at", of(|run| &run.started_at)),
        ("target", target),
    ];
    sample(text, "erlmcp_run_info", &labels, 1.0);
    family(
        text,
        "erlmcp_run_exit_code",
        "Exit code of the run: 0 pass, 1 error, 3 inconclusive, 99 failed, 105 interrupted.",
    );
    sample(text, "erlmcp_run_exit_code", &[], f64::from(exit_code(summary) as u8));
    family(text, "erlmcp_run_verdict", "1 for the verdict of the whole run, 0 for the others.");
    for verdict in VERDICTS {
        let is = f64::from(u8::from(verdict == word(&summary.readiness.verdict)));
        sample(text, "erlmcp_run_verdict", &[("verdict", verdict)], is);
    }
}

fn checks(summary: &Summary, text: &mut String) {
    family(text, "erlmcp_run_check", "What a check measured, in its unit; none where it was not measured.");
    for check in &summary.checks {
        if let Some(value) = check.estimate {
            let labels = [("check", check.id.as_str()), ("unit", check.threshold.unit.as_str())];
            sample(text, "erlmcp_run_check", &labels, value);
        }
    }
    family(text, "erlmcp_run_check_limit", "The limit of a check, in its unit.");
    for check in &summary.checks {
        let labels = [("check", check.id.as_str()), ("comparison", check.threshold.comparison.sign())];
        sample(text, "erlmcp_run_check_limit", &labels, check.threshold.value);
    }
    family(text, "erlmcp_run_check_verdict", "1 for the verdict of a check, 0 for the others.");
    for check in &summary.checks {
        for verdict in VERDICTS {
            let labels = [("check", check.id.as_str()), ("verdict", verdict)];
            sample(text, "erlmcp_run_check_verdict", &labels, f64::from(u8::from(verdict == word(&check.verdict))));
        }
    }
}

fn figures(summary: &Summary, text: &mut String) {
    family(text, "erlmcp_run_figure", "A figure of the report, in the unit that it names.");
    for section in &summary.numbers {
        for figure in &section.figures {
            if let Some((value, unit)) = number(figure) {
                let labels = [("section", section.title.as_str()), ("figure", figure.name.as_str()), ("unit", unit)];
                sample(text, "erlmcp_run_figure", &labels, value);
            }
        }
    }
}

fn number(figure: &Figure) -> Option<(f64, &'static str)> {
    match figure.value {
        Value::Count(count) => Some((count as f64, "1")),
        Value::Ms(value) => Some((value / 1e3, "seconds")),
        Value::Rate(value) => Some((value, "per second")),
        Value::Share { part, whole } => (whole > 0).then(|| (part as f64 / whole as f64, "ratio")),
        Value::Percent(value) => Some((value / 100.0, "ratio")),
        Value::Bytes(value) => Some((value, "bytes")),
        Value::Growth(value) => Some((value, "bytes per minute")),
        Value::Number(value) => Some((value, "1")),
        Value::Flag(flag) => Some((f64::from(u8::from(flag)), "1")),
        Value::Text(_) | Value::NotMeasured(_) => None,
    }
}

/// As the record has it: "sustained_load".
fn phase(summary: &Summary, number: u8) -> &str {
    summary.phases.iter().find(|phase| phase.phase == number).map_or("?", |phase| &phase.name)
}

fn ledger(summary: &Summary, text: &mut String) {
    family(text, "erlmcp_run_requests", "Requests of the run by phase, kind and fate.");
    for line in &summary.ledger {
        let kind = format!("{:?}", line.kind).to_lowercase();
        for (fate, count) in line.fates.iter() {
            let labels = [("phase", phase(summary, line.phase)), ("kind", kind.as_str()), ("fate", fate.name())];
            sample(text, "erlmcp_run_requests", &labels, count as f64);
        }
    }
    family(text, "erlmcp_run_phase_seconds", "How long each phase took.");
    for line in &summary.timeline {
        if let Some(ms) = line.actual_ms {
            sample(text, "erlmcp_run_phase_seconds", &[("phase", phase(summary, line.phase))], ms as f64 / 1e3);
        }
    }
}

fn faults(summary: &Summary, text: &mut String) {
    if summary.faults.is_empty() {
        return;
    }
    family(text, FAULTS.0, FAULTS.1);
    for verdict in VERDICTS {
        let count = summary.faults.iter().filter(|fault| word(&fault.verdict) == verdict).count();
        sample(text, "erlmcp_run_faults", &[("verdict", verdict)], count as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_end_their_quotes() {
        let mut text = String::new();
        sample(&mut text, "a", &[("b", "c\"d\\e\nf")], 0.5);
        assert_eq!(text, "a{b=\"c\\\"d\\\\e\\nf\"} 0.5\n");
        assert_eq!(label("\u{1b}[2J\u{202e}"), r"\\u{1b}[2J\\u{202e}");
    }
}
