//! Rows with everything that a test does not care about filled in.

use std::collections::BTreeMap;

use erlmcp_record::{
    BlockRow, ClusterSample, ConnectionRow, Entry, Fate, FateCounts, FindingRow, Hist, IntervalRow, KernelSample, Kind,
    MemorySource, PhaseEvent, PhaseRow, ReplicaCounts, ReplicaSample, ScenarioRow, Slot,
};

pub(crate) const SECOND_US: u64 = 1_000_000;

pub(crate) fn fates(counts: &[(Fate, u64)]) -> FateCounts {
    let mut fates = FateCounts::default();
    counts.iter().for_each(|(fate, count)| fates.add(*fate, *count));
    fates
}

/// A histogram of (microseconds, how often).
pub(crate) fn hist(values: &[(u64, u64)]) -> Hist {
    let mut hist = Hist::new();
    for (us, count) in values {
        (0..*count).for_each(|_| hist.record_us(*us));
    }
    hist
}

pub(crate) fn phase(phase: u8, name: &str, event: PhaseEvent, at_us: u64, estimated_ms: u64) -> Entry {
    Entry::Phase(PhaseRow { phase, name: name.into(), event, at_us, estimated_ms })
}

pub(crate) fn finding(phase: u8, name: &str, value: Option<f64>, note: Option<&str>) -> Entry {
    Entry::Finding(FindingRow { phase, at_us: 0, name: name.into(), value, note: note.map(Into::into), agent: None })
}

/// What a block's row and its requests' rows have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block {
    pub(crate) agent: u32,
    pub(crate) phase: u8,
    pub(crate) block: u32,
    pub(crate) kind: Kind,
}

impl Block {
    pub(crate) fn row(self, planned: u64, from_s: u32, seconds: u32) -> Entry {
        Entry::Block(BlockRow {
            agent: self.agent,
            phase: self.phase,
            block: self.block,
            kind: self.kind,
            name: "of a story".into(),
            planned,
            start_us: u64::from(from_s) * SECOND_US,
            duration_us: u64::from(seconds) * SECOND_US,
            rate: 0.0,
            lost: false,
        })
    }

    /// Requests of one second, evenly over its slots; all that is not ok in the first one, but for what is more
    /// than a slot has.
    pub(crate) fn interval(self, second: u32, fates: FateCounts) -> IntervalRow {
        let planned = fates.total();
        let mut rest = fates;
        let slots = (0..10).map(|slot| {
            let planned = planned / 10 + u64::from(u64::from(slot) < planned % 10);
            let fates = take(&mut rest, planned);
            Slot { slot, planned, fates }
        });
        IntervalRow {
            planned,
            fates,
            slots: slots.filter(|slot| slot.planned > 0).collect(),
            by_replica: vec![ReplicaCounts { replica: self.agent as u16, planned, fates }],
            ..IntervalRow::empty(self.agent, self.phase, self.block, self.kind, second)
        }
    }
}

/// Takes `count` of these, those that are not ok first.
fn take(rest: &mut FateCounts, count: u64) -> FateCounts {
    let (mut taken, mut left, mut kept) = (FateCounts::default(), count, FateCounts::default());
    let not_ok = Fate::ALL.into_iter().filter(|fate| *fate != Fate::Ok);
    for fate in not_ok.chain([Fate::Ok]) {
        let now = rest.get(fate).min(left);
        left -= now;
        taken.add(fate, now);
        kept.add(fate, rest.get(fate) - now);
    }
    *rest = kept;
    taken
}

/// One agent's connections, evenly over replicas 1 to `replicas`.
pub(crate) fn connections(agent: u32, phase: u8, second: u32, open: u64, replicas: u16) -> ConnectionRow {
    let of = |replica: u16| open / u64::from(replicas) + u64::from(u64::from(replica) <= open % u64::from(replicas));
    ConnectionRow {
        agent,
        phase,
        second,
        open,
        renewing: 0,
        by_replica: (1..=replicas).map(|replica| (replica, of(replica))).collect(),
        planned: 0,
        started: 0,
        opened: 0,
        reopened: 0,
        closed: 0,
        failed: BTreeMap::new(),
        lost: BTreeMap::new(),
        late: None,
        established: None,
        first_answer: None,
    }
}

/// All replicas at the middle of a second, `open` connections spread evenly, 1,500 bytes of memory each.
pub(crate) fn sample(second: u32, open: u64, replicas: u16) -> ClusterSample {
    let replica = |replica: u16| {
        let open = open / u64::from(replicas) + u64::from(u64::from(replica) <= open % u64::from(replicas));
        let memory = 4_000_000 + open * 1_500;
        ReplicaSample {
            replica,
            pid: Some(4_000 + u32::from(replica)),
            ready: true,
            connections: Some(open),
            requests_total: Some(u64::from(second) * 4_000),
            queue_depth: Some(0),
            queue_limit: Some(1_024),
            refused_total: Some(0),
            streams: Some(0),
            tools: None,
            sessions: None,
            sessions_held: None,
            longest_stall_us: Some(2_500),
            longest_turn_cpu_us: None,
            memory_bytes: Some(memory),
            memory_source: MemorySource::Anonymous,
            rss_bytes: Some(memory + 3_000_000),
            cpu_us: Some(u64::from(second) * 150_000),
            cpu_read_us: None,
            run_delay_us: Some(0),
            descriptors: Some(open + 20),
            threads: Some(6),
            restarts: Some(0),
        }
    };
    ClusterSample {
        at_us: u64::from(second) * SECOND_US + 500_000,
        second,
        replicas: (1..=replicas).map(replica).collect(),
        kernel: KernelSample {
            tcp_memory_bytes: Some(65_536),
            sockets_in_use: Some(2 * open),
            time_waits: Some(0),
            listen_overflows: Some(0),
            listen_drops: Some(0),
            socket_slab_bytes: Some(1_000_000 + open * 5_000),
            steal_us: Some(0),
            busy_us: Some(u64::from(second) * 900_000),
            memory_available_bytes: Some(8 << 30),
        },
        missing: None,
        proxy_cpu_us: None,
        proxy_cpu_read_us: None,
        orchestrator_rss_bytes: Some(50 << 20),
    }
}

/// A scenario that was run over these seconds.
pub(crate) fn scenario(phase: u8, name: &str, (from_s, to_s): (u32, u32), blocks: &[u32]) -> ScenarioRow {
    ScenarioRow {
        phase,
        name: name.into(),
        started_us: u64::from(from_s) * SECOND_US,
        ended_us: u64::from(to_s) * SECOND_US,
        skipped: None,
        inconclusive: None,
        faults: Vec::new(),
        blocks: blocks.to_vec(),
        detail: BTreeMap::new(),
    }
}
