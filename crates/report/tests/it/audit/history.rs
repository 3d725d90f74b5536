//! Histories of operations that a correct cluster could have had, under any pattern of deaths: replicas that are killed,
//! agents that are killed, answers and requests that are lost. Written as the journals of a run.

use std::path::Path;

use erlmcp_record::operations::{Class, Event, OperationId, OperationRecord, OperationWriter, Reason};
use erlmcp_record::{ConfigRow, EndRow, Ended, Entry, Fate, FaultRow, JournalWriter, Kind, RunHeader};

use crate::story::Story;
use crate::story::rows::{self, Block};

/// CLOCK_MONOTONIC at the run clock's zero, nanoseconds.
pub(crate) const BASE_NS: u64 = 81_000_000_000;
const MS: u64 = 1_000_000;
/// Operations begin in this time.
const RUN_MS: u64 = 3_000;
pub(crate) const REPLICAS: u16 = 4;

/// SplitMix64.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// What there is of a run. Everything may be changed before it is written.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// By agent.
    pub(crate) agents: Vec<Vec<OperationRecord>>,
    pub(crate) store: Vec<OperationRecord>,
    pub(crate) faults: Vec<FaultRow>,
    /// Agents that were killed, and when: what they would have written later is not there.
    pub(crate) killed: Vec<Option<u64>>,
    pub(crate) config: ConfigRow,
    /// Requests of the plain load by fate.
    pub(crate) requests: Vec<(Fate, u64)>,
    /// Refusals that the server counts.
    pub(crate) refused_by_server: u64,
    pub(crate) surplus_answers: u64,
    /// Rows of streams, and of changes that they tell of.
    pub(crate) streams: Vec<Entry>,
    pub(crate) ended: Ended,
}

/// What kind of history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) operations: u64,
    pub(crate) agents: usize,
    /// Replicas that are killed.
    pub(crate) kills: u64,
    /// Of 100 attempts, as many are refused, are lost on the way, and have their answers lost.
    pub(crate) refused: u64,
    pub(crate) lost: u64,
    pub(crate) unanswered: u64,
    /// The last of the agents is killed.
    pub(crate) kills_agent: bool,
}

impl Plan {
    pub(crate) fn new(seed: u64) -> Self {
        let refused = 10;
        Self { seed, operations: 200, agents: 3, kills: 3, refused, lost: 5, unanswered: 5, kills_agent: false }
    }
}

/// A replica's death.
#[derive(Debug, Clone, Copy)]
struct Kill {
    replica: u16,
    at: u64,
}

struct Maker {
    random: Random,
    kills: Vec<Kill>,
    history: History,
}

impl History {
    pub(crate) fn of(plan: Plan) -> Self {
        let mut random = Random(plan.seed);
        let kills: Vec<Kill> = (0..plan.kills)
            .map(|number| {
                let replica = 1 + random.below(u64::from(REPLICAS)) as u16;
                let step = RUN_MS * MS / (plan.kills + 1);
                Kill { replica, at: BASE_NS + (number + 1) * step + random.below(step / 4) }
            })
            .collect();
        let killed_at = BASE_NS + RUN_MS / 2 * MS + random.below(1_000 * MS);
        let mut killed = vec![None; plan.agents];
        if plan.kills_agent {
            killed[plan.agents - 1] = Some(killed_at);
        }
        let config = ConfigRow { agents: plan.agents as u32, own_cluster: true, ..Story::short().config };
        let faults = kills.iter().zip(1..).map(|(kill, id)| fault(kill, id)).collect();
        let history = Self {
            agents: vec![Vec::new(); plan.agents],
            store: Vec::new(),
            faults,
            killed,
            config,
            requests: vec![(Fate::Ok, 1_000)],
            refused_by_server: 0,
            surplus_answers: 0,
            streams: Vec::new(),
            ended: Ended::Completed,
        };
        let mut maker = Maker { random, kills: kills.clone(), history };
        for kill in kills {
            maker.companions(kill);
        }
        for _ in 0..plan.operations {
            maker.operation(&plan);
        }
        maker.history.in_order()
    }

    fn in_order(mut self) -> Self {
        self.agents.iter_mut().for_each(|records| records.sort_by_key(|record| record.at_ns));
        self.store.sort_by_key(|record| record.at_ns);
        self
    }

    /// Writes it as the folder of a run.
    pub(crate) fn write(&self, folder: &Path) {
        let mut journal = JournalWriter::create(folder).expect("a journal");
        for row in self.rows() {
            journal.append(&row).expect("written");
        }
        journal.flush().expect("written");
        for (agent, records) in self.agents.iter().enumerate() {
            let mut writer = OperationWriter::of_agent(folder, agent as u32).expect("a journal");
            records.iter().for_each(|record| writer.append(record).expect("written"));
            writer.flush().expect("written");
            if self.killed[agent].is_none() {
                let begun =
                    records.iter().filter(|record| record.event == Event::Invoke && record.attempt == 1).count();
                writer.end(begun as u64, begun as u64, BASE_NS + 60_000 * MS).expect("written");
            }
        }
        let mut writer = OperationWriter::of_store(folder).expect("a journal");
        self.store.iter().for_each(|record| writer.append(record).expect("written"));
        writer.end(self.store.len() as u64, 0, BASE_NS + 60_000 * MS).expect("written");
    }

    fn rows(&self) -> Vec<Entry> {
        let block = Block { agent: 0, phase: 3, block: 30_000, kind: Kind::Load };
        let fates = rows::fates(&self.requests);
        let mut load = block.interval(1, fates);
        load.surplus_answers = self.surplus_answers;
        let sample = |second: u32, refused: u64| {
            let mut sample = rows::sample(second, 0, REPLICAS);
            sample.replicas[0].refused_total = Some(refused);
            Entry::Cluster(sample)
        };
        let header = RunHeader { monotonic_base_ns: BASE_NS, ..crate::story::header() };
        let mut rows = vec![Entry::Run(header), Entry::Config(self.config.clone())];
        rows.extend([block.row(fates.total(), 1, 1), Entry::Interval(load)]);
        rows.extend([sample(0, 7), sample(20, 7 + self.refused_by_server)]);
        rows.extend(self.faults.iter().cloned().map(Entry::Fault));
        rows.extend(self.streams.iter().cloned());
        rows.push(Entry::End(EndRow { at_us: 60_000_000, ended: self.ended.clone() }));
        rows
    }

    /// The places of the store's records with this event.
    pub(crate) fn stored(&self, event: Event) -> Vec<usize> {
        let all = self.store.iter().enumerate();
        all.filter(|(_, record)| record.event == event).map(|(at, _)| at).collect()
    }

    /// Agents and places of the clients' records with this event.
    pub(crate) fn told(&self, event: Event) -> Vec<(usize, usize)> {
        let of = |(agent, records): (usize, &Vec<OperationRecord>)| {
            let all = records.iter().enumerate();
            all.filter(|(_, record)| record.event == event).map(|(at, _)| (agent, at)).collect::<Vec<_>>()
        };
        self.agents.iter().enumerate().flat_map(of).collect()
    }

    /// All records of the store about an operation.
    pub(crate) fn of_operation(&self, operation: OperationId) -> Vec<OperationRecord> {
        self.store.iter().filter(|record| record.operation == operation).copied().collect()
    }
}

fn fault(kill: &Kill, id: u32) -> FaultRow {
    let us = |ns: u64| (ns - BASE_NS) / 1_000;
    FaultRow {
        id,
        phase: 4,
        scenario: "node_failure".into(),
        method: "SIGKILL of the process".into(),
        replica: Some(kill.replica),
        injected_us: us(kill.at),
        effect_us: Some(us(kill.at + MS)),
        cluster_detected_us: Some(us(kill.at + 2 * MS)),
        healed_us: None,
        heal_verified_us: None,
        ready_us: Some(us(kill.at + 300 * MS)),
        ..FaultRow::default()
    }
}

/// How an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Well,
    Refused,
    /// It never arrives.
    Lost,
    /// It is run, and its answer never arrives.
    Unanswered,
}

/// How the store has the operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stored {
    Nothing,
    Open,
    Done { hash: u64, epoch: u64 },
}

/// One operation on its way.
struct Way {
    id: OperationId,
    agent: usize,
    fingerprint: u64,
    nonce: u64,
    stored: Stored,
    /// When the store last wrote.
    written: u64,
}

impl Maker {
    fn epoch(&self, replica: u16, at: u64) -> u64 {
        let deaths = self.kills.iter().filter(|kill| kill.replica == replica && kill.at <= at).count() as u64;
        1 + u64::from(replica) + u64::from(REPLICAS) * deaths
    }

    fn death(&self, replica: u16, from: u64, to: u64) -> Option<u64> {
        let deaths = self.kills.iter().filter(|kill| kill.replica == replica && (from..to).contains(&kill.at));
        deaths.map(|kill| kill.at).min()
    }

    fn way(&mut self, agent: usize) -> Way {
        let id = OperationId(u128::from(self.random.next()) << 64 | u128::from(self.random.next()));
        let (fingerprint, nonce) = (self.random.next() | 1, self.random.next() | 1);
        Way { id, agent, fingerprint, nonce, stored: Stored::Nothing, written: 0 }
    }

    fn client(&mut self, way: &Way, event: Event, at_ns: u64, change: impl FnOnce(&mut OperationRecord)) {
        let mut record = OperationRecord { class: Class::Transactional, ..OperationRecord::new(event, way.id, at_ns) };
        change(&mut record);
        if self.history.killed[way.agent].is_none_or(|killed| at_ns < killed) {
            self.history.agents[way.agent].push(record);
        }
    }

    fn store(&mut self, way: &mut Way, event: Event, (replica, epoch): (u16, u64), at_ns: u64, hash: u64) {
        let fingerprint = if way.stored == Stored::Nothing && event == Event::Never { 0 } else { way.fingerprint };
        let record = OperationRecord::new(event, way.id, at_ns);
        self.history.store.push(OperationRecord { replica, epoch, hash, fingerprint, principal: 9, ..record });
        way.written = way.written.max(at_ns);
    }

    /// Operations that show that the kill was felt: one before it, one over its start, one while the replica is away,
    /// one after.
    fn companions(&mut self, kill: Kill) {
        let replica = 1 + kill.replica % REPLICAS;
        for (from, to) in [(-50, -40), (-5, 20), (100, 110), (400, 410)] {
            let at = |ms: i64| kill.at.saturating_add_signed(ms * MS as i64);
            let mut way = self.way(0);
            self.attempt(&mut way, 1, replica, Course::Well, at(from), (at(to) - at(from)) / 4);
        }
    }

    fn operation(&mut self, plan: &Plan) {
        let agent = self.random.below(plan.agents as u64) as usize;
        let mut way = self.way(agent);
        let mut at = BASE_NS + self.random.below(RUN_MS * MS);
        let mut unknown = false;
        for attempt in 1..=3 {
            if self.history.killed[agent].is_some_and(|killed| at >= killed) {
                return;
            }
            let replica = 1 + self.random.below(u64::from(REPLICAS)) as u16;
            let course = match self.random.below(100) {
                chance if chance < plan.refused => Course::Refused,
                chance if chance < plan.refused + plan.lost => Course::Lost,
                chance if chance < plan.refused + plan.lost + plan.unanswered => Course::Unanswered,
                _ => Course::Well,
            };
            let step = MS + self.random.below(60 * MS);
            let (ended, end) = self.attempt(&mut way, attempt, replica, course, at, step);
            if end == Event::Ok {
                return;
            }
            unknown |= end == Event::Info;
            at = ended + MS + self.random.below(50 * MS);
        }
        if unknown || way.stored == Stored::Open || self.random.percent(50) {
            self.settle(&mut way, at);
        }
    }

    /// One attempt, each of its steps so long: when it ended, and how.
    fn attempt(
        &mut self,
        way: &mut Way,
        attempt: u8,
        replica: u16,
        course: Course,
        at: u64,
        step: u64,
    ) -> (u64, Event) {
        let (fingerprint, nonce) = (way.fingerprint, way.nonce);
        self.client(way, Event::Invoke, at, |record| {
            (record.attempt, record.replica, record.fingerprint, record.nonce) = (attempt, replica, fingerprint, nonce);
        });
        self.client(way, Event::SentAll, at + 1, |record| record.attempt = attempt);
        let was_done = matches!(way.stored, Stored::Done { .. });
        let (mut ended, event, reason) = self.served(way, replica, course, at, step);
        ended = ended.max(at + 2);
        let Stored::Done { hash, epoch } = way.stored else {
            self.client(way, event, ended, |record| {
                (record.attempt, record.replica, record.reason) = (attempt, replica, reason)
            });
            return (ended, event);
        };
        self.client(way, event, ended, |record| {
            (record.attempt, record.replica, record.reason) = (attempt, replica, reason);
            if event == Event::Ok {
                (record.hash, record.epoch, record.nonce) = (hash, epoch, nonce);
                record.replayed = was_done;
            }
        });
        (ended, event)
    }

    /// What the server does about an attempt: when its client knows, and what.
    fn served(&mut self, way: &mut Way, replica: u16, course: Course, at: u64, step: u64) -> (u64, Event, Reason) {
        match course {
            Course::Refused => return (self.refused(way, replica, at, step), Event::Fail, Reason::Refused),
            Course::Lost => return (at + 3 * step, Event::Info, Reason::TimedOut),
            Course::Well | Course::Unanswered => {}
        }
        let (arrived, done) = (at + step, at + 2 * step);
        if let Some(death) = self.death(replica, at, arrived) {
            return (death + MS, Event::Info, Reason::Reset);
        }
        if let Stored::Done { .. } = way.stored {
            return match course {
                Course::Well => (arrived + step, Event::Ok, Reason::None),
                _ => (arrived + 3 * step, Event::Info, Reason::TimedOut),
            };
        }
        let epoch = self.epoch(replica, arrived);
        self.store(way, Event::Accepted, (replica, epoch), arrived, 0);
        self.store(way, Event::Started, (replica, epoch), arrived + 1, 0);
        if let Some(death) = self.death(replica, arrived + 1, done + 2) {
            way.stored = Stored::Open;
            self.store(way, Event::Fenced, (replica, epoch), death.max(arrived + 2) + 2 * MS, 0);
            return (death.max(arrived + 2) + 3 * MS, Event::Info, Reason::Reset);
        }
        let hash = self.random.next() | 1;
        way.stored = Stored::Done { hash, epoch };
        self.store(way, Event::Effect, (replica, epoch), done, 0);
        self.store(way, Event::Done, (replica, epoch), done + 1, hash);
        match course {
            Course::Well => (done + step, Event::Ok, Reason::None),
            _ => (done + 3 * step, Event::Info, Reason::TimedOut),
        }
    }

    /// When the client is refused. Its claim may have waited too long for the store, be granted nevertheless, and be lost with
    /// the replica that was to give it back.
    fn refused(&mut self, way: &mut Way, replica: u16, at: u64, step: u64) -> u64 {
        let death = self.death(replica, at + 4, at + step).filter(|_| !matches!(way.stored, Stored::Done { .. }));
        let Some(death) = death else { return at + step };
        let epoch = self.epoch(replica, death - 1);
        for (event, at) in [(Event::Accepted, death - 2), (Event::Started, death - 1), (Event::Fenced, death + MS / 2)]
        {
            self.store(way, event, (replica, epoch), at, 0);
        }
        way.stored = Stored::Open;
        death - 1
    }

    /// The store is asked, and settles it.
    fn settle(&mut self, way: &mut Way, at: u64) {
        if self.history.killed[way.agent].is_some_and(|killed| at >= killed) {
            return;
        }
        let at = at.max(way.written) + 1_000 * MS;
        let replica = 1 + self.random.below(u64::from(REPLICAS)) as u16;
        match way.stored {
            Stored::Done { hash, .. } => self.client(way, Event::Resolved, at + MS, |record| {
                (record.reason, record.hash) = (Reason::Done, hash);
            }),
            _ => {
                // Where its client dies before it can ask, nobody does.
                if self.history.killed[way.agent].is_some_and(|killed| at >= killed) {
                    return;
                }
                let epoch = self.epoch(replica, at);
                self.store(way, Event::Never, (replica, epoch), at, 0);
                self.client(way, Event::Resolved, at + MS, |record| record.reason = Reason::Never);
            }
        }
    }
}
