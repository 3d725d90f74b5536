//! Where, how and with what the run was made, and what it does not say.

use std::collections::BTreeMap;

use super::tables::list;
use super::text::{escaped, section, table};
use crate::series::{FaultMark, Series};
use crate::verdict::Verdict;
use crate::{Figure, State, Summary, Value, format};

/// Faults whose missing times are named; of more than these the table of faults says why.
const FAULTS_NAMED: usize = 100;

/// What was not measured, by the reason.
pub(super) fn not_measured(summary: &Summary, series: &Series) -> String {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut enter = |reason: &str, what: String| {
        let found = reasons.entry(reason.to_owned()).or_default();
        if !found.contains(&what) {
            found.push(what);
        }
    };
    let mut enter_all = |of: &str, figures: &[Figure]| {
        for figure in figures {
            if let Value::NotMeasured(why) = &figure.value {
                enter(why, format!("{of}{}", figure.name));
            }
        }
    };
    summary.numbers.iter().for_each(|group| enter_all("", &group.figures));
    for phase in &summary.phases {
        enter_all(&format!("{}: ", crate::summary::title(&phase.name)), &phase.figures);
        for result in phase.scenarios.iter().filter(|result| !result.is_skipped()) {
            enter_all(&format!("{}: ", crate::summary::title(&result.name)), std::slice::from_ref(&result.figure));
            enter_all(&format!("{}: ", crate::summary::title(&result.name)), &result.figures);
        }
    }
    enter_all("Generator: ", &summary.generator.figures);
    for phase in &summary.phases {
        if let State::Skipped { reason } = &phase.state {
            enter(reason, format!("phase {}, {}", phase.phase, crate::summary::title(&phase.name)));
        }
        for result in phase.scenarios.iter().filter(|result| result.is_skipped()) {
            enter(result.reason.as_deref().unwrap_or("it was skipped"), crate::summary::title(&result.name));
        }
    }
    for mark in series.faults.iter().take(FAULTS_NAMED) {
        for (what, time) in times(mark) {
            if let Value::NotMeasured(why) = time {
                enter(why, format!("fault {}: {what}", mark.number));
            }
        }
    }
    if series.faults.len() > FAULTS_NAMED {
        let rest = format!("times of faults after number {FAULTS_NAMED}");
        enter("the dashes in the table of faults say it", rest);
    }
    for check in summary.checks.iter().filter(|check| check.estimate.is_none()) {
        if let Verdict::Inconclusive { reason } | Verdict::Skipped { reason } = &check.verdict {
            enter(reason, format!("check {}", check.name));
        }
    }
    let heading = [("Why", false), ("What", false)];
    let rows = reasons.iter().map(|(reason, what)| vec![escaped(reason), escaped(&what.join("; "))]);
    let body = match reasons.is_empty() {
        true => "<p>Everything that this report has a place for was measured.</p>\n".to_owned(),
        false => table("Not measured", &heading, rows),
    };
    section("unmeasured", "Not measured, and why", &body)
}

/// The times of a fault, as its table has them.
fn times(mark: &FaultMark) -> [(&'static str, &Value); 6] {
    [
        ("effect seen", &mark.effect),
        ("detected by the cluster", &mark.detected_by_cluster),
        ("detected by a client", &mark.detected_by_clients),
        ("served again", &mark.served_again),
        ("ready again", &mark.ready_again),
        ("healed", &mark.healed),
    ]
}

/// What the generator saw of itself.
pub(super) fn generator(summary: &Summary) -> String {
    let mut body = list(&summary.generator.figures);
    summary.generator.advice.iter().for_each(|advice| body += &format!("<p>{}</p>\n", escaped(advice)));
    section("generator", "Generator", &body)
}

/// Machine, versions, command line, seed, and what the verdicts rest on.
pub(super) fn run(summary: &Summary) -> String {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    if let Some(run) = &summary.run {
        pairs.push(("Run", run.run_id.clone()));
        pairs.push(("Started", run.started_at.clone()));
        pairs.push(("erlmcp", format!("{}, record version {}", run.version, run.record_version)));
    }
    if let Some(config) = &summary.configuration {
        pairs.push(("Target", config.target.clone()));
        pairs.push(("Calls", format!("{}, era {}", config.calls, config.era)));
        match &summary.capacity {
            Some(found) => pairs.extend(found.bounds()),
            None => pairs.push(("Load", format!("{} req/s, {} arrivals", format::rate(config.rate), config.arrivals))),
        }
        pairs.push(("Ramp-up", format!("{} conn/s", format::rate(config.ramp_rate))));
        if summary.capacity.is_none() {
            pairs.push(("Warm-up", format::duration_ms(config.warmup_ms)));
        }
        pairs.push(("Timeout", format::duration_ms(config.timeout_ms)));
        pairs.push(("Replicas, agents", format!("{}, {}", config.replicas, config.agents)));
        pairs.push(("Seed", config.seed.to_string()));
    }
    if let Some(target) = &summary.target {
        pairs.push(("Server", target.server.clone().unwrap_or_else(|| "does not name itself".into())));
        pairs.push(("Versions", target.versions.join(", ")));
        pairs.push(("Server figures", target.server_figures.clone()));
    }
    let machine = &summary.machine;
    let memory = format::bytes(machine.memory_bytes as f64);
    pairs.push(("Machine", format!("{}, {} cores, {memory}", machine.cpu, machine.cores)));
    pairs.push(("Kernel", machine.kernel.clone()));
    pairs.push(("Descriptors a process", format::count(machine.descriptors)));
    let pairs: String =
        pairs.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>\n", escaped(value))).collect();
    let rests: String = summary.readiness.rests_on.iter().map(|line| format!("<li>{}</li>\n", escaped(line))).collect();
    let command = summary.run.as_ref().map_or_else(String::new, |run| format::command_line(&run.command_line));
    let body = format!(
        "<pre tabindex=\"0\" aria-label=\"Command line\"><code>{}</code></pre>\n<dl>\n{pairs}</dl>\n<h3>What the verdicts rest on</h3>\n<ul>\n{rests}</ul>\n",
        escaped(&command)
    );
    section("run", "The run", &body)
}
