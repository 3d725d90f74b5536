//! Seconds of a long load that lie far back: what is judged second by second stays; the rest is kept once a minute,
//! so that a week of seconds fits into some hundred megabytes.

use erlmcp_record::names::phase;
use erlmcp_record::{AgentSample, BlockRow, ClusterSample, Kind};

use super::second::Second;
use super::server::Told;
use super::{Analysis, KindSecond, US_A_SECOND};
use crate::stats::Sparse;

/// Seconds younger than this are kept whole.
pub(crate) const WHOLE_S: u32 = 7_200;
const MINUTE_S: u32 = 60;

impl Analysis {
    /// Folds the seconds of the sustained load before this one, each once.
    pub(super) fn fold_before(&mut self, before: u32) {
        while self.folded_before < before {
            let number = self.folded_before;
            self.folded_before += 1;
            if let Some(from) = self.load_from(number) {
                self.fold(number, from.max(number - number % MINUTE_S));
            }
        }
    }

    /// The first second of the sustained load's window, where this one belongs to it.
    fn load_from(&self, number: u32) -> Option<u32> {
        let (load, times) = self.phase_named(phase::SUSTAINED_LOAD)?;
        let is_load = |row: &&BlockRow| row.phase == load && row.kind == Kind::Load;
        let start_us = self.blocks.values().filter(is_load).map(|row| row.start_us).min()?;
        let from = u32::try_from(start_us.saturating_add(self.warmup_us()).div_ceil(US_A_SECOND)).ok()?;
        let end_us = (u64::from(number) + 1) * US_A_SECOND;
        (from <= number && times.ended_us.is_none_or(|ended_us| end_us <= ended_us)).then_some(from)
    }

    /// Moves what is kept once a minute to the second `holder`.
    fn fold(&mut self, number: u32, holder: u32) {
        let Some(second) = self.seconds.get_mut(&number) else { return };
        second.close();
        second.told = second.cluster.as_deref().and_then(Told::of);
        second.folded_memory = Some(second.tester_memory());
        second.kinds.iter_mut().for_each(|(_, kind)| kind.count_slots());
        if number == holder {
            return;
        }
        let latency = second.kind_mut(Kind::Load).map(|load| std::mem::take(&mut load.latency));
        let agents = std::mem::take(&mut second.agents);
        let cluster = second.cluster.take();
        let Some(kept) = self.seconds.or_default(holder) else { return };
        if let Some(latency) = latency {
            kept.kind_or_default(Kind::Load).latency.merge(&latency);
        }
        keep_agents(kept, agents);
        keep_cluster(kept, cluster);
    }

    /// Every second with load, with its point of `step_s` seconds, and the histogram that it adds there: its own, or
    /// where it was folded that of its minute, once a point.
    pub(crate) fn load_by_point(&self, step_s: u32) -> impl Iterator<Item = (usize, &KindSecond, Option<&Sparse>)> {
        let (mut kept, mut added) = (None, None);
        self.seconds.iter().filter_map(move |(&number, second)| {
            let load = second.kind(Kind::Load)?;
            if !load.latency.is_empty() {
                kept = Some((number, &load.latency));
            }
            let point = number / step_s;
            // A second that was folded has counted durations and none left: they went to one before it.
            let (holder, latency) = kept.filter(|_| load.latency_count > 0).unzip();
            let is_new = holder.is_some() && added.replace((point, holder)) != Some((point, holder));
            Some((point as usize, load, latency.filter(|_| is_new)))
        })
    }
}

/// One sample a minute is kept, with the extremes of the whole minute; the CPU time of the others is added up.
fn keep_agents(kept: &mut Second, agents: Vec<AgentSample>) {
    for sample in agents {
        match kept.agents.iter_mut().find(|known| known.agent == sample.agent) {
            Some(known) => {
                kept.folded_cpu_us += sample.cpu_us;
                known.longest_stall_us = known.longest_stall_us.max(sample.longest_stall_us);
                known.descriptors = known.descriptors.max(sample.descriptors);
                known.answering_connections = known.answering_connections.max(sample.answering_connections);
            }
            None => kept.agents.push(sample),
        }
    }
}

/// Its counters only grow, so one sample a minute tells as much as sixty.
fn keep_cluster(kept: &mut Second, cluster: Option<Box<ClusterSample>>) {
    let Some(cluster) = cluster else { return };
    match &mut kept.cluster {
        Some(known) => known.kernel.time_waits = known.kernel.time_waits.max(cluster.kernel.time_waits),
        None => kept.cluster = Some(cluster),
    }
}

#[cfg(test)]
impl Analysis {
    /// Sustained load from second 10 on that lasts for days, begun.
    pub(crate) fn of_long_load() -> Self {
        use erlmcp_record::{Entry, PhaseEvent, PhaseRow};
        let mut analysis = Analysis::new();
        let event = PhaseEvent::Started;
        let name = phase::SUSTAINED_LOAD.into();
        analysis.push(&Entry::Phase(PhaseRow { phase: 3, name, event, at_us: 0, estimated_ms: 0 }));
        analysis.push(&Entry::Block(BlockRow {
            agent: 1,
            phase: 3,
            block: 1,
            kind: Kind::Load,
            name: "load".into(),
            planned: 1_000_000,
            start_us: 10_000_000,
            duration_us: 1_000_000_000_000,
            rate: 1.0,
            lost: false,
        }));
        analysis
    }
}

#[cfg(test)]
mod tests {
    use erlmcp_record::{Entry, Fate, FateCounts, Hist, IntervalRow, Slot};

    use super::*;

    fn fates(ok: u64) -> FateCounts {
        let mut fates = FateCounts::default();
        fates.add(Fate::Ok, ok);
        fates
    }

    fn load(second: u32) -> Entry {
        let mut latency = Hist::new();
        latency.record_us(1_000 + u64::from(second));
        Entry::Interval(IntervalRow {
            planned: 1,
            fates: fates(1),
            slots: vec![Slot { slot: 4, planned: 1, fates: fates(1) }],
            latency: Some(latency),
            ..IntervalRow::empty(1, 3, 1, Kind::Load, second)
        })
    }

    #[test]
    fn a_minute_far_back_keeps_its_durations_in_one_second() {
        let mut analysis = Analysis::of_long_load();
        let mut seconds: Vec<u32> = (5..200).collect();
        // Seconds up to 150 are far back from then on.
        seconds.push(WHOLE_S + 150);
        seconds.iter().for_each(|second| analysis.push(&load(*second)));
        let of = |second: u32| analysis.seconds[&second].kind(Kind::Load).expect("it has load");
        let kept: Vec<(u32, u64)> =
            (5..200).map(|second| (second, of(second).latency.count())).filter(|kept| kept.1 != 1).collect();
        // From the load's first second to the end of its minute, the next minute, and half of the one after.
        let emptied = kept.iter().filter(|kept| kept.1 == 0).count();
        assert_eq!(kept.iter().filter(|kept| kept.1 > 0).collect::<Vec<_>>(), [&(10, 50), &(60, 60), &(120, 30)]);
        assert_eq!(emptied, 140 - 3);
        for second in 5..200 {
            assert_eq!(of(second).available_slots(), (1, 1), "{second}");
            assert_eq!(of(second).slots.is_none(), (10..150).contains(&second), "{second}");
            assert_eq!((of(second).planned, of(second).latency_count), (1, 1));
        }
    }
}
