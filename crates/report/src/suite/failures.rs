use std::collections::BTreeSet;

use erlmcp_record::Kind;
use erlmcp_record::names::{detail, phase, scenario};

use super::{SuitePhase, said};
use crate::analysis::Analysis;
use crate::facts::{Facts, FaultFacts, Observed};
use crate::summary::{Figure, Value, moment};
use crate::verdict::Comparison::{AtLeast, AtMost, Below};
use crate::verdict::{Estimate, Evidence, Judge, Threshold, audited, doubt, of_faults, row, unwanted};

pub(super) const PHASE: SuitePhase =
    SuitePhase { name: phase::FAILURE_SCENARIOS, thresholds: THRESHOLDS, enter, figures, line };

const EFFECT: &str = "failures.effect_count";
const UNHEALED: &str = "failures.unhealed_count";
const UNDETECTED: &str = "failures.undetected_count";
const UNRECOVERED: &str = "failures.unrecovered_count";
const STALLED: &str = "failures.stalled_seconds_count";
const DIP: &str = "failures.longest_dip_ms";
const LOST: &str = "failures.operations_lost_count";

const THRESHOLDS: &[Threshold] = &[
    row(EFFECT, "Faults with an effect that was seen", phase::FAILURE_SCENARIOS, AtLeast, 1.0, "faults"),
    row(UNHEALED, "Faults not seen to be undone", phase::FAILURE_SCENARIOS, AtMost, 0.0, "faults"),
    row(UNDETECTED, "Lost replicas that the cluster did not notice", phase::FAILURE_SCENARIOS, AtMost, 0.0, "faults"),
    row(UNRECOVERED, "Faults that were not recovered from", phase::FAILURE_SCENARIOS, AtMost, 0.0, "faults"),
    row(STALLED, "Seconds without progress", phase::FAILURE_SCENARIOS, AtMost, 0.0, "seconds"),
    row(DIP, "Longest dip of one fault that leaves most replicas", phase::FAILURE_SCENARIOS, Below, 10_000.0, "ms"),
    row(LOST, "Operations lost", phase::FAILURE_SCENARIOS, AtMost, 0.0, "operations"),
];

fn enter(judge: &mut Judge<'_>) {
    let (analysis, faults) = (judge.analysis, &judge.facts.listed);
    let number = analysis.phase_named(phase::FAILURE_SCENARIOS).map_or(0, |(number, _)| number);
    let of = |name: &str| analysis.scenarios.get(&(number, name.to_owned()));
    let rows: Vec<_> = [scenario::FAULTS, scenario::FAULTS_THROUGH_PROXY].into_iter().filter_map(of).collect();
    // Where one of the two was run there is something to judge.
    let skipped = rows.first().filter(|_| rows.iter().all(|row| row.skipped.is_some()));
    let skipped = skipped.and_then(|row| row.skipped.clone());
    let cut = doubt::cut(analysis, phase::FAILURE_SCENARIOS).or_else(|| doubt::proxy(analysis));
    let of_all = of_faults(analysis, faults, &cut);
    let unknown = rows.iter().filter_map(|row| row.inconclusive.clone()).reduce(|all, next| format!("{all}; {next}"));
    let ids = [EFFECT, UNHEALED, UNDETECTED, UNRECOVERED, STALLED];
    for (id, evidence) in ids.into_iter().zip(of_all).chain([(DIP, longest_dip(analysis, faults).excused(cut))]) {
        match &skipped {
            Some(reason) => judge.enter_skipped(id, reason),
            None => judge.enter(id, evidence.doubted(unknown.clone())),
        }
    }
    match skipped.or_else(|| unwanted(analysis)) {
        Some(reason) => judge.enter_skipped(LOST, &reason),
        None => judge.enter(LOST, audited(analysis)),
    }
}

/// What the load felt of a fault, by slots of 100 ms of the intended times.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Dip {
    /// Slots in which less than 99 % of the requests ended ok.
    pub(super) slots: u64,
    /// The largest share of a slot's requests that did not end ok, in percent.
    pub(super) depth_percent: f64,
}

const SLOT_US: u64 = 100_000;
/// From a fault's end on its dip is watched for so long.
const AFTER_US: u64 = 5_000_000;

impl Dip {
    pub(super) fn ms(self) -> u64 {
        self.slots * SLOT_US / 1_000
    }

    /// Of the load between two times.
    pub(super) fn between(analysis: &Analysis, from_us: u64, to_us: u64) -> Self {
        let mut dip = Self::default();
        let second = |us: u64| u32::try_from(us / 1_000_000).unwrap_or(u32::MAX);
        for (number, found) in analysis.seconds.range(second(from_us)..=second(to_us.max(from_us))) {
            let Some(slots) = found.kind(Kind::Load).and_then(|load| load.slots.as_ref()) else { continue };
            for (slot, counts) in slots.iter().enumerate() {
                let start_us = u64::from(*number) * 1_000_000 + slot as u64 * SLOT_US;
                if !(from_us..to_us).contains(&start_us) || counts.is_available() != Some(false) {
                    continue;
                }
                dip.slots += 1;
                let (ok, of) = (counts.fates.get(erlmcp_record::Fate::Ok), counts.countable());
                let depth = of.saturating_sub(ok) as f64 * 100.0 / of as f64;
                dip.depth_percent = dip.depth_percent.max(depth);
            }
        }
        dip
    }

    /// Of one fault, up to the next one.
    pub(super) fn of(analysis: &Analysis, fault: &FaultFacts<'_>) -> Self {
        let from_us = fault.fault.injected_us;
        let made = analysis.faults.values().filter(|other| other.skipped.is_none());
        let others = made.map(|other| other.injected_us).filter(|us| *us > from_us);
        Self::between(analysis, from_us, others.min().unwrap_or(u64::MAX).min(fault.over_us.saturating_add(AFTER_US)))
    }
}

fn longest_dip(analysis: &Analysis, faults: &[FaultFacts<'_>]) -> Evidence {
    let few = faults.iter().filter(|fault| fault.fault.effect_us.is_some() && fault.fault.expected.progress);
    let dips: Vec<u64> = few.map(|fault| Dip::of(analysis, fault).ms()).collect();
    let longest = dips.iter().max().map(|ms| Estimate::count(*ms));
    let none = dips.is_empty().then_some("no fault that leaves most replicas had an effect");
    let source = "slots of 100 ms with less than 99 % ok, from the fault to its end";
    Evidence::of(longest, dips.len() as u64, "faults", source).spoiled(none)
}

/// The figures of some faults, each name begun with the fault's kind; of kinds that come again, with a number.
pub(super) fn of_each(analysis: &Analysis, faults: &[FaultFacts<'_>]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let mut names = BTreeSet::new();
    for fault in faults.iter().filter(|fault| fault.fault.skipped.is_none()) {
        let mut name = fault.fault.kind.clone();
        let mut again = 2;
        while !names.insert(name.clone()) {
            name = format!("{}_{again}", fault.fault.kind);
            again += 1;
        }
        let dip = Dip::of(analysis, fault);
        let named = |what: &str, value: Value| Figure::new(format!("{name}_{what}"), value);
        let awaited = |is_awaited: bool, found: &Observed| match found {
            Observed::NotWithin { .. } if !is_awaited => Value::NotMeasured("not looked for".into()),
            found => moment(found),
        };
        let by_cluster = awaited(fault.fault.expected.detected, &fault.detected_by_cluster);
        figures.push(named("detected_ms", by_cluster));
        figures.push(named(detail::SERVED_AGAIN_MS, moment(&fault.served_again)));
        figures.push(named("ready_again_ms", awaited(fault.fault.replica.is_some(), &fault.ready_again)));
        figures.push(named("dip_depth_percent", Value::Percent(dip.depth_percent)));
        figures.push(named("dip_length_ms", Value::Ms(dip.ms() as f64)));
    }
    figures
}

fn figures(analysis: &Analysis, facts: &Facts<'_>, _number: u8) -> Vec<Figure> {
    let listed = &facts.listed;
    let count = |of: fn(&FaultFacts<'_>) -> bool| listed.iter().filter(|fault| of(fault)).count() as u64;
    let made = count(|fault| fault.fault.effect_us.is_some());
    let dips = || listed.iter().filter(|fault| fault.fault.effect_us.is_some()).map(|fault| Dip::of(analysis, fault));
    let deepest = dips().map(|dip| dip.depth_percent).max_by(f64::total_cmp);
    let none = "no fault had an effect that was seen";
    let mut figures = vec![
        Figure::new("faults_with_effect", Value::Count(made)),
        Figure::new("faults_skipped", Value::Count(count(|fault| fault.fault.skipped.is_some()))),
        Figure::new("connections_affected", Value::Count(listed.iter().map(|fault| fault.affected).sum())),
        Figure::new("connections_served_again", Value::Count(listed.iter().map(|fault| fault.reestablished).sum())),
        Figure::new("deepest_dip_percent", Value::or(deepest, Value::Percent, none)),
        Figure::new("longest_dip_ms", Value::or(dips().map(Dip::ms).max(), |ms| Value::Ms(ms as f64), none)),
    ];
    figures.extend(of_each(analysis, listed));
    figures
}

fn line(figures: &[Figure]) -> String {
    format!(
        "{} faults with an effect, {} skipped; the deepest dip {}, the longest {}",
        said(figures, "faults_with_effect"),
        said(figures, "faults_skipped"),
        said(figures, "deepest_dip_percent"),
        said(figures, "longest_dip_ms")
    )
}
