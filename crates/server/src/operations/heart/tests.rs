//! Whatever is asked in whatever order: an operation takes effect at most once, and what was said of it stays true.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;
use crate::operations::keeper::{Deciding, Keeper};
use crate::operations::memory::{Fate, MemoryStore};
use crate::operations::table::{Incarnation, Keep};

const KEEP: Keep = Keep { held_max: 1_000, retention_ns: u64::MAX, unfiled_rows: 3 };

#[derive(Debug, Clone)]
enum Deed {
    /// By replica, on operation, with a new ticket or the last one again.
    Claim {
        replica: usize,
        operation: u8,
        class: u8,
        print: u8,
        again: bool,
    },
    Finish {
        replica: usize,
        operation: u8,
        stale: bool,
    },
    Abandon {
        replica: usize,
        operation: u8,
        how: u8,
    },
    Ask {
        operation: u8,
        settle: bool,
    },
    /// A replica's process ends, and the next one begins.
    Restart {
        replica: usize,
    },
    /// The store is read again from what it has written.
    Reopen,
    /// The next write goes like this.
    Fate(u8),
}

fn deed() -> impl Strategy<Value = Deed> {
    let replica = 0..3usize;
    let operation = 0..4u8;
    prop_oneof![
        4 => (replica.clone(), operation.clone(), 0..8u8, any::<bool>()).prop_map(|(replica, operation, print, again)| {
            // An operation's class is that of its tool, which its fingerprint covers.
            Deed::Claim { replica, operation, class: operation % 4, print: u8::from(print == 0), again }
        }),
        4 => (replica.clone(), operation.clone(), prop::bool::weighted(0.2))
            .prop_map(|(replica, operation, stale)| Deed::Finish { replica, operation, stale }),
        2 => (replica.clone(), operation.clone(), 0..3u8)
            .prop_map(|(replica, operation, how)| Deed::Abandon { replica, operation, how }),
        2 => (operation, any::<bool>()).prop_map(|(operation, settle)| Deed::Ask { operation, settle }),
        1 => replica.prop_map(|replica| Deed::Restart { replica }),
        1 => Just(Deed::Reopen),
        1 => (1..4u8).prop_map(Deed::Fate),
    ]
}

fn key(operation: u8) -> Key {
    Key { principal: "p".into(), operation: operation.to_string().into() }
}

/// A store with three replicas, and what it has said.
struct World {
    store: MemoryStore,
    keeper: Keeper<MemoryStore>,
    incarnations: [Incarnation; 3],
    epochs: [u64; 3],
    tickets: HashMap<(usize, u8), u64>,
    next_ticket: u64,
    /// Claims that were granted and not given back, by operation.
    granted: HashMap<u8, HashSet<(u64, u64)>>,
    stored: HashMap<u8, HashSet<(u64, u64)>>,
    /// What an operation was said to be settled as, or done.
    said: HashMap<u8, String>,
}

impl World {
    fn new() -> Self {
        let store = MemoryStore::default();
        let keeper = Keeper::open(store.clone(), KEEP, 0).expect("an empty store");
        let incarnations = [0, 1, 2].map(|replica| Incarnation { base: 1, replica, number: u64::from(replica) + 1 });
        let mut world = Self {
            store,
            keeper,
            incarnations,
            epochs: [0; 3],
            tickets: HashMap::new(),
            next_ticket: 1,
            granted: HashMap::new(),
            stored: HashMap::new(),
            said: HashMap::new(),
        };
        (0..3).for_each(|replica| world.connect(replica));
        world
    }

    fn connect(&mut self, replica: usize) {
        // As a replica does: until it has an epoch.
        for _ in 0..3 {
            if let Ok(epoch) = self.keeper.connect(self.incarnations[replica], 0) {
                self.epochs[replica] = epoch.expect("there is no later one");
                return;
            }
        }
        panic!("no epoch in three tries");
    }

    fn ask(&mut self, replica: usize, command: Command) -> Option<Outcome> {
        let batch = [(self.epochs[replica], command)];
        self.keeper.execute(&batch, 0).ok().map(|replies| replies[0].outcome.clone())
    }

    fn note(&mut self, operation: u8, said: String) {
        let before = self.said.entry(operation).or_insert_with(|| said.clone());
        assert_eq!(*before, said, "operation {operation} was settled twice");
    }

    fn claim(&mut self, replica: usize, operation: u8, class: u8, print: u8, again: bool) {
        let ticket = match self.tickets.get(&(replica, operation)) {
            Some(ticket) if again => *ticket,
            _ => {
                self.next_ticket += 1;
                self.next_ticket
            }
        };
        let class = Class::ALL[usize::from(class)];
        let command = Command::Claim { key: key(operation), ticket, class, fingerprint: [print + 1; 16] };
        match self.ask(replica, command) {
            Some(Outcome::Granted) => {
                assert!(!self.said.contains_key(&operation), "operation {operation} is settled, and runs");
                self.tickets.insert((replica, operation), ticket);
                let granted = self.granted.entry(operation).or_default();
                granted.insert((self.epochs[replica], ticket));
                assert!(class != Class::Once || granted.len() == 1, "operation {operation} runs twice");
            }
            Some(Outcome::Done { epoch, row }) => self.note(operation, format!("done {epoch} {row}")),
            Some(Outcome::Settled(settled)) => self.note(operation, format!("{settled:?}")),
            // It may have been written. As `unanswered` does: it is given back.
            None => {
                self.tickets.insert((replica, operation), ticket);
                self.abandon(replica, operation, 0);
            }
            _ => {}
        }
    }

    fn finish(&mut self, replica: usize, operation: u8, stale: bool) {
        let Some(ticket) = self.tickets.get(&(replica, operation)).copied() else { return };
        let ticket = if stale { ticket.wrapping_sub(1) } else { ticket };
        let effect = operation.is_multiple_of(4).then(|| operation.to_string().into());
        let command = Command::Finish { key: key(operation), ticket, hash: 1, result: Box::from(*b"{}"), effect };
        if self.ask(replica, command) == Some(Outcome::Stored) {
            let by = (self.epochs[replica], ticket);
            assert!(self.granted[&operation].contains(&by), "a result without a claim");
            let stored = self.stored.entry(operation).or_default();
            stored.insert(by);
            assert_eq!(stored.len(), 1, "operation {operation} has two results");
        }
    }

    fn abandon(&mut self, replica: usize, operation: u8, how: u8) {
        let Some(ticket) = self.tickets.remove(&(replica, operation)) else { return };
        let how = [Abandoned::Unstarted, Abandoned::Broken, Abandoned::Late][usize::from(how)];
        let mut ended = None;
        // As `unanswered` does: until it is heard.
        for _ in 0..3 {
            ended = self.ask(replica, Command::Abandon { key: key(operation), ticket, how });
            if ended.is_some() {
                break;
            }
        }
        assert_eq!(ended, Some(Outcome::Ended));
        if how == Abandoned::Unstarted {
            // It was not run; should it have had a result before, that stays.
            let was_stored = self.stored.get(&operation).is_some_and(|by| by.contains(&(self.epochs[replica], ticket)));
            if !was_stored && let Some(granted) = self.granted.get_mut(&operation) {
                granted.remove(&(self.epochs[replica], ticket));
            }
        }
    }

    fn look(&mut self, operation: u8, settle: bool) {
        match self.ask(0, Command::Ask { key: key(operation), settle }) {
            Some(Outcome::Done { epoch, row }) => self.note(operation, format!("done {epoch} {row}")),
            Some(Outcome::Settled(settled)) => {
                let runs = self.granted.get(&operation).map_or(0, HashSet::len);
                assert!(settled != Settled::Indeterminate || runs > 0, "nothing can be unclear: it never ran");
                self.note(operation, format!("{settled:?}"));
            }
            Some(Outcome::Open) => assert!(!settle),
            _ => {}
        }
    }

    fn restart(&mut self, replica: usize) {
        self.incarnations[replica].number += 3;
        self.tickets.retain(|(by, _), _| *by != replica);
        self.connect(replica);
    }

    fn check_effects(&self) {
        self.store.disk(|disk| {
            for operation in 0..4u8 {
                let count = disk.effects.iter().filter(|(of, _, _)| *of == key(operation)).count();
                assert!(count <= 1, "operation {operation} took effect {count} times");
                let has_result = self.stored.contains_key(&operation);
                assert!(operation % 4 != 0 || !has_result || count == 1, "a result without its effect");
            }
        });
    }
}

fn run(deeds: &[Deed]) {
    let mut world = World::new();
    for deed in deeds {
        match deed.clone() {
            Deed::Claim { replica, operation, class, print, again } => {
                world.claim(replica, operation, class, print, again);
            }
            Deed::Finish { replica, operation, stale } => world.finish(replica, operation, stale),
            Deed::Abandon { replica, operation, how } => world.abandon(replica, operation, how),
            Deed::Ask { operation, settle } => world.look(operation, settle),
            Deed::Restart { replica } => world.restart(replica),
            Deed::Reopen => world.keeper = Keeper::open(world.store.clone(), KEEP, 0).expect("it was written here"),
            Deed::Fate(fate) => {
                world
                    .store
                    .disk(|disk| disk.next = [Fate::Good, Fate::Full, Fate::Lost, Fate::Written][usize::from(fate)]);
            }
        }
        world.check_effects();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn nothing_happens_twice_and_nothing_is_taken_back(deeds in prop::collection::vec(deed(), 1..60)) {
        run(&deeds);
    }
}

fn record(state: State) -> Record {
    Record { fingerprint: [7; 16], first: 1, last: 1, at_ns: 0, state }
}

#[test]
fn what_is_left_of_a_claim_that_was_taken_away_depends_on_the_tool() {
    let of = |class| fence(class);
    assert_eq!(of(Class::Once), (Event::Indeterminate, State::Settled(Settled::Indeterminate)));
    for class in [Class::Transactional, Class::ReadOnly, Class::Idempotent] {
        assert_eq!(of(class), (Event::Fenced, State::Open(class)));
    }
    let settled = |class| match ask(Some(&record(State::Open(class))), true) {
        Decision::Changes(Outcome::Settled(settled), _, _) => settled,
        other => panic!("{other:?}"),
    };
    assert_eq!(settled(Class::Transactional), Settled::Never);
    assert_eq!(settled(Class::ReadOnly), Settled::Never);
    assert_eq!(settled(Class::Idempotent), Settled::Indeterminate);
}

#[test]
fn another_call_with_the_same_id_is_refused_whatever_became_of_the_first() {
    let claim = Claim { epoch: 1, ticket: 1, class: Class::Once, row: 1, again: false };
    for state in [State::Running(claim), State::Open(Class::ReadOnly), State::Done { epoch: 1, ticket: 1, row: 2 }] {
        let command = Command::Claim { key: key(1), ticket: 9, class: Class::Once, fingerprint: [8; 16] };
        assert_eq!(decide(Some(&record(state)), &command, 1, 5), Decision::Same(Outcome::Mismatch));
    }
    // Of an operation that was settled before it was ever seen, no call is known.
    let never = Record { fingerprint: [0; 16], ..record(State::Settled(Settled::Never)) };
    let command = Command::Claim { key: key(1), ticket: 9, class: Class::Once, fingerprint: [8; 16] };
    assert_eq!(decide(Some(&never), &command, 1, 5), Decision::Same(Outcome::Settled(Settled::Never)));
}

/// They are in files and databases of earlier versions, and go between processes of two versions.
#[test]
fn numbers_stay_what_they_are() {
    let events = Event::ALL.map(|event| (event.code(), event.to_string()));
    let expected = [
        (1, "accepted"),
        (2, "done"),
        (3, "cancelled"),
        (4, "expired"),
        (5, "never"),
        (6, "indeterminate"),
        (7, "fenced"),
    ];
    assert_eq!(events, expected.map(|(code, name)| (code, name.to_string())));
    let classes = [Class::Transactional, Class::ReadOnly, Class::Idempotent, Class::Once].map(Class::code);
    let ends = [Abandoned::Unstarted, Abandoned::Broken, Abandoned::Late].map(Abandoned::code);
    assert_eq!((classes, ends), ([0, 1, 2, 3], [0, 1, 2]));
    assert!(Event::ALL.into_iter().all(|event| Event::from_code(event.code().into()) == Some(event)));
    assert!(Class::ALL.into_iter().all(|class| Class::from_code(class.code()) == Some(class)));
}
