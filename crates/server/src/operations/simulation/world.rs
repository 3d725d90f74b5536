//! All of them together, step by step.

use std::collections::{BTreeMap, VecDeque};

use super::client::Client;
use super::replica::{Attempt, Replica, Waiter};
use crate::operations::course::{Course, Happened, Verdict};
use crate::operations::heart::{Abandoned, Class, Command, Key, Outcome};
use crate::operations::keeper::{Deciding, Keeper, Reply};
use crate::operations::memory::{Fate, MemoryStore};
use crate::operations::table::{Incarnation, Keep};

const REPLICAS: usize = 3;
const OPERATIONS: usize = 6;
const KEEP: Keep = Keep { held_max: 1_000, retention_ns: u64::MAX, unfiled_rows: 3 };

/// A connection to the store: what is under way on it.
#[derive(Debug, Default)]
struct Wire {
    replica: usize,
    incarnation: Option<Incarnation>,
    epoch: u64,
    to_store: VecDeque<(u64, Command)>,
    from_store: VecDeque<(u64, Option<Reply>)>,
}

pub(super) struct World {
    random: u64,
    disk: MemoryStore,
    /// None while its process is dead.
    keeper: Option<Keeper<MemoryStore>>,
    replicas: Vec<Replica>,
    started: u64,
    wires: BTreeMap<u64, Wire>,
    next_wire: u64,
    /// As the writer has it: the last connection of each epoch.
    current: BTreeMap<u64, u64>,
    clients: Vec<Client>,
    /// How often the tool of an operation ran.
    runs: Vec<u64>,
    next_attempt: u64,
    is_healing: bool,
}

fn key(operation: usize) -> Key {
    Key { principal: "p".into(), operation: operation.to_string().into() }
}

fn result(operation: usize) -> String {
    format!("{{\"o\":{operation}}}")
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let disk = MemoryStore::default();
        let mut world = Self {
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            keeper: Some(Keeper::open(disk.clone(), KEEP, 0).expect("an empty store")),
            disk,
            replicas: Vec::new(),
            started: 0,
            wires: BTreeMap::new(),
            next_wire: 1,
            current: BTreeMap::new(),
            clients: (0..OPERATIONS).map(|operation| Client::new(Class::ALL[operation % 4])).collect(),
            runs: vec![0; OPERATIONS],
            next_attempt: 1,
            is_healing: false,
        };
        for replica in 0..REPLICAS {
            let incarnation = world.begin(replica);
            world.replicas.push(Replica::new(incarnation));
        }
        world
    }

    fn begin(&mut self, replica: usize) -> Incarnation {
        self.started += 1;
        Incarnation { base: 1, replica: replica as u16 + 1, number: self.started }
    }

    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % below
    }

    pub(super) fn length(&mut self) -> usize {
        50 + self.random(400)
    }

    /// Something happens, good or bad.
    pub(super) fn step(&mut self) {
        let replica = self.random(REPLICAS);
        match self.random(100) {
            0..14 => self.attempt(replica),
            14..34 => self.send(replica),
            34..56 => self.write(),
            56..72 => self.deliver(),
            72..82 => self.run(replica),
            82..86 => self.ask(replica),
            86..88 => self.time_out(replica),
            88..90 => self.hang_up(replica),
            90..92 => self.cut(replica),
            92..94 => self.crash_replica(replica),
            94..95 => self.crash_store(),
            95..97 => {
                let fate = [Fate::Full, Fate::Lost, Fate::Written][self.random(3)];
                self.disk.disk(|disk| disk.next = fate);
            }
            97..98 => self.tell_living(),
            _ => self.replicas.iter_mut().for_each(|replica| {
                replica.unanswered.retry();
            }),
        }
    }

    /// A client makes an attempt, the first one or another.
    fn attempt(&mut self, at: usize) {
        let operation = self.random(OPERATIONS);
        let client = &mut self.clients[operation];
        if client.asks || client.attempts >= 8 {
            return;
        }
        (client.attempts, client.open) = (client.attempts + 1, client.open + 1);
        let class = client.class;
        let replica = &mut self.replicas[at];
        replica.next_ticket += 1;
        let (course, next) = Course::begin(key(operation), replica.next_ticket, class, [operation as u8 + 1; 16]);
        let id = self.next_attempt;
        self.next_attempt += 1;
        replica.attempts.insert(id, Attempt { operation, course, runs: false, is_wanted: true });
        let answer = replica.go_on(id, next);
        self.answer(at, id, answer);
    }

    fn answer(&mut self, at: usize, id: u64, verdict: Option<Verdict>) {
        let Some(verdict) = verdict else { return };
        let Some(attempt) = self.replicas[at].attempts.remove(&id) else { return };
        if attempt.is_wanted {
            self.clients[attempt.operation].answered(verdict, &result(attempt.operation));
        }
    }

    fn happen(&mut self, at: usize, id: u64, happened: Happened) {
        let replica = &mut self.replicas[at];
        let Some(attempt) = replica.attempts.get_mut(&id) else { return };
        let next = attempt.course.next(happened, attempt.is_wanted);
        let answer = replica.go_on(id, next);
        self.answer(at, id, answer);
    }

    /// A replica connects where it has to, and sends what it has.
    fn send(&mut self, at: usize) {
        if self.replicas[at].connection.is_none() {
            let Some(keeper) = &mut self.keeper else { return };
            let incarnation = self.replicas[at].incarnation;
            let Ok(epoch) = keeper.connect(incarnation, 0) else { return };
            let epoch = epoch.expect("there is no later one");
            let wire = self.next_wire;
            self.next_wire += 1;
            self.current.insert(epoch, wire);
            let incarnation = Some(incarnation);
            self.wires.insert(wire, Wire { replica: at, incarnation, epoch, ..Wire::default() });
            self.replicas[at].connection = Some((wire, epoch));
            self.replicas[at].unanswered.reconnected();
        }
        let Some((wire, _)) = self.replicas[at].connection else { return };
        let sent = self.replicas[at].unsent();
        if let Some(wire) = self.wires.get_mut(&wire) {
            wire.to_store.extend(sent);
        }
    }

    /// The store takes what has come in, some of it, and writes it in one transaction.
    fn write(&mut self) {
        let mut batch = Vec::new();
        let mut places = Vec::new();
        let wires: Vec<u64> = self.wires.keys().copied().collect();
        for wire in wires {
            let most = if self.is_healing { usize::MAX } else { self.random(4) };
            let Some(found) = self.wires.get_mut(&wire) else { continue };
            let is_current = self.current.get(&found.epoch) == Some(&wire);
            for _ in 0..most.min(found.to_store.len()) {
                let Some((number, command)) = found.to_store.pop_front() else { break };
                if is_current {
                    batch.push((found.epoch, command));
                    places.push((wire, number));
                }
            }
        }
        let Some(keeper) = &mut self.keeper else { return };
        let replies = keeper.execute(&batch, 0);
        if !self.is_healing && self.random(20) == 0 {
            // It dies after it has written, and before it has answered.
            return self.crash_store();
        }
        let mut replies = match replies {
            Ok(replies) => replies.into_iter().map(Some).collect::<VecDeque<_>>(),
            Err(crate::operations::store::StoreError::NotWritten(_)) => {
                places.iter().map(|_| Some(Reply { outcome: Outcome::NotWritten, result: None })).collect()
            }
            Err(_) => places.iter().map(|_| None).collect(),
        };
        for (wire, number) in places {
            let reply = replies.pop_front().flatten();
            if let Some(wire) = self.wires.get_mut(&wire) {
                wire.from_store.push_back((number, reply));
            }
        }
    }

    /// An answer arrives.
    fn deliver(&mut self) {
        let waiting: Vec<u64> =
            self.wires.iter().filter(|(_, wire)| !wire.from_store.is_empty()).map(|(number, _)| *number).collect();
        if waiting.is_empty() {
            return;
        }
        let wire = waiting[self.random(waiting.len())];
        let Some(found) = self.wires.get_mut(&wire) else { return };
        let Some((number, reply)) = found.from_store.pop_front() else { return };
        let (at, incarnation) = (found.replica, found.incarnation);
        let is_there = self.replicas[at].connection.map(|(wire, _)| wire) == Some(wire);
        if !is_there || incarnation != Some(self.replicas[at].incarnation) {
            return;
        }
        match self.replicas[at].hear(number, reply.as_ref()) {
            Some(Waiter::Attempt(id)) => self.happen(at, id, Happened::Replied(reply)),
            Some(Waiter::Question(operation)) => {
                let client = &mut self.clients[operation];
                match reply {
                    Some(Reply { outcome: Outcome::Done { .. }, result: Some(found) }) => {
                        client.done(&found, &result(operation));
                    }
                    Some(Reply { outcome: Outcome::Settled(settled), .. }) => client.settled(settled),
                    _ => {}
                }
            }
            None => {}
        }
    }

    /// A tool that was started comes to its end, good or bad.
    fn run(&mut self, at: usize) {
        let runs =
            self.replicas[at].attempts.iter().find(|(_, attempt)| attempt.runs).map(|(id, one)| (*id, one.operation));
        let Some((id, operation)) = runs else { return };
        if let Some(attempt) = self.replicas[at].attempts.get_mut(&id) {
            attempt.runs = false;
        }
        self.runs[operation] += 1;
        let happened = match self.random(if self.is_healing { 8 } else { 10 }) {
            8 => Happened::Broke(Abandoned::Broken),
            9 => Happened::Broke(Abandoned::Late),
            _ => {
                let effect = (self.clients[operation].class == Class::Transactional).then(|| "e".into());
                Happened::Ran { hash: 1, result: result(operation).into_bytes().into(), effect }
            }
        };
        self.happen(at, id, happened);
    }

    /// A client that is unsure asks what became of its operation.
    fn ask(&mut self, at: usize) {
        let operation = self.random(OPERATIONS);
        self.ask_about(at, operation);
    }

    fn ask_about(&mut self, at: usize, operation: usize) {
        let client = &mut self.clients[operation];
        if client.is_unsure && client.told.is_none() {
            client.asks = true;
            self.replicas[at].ask(Command::Ask { key: key(operation), settle: true }, Waiter::Question(operation));
        }
    }

    /// The store takes too long for an attempt.
    fn time_out(&mut self, at: usize) {
        let waiting: Vec<u64> =
            self.replicas[at].attempts.iter().filter(|(_, attempt)| !attempt.runs).map(|(id, _)| *id).collect();
        if waiting.is_empty() {
            return;
        }
        let id = waiting[self.random(waiting.len())];
        self.replicas[at].gone.insert(Waiter::Attempt(id));
        self.happen(at, id, Happened::TimedOut);
    }

    /// A client goes away from an attempt.
    fn hang_up(&mut self, at: usize) {
        let wanted = self.replicas[at].attempts.iter_mut().find(|(_, attempt)| attempt.is_wanted);
        if let Some((_, attempt)) = wanted {
            attempt.is_wanted = false;
            self.clients[attempt.operation].cut();
        }
    }

    /// The connection between a replica and the store breaks; what is under way on it may still arrive.
    fn cut(&mut self, at: usize) {
        self.replicas[at].connection = None;
    }

    /// A replica's process dies, and the next one begins.
    fn crash_replica(&mut self, at: usize) {
        let incarnation = self.begin(at);
        let dead = std::mem::replace(&mut self.replicas[at], Replica::new(incarnation));
        for attempt in dead.attempts.into_values() {
            // A tool may have done its work, or a part of it.
            self.runs[attempt.operation] += u64::from(attempt.runs);
            if attempt.is_wanted {
                self.clients[attempt.operation].cut();
            }
        }
        if !self.is_healing && self.random(2) == 0 {
            self.tell_living();
        }
    }

    /// The supervisor says who lives.
    fn tell_living(&mut self) {
        let living: Vec<u64> = self.replicas.iter().map(|replica| replica.incarnation.number).collect();
        if let Some(keeper) = &mut self.keeper {
            // What fails is said again.
            let _ = keeper.living(1, self.started, &living, 0);
        }
    }

    /// The store's process dies, and is started again.
    fn crash_store(&mut self) {
        self.keeper = None;
        self.wires.clear();
        self.current.clear();
        self.replicas.iter_mut().for_each(|replica| replica.connection = None);
        self.keeper = Some(Keeper::open(self.disk.clone(), KEEP, 0).expect("what was written can be read"));
    }

    /// Nothing bad happens any more, and everything comes to its end.
    pub(super) fn heal(&mut self) {
        self.is_healing = true;
        self.disk.disk(|disk| disk.next = Fate::Good);
        for round in 0..60 {
            for at in 0..REPLICAS {
                self.replicas[at].unanswered.retry();
                self.send(at);
                self.run(at);
            }
            self.write();
            for _ in 0..200 {
                self.deliver();
            }
            if round == 20 {
                self.tell_living();
            }
            if round >= 30 {
                for operation in 0..OPERATIONS {
                    self.clients[operation].is_unsure |= self.clients[operation].attempts > 0;
                    self.ask_about(round % REPLICAS, operation);
                }
            }
        }
    }

    pub(super) fn check(&mut self) {
        for replica in &self.replicas {
            assert_eq!(replica.attempts.len(), 0, "an attempt has no end: {replica:?}");
        }
        for operation in 0..OPERATIONS {
            let client = &self.clients[operation];
            let runs = self.runs[operation];
            let effects = self.disk.disk(|disk| disk.effects.iter().filter(|(of, _, _)| *of == key(operation)).count());
            let rows = || self.disk.disk(|disk| disk.rows.values().map(|(row, _, _)| row.clone()).collect::<Vec<_>>());
            assert!(
                client.attempts == 0 || client.told.is_some(),
                "operation {operation} is unresolved: {client:?} {:?} {:?}",
                self.replicas,
                rows()
            );
            assert!(effects <= 1, "operation {operation} took effect {effects} times");
            assert!(client.class != Class::Once || runs <= 1, "operation {operation} ran {runs} times");
            match (client.told.as_deref(), client.class) {
                (Some("done"), Class::Transactional) => assert_eq!(effects, 1, "operation {operation} is lost"),
                (Some("done"), _) => assert!(runs >= 1, "operation {operation} is lost"),
                (Some("never"), Class::Transactional | Class::ReadOnly) => assert_eq!(effects, 0),
                (Some("never"), _) => assert_eq!(runs, 0, "operation {operation} ran, and was said never to"),
                (Some("indeterminate"), class) => {
                    assert!(matches!(class, Class::Once | Class::Idempotent), "{class:?} is never indeterminate");
                }
                (Some(_), Class::Transactional) => assert_eq!(effects, 0, "operation {operation}: {client:?}"),
                _ => {}
            }
        }
    }
}
