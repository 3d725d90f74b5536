use std::collections::{BTreeMap, BTreeSet};

use erlmcp_record::{ClusterSample, MemorySource, ReplicaSample};

use super::{Analysis, Second, Window};

/// The server's own figures over some seconds.
#[derive(Debug, Default)]
pub(crate) struct ServerWindow {
    /// Seconds with a sample that has replicas in it.
    pub(crate) samples: u64,
    /// The server's own gauge of connections by second; None where a replica did not say.
    pub(crate) gauge: Vec<(u32, Option<u64>)>,
    /// Time in seconds and memory of all replicas in bytes, where all of them said.
    pub(crate) memory: Vec<(f64, f64)>,
    /// What the memory is, the weakest of all.
    pub(crate) memory_source: MemorySource,
    /// The same of the descriptors and of the threads of all replicas.
    pub(crate) descriptors: Vec<(f64, f64)>,
    pub(crate) threads: Vec<(f64, f64)>,
    /// The longest stall of any replica, microseconds.
    pub(crate) longest_stall_us: Option<u64>,
    /// The most CPU time that one turn of a loop took, microseconds; None where a replica that told of stalls did not say.
    pub(crate) longest_turn_cpu_us: Option<u64>,
    /// Samples in which every replica told its longest stall.
    pub(crate) stall_samples: u64,
    /// Mean CPU by replica over the window, in percent of one core.
    pub(crate) cpu_percent: BTreeMap<u16, f64>,
    /// CPU of all replicas from one sample to the next, likewise, where all of them are the same processes.
    pub(crate) cpu_by_second: Vec<f64>,
    /// The gauge by replica in the last sample; both gauges without what the run has beside the N.
    pub(crate) by_replica: BTreeMap<u16, u64>,
    /// The replicas of a sample: more than one set where some came or went.
    pub(crate) replica_sets: BTreeSet<BTreeSet<u16>>,
    /// The most streams that the server's own gauge had; None where it has none, or no streams were asked for.
    pub(crate) streams_max: Option<u64>,
    /// Why figures were missing, where the collector said.
    pub(crate) missing: Option<String>,
}

impl ServerWindow {
    pub(crate) fn cpu_percent_total(&self) -> Option<f64> {
        (!self.cpu_percent.is_empty()).then(|| self.cpu_percent.values().sum())
    }

    pub(crate) fn memory_mean(&self) -> Option<f64> {
        let sum: f64 = self.memory.iter().map(|point| point.1).sum();
        (!self.memory.is_empty()).then(|| sum / self.memory.len() as f64)
    }

    fn push(&mut self, second: u32, told: &Told) {
        self.samples += 1;
        self.gauge.push((second, told.connections));
        if let Some(memory) = told.memory {
            if self.memory.is_empty() || rank(told.memory_source) < rank(self.memory_source) {
                self.memory_source = told.memory_source;
            }
            self.memory.push((told.at_us as f64 / 1e6, memory as f64));
        }
        let at_s = told.at_us as f64 / 1e6;
        self.descriptors.extend(told.descriptors.map(|count| (at_s, count as f64)));
        self.threads.extend(told.threads.map(|count| (at_s, count as f64)));
        self.longest_stall_us = self.longest_stall_us.max(told.longest_stall_us);
        self.longest_turn_cpu_us = match self.samples {
            1 => told.longest_turn_cpu_us,
            _ => self.longest_turn_cpu_us.zip(told.longest_turn_cpu_us).map(|(one, other)| one.max(other)),
        };
        self.stall_samples += u64::from(told.all_told_stalls);
    }

    fn push_sample(&mut self, sample: &ClusterSample) {
        const SETS_MAX: usize = 8;
        if !sample.replicas.is_empty() && self.replica_sets.len() < SETS_MAX {
            self.replica_sets.insert(sample.replicas.iter().map(|one| one.replica).collect());
        }
        if let Some(missing) = &sample.missing {
            self.missing = Some(missing.clone());
        }
    }
}

/// What is judged of one sample, all replicas together.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    at_us: u64,
    /// None where a replica did not say; so for the memory.
    connections: Option<u64>,
    streams: Option<u64>,
    memory: Option<u64>,
    /// The weakest of all.
    memory_source: MemorySource,
    descriptors: Option<u64>,
    threads: Option<u64>,
    /// Of the replicas that said.
    longest_stall_us: Option<u64>,
    /// None where one of these did not say.
    longest_turn_cpu_us: Option<u64>,
    all_told_stalls: bool,
}

impl Told {
    /// None where the sample has no replica in it.
    pub(crate) fn of(sample: &ClusterSample) -> Option<Self> {
        let replicas = &sample.replicas;
        (!replicas.is_empty()).then(|| Self {
            at_us: sample.at_us,
            connections: sum_of(replicas, |replica| replica.connections),
            streams: sum_of(replicas, |replica| replica.streams),
            memory: sum_of(replicas, |replica| replica.memory_bytes),
            memory_source: weakest_source(replicas),
            descriptors: sum_of(replicas, |replica| replica.descriptors),
            threads: sum_of(replicas, |replica| replica.threads),
            longest_stall_us: replicas.iter().filter_map(|replica| replica.longest_stall_us).max(),
            longest_turn_cpu_us: longest_turn_cpu_us(replicas),
            all_told_stalls: replicas.iter().all(|replica| replica.longest_stall_us.is_some()),
        })
    }
}

/// Over the replicas that tell of stalls; None where one of them does not say.
fn longest_turn_cpu_us(replicas: &[ReplicaSample]) -> Option<u64> {
    let telling = replicas.iter().filter(|replica| replica.longest_stall_us.is_some());
    telling.map(|replica| replica.longest_turn_cpu_us).try_fold(0, |most, us| us.map(|us| most.max(us)))
}

/// The sum over all replicas; None where one of them did not say.
pub(crate) fn sum_of(replicas: &[ReplicaSample], of: impl Fn(&ReplicaSample) -> Option<u64>) -> Option<u64> {
    if replicas.is_empty() {
        return None;
    }
    replicas.iter().map(of).sum()
}

fn rank(source: MemorySource) -> u8 {
    match source {
        MemorySource::None => 0,
        MemorySource::Reported => 1,
        MemorySource::Rss => 2,
        MemorySource::Cgroup => 3,
        MemorySource::Anonymous => 4,
    }
}

fn weakest_source(replicas: &[ReplicaSample]) -> MemorySource {
    replicas.iter().map(|replica| replica.memory_source).min_by_key(|source| rank(*source)).unwrap_or_default()
}

/// CPU of a replica between two samples in percent of one core; None where it is not the same process.
pub(crate) fn cpu_percent_between(
    from: (&ClusterSample, &ReplicaSample),
    to: (&ClusterSample, &ReplicaSample),
) -> Option<f64> {
    let read_us = |(sample, replica): (&ClusterSample, &ReplicaSample)| replica.cpu_read_us.unwrap_or(sample.at_us);
    let elapsed_us = read_us(to).checked_sub(read_us(from)).filter(|us| *us > 0)?;
    let used_us = to.1.cpu_us?.checked_sub(from.1.cpu_us?)?;
    (from.1.pid == to.1.pid).then(|| used_us as f64 * 100.0 / elapsed_us as f64)
}

fn cpu_of_all(from: &ClusterSample, to: &ClusterSample) -> Option<f64> {
    let of = |(before, after): (&ReplicaSample, &ReplicaSample)| {
        cpu_percent_between((from, before), (to, after)).filter(|_| before.replica == after.replica)
    };
    let is_whole = !to.replicas.is_empty() && from.replicas.len() == to.replicas.len();
    if is_whole { from.replicas.iter().zip(&to.replicas).map(of).sum() } else { None }
}

impl Analysis {
    pub(crate) fn server_window(&self, window: Window) -> ServerWindow {
        let mut found = ServerWindow::default();
        let has_streams = self.has_streams();
        let mut first: BTreeMap<u16, (&ClusterSample, &ReplicaSample)> = BTreeMap::new();
        let mut before: Option<&ClusterSample> = None;
        for (number, second) in self.seconds_in(window) {
            let told = second.told.clone().or_else(|| Told::of(second.cluster.as_deref()?));
            if let Some(mut told) = told {
                let beside = self.beside(number, None, told.streams);
                told.connections = told.connections.map(|open| open.saturating_sub(beside));
                found.push(number, &told);
            }
            let Some(sample) = &second.cluster else { continue };
            found.push_sample(sample);
            found.cpu_by_second.extend(before.replace(sample).and_then(|before| cpu_of_all(before, sample)));
            if sum_of(&sample.replicas, |replica| replica.connections).is_some() {
                let open = |one: &ReplicaSample| Some((one.replica, self.connections_of(number, one)?));
                found.by_replica = sample.replicas.iter().filter_map(open).collect();
            }
            if has_streams {
                found.streams_max = found.streams_max.max(sum_of(&sample.replicas, |replica| replica.streams));
            }
            for replica in &sample.replicas {
                let start = *first.entry(replica.replica).or_insert((sample, replica));
                if let Some(percent) = cpu_percent_between(start, (sample, replica)) {
                    found.cpu_percent.insert(replica.replica, percent);
                }
            }
        }
        found
    }

    /// CPU of the run's fault proxy in percent of one core: the most over [`PROXY_MEAN_US`]; None: it has none, or it was
    /// not told for so long.
    pub(crate) fn proxy_cpu_percent(&self) -> Option<f64> {
        let samples = self.seconds.values().filter_map(|second| second.cluster.as_ref());
        let told =
            samples.filter_map(|sample| Some((sample.proxy_cpu_read_us.unwrap_or(sample.at_us), sample.proxy_cpu_us?)));
        let told: Vec<(u64, u64)> = told.collect();
        let shares = told.iter().filter_map(|(from_us, before)| {
            let next = told.partition_point(|(at_us, _)| *at_us < from_us + PROXY_MEAN_US);
            let (to_us, after) = told.get(next)?;
            Some(after.saturating_sub(*before) as f64 * 100.0 / (to_us - from_us) as f64)
        });
        shares.max_by(f64::total_cmp)
    }

    /// A replica's own gauge of its connections, without those that the run has beside the N; None where it has none.
    pub(crate) fn connections_of(&self, second: u32, replica: &ReplicaSample) -> Option<u64> {
        let beside = self.beside(second, Some(replica.replica), replica.streams);
        replica.connections.map(|open| open.saturating_sub(beside))
    }

    /// Connections of the run beside the N in a second, on one replica or all, which has so many streams: each stream is on
    /// one of its own, and so are operations. The server's gauge counts them.
    pub(crate) fn beside(&self, second: u32, replica: Option<u16>, streams: Option<u64>) -> u64 {
        let streams = streams.filter(|_| self.has_streams()).unwrap_or(0);
        streams + self.operation_connections(second, replica)
    }

    fn has_streams(&self) -> bool {
        self.config.as_ref().is_some_and(|config| config.streams > 0)
    }

    /// Open connections for operations in a second, on one replica or all: those that each agent told of last.
    pub(crate) fn operation_connections(&self, second: u32, replica: Option<u16>) -> u64 {
        let told = self.seconds.range(..=second).rev().take(3).find(|(_, second)| !second.agents.is_empty());
        let agents = told.map(|(_, second)| second.agents.iter()).into_iter().flatten();
        let all = agents.flat_map(|agent| &agent.operation_connections);
        all.filter(|(of, _)| replica.is_none_or(|replica| *of == replica)).map(|(_, count)| count).sum()
    }

    /// The most connections in a second of a window on which agents answered what servers ask. They come and go.
    pub(crate) fn answering_connections(&self, window: Window) -> u64 {
        let of = |second: &Second| second.agents.iter().map(|agent| agent.answering_connections).sum();
        self.seconds_in(window).map(|(_, second)| of(second)).max().unwrap_or(0)
    }

    /// Times that replicas ended between two times, as the samples show: by the restarts that their cluster counts,
    /// else by their process ids. One that had lived before and is not there at the end has ended. None where neither
    /// is known, or nothing of the last seconds is and no end was seen before them.
    pub(crate) fn crashes_between(&self, start_us: u64, end_us: u64) -> Option<u64> {
        let mut seen: BTreeMap<u16, Lives> = BTreeMap::new();
        let (mut known_us, mut last_us) = (None, 0);
        let samples = self.seconds.values().filter_map(|second| second.cluster.as_deref());
        for sample in samples.filter(|sample| sample.at_us <= end_us) {
            let is_before = sample.at_us < start_us;
            for replica in &sample.replicas {
                let state = State::of(sample, replica);
                let lives = seen.entry(replica.replica).or_default();
                lives.has_lived |= state == State::Alive;
                if !is_before {
                    lives.push(replica, state);
                    let is_known = state == State::Alive || (state == State::Gone && lives.has_lived);
                    known_us = if is_known { Some(sample.at_us) } else { known_us };
                }
            }
            last_us = if is_before { last_us } else { sample.at_us };
        }
        let ended = seen.values().map(Lives::ended).sum();
        let is_known = last_us.saturating_sub(known_us?) <= UNSEEN_MAX_US;
        (is_known || ended > 0).then_some(ended)
    }
}

/// A shorter burst of the proxy's work excuses nothing.
const PROXY_MEAN_US: u64 = 5_000_000;

/// So long at the end of a time may the processes not be seen.
const UNSEEN_MAX_US: u64 = 3_000_000;

/// What a sample says of a replica's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Alive,
    Gone,
    Unknown,
}

impl State {
    /// A cluster names the processes that it has. Of a server that was named by its process id, /proc has figures
    /// as long as it lives; the machine's own figures tell whether /proc was read at all.
    fn of(sample: &ClusterSample, replica: &ReplicaSample) -> Self {
        let has_figures = replica.cpu_us.is_some() || replica.memory_bytes.is_some();
        let was_read = sample.kernel.busy_us.is_some();
        match (replica.pid, replica.restarts) {
            (Some(_), _) if has_figures => Self::Alive,
            (Some(_), Some(_)) => Self::Alive,
            (Some(_), None) if was_read => Self::Gone,
            (None, Some(_)) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}

/// The processes of one replica, one after another.
#[derive(Default)]
struct Lives {
    has_lived: bool,
    first_restarts: Option<u64>,
    last_restarts: Option<u64>,
    pid: Option<u32>,
    replaced: u64,
    is_gone: bool,
}

impl Lives {
    fn push(&mut self, sample: &ReplicaSample, state: State) {
        self.first_restarts = self.first_restarts.or(sample.restarts);
        self.last_restarts = sample.restarts.max(self.last_restarts);
        let is_another = self.pid.zip(sample.pid).is_some_and(|(old, new)| old != new);
        self.replaced += u64::from(is_another);
        self.is_gone = match state {
            State::Alive => false,
            State::Gone => true,
            State::Unknown => self.is_gone,
        };
        self.pid = sample.pid.or(self.pid);
    }

    fn ended(&self) -> u64 {
        let restarts = self.last_restarts.unwrap_or(0).saturating_sub(self.first_restarts.unwrap_or(0));
        // One that is gone and not counted as restarted yet has ended all the same.
        restarts.max(self.replaced + u64::from(self.is_gone && self.has_lived))
    }
}
