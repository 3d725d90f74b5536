use std::collections::BTreeSet;

use erlmcp_record::names::detail;
use erlmcp_record::{BlockRow, Fate, Kind, ScenarioRow};

use super::part_of;
use super::recovery::{Parts, parts};
use crate::analysis::{Analysis, Part, Second, Window, sum_of};
use crate::stats::Sparse;

/// A scenario that offers more than the queue takes: the overflow, and the burst.
pub(crate) struct QueueFacts<'a> {
    pub(crate) row: &'a ScenarioRow,
    pub(crate) queued: Part,
    pub(crate) load: Part,
    /// Refusals that the agents saw, retried or not.
    pub(crate) refusals: u64,
    /// Refusals that the server counted between the samples around the scenario.
    pub(crate) refused_by_server: Option<u64>,
    /// Replicas restarted in the time of the scenario; None where there are no samples.
    pub(crate) crashes: Option<u64>,
    pub(crate) recovered: Recovered,
    pub(crate) fates: Parts,
}

/// Queue depth and P95 back within twice their values before, for a second, after the excess has stopped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Recovered {
    /// To the end of the first second that was so, from the end of the excess.
    Within {
        ms: u64,
    },
    Not {
        watched_ms: u64,
    },
    Unknown(String),
}

impl<'a> QueueFacts<'a> {
    pub(super) fn of(analysis: &'a Analysis, row: &'a ScenarioRow) -> Self {
        let queued = part_of(analysis, row, Kind::Queued);
        let load = part_of(analysis, row, Kind::Load);
        let refusals = [&queued, &load].iter().map(|part| part.refusals + part.fates.get(Fate::Refused)).sum();
        let times = times(analysis, row);
        let until_us = row.ended_us;
        Self {
            row,
            refusals,
            refused_by_server: refused_by_server(analysis, row),
            crashes: analysis.crashes_between(row.started_us, row.ended_us),
            recovered: told(analysis, row).unwrap_or_else(|| {
                times.as_ref().map_or_else(
                    || Recovered::Unknown("no work beyond the steady load was sent".into()),
                    |times| recovered(analysis, times, until_us),
                )
            }),
            fates: times.map_or_else(Parts::default, |times| {
                parts(analysis, times.excess_us, times.end_us, until_us, &[Kind::Load, Kind::Queued])
            }),
            queued,
            load,
        }
    }

    /// True where refusals were seen by the agents or counted by the server.
    pub(crate) fn has_refusals(&self) -> bool {
        self.refusals > 0 || self.refused_by_server.is_some_and(|count| count > 0)
    }
}

/// The load before the excess, and the excess itself: from, from, to.
struct Times {
    steady_us: u64,
    excess_us: u64,
    end_us: u64,
}

/// The first block of the scenario is its steady load, what begins later is the excess. A block's row does not say
/// when it was cut short, so the excess ends with its last arrival.
fn times(analysis: &Analysis, row: &ScenarioRow) -> Option<Times> {
    let blocks = analysis.blocks.values();
    let mine = |block: &&BlockRow| block.phase == row.phase && row.blocks.contains(&block.block);
    let starts: BTreeSet<u64> = blocks.filter(mine).map(|block| block.start_us).collect();
    let mut starts = starts.into_iter();
    let (steady_us, excess_us) = (starts.next()?, starts.next()?);
    let end_us = last_slot_end(analysis, row, excess_us, Kind::Queued, 0).or_else(|| {
        last_slot_end(analysis, row, excess_us, Kind::Load, steady_slot(analysis, steady_us, excess_us) * 3 / 2)
    })?;
    Some(Times { steady_us, excess_us, end_us })
}

/// The end of the last slot of the scenario, after `from_us`, in which more than `usual` requests were planned.
fn last_slot_end(analysis: &Analysis, row: &ScenarioRow, from_us: u64, kind: Kind, usual: u64) -> Option<u64> {
    slots(analysis, from_us, row.ended_us, kind).filter(|slot| slot.1 > usual).map(|slot| slot.0 + 100_000).last()
}

/// Requests planned in a slot of the steady load, the mean.
fn steady_slot(analysis: &Analysis, from_us: u64, to_us: u64) -> u64 {
    let planned: Vec<u64> = slots(analysis, from_us, to_us, Kind::Load).map(|slot| slot.1).collect();
    planned.iter().sum::<u64>() / planned.len().max(1) as u64
}

/// Start and planned requests of each slot in a time.
fn slots(analysis: &Analysis, from_us: u64, to_us: u64, kind: Kind) -> impl Iterator<Item = (u64, u64)> {
    let second = |us: u64| u32::try_from(us / 1_000_000).unwrap_or(u32::MAX);
    let seconds = analysis.seconds.range(second(from_us)..=second(to_us.max(from_us)));
    let slots = seconds.filter_map(move |(number, second)| Some((*number, second.kind(kind)?.slots.as_ref()?)));
    let all = slots.flat_map(|(number, slots)| {
        let start_us = u64::from(number) * 1_000_000;
        slots.iter().enumerate().map(move |(slot, counts)| (start_us + slot as u64 * 100_000, counts.planned))
    });
    all.filter(move |slot| (from_us..to_us).contains(&slot.0))
}

fn refused_by_server(analysis: &Analysis, row: &ScenarioRow) -> Option<u64> {
    let total = |second: &Second| {
        let sample = second.cluster.as_ref()?;
        let sum: Option<u64> = sample.replicas.iter().map(|replica| replica.refused_total).sum();
        sum.map(|sum| (sample.at_us, sum))
    };
    let samples: Vec<(u64, u64)> = analysis.seconds.values().filter_map(total).collect();
    let before = samples.iter().rev().find(|sample| sample.0 <= row.started_us)?;
    let after = samples.iter().rev().find(|sample| sample.0 <= row.ended_us + 1_000_000)?;
    after.1.checked_sub(before.1)
}

/// What the run itself saw and told while it went on, so that there is one figure for it.
fn told(analysis: &Analysis, row: &ScenarioRow) -> Option<Recovered> {
    if let Some(ms) = row.detail.get(detail::STEADY_AGAIN_MS) {
        return Some(Recovered::Within { ms: ms.max(0.0).round() as u64 });
    }
    let fault = analysis.faults.values().find(|fault| row.faults.contains(&fault.id))?;
    let (ended_us, back_us) = (fault.healed_us?, fault.heal_verified_us?);
    Some(Recovered::Within { ms: back_us.saturating_sub(ended_us) / 1_000 })
}

fn recovered(analysis: &Analysis, times: &Times, until_us: u64) -> Recovered {
    let end_us = times.end_us;
    let Some(before) = Window::between(times.steady_us, times.excess_us) else {
        return Recovered::Unknown("there is no second before the excess".into());
    };
    let depth_before = analysis.seconds_in(before).filter_map(|(_, second)| depth(second)).max();
    let mut latency = Sparse::default();
    analysis.load_seconds(before).into_iter().flatten().for_each(|load| latency.merge(&load.latency));
    let Some((depth_before, p95_before)) = depth_before.zip(latency.quantile_us(0.95)) else {
        return Recovered::Unknown("no queue depth or no load was seen before the excess".into());
    };
    let from = u32::try_from(end_us.div_ceil(1_000_000)).unwrap_or(u32::MAX);
    let to = u32::try_from(until_us / 1_000_000).unwrap_or(u32::MAX);
    let mut is_told = false;
    for (number, second) in analysis.seconds.range(from..to.max(from)) {
        is_told |= depth(second).is_some();
        let p95 = second.kind(Kind::Load).and_then(|load| load.latency.quantile_us(0.95));
        let is_back = depth(second).is_some_and(|depth| depth <= 2 * depth_before)
            && p95.is_some_and(|p95| p95 <= 2 * p95_before);
        if is_back {
            return Recovered::Within { ms: ((u64::from(*number) + 1) * 1_000_000 - end_us) / 1_000 };
        }
    }
    match is_told {
        true => Recovered::Not { watched_ms: until_us.saturating_sub(end_us) / 1_000 },
        false => Recovered::Unknown("the queue's depth was not seen after the excess".into()),
    }
}

fn depth(second: &Second) -> Option<u64> {
    sum_of(&second.cluster.as_ref()?.replicas, |replica| replica.queue_depth)
}
