//! Faults from a list: what each of them showed, and all together.

use std::collections::BTreeSet;

use erlmcp_record::names::{phase, scenario};
use erlmcp_record::{Fate, FaultRow};

use super::estimate::Estimate;
use super::evidence::Evidence;
use super::judge::Judge;
use super::{Verdict, doubt, recovery, storms};
use crate::analysis::Analysis;
use crate::facts::{FaultFacts, Observed};
use crate::format;

/// The verdict of one fault.
pub(crate) fn verdict_of(analysis: &Analysis, fault: &FaultFacts<'_>) -> Verdict {
    let row = fault.fault;
    if let Some(reason) = &row.skipped {
        return Verdict::Skipped { reason: reason.clone() };
    }
    if row.effect_us.is_none() {
        let reason = row.note.clone().unwrap_or_else(|| "its effect was not seen".into());
        return Verdict::Inconclusive { reason };
    }
    if let Some(reason) = &row.inconclusive {
        return Verdict::Inconclusive { reason: reason.clone() };
    }
    let fails = is_unhealed(fault)
        || is_undetected(fault)
        || is_unrecovered(fault)
        || !stalled(analysis, fault).0.is_empty()
        || lost(analysis, fault) > 0;
    match cut(analysis).or_else(|| doubt::proxy(analysis)).filter(|_| fails) {
        Some(reason) => Verdict::Inconclusive { reason },
        None if fails => Verdict::Fail,
        None => Verdict::Pass,
    }
}

/// Why it failed, in words; empty where it did not.
pub(crate) fn failures(analysis: &Analysis, fault: &FaultFacts<'_>) -> String {
    let (stalled, lost) = (stalled(analysis, fault).0.len(), lost(analysis, fault));
    let all = [
        (is_unhealed(fault), "not seen to be healed".to_string()),
        (is_undetected(fault), "not detected by the cluster".into()),
        (is_unrecovered(fault), "not all was well again".into()),
        (stalled > 0, format!("no request succeeded in {stalled} of its seconds")),
        (lost > 0, format!("{lost} requests were lost or refused, and none was to be")),
    ];
    let mut texts: Vec<String> = all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, text)| text).collect();
    texts.extend(fault.fault.note.clone());
    texts.join("; ")
}

fn is_unhealed(fault: &FaultFacts<'_>) -> bool {
    fault.fault.expected.healed && fault.fault.heal_verified_us.is_none()
}

fn is_undetected(fault: &FaultFacts<'_>) -> bool {
    fault.fault.expected.detected && fault.fault.cluster_detected_us.is_none()
}

/// A target that was not ready again, a connection that was not served again, or what the run noted.
fn is_unrecovered(fault: &FaultFacts<'_>) -> bool {
    let is_unready = fault.fault.awaits_ready() && !matches!(fault.ready_again, Observed::After { .. });
    is_unready || fault.reestablished < fault.affected || (fault.fault.note.is_some() && !is_unhealed(fault))
}

/// Requests that were lost or refused meanwhile where none was to be; of several faults at once nobody can say which it was.
fn lost(analysis: &Analysis, fault: &FaultFacts<'_>) -> u64 {
    let (row, from_us) = (fault.fault, fault.fault.injected_us);
    let is_beside = |other: &FaultRow| {
        let ends_us = ends_us(other).max(other.steady_us).unwrap_or(u64::MAX);
        other.id != row.id && other.effect_us.is_some_and(|us| us < fault.over_us) && ends_us > from_us
    };
    if !row.expected.lossless || analysis.faults.values().any(is_beside) {
        return 0;
    }
    let fates = [Fate::Refused, Fate::TimedOut, Fate::Reset, Fate::UnsentConnection];
    fates.into_iter().map(|fate| fault.fates.during.fates.get(fate)).sum()
}

/// When its replicas were back and it was seen to be undone; None: neither was seen.
fn ends_us(row: &FaultRow) -> Option<u64> {
    row.ready_us.max(row.heal_verified_us)
}

fn second_of(us: u64) -> u32 {
    u32::try_from(us / 1_000_000).unwrap_or(u32::MAX)
}

/// Seconds of a fault without a success, and those in which some were demanded: requests were planned, and every fault in
/// force left enough of the target.
fn stalled(analysis: &Analysis, fault: &FaultFacts<'_>) -> (BTreeSet<u32>, BTreeSet<u32>) {
    let mut found = (BTreeSet::new(), BTreeSet::new());
    let Some(effect_us) = fault.fault.effect_us else { return found };
    // Those that it only touches too: a fault may be over in less than one.
    let touched = second_of(effect_us)..=second_of(fault.over_us.saturating_sub(1).max(effect_us));
    for (number, second) in analysis.seconds.range(touched) {
        let load = second.kind(erlmcp_record::Kind::Load);
        let Some(load) = load.filter(|load| load.planned > 0) else { continue };
        if all_leave_enough(analysis, u64::from(*number) * 1_000_000) {
            found.1.insert(*number);
            if load.ok() == 0 {
                found.0.insert(*number);
            }
        }
    }
    found
}

fn all_leave_enough(analysis: &Analysis, from_us: u64) -> bool {
    let end_us = from_us + 1_000_000;
    let mut in_force = analysis.faults.values().filter(|other| {
        let is_begun = other.effect_us.is_some_and(|effect_us| effect_us < end_us);
        is_begun && ends_us(other).is_none_or(|ends_us| ends_us > from_us)
    });
    in_force.all(|other| other.expected.progress)
}

/// Of some faults: how many had an effect, were not undone, not detected and not recovered from, and the seconds without
/// progress. `cut` is what else could be why, where they were cut short. A fault whose effect was not seen has shown
/// nothing: what failed has failed without it, and nothing passes.
pub(crate) fn of_faults(analysis: &Analysis, faults: &[FaultFacts<'_>], cut: &Option<String>) -> [Evidence; 5] {
    let shows = |fault: &&FaultFacts<'_>| fault.fault.effect_us.is_some() && fault.fault.inconclusive.is_none();
    let made: Vec<&FaultFacts<'_>> = faults.iter().filter(shows).collect();
    let count = |of: &dyn Fn(&FaultFacts<'_>) -> bool| made.iter().filter(|fault| of(fault)).count() as u64;
    // A second of several faults at once is one.
    let (mut stalls, mut demanded) = (BTreeSet::new(), BTreeSet::new());
    for (its_stalls, its_demanded) in made.iter().map(|fault| stalled(analysis, fault)) {
        stalls.extend(its_stalls);
        demanded.extend(its_demanded);
    }
    let evidence = |count: u64, samples: u64, of: &'static str, source: &str| {
        let none = (samples == 0).then(|| format!("there were no such {of}"));
        Evidence::of(Some(Estimate::count(count)), samples, of, source).spoiled(none).excused(cut.clone())
    };
    let all = made.len() as u64;
    let planned = faults.iter().filter(|fault| fault.fault.skipped.is_none()).count() as u64;
    let unseen = (all < planned).then(|| {
        let without = format::count(planned - all);
        format!("{without} of {} had no effect that was seen", format::plural(planned, "fault"))
    });
    let unrecovered = "faults after which replicas or clients were not back in 30 s";
    let without_success = "seconds of faults that left most replicas, without a success";
    [
        // An effect that is lacking is the injection's failure, not the target's.
        evidence(all, planned, "faults", "faults whose effect was observed").spoiled(unseen.clone()),
        evidence(count(&is_unhealed), all, "faults", "faults not seen to be undone"),
        evidence(count(&is_undetected), all, "faults", "lost replicas that stayed members"),
        evidence(count(&is_unrecovered), all, "faults", unrecovered),
        evidence(stalls.len() as u64, demanded.len() as u64, "seconds", without_success),
    ]
    .map(|evidence| evidence.doubted(unseen.clone()))
}

/// Streams that were lost from the first fault on and did not come back; None where the run had no streams. No row says to which of
/// several faults a stream was lost, so all are judged together.
fn streams_gone(analysis: &Analysis, faults: &[FaultFacts<'_>]) -> Option<Evidence> {
    analysis.config.as_ref().filter(|config| config.streams > 0)?;
    let made = || faults.iter().filter(|fault| fault.fault.effect_us.is_some());
    let from_us = made().map(|fault| fault.fault.injected_us).min();
    let until_us = made().map(|fault| fault.until_us).max();
    let Some((from_us, until_us)) = from_us.zip(until_us) else {
        return Some(Evidence::none("there were no such faults"));
    };
    let (streams, seconds) = (&analysis.streams, (second_of(from_us), second_of(until_us)));
    let lost = format::plural(streams.broken(seconds).lost, "stream");
    let source =
        format!("of {lost} lost from the first fault on, those not acknowledged again as long as they were watched");
    let none = (streams.acknowledged == 0).then_some("no stream was held");
    let gone = Some(Estimate::count(streams.gone(seconds)));
    Some(Evidence::of(gone, streams.acknowledged, "openings", &source).spoiled(none).excused(cut(analysis)))
}

fn cut(analysis: &Analysis) -> Option<String> {
    doubt::cut(analysis, phase::CHAOS).or_else(|| doubt::cut(analysis, phase::FAILURE_RECOVERY))
}

/// Nothing where the run had no list of faults.
pub(super) fn enter(judge: &mut Judge<'_>) {
    let (analysis, faults) = (judge.analysis, &judge.facts.listed);
    let row = analysis.scenarios.values().find(|row| row.name == scenario::FAULTS);
    let is_planned =
        analysis.config.as_ref().is_some_and(|config| config.phases.iter().any(|name| name == phase::CHAOS));
    if row.is_none() && faults.is_empty() && !is_planned {
        return;
    }
    let ids = [
        "faults.effect_count",
        "faults.unhealed_count",
        "faults.undetected_count",
        "faults.unrecovered_count",
        "faults.stalled_seconds_count",
    ];
    let of_all = of_faults(analysis, faults, &cut(analysis).or_else(|| doubt::proxy(analysis)));
    let streams = streams_gone(analysis, faults).map(|evidence| ("faults.streams_gone_count", evidence));
    for (id, evidence) in ids.into_iter().zip(of_all).chain(streams) {
        match row.and_then(|row| row.skipped.clone()) {
            Some(reason) => judge.enter_skipped(id, &reason),
            None => judge.enter(id, evidence.doubted(row.and_then(|row| row.inconclusive.clone()))),
        }
    }
    storms::enter(judge, faults, cut(analysis));
    // Elsewhere the failure phase has a check of its own for them.
    if is_planned {
        match recovery::unwanted(analysis) {
            Some(reason) => judge.enter_skipped(OPERATIONS_LOST, &reason),
            None => judge.enter(OPERATIONS_LOST, recovery::audited(analysis)),
        }
    }
}

const OPERATIONS_LOST: &str = "faults.operations_lost_count";
