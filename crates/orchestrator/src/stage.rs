//! A stage for tests: a phase among agents and a cluster that do as they are told, on a clock of its own.

use std::collections::VecDeque;

use erlmcp_load::proto::{Changed, Reached, Request, command::Command};
use erlmcp_record::{
    ClusterSample, ConnectionRow, Entry, EpisodeRow, Fate, FateCounts, Hist, IntervalRow, Kind, ReplicaSample,
};

use crate::action::{Action, Ask};
use crate::event::{Answer, Audited, Change, Event, HealError, Healed, Injected, Leftovers, Said};
use crate::machine::{Calls, Observation, RunFacts};
use crate::phase::Phase;
use crate::plan::{PhasePlan, Step};
use crate::visit::Visited;
use crate::world::{AgentView, World};

mod done;
mod doors;

pub(crate) const SECOND: u64 = 1_000_000;
const TICK_US: u64 = 100_000;

/// Agents and a cluster that do as they are told. What they say is in `events`.
#[derive(Debug)]
pub(crate) struct Troupe {
    pub(crate) now_us: u64,
    pub(crate) events: VecDeque<Event>,
    jobs: Vec<Job>,
    /// Connections that each agent has open.
    open: Vec<u64>,
    dead: Vec<u32>,
    /// What each replica's queue holds.
    pub(crate) depth: u64,
    pub(crate) tells_depth: bool,
    /// Of the load.
    pub(crate) latency_us: u64,
    /// Refusals a second of queued load.
    pub(crate) refusals: u64,
    /// A killed replica is noticed, its connections go elsewhere, and it comes back.
    pub(crate) recovers: bool,
    /// Replicas have a /ready that can be asked.
    pub(crate) tells_ready: bool,
    pub(crate) health: Result<f64, String>,
    pub(crate) fault: Result<(), String>,
    /// Why not all steps of a fault were made.
    pub(crate) unfinished: Option<String>,
    pub(crate) healing: Result<(), HealError>,
    /// Connections at the server that nobody closes.
    pub(crate) stuck: u64,
    pub(crate) sampling: Sampling,
    /// Every request of the load fails.
    pub(crate) fails: bool,
    /// Agents do not say when they are done.
    pub(crate) is_silent: bool,
    /// Streams that each agent holds.
    streams: Vec<u64>,
    /// Changes can be made.
    pub(crate) change: Result<(), String>,
    /// What the audit of the operations finds.
    pub(crate) audited: Result<Audited, String>,
    /// What a visitor finds.
    pub(crate) visited: Result<Visited, String>,
    /// A change of the number of replicas comes to its end.
    pub(crate) scales: bool,
}

/// What comes of the server's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sampling {
    Whole,
    WithoutGauge,
    Failing,
    Never,
}

/// A phase among a troupe.
pub(crate) struct Stage {
    pub(crate) troupe: Troupe,
    pub(crate) world: World,
    phase: Phase,
    pub(crate) actions: Vec<Action>,
}

#[derive(Debug)]
struct Job {
    agent: u32,
    block: u32,
    kind: Option<Kind>,
    of_streams: bool,
    start_us: u64,
    end_us: u64,
}

pub(crate) fn facts() -> RunFacts {
    let ping = Request { method: "ping".into(), ..Request::default() };
    RunFacts {
        seed: 7,
        calls: Calls { load: ping, queued: Some("work".into()), workload: None },
        target: "http://127.0.0.1:8080".into(),
        connections: 1_000,
        ramp_rate: 500.0,
        duration_ms: 10_000,
        timeout_us: 5 * SECOND,
        folder: "results".into(),
    }
}

pub(crate) fn phase_of(steps: Vec<Step>) -> PhasePlan {
    let (title, about) = ("Test".to_string(), String::new());
    PhasePlan { number: 3, name: "test".into(), title, about, steps, skip: None }
}

impl Troupe {
    /// Two agents with so many connections each, half of them at each of two replicas.
    pub(crate) fn new(open: u64) -> Self {
        Self {
            now_us: 10 * SECOND,
            events: VecDeque::new(),
            jobs: Vec::new(),
            open: vec![open, open],
            dead: Vec::new(),
            depth: 0,
            tells_depth: true,
            latency_us: 1_000,
            refusals: 0,
            recovers: true,
            tells_ready: true,
            health: Ok(0.5),
            fault: Ok(()),
            unfinished: None,
            healing: Ok(()),
            stuck: 0,
            sampling: Sampling::Whole,
            fails: false,
            is_silent: false,
            streams: vec![0, 0],
            change: Ok(()),
            visited: Ok(Visited::default()),
            scales: true,
            audited: Ok(Audited { operations: 5_000, violations: Some(0), why: String::new() }),
        }
    }

    /// One tick later: what came of it is in `events`.
    pub(crate) fn tick(&mut self) {
        self.now_us += TICK_US;
        self.end_jobs();
        if self.now_us.is_multiple_of(SECOND) {
            self.rows_of_the_second();
        }
        self.events.push_back(Event::Tick);
    }

    /// An agent is gone; it says no more.
    pub(crate) fn die(&mut self, agent: u32) {
        self.dead.push(agent);
        self.jobs.retain(|job| job.agent != agent);
        self.open[agent as usize] = 0;
        self.events.push_back(Event::Agent { agent, said: Said::Gone("it was killed".into()) });
    }

    fn alive(&self) -> impl Iterator<Item = u32> + use<> {
        let dead = self.dead.clone();
        (0..2).filter(move |agent| !dead.contains(agent))
    }

    pub(crate) fn command(&mut self, agent: u32, command: &Command) {
        if let Some(block) = doors::done_at_once(command) {
            return self.events.push_back(Event::Agent { agent, said: Said::Done { block } });
        }
        let (block, kind, start_us, lasts_us) = match command {
            Command::Open(open) => {
                self.open[agent as usize] = open.connections;
                (open.block, Some(Kind::Probe), open.start_us, 2 * SECOND)
            }
            Command::Load(load) if load.queued => (load.block, Some(Kind::Queued), load.start_us, load.duration_us),
            Command::Load(load) => (load.block, Some(Kind::Load), load.start_us, load.duration_us),
            Command::Sweep(sweep) => (sweep.block, Some(Kind::Sweep), sweep.start_us, sweep.duration_us),
            Command::Sequential(order) => (order.block, Some(Kind::Sequential), self.now_us, SECOND),
            Command::Close(close) => (close.block, None, close.start_us, SECOND),
            Command::Streams(streams) => {
                self.streams[agent as usize] = streams.streams;
                (streams.block, None, streams.start_us, SECOND)
            }
            Command::EndStreams(end) => {
                self.streams[agent as usize] = 0;
                (end.block, None, end.start_us, SECOND)
            }
            Command::MakeChange(order) => {
                let (change, error) = (order.change, self.change.clone().err().unwrap_or_default());
                let changed = Changed { change, at_us: self.now_us, error };
                return self.events.push_back(Event::Agent { agent, said: Said::Changed(changed) });
            }
            Command::Requests(requests) if requests.block != 0 => {
                let error = self.change.clone().err().unwrap_or_default();
                let said = Said::Taken { block: requests.block, error };
                return self.events.push_back(Event::Agent { agent, said });
            }
            Command::Knock(knock) => {
                let said = Said::Knocked(doors::knocked(knock.block, knock.knocks));
                return self.events.push_back(Event::Agent { agent, said });
            }
            Command::Cut(cut) => {
                let found = self.jobs.iter_mut().filter(|job| job.agent == agent && job.block == cut.block);
                found.for_each(|job| job.end_us = self.now_us);
                return;
            }
            Command::Reach(_) => {
                let reached = Reached { ok: true, ..Reached::default() };
                return self.events.push_back(Event::Agent { agent, said: Said::Reached(reached) });
            }
            _ => return,
        };
        if self.dead.contains(&agent) {
            return;
        }
        let of_streams = matches!(command, Command::Streams(_) | Command::EndStreams(_));
        self.jobs.push(Job { agent, block, kind, of_streams, start_us, end_us: start_us + lasts_us });
        self.events.push_back(Event::Agent { agent, said: Said::Planned { block, planned: 100 } });
    }

    fn end_jobs(&mut self) {
        let now_us = self.now_us;
        let (over, going): (Vec<Job>, Vec<Job>) = self.jobs.drain(..).partition(|job| job.end_us <= now_us);
        self.jobs = going;
        for job in over {
            let agent = job.agent;
            match job.kind {
                Some(Kind::Probe) => self.events.push_back(self.connections(agent, 0)),
                None if job.of_streams => self.events.push_back(self.stream_row(agent)),
                None => {
                    let closed = std::mem::take(&mut self.open[agent as usize]);
                    self.events.push_back(self.connections(agent, closed));
                }
                Some(Kind::Sequential) => self.events.push_back(self.interval(&job)),
                _ => {}
            }
            if !self.is_silent {
                self.events.push_back(Event::Agent { agent, said: Said::Done { block: job.block } });
            }
        }
    }

    fn rows_of_the_second(&mut self) {
        let running = self.jobs.iter().filter(|job| job.start_us < self.now_us);
        let rows: Vec<Event> = running.map(|job| self.interval(job)).collect();
        self.events.extend(rows);
        let replicas = (0..2u16).map(|replica| ReplicaSample {
            replica,
            connections: (self.sampling == Sampling::Whole).then(|| self.open.iter().sum::<u64>() / 2 + self.stuck),
            queue_depth: self.tells_depth.then_some(self.depth),
            queue_limit: Some(100),
            ..ReplicaSample::default()
        });
        let sample = ClusterSample {
            at_us: self.now_us,
            second: (self.now_us / SECOND) as u32 - 1,
            replicas: replicas.collect(),
            missing: (self.sampling == Sampling::Failing).then(|| "no answer".into()),
            ..ClusterSample::default()
        };
        if self.sampling != Sampling::Never {
            self.events.push_back(Event::Sample(Box::new(sample)));
        }
    }

    pub(crate) fn ask(&mut self, ask: &Ask) {
        let at_us = self.now_us;
        let answer = match ask {
            Ask::Health => Answer::Health(self.health.clone()),
            Ask::Resolve => Answer::Resolved(Ok(Some(0.25))),
            Ask::Workers => Answer::Workers(Some((32, 50))),
            Ask::Inject { id, fault } => {
                let (method, unfinished) = ("test".into(), self.unfinished.clone());
                let injected = Injected { unfinished, ..Injected::seen(method, at_us, at_us) };
                let outcome = self.fault.clone().map(|()| injected);
                if outcome.is_ok() && self.recovers && fault.kind.takes_out() {
                    fault.replicas.iter().for_each(|replica| self.lose(*replica));
                }
                Answer::Injected { id: *id, outcome }
            }
            Ask::Heal { id } => {
                let healed = Healed { healed_us: at_us, verified_us: at_us };
                Answer::Healed { id: *id, outcome: self.healing.clone().map(|()| healed) }
            }
            Ask::AwaitReady { replica } => {
                if !self.recovers {
                    return;
                }
                self.events.push_back(Event::Replica { replica: *replica, at_us, change: Change::Up });
                Answer::Ready { replica: *replica, at_us: self.tells_ready.then_some(at_us) }
            }
            Ask::Scale { .. } if !self.scales => return,
            Ask::Scale { replicas } => Answer::Scaled(Ok(self.scaled(*replicas))),
            Ask::Visit { id, .. } => Answer::Visited { id: *id, outcome: self.visited.clone() },
            Ask::Audit { .. } => Answer::Audited(self.audited.clone()),
            Ask::Change { change } => Answer::Changed { change: *change, made: self.change.clone().map(|()| at_us) },
            Ask::Dismantle { .. } => Answer::Dismantled(Leftovers::default()),
        };
        self.events.push_back(Event::Answer(answer));
    }

    /// Replicas from 0 on, as the troupe's are.
    fn scaled(&self, replicas: u16) -> Vec<(u16, std::net::SocketAddr)> {
        (0..replicas).map(|replica| (replica, ([127, 0, 0, 10 + replica as u8], 80).into())).collect()
    }

    fn lose(&mut self, replica: u16) {
        self.events.push_back(Event::Replica { replica, at_us: self.now_us, change: Change::Down });
        for agent in self.alive() {
            let episode = self.episode(agent, replica);
            self.events.push_back(episode);
        }
    }

    pub(crate) fn episode(&self, agent: u32, replica: u16) -> Event {
        let row = EpisodeRow {
            agent,
            phase: 3,
            episode: 0,
            replica,
            detected_us: self.now_us,
            how: "reset".into(),
            affected: 250,
            served_again: 250,
            last_served_us: Some(self.now_us + 1),
        };
        Event::Agent { agent, said: Said::Rows(vec![Entry::Episode(row)]) }
    }

    pub(crate) fn connections(&self, agent: u32, closed: u64) -> Event {
        let open = self.open[agent as usize];
        let second = (self.now_us / SECOND) as u32;
        let by_replica = vec![(0, open / 2), (1, open - open / 2)];
        let row = ConnectionRow {
            agent,
            phase: 3,
            second,
            open,
            renewing: 0,
            by_replica,
            planned: 0,
            started: 0,
            opened: open,
            reopened: 0,
            closed,
            failed: Default::default(),
            lost: Default::default(),
            late: None,
            established: None,
            first_answer: None,
        };
        Event::Agent { agent, said: Said::Rows(vec![Entry::Connections(row)]) }
    }

    fn stream_row(&self, agent: u32) -> Event {
        let (second, held) = ((self.now_us / SECOND) as u32, self.streams[agent as usize]);
        let text = format!(r#"{{"row":"streams","agent":{agent},"phase":3,"second":{second},"held":{held}}}"#);
        let row: Entry = serde_json::from_str(&text).expect("a row in its written form");
        Event::Agent { agent, said: Said::Rows(vec![row]) }
    }

    fn interval(&self, job: &Job) -> Event {
        let second = (self.now_us / SECOND) as u32 - 1;
        let kind = job.kind.unwrap_or(Kind::Probe);
        let mut latency = Hist::new();
        latency.record_us(self.latency_us);
        let text = format!(
            r#"{{"agent":{},"phase":3,"block":{},"kind":"load","second":{second},"planned":1,"fates":{{"ok":1}}}}"#,
            job.agent, job.block
        );
        let mut row: IntervalRow = serde_json::from_str(&text).expect("a row in its written form");
        row.kind = kind;
        row.latency = Some(latency);
        row.fates = FateCounts::default();
        row.fates.add(if self.fails { Fate::Reset } else { Fate::Ok }, 1);
        if kind == Kind::Queued {
            row.refusals = self.refusals;
        }
        Event::Agent { agent: job.agent, said: Said::Rows(vec![Entry::Interval(row)]) }
    }
}

impl Stage {
    /// Two agents, two replicas; `open` connections are open at each agent, half of them at each replica.
    pub(crate) fn new(steps: Vec<Step>, open: u64) -> Self {
        let mut world = World::new(vec![AgentView::ready(600), AgentView::ready(600)]);
        let troupe = Troupe::new(open);
        (0..2).for_each(|agent| world.apply(&troupe.connections(agent, 0)));
        Self { troupe, world, phase: Phase::new(phase_of(steps), facts()), actions: Vec::new() }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase.is_over()
    }

    /// Lets time go on, tick by tick.
    pub(crate) fn run_for(&mut self, us: u64) {
        let until_us = self.troupe.now_us + us;
        self.feed(Event::Tick);
        while self.troupe.now_us < until_us && !self.is_over() {
            self.troupe.tick();
            self.drain();
        }
    }

    /// Lets time go on until the phase is over, at most `us`.
    pub(crate) fn run_to_end(&mut self, us: u64) {
        self.run_for(us);
        assert!(self.is_over(), "not over after {} s: {:?}", us / SECOND, self.phase);
    }

    pub(crate) fn cut(&mut self, reason: &str) {
        let event = Event::Tick;
        let seen = Observation { now_us: self.troupe.now_us, event: &event, world: &self.world };
        let actions = self.phase.cut(reason, &seen);
        self.perform(actions);
        self.drain();
    }

    pub(crate) fn die(&mut self, agent: u32) {
        self.troupe.die(agent);
        self.drain();
    }

    /// One event, and whatever follows from it at once.
    pub(crate) fn feed(&mut self, event: Event) {
        self.troupe.events.push_back(event);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(event) = self.troupe.events.pop_front() {
            self.world.apply(&event);
            let seen = Observation { now_us: self.troupe.now_us, event: &event, world: &self.world };
            let actions = self.phase.step(&seen);
            self.perform(actions);
        }
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match &action {
                Action::Command { agent, command } => {
                    self.world.ordered(*agent, command);
                    self.troupe.command(*agent, command);
                }
                Action::Ask(ask) => self.troupe.ask(ask),
                _ => {}
            }
            self.actions.push(action);
        }
    }
}
