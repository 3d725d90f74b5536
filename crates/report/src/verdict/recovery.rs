use erlmcp_record::names::{finding, phase, scenario, skip};
use erlmcp_record::{FindingRow, Hist};

use super::doubt;
use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::{requests, skipped_phase};
use crate::analysis::Analysis;
use crate::facts::{FaultFacts, Observed, QueueFacts, Recovered};
use crate::format;

pub(super) fn enter(judge: &mut Judge<'_>) {
    let facts = judge.facts;
    let of = |name: &str| facts.faults.iter().filter(|fault| fault.fault.scenario == name).collect::<Vec<_>>();
    let (nodes, partitions) = (of(scenario::NODE_FAILURE), of(scenario::NETWORK_PARTITION));

    let limit_ms = judge.limit("recovery.node_ms").value;
    let source = "from the replica's death until all clients were served and it was ready again";
    let recovered = times(&nodes, |fault| vec![&fault.served_again, &fault.ready_again], limit_ms, "faults", source);
    enter_scenario(judge, "recovery.node_ms", scenario::NODE_FAILURE, recovered);

    let limit_ms = judge.limit("recovery.partition_detection_ms").value;
    let source = "from the partition's effect until the cluster and the last agent knew";
    let detected = times(
        &partitions,
        |fault| vec![&fault.detected_by_cluster, &fault.detected_by_clients],
        limit_ms,
        "faults",
        source,
    );
    enter_scenario(judge, "recovery.partition_detection_ms", scenario::NETWORK_PARTITION, detected);

    streams(judge, &nodes);
    reconnects(judge, &[nodes, partitions].concat());
    let overflow = match &facts.overflow {
        Some(overflow) => lost(overflow),
        None => Evidence::none("the scenario was not reached"),
    };
    enter_scenario(judge, "recovery.overflow_lost_count", scenario::QUEUE_OVERFLOW, overflow);
    let limit_ms = judge.limit("recovery.overflow_recovered_ms").value;
    let back = match &facts.overflow {
        Some(overflow) => back_again(overflow, limit_ms),
        None => Evidence::none("the scenario was not reached"),
    };
    enter_scenario(judge, "recovery.overflow_recovered_ms", scenario::QUEUE_OVERFLOW, back);
    match (unwanted(judge.analysis), ledger_only(judge.analysis)) {
        (Some(reason), _) => judge.enter_skipped(OPERATIONS_LOST, &reason),
        (None, Some(reason)) => judge.enter_unknown(OPERATIONS_LOST, reason),
        (None, None) => judge.enter(OPERATIONS_LOST, audited(judge.analysis)),
    }
}

/// The longest that a stream was away which the death of a replica has cut. Nothing where the run had no streams.
fn streams(judge: &mut Judge<'_>, nodes: &[&FaultFacts<'_>]) {
    const ID: &str = "recovery.streams_back_ms";
    if judge.analysis.config.as_ref().is_none_or(|config| config.streams == 0) {
        return;
    }
    let (mut lost, mut gone, mut longest_us) = (0, 0, None);
    for fault in nodes {
        let (streams, since_us) = (&fault.streams, fault.fault.effect_us.unwrap_or(fault.fault.injected_us));
        lost += streams.lost;
        longest_us = longest_us.max(streams.away.as_ref().and_then(Hist::max_us));
        if streams.back() < streams.lost {
            gone += streams.lost - streams.back();
            longest_us = longest_us.max(Some(fault.until_us.saturating_sub(since_us)));
        }
    }
    let source = match gone {
        0 => "from the loss of each stream of a dead replica until it was acknowledged again".to_string(),
        gone => format!("{gone} of {lost} lost streams were not acknowledged again as long as they were watched"),
    };
    let none = (lost == 0).then_some("no stream was lost with a replica");
    let cut = doubt::cut(judge.analysis, phase::FAILURE_RECOVERY);
    let evidence = Evidence::of(longest_us.map(Estimate::ms), lost, "streams", &source).spoiled(none).excused(cut);
    enter_scenario(judge, ID, scenario::NODE_FAILURE, evidence);
}

/// Why nobody can say whether a server of somebody else's lost a request: the ledger knows what was answered, and not what
/// was done. None where it is no such server, or where the user wanted no failures.
fn ledger_only(analysis: &Analysis) -> Option<String> {
    analysis.config.as_ref().filter(|config| !config.own_cluster && !config.attached)?;
    if finding_of(analysis, finding::AUDITED_OPERATIONS).is_some() {
        return None;
    }
    let only = "ledger only: the target knows no operation ids that could be audited";
    match skipped_phase(analysis, phase::FAILURE_RECOVERY) {
        None => Some(format!("{only}, so what became of a request without an answer is not known")),
        Some(reason) if is_left_out(analysis, &reason) => None,
        Some(reason) => Some(format!("{only}, and there was no failure to judge by ({reason})")),
    }
}

/// The user wanted none of it, or the run did not come to it.
fn is_left_out(analysis: &Analysis, reason: &str) -> bool {
    let phase = analysis.phase_named(phase::FAILURE_RECOVERY).map(|(_, times)| times);
    reason == skip::LEFT_OUT || reason == skip::NO_FAULTS || phase.is_none_or(|times| times.skipped.is_none())
}

const OPERATIONS_LOST: &str = "recovery.operations_lost_count";

fn finding_of<'a>(analysis: &'a Analysis, name: &str) -> Option<&'a FindingRow> {
    let all = analysis.findings.iter().filter(|((_, found), _)| found == name);
    all.map(|(_, row)| row).next_back()
}

/// Why no operations were begun, where the user wanted none.
pub(crate) fn unwanted(analysis: &Analysis) -> Option<String> {
    finding_of(analysis, finding::AUDITED_OPERATIONS).filter(|row| row.value.is_none())?.note.clone()
}

/// What the audit of the operations has found.
pub(crate) fn audited(analysis: &Analysis) -> Evidence {
    let found = |name| finding_of(analysis, name);
    let (Some(operations), Some(violations)) = (found(finding::AUDITED_OPERATIONS), found(finding::AUDIT_VIOLATIONS))
    else {
        return Evidence::none("no operations were sent: the target does not know them, or none were wanted");
    };
    let count = operations.value.unwrap_or(0.0) as u64;
    let source = "the audit of the journals: erlmcp audit shows each invariant and its witnesses";
    let estimate = violations.value.map(|violations| Estimate::count(violations as u64));
    let unknown = || violations.note.clone().unwrap_or_else(|| "the audit's verdict is unknown".into());
    Evidence::of(estimate, count, "operations", source)
        .spoiled(violations.value.is_none().then(unknown))
        .advised("run erlmcp audit on the run's folder and read the witnesses")
}

/// Skipped where the scenario was, spoiled where it could not be judged.
pub(super) fn enter_scenario(judge: &mut Judge<'_>, id: &str, name: &str, evidence: Evidence) {
    let number = super::threshold(id).and_then(|row| judge.analysis.phase_named(row.phase?)).map_or(0, |found| found.0);
    let row = judge.analysis.scenarios.get(&(number, name.to_owned()));
    match row.and_then(|row| row.skipped.clone()) {
        Some(reason) => judge.enter_skipped(id, &reason),
        None => judge.enter(id, evidence.spoiled(row.and_then(|row| row.inconclusive.clone()))),
    }
}

/// The longest of some moments over all faults.
pub(crate) fn times<'a>(
    faults: &[&'a FaultFacts<'a>],
    of: impl Fn(&'a FaultFacts<'a>) -> Vec<&'a Observed>,
    limit_ms: f64,
    samples_of: &'static str,
    source: &str,
) -> Evidence {
    let none = faults.is_empty().then_some("no such fault was made");
    let moments = faults.iter().flat_map(|fault| of(fault));
    longest(moments, faults.len() as u64, limit_ms, samples_of, source).spoiled(none)
}

/// The longest of some moments. One that did not come is a FAIL where it was watched for as long as the limit; one that
/// is not known leaves a FAIL of others as it is.
pub(crate) fn longest<'a>(
    moments: impl Iterator<Item = &'a Observed>,
    samples: u64,
    limit_ms: f64,
    samples_of: &'static str,
    source: &str,
) -> Evidence {
    let mut longest_us = None;
    let mut unknown = Vec::new();
    for moment in moments {
        match moment {
            Observed::After { us } => longest_us = longest_us.max(Some(*us)),
            Observed::NotWithin { us } if *us as f64 >= limit_ms * 1e3 => longest_us = longest_us.max(Some(*us)),
            Observed::NotWithin { us } => unknown.push(format!("not seen within {}", format::ms(*us as f64 / 1e3))),
            Observed::Unknown(why) => unknown.push(why.clone()),
        }
    }
    unknown.dedup();
    let is_past = longest_us.is_some_and(|us| us as f64 >= limit_ms * 1e3);
    let mut evidence = Evidence::of(longest_us.map(Estimate::ms), samples, samples_of, source);
    if is_past { &mut evidence.doubts } else { &mut evidence.spoiled }.extend(unknown);
    evidence
}

/// The worst share of all faults: of the connections that were affected, those served again.
fn reconnects(judge: &mut Judge<'_>, faults: &[&FaultFacts<'_>]) {
    const ID: &str = "recovery.reconnect_percent";
    if let Some(reason) = all_skipped(judge.analysis) {
        judge.enter_skipped(ID, &reason);
        return;
    }
    let limit = judge.limit(ID).value;
    let share = |fault: &FaultFacts<'_>| fault.reestablished as f64 / fault.affected.max(1) as f64;
    let affected = faults.iter().filter(|fault| fault.affected > 0);
    let worst = affected.min_by(|one, other| share(one).total_cmp(&share(other)));
    let source = "the worst of all faults: affected connections with an answer elsewhere or there again";
    let evidence = match worst {
        Some(worst) => {
            requests::share_over(worst.reestablished.min(worst.affected), worst.affected, limit, "connections", source)
        }
        None => Evidence::none("no connection was affected by a fault"),
    };
    let disagreements = faults.iter().filter_map(|fault| disagreement(fault));
    let disagreement = disagreements.reduce(|all, next| format!("{all}; {next}"));
    // Connections may have been on their way back when it was cut.
    let cut = doubt::cut(judge.analysis, phase::FAILURE_RECOVERY);
    judge.enter(ID, evidence.spoiled(disagreement).excused(cut));
}

/// The agents told of clearly fewer connections than the server had there.
fn disagreement(fault: &FaultFacts<'_>) -> Option<String> {
    let on_replica = fault.on_replica?;
    (fault.affected * 100 < on_replica * 99).then(|| {
        format!(
            "counts disagree: {} connections on replica {} by the server's gauge, {} affected by the agents' counts",
            format::count(on_replica),
            fault.fault.replica.unwrap_or_default(),
            format::count(fault.affected)
        )
    })
}

fn all_skipped(analysis: &Analysis) -> Option<String> {
    let (number, _) = analysis.phase_named(phase::FAILURE_RECOVERY)?;
    let skipped = |name: &str| analysis.scenarios.get(&(number, name.to_owned()))?.skipped.clone();
    let (node, partition) = (skipped(scenario::NODE_FAILURE)?, skipped(scenario::NETWORK_PARTITION)?);
    Some(if node == partition { node } else { format!("{node}; {partition}") })
}

/// How long queue depth and P95 took to be as before. What did not come is a FAIL where it was watched for as long as
/// the limit.
pub(super) fn back_again(queue: &QueueFacts<'_>, limit_ms: f64) -> Evidence {
    let source = "from the end of the excess until queue depth and P95 were within twice what they were before";
    let (ms, source) = match &queue.recovered {
        Recovered::Within { ms } => (*ms, source.to_string()),
        Recovered::Not { watched_ms } if *watched_ms as f64 >= limit_ms => {
            (*watched_ms, format!("{source}; they were not as long as they were watched"))
        }
        Recovered::Not { watched_ms } => {
            return Evidence::none(format!("not seen within {}", format::duration_ms(*watched_ms)));
        }
        Recovered::Unknown(why) => return Evidence::none(why.clone()),
    };
    let no_refusal = (!queue.has_refusals()).then_some("no refusal was seen, so the queue was not full");
    Evidence::of(Some(Estimate::count(ms)), 1, "runs", &source).spoiled(doubt::unsent(&queue.load)).spoiled(no_refusal)
}

/// Queued operations that did not end ok, for all their retries.
fn lost(overflow: &QueueFacts<'_>) -> Evidence {
    let part = &overflow.queued;
    let none = (part.planned == 0).then_some("no queued operation was planned");
    let no_refusal = (!overflow.has_refusals()).then_some("no refusal was seen, so the queue was not full");
    let source = "queued operations that did not end ok, refused ones retried after Retry-After";
    Evidence::of(Some(Estimate::count(part.countable().saturating_sub(part.ok()))), part.planned, "operations", source)
        .spoiled(none)
        .spoiled(doubt::unsent(part))
        .spoiled(no_refusal)
}
