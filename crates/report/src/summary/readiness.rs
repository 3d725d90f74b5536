use std::collections::BTreeMap;

use erlmcp_record::names::phase;
use erlmcp_record::{ConfigRow, Ended, Proxied};

use super::{FaultLine, PhaseLine, Readiness, State, SummaryPhase};
use crate::analysis::Analysis;
use crate::facts::Facts;
use crate::format;
use crate::verdict::{Check, Verdict, invalid, offers_tools};

/// Faults of lists, and scenarios of the suite, that were skipped in phases that were run: no check says so.
pub(crate) fn skipped_within(suite: &[PhaseLine], phases: &[SummaryPhase], faults: &[FaultLine]) -> (u64, u64) {
    let faults = faults.iter().filter(|fault| matches!(fault.verdict, Verdict::Skipped { .. }));
    let run = phases.iter().filter(|phase| !suite.is_empty() && !matches!(phase.state, State::Skipped { .. }));
    let scenarios = run.flat_map(|phase| &phase.scenarios).filter(|scenario| scenario.is_skipped());
    (faults.count() as u64, scenarios.count() as u64)
}

/// "2 faults and 1 scenario were skipped"; None where none was.
fn told((faults, scenarios): (u64, u64)) -> Option<String> {
    let counts = [(faults, "fault"), (scenarios, "scenario")].into_iter().filter(|(count, _)| *count > 0);
    let texts: Vec<String> = counts.map(|(count, what)| format::plural(count, what)).collect();
    let were = if faults + scenarios == 1 { "was" } else { "were" };
    (!texts.is_empty()).then(|| format!("{} {were} skipped", texts.join(" and ")))
}

/// Ready only when every check passed, nothing was skipped and `tools/call` was measured.
pub(super) fn readiness(
    analysis: &Analysis,
    facts: &Facts<'_>,
    checks: &[Check],
    suite: &[PhaseLine],
    within: (u64, u64),
) -> Readiness {
    let count = |of: fn(&Verdict) -> bool| checks.iter().filter(|check| of(&check.verdict)).count();
    let failed = count(|verdict| *verdict == Verdict::Fail);
    let inconclusive = count(|verdict| matches!(verdict, Verdict::Inconclusive { .. }));
    let skipped = count(|verdict| matches!(verdict, Verdict::Skipped { .. }));
    let of = |number: usize, what: &str| (number > 0).then(|| format!("{number} of {} checks {what}", checks.len()));
    let mut against: Vec<String> = invalid(analysis).into_iter().collect();
    let counted = [of(failed, "failed"), of(inconclusive, "inconclusive"), of(skipped, "skipped")];
    against.extend(counted.into_iter().flatten());
    // The others of a phase that was not run are among the checks.
    let left_out = suite.iter().filter(|phase| phase.checks == 0 && matches!(phase.verdict, Verdict::Skipped { .. }));
    against.extend(left_out.map(|phase| format!("phase {} was skipped: {}", phase.phase, phase.line)));
    against.extend(told(within));
    if !analysis.config.as_ref().is_some_and(offers_tools) {
        against.push("tools/call was not measured".into());
    }
    match analysis.end.as_ref().map(|end| &end.ended) {
        Some(Ended::Completed) => {}
        Some(Ended::Interrupted) => against.push("the run was interrupted".into()),
        Some(Ended::Aborted { reason }) => against.push(format!("the run ended early: {reason}")),
        None => against.push("the record ends in the middle of the run".into()),
    }
    if analysis.capacity.asked.is_some() {
        against.push("a search for the capacity judges nothing else".into());
    }
    let has_completed = analysis.end.as_ref().is_some_and(|end| end.ended == Ended::Completed);
    let needs_all = analysis.config.as_ref().is_some_and(|config| config.require_all);
    // As the exit code has it: what was left out is no doubt about what was measured, and still forbids "ready".
    let is_sure = has_completed && inconclusive == 0 && !(needs_all && (skipped > 0 || within != (0, 0)));
    let verdict = match against.is_empty() {
        _ if failed > 0 => Verdict::Fail,
        true => Verdict::Pass,
        false if is_sure => Verdict::Skipped { reason: against.join("; ") },
        false => Verdict::Inconclusive { reason: against.join("; ") },
    };
    Readiness { verdict, against, rests_on: rests_on(analysis, facts) }
}

/// How the verdicts came about.
fn rests_on(analysis: &Analysis, facts: &Facts<'_>) -> Vec<String> {
    let Some(config) = &analysis.config else { return Vec::new() };
    let mut methods = vec![load_method(config)];
    let were_run = facts.overflow.is_some() || facts.burst.is_some();
    if let Some(queued) = config.queued_calls.as_ref().filter(|_| were_run) {
        methods.push(format!("Queue scenarios: {queued}"));
    }
    methods.push(format!(
        "Window: sustained load after {} of warm-up, whole seconds",
        format::duration_ms(analysis.warmup_us() / 1_000)
    ));
    methods.push(format!("Connections: spread by {}, closed with {}", config.spread, config.close));
    if config.streams > 0 {
        let by = analysis.streams.changes.values().next().map(|change| format!(", changes by {}", change.method));
        methods.push(format!("Streams: {} held beside them{}", format::count(config.streams), by.unwrap_or_default()));
    }
    if let Some(target) = &analysis.target {
        methods.push(format!("Server figures: {}", target.server_figures));
        methods.extend(target.proxied.as_ref().map(|proxied| proxy_method(proxied, analysis.is_suite())));
    }
    methods.extend(fault_methods(analysis));
    for (id, threshold) in config.thresholds.iter().filter(|(_, threshold)| threshold.changed) {
        methods.push(format!("Threshold changed by the user: {id} is {}", threshold.value));
    }
    methods
}

/// Each way in which faults were made, with how many there were where it was more than one.
fn fault_methods(analysis: &Analysis) -> Vec<String> {
    // By the first of each.
    let mut counts: BTreeMap<(&str, &str), (u32, u64)> = BTreeMap::new();
    for fault in analysis.faults.values().filter(|fault| !fault.method.is_empty()) {
        counts.entry((&fault.scenario, &fault.method)).or_insert((fault.id, 0)).1 += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, (first, _))| *first);
    let times = |count: u64| if count > 1 { format!(" ({} times)", format::count(count)) } else { String::new() };
    let said = counts
        .into_iter()
        .map(|((scenario, method), (_, count))| format!("Fault {scenario}: {method}{}", times(count)));
    said.collect()
}

/// Whatever was measured was measured through it, but in the suite, where it is used only by those faults that need it.
fn proxy_method(proxied: &Proxied, is_suite: bool) -> String {
    let cost = match (proxied.direct_us, proxied.through_us) {
        (Some(direct_us), Some(through_us)) => format!(
            "; a page took {} through it and {} without, before the load",
            format::ms(through_us as f64 / 1e3),
            format::ms(direct_us as f64 / 1e3)
        ),
        _ => String::new(),
    };
    let replicas = proxied.replicas.len() as u64;
    let when = if is_suite { "for the faults that need it" } else { "in the baseline too" };
    format!("Fault proxy: in front of {}, {when}{cost}", format::plural(replicas, "replica"))
}

fn load_method(config: &ConfigRow) -> String {
    if config.phases.iter().any(|name| name == phase::CAPACITY) {
        let (calls, arrivals, era) = (&config.calls, &config.arrivals, &config.era);
        return format!("Load: {calls}, open loop, {arrivals} arrivals at each trial's own rate, era {era}");
    }
    format!(
        "Load: {}, open loop, {} arrivals at {} req/s, era {}, seed {}",
        config.calls,
        config.arrivals,
        format::rate(config.rate),
        config.era,
        config.seed
    )
}
