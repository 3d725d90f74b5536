//! What every store has to do, whatever it is made of.

use super::*;
use crate::operations::heart::{Abandoned, Class, Key, Settled};
use crate::operations::memory::{Fate, MemoryStore};

pub(crate) const KEEP: Keep = Keep { held_max: 1_000, retention_ns: 1_000_000, unfiled_rows: 2 };

fn key(operation: &str) -> Key {
    Key { principal: "p".into(), operation: operation.into() }
}

fn claim(operation: &str, ticket: u64, class: Class) -> Command {
    Command::Claim { key: key(operation), ticket, class, fingerprint: [7; 16] }
}

fn finish(operation: &str, ticket: u64, text: &str) -> Command {
    let effect = Some(text.into());
    Command::Finish { key: key(operation), ticket, hash: 1, result: text.as_bytes().into(), effect }
}

fn ask(operation: &str, settle: bool) -> Command {
    Command::Ask { key: key(operation), settle }
}

fn incarnation(number: u64) -> Incarnation {
    Incarnation { base: 1, replica: 1, number }
}

/// A store that can be opened again after its holder was dropped.
pub(crate) trait Reopening {
    type Open: Deciding;
    fn open(&self) -> Self::Open;
}

impl Reopening for MemoryStore {
    type Open = Keeper<Self>;

    fn open(&self) -> Keeper<Self> {
        Keeper::open(self.clone(), KEEP, 0).expect("it opens")
    }
}

struct Bench<'a, R: Reopening> {
    again: &'a R,
    keeper: Option<R::Open>,
}

impl<'a, R: Reopening> Bench<'a, R> {
    fn new(again: &'a R) -> Self {
        Self { again, keeper: Some(again.open()) }
    }

    /// As after the death of the process.
    fn reopen(&mut self) {
        self.keeper = None;
        self.keeper = Some(self.again.open());
    }

    fn keeper(&mut self) -> &mut R::Open {
        self.keeper.as_mut().expect("it is open")
    }

    fn connect(&mut self, number: u64) -> u64 {
        self.keeper().connect(incarnation(number), 0).expect("written").expect("the latest")
    }

    fn one(&mut self, epoch: u64, command: Command) -> Reply {
        self.keeper().execute(&[(epoch, command)], 0).expect("written").remove(0)
    }

    fn outcome(&mut self, epoch: u64, command: Command) -> Outcome {
        self.one(epoch, command).outcome
    }
}

/// The contract. `again` opens the same store each time.
pub(crate) fn holds(again: &impl Reopening) {
    results_survive(again);
    claims_survive_with_their_epoch(again);
    tombstones_survive(again);
    batches_are_carried_out_in_order(again);
    old_results_go(again);
}

fn results_survive(again: &impl Reopening) {
    let mut bench = Bench::new(again);
    let epoch = bench.connect(1);
    assert_eq!(bench.outcome(epoch, claim("a", 1, Class::Transactional)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, finish("a", 1, "{\"x\":1}")), Outcome::Stored);
    bench.reopen();
    assert_eq!(bench.connect(1), epoch, "the same process has the same epoch");
    assert_eq!(bench.outcome(epoch, finish("a", 1, "{\"x\":1}")), Outcome::Stored, "said again");
    let replayed = bench.one(epoch, claim("a", 2, Class::Transactional));
    assert!(matches!(replayed.outcome, Outcome::Done { epoch: by, .. } if by == epoch), "{replayed:?}");
    assert_eq!(replayed.result.as_deref(), Some(&b"{\"x\":1}"[..]));
    let other = Command::Claim { key: key("a"), ticket: 3, class: Class::Transactional, fingerprint: [8; 16] };
    assert_eq!(bench.outcome(epoch, other), Outcome::Mismatch);
}

fn claims_survive_with_their_epoch(again: &impl Reopening) {
    let mut bench = Bench::new(again);
    let epoch = bench.connect(1);
    assert_eq!(bench.outcome(epoch, claim("b", 4, Class::Once)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, claim("c", 5, Class::Transactional)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, claim("d", 6, Class::Once)), Outcome::Granted);
    let unstarted = Command::Abandon { key: key("d"), ticket: 6, how: Abandoned::Unstarted };
    assert_eq!(bench.outcome(epoch, unstarted), Outcome::Ended);
    bench.reopen();
    assert_eq!(bench.outcome(epoch, claim("b", 4, Class::Once)), Outcome::Granted, "said again");
    assert_eq!(bench.outcome(epoch, claim("b", 7, Class::Once)), Outcome::Running { epoch });
    assert_eq!(bench.outcome(epoch, ask("d", false)), Outcome::Open, "it was given back");
    let next = bench.connect(2);
    assert!(next > epoch);
    assert_eq!(bench.outcome(epoch, finish("b", 4, "late")), Outcome::Fenced);
    bench.reopen();
    assert_eq!(bench.outcome(epoch, finish("b", 4, "late")), Outcome::Fenced, "for good");
    assert_eq!(bench.outcome(next, ask("b", false)), Outcome::Settled(Settled::Indeterminate));
    assert_eq!(bench.outcome(next, claim("c", 1, Class::Transactional)), Outcome::Granted, "it may run once more");
    bench.reopen();
    assert_eq!(bench.outcome(next, finish("c", 1, "{}")), Outcome::Stored);
    bench.keeper().living(1, 2, &[], 0).expect("written");
    assert_eq!(bench.outcome(next, claim("e", 1, Class::Once)), Outcome::Fenced);
    bench.reopen();
    assert_eq!(bench.outcome(next, claim("e", 1, Class::Once)), Outcome::Fenced, "for good");
    assert!(bench.connect(3) > next, "epochs only grow");
}

fn tombstones_survive(again: &impl Reopening) {
    let mut bench = Bench::new(again);
    let epoch = bench.connect(10);
    assert_eq!(bench.outcome(epoch, ask("f", false)), Outcome::Open);
    assert_eq!(bench.outcome(epoch, ask("f", true)), Outcome::Settled(Settled::Never));
    for (name, how, settled) in
        [("g", Abandoned::Broken, Settled::Cancelled), ("h", Abandoned::Late, Settled::Expired { executed: false })]
    {
        assert_eq!(bench.outcome(epoch, claim(name, 8, Class::Transactional)), Outcome::Granted);
        assert_eq!(bench.outcome(epoch, Command::Abandon { key: key(name), ticket: 8, how }), Outcome::Ended);
        assert_eq!(bench.outcome(epoch, claim(name, 9, Class::Transactional)), Outcome::Settled(settled));
    }
    bench.reopen();
    assert_eq!(bench.outcome(epoch, claim("f", 9, Class::Once)), Outcome::Settled(Settled::Never));
    assert_eq!(bench.outcome(epoch, ask("g", true)), Outcome::Settled(Settled::Cancelled));
    assert_eq!(bench.outcome(epoch, ask("h", true)), Outcome::Settled(Settled::Expired { executed: false }));
}

fn batches_are_carried_out_in_order(again: &impl Reopening) {
    let mut bench = Bench::new(again);
    let epoch = bench.connect(11);
    let batch: Vec<(u64, Command)> = [
        claim("i", 1, Class::Once),
        claim("i", 2, Class::Once),
        finish("i", 1, "{\"i\":1}"),
        claim("i", 3, Class::Once),
        Command::Ask { key: key("j"), settle: true },
        claim("j", 4, Class::Once),
    ]
    .map(|command| (epoch, command))
    .into();
    let replies = bench.keeper().execute(&batch, 0).expect("written");
    let outcomes: Vec<&Outcome> = replies.iter().map(|reply| &reply.outcome).collect();
    assert_eq!(outcomes[..3], [&Outcome::Granted, &Outcome::Running { epoch }, &Outcome::Stored]);
    assert_eq!(replies[3].result.as_deref(), Some(&b"{\"i\":1}"[..]));
    let never = Outcome::Settled(Settled::Never);
    assert_eq!(outcomes[4..], [&never, &never]);
}

fn old_results_go(again: &impl Reopening) {
    let mut bench = Bench::new(again);
    let epoch = bench.connect(12);
    assert_eq!(bench.outcome(epoch, claim("k", 1, Class::Once)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, finish("k", 1, "{}")), Outcome::Stored);
    assert_eq!(bench.outcome(epoch, claim("m", 1, Class::Idempotent)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, claim("n", 1, Class::ReadOnly)), Outcome::Granted);
    let epoch = bench.connect(13);
    assert_eq!(bench.outcome(epoch, claim("l", 1, Class::Once)), Outcome::Granted);
    // Some stores have a clock of their own.
    std::thread::sleep(std::time::Duration::from_nanos(2 * KEEP.retention_ns));
    bench.keeper().sweep(KEEP.retention_ns).expect("written");
    let expired = Outcome::Settled(Settled::Expired { executed: true });
    assert_eq!(bench.outcome(epoch, claim("k", 2, Class::Once)), expired);
    assert_eq!(bench.outcome(epoch, finish("l", 1, "{}")), Outcome::Stored, "what runs is not swept");
    let may_have_run = Outcome::Settled(Settled::Indeterminate);
    assert_eq!(bench.outcome(epoch, claim("m", 2, Class::Idempotent)), may_have_run);
    let never_did = Outcome::Settled(Settled::Expired { executed: false });
    assert_eq!(bench.outcome(epoch, claim("n", 2, Class::ReadOnly)), never_did);
    bench.reopen();
    assert_eq!(bench.outcome(epoch, claim("m", 2, Class::Idempotent)), may_have_run);
    assert_eq!(bench.outcome(epoch, claim("k", 2, Class::Once)), expired);
}

fn said<S: Store>(keeper: &mut Keeper<S>, epoch: u64, command: Command, now_ns: u64) -> Outcome {
    keeper.execute(&[(epoch, command)], now_ns).expect("written").remove(0).outcome
}

/// What stores with a keeper have to do where there is little room.
pub(crate) fn the_oldest_go<S: Store>(open: impl Fn(Keep) -> Keeper<S>) {
    let keep = Keep { held_max: 4, retention_ns: 1_000, unfiled_rows: 2 };
    let mut keeper = open(keep);
    let epoch = keeper.connect(incarnation(1), 0).expect("written").expect("the first");
    for number in 0..4u64 {
        let id = number.to_string();
        assert_eq!(said(&mut keeper, epoch, claim(&id, 1, Class::Transactional), number), Outcome::Granted);
        assert_eq!(said(&mut keeper, epoch, finish(&id, 1, "{}"), number), Outcome::Stored);
    }
    let new = || claim("new", 1, Class::Transactional);
    assert_eq!(said(&mut keeper, epoch, ask("new", true), 500), Outcome::Full);
    keeper.sweep(999).expect("written");
    assert_eq!(said(&mut keeper, epoch, new(), 999), Outcome::Full, "nothing young is forgotten");
    keeper.sweep(1_001).expect("written");
    let expired = Outcome::Settled(Settled::Expired { executed: true });
    assert_eq!(said(&mut keeper, epoch, claim("0", 2, Class::Transactional), 1_001), expired);
    assert_eq!(said(&mut keeper, epoch, new(), 1_001), Outcome::Granted);
    keeper.sweep(1_001).expect("written");
    let check = |keeper: &mut Keeper<S>| {
        assert_eq!(keeper.len(), 4);
        assert_eq!(said(keeper, epoch, ask("0", false), 1_001), Outcome::Open, "the oldest had to go for the new one");
        assert_eq!(said(keeper, epoch, ask("1", false), 1_001), expired);
        assert!(matches!(said(keeper, epoch, ask("2", false), 1_001), Outcome::Done { .. }));
        assert_eq!(said(keeper, epoch, ask("new", false), 1_001), Outcome::Running { epoch });
    };
    check(&mut keeper);
    drop(keeper);
    check(&mut open(keep));
}

/// A claim that runs while a sweep passes what was there before it, and is given back then.
pub(crate) fn what_is_given_back_goes_too<S: Store>(open: impl Fn(Keep) -> Keeper<S>) {
    let keep = Keep { held_max: 4, retention_ns: 1_000, unfiled_rows: 2 };
    let mut keeper = open(keep);
    let epoch = keeper.connect(incarnation(1), 0).expect("written").expect("the first");
    assert_eq!(said(&mut keeper, epoch, claim("again", 1, Class::Transactional), 0), Outcome::Granted);
    let epoch = keeper.connect(incarnation(2), 0).expect("written").expect("the latest");
    assert_eq!(said(&mut keeper, epoch, claim("again", 2, Class::Transactional), 900), Outcome::Granted);
    keeper.sweep(1_001).expect("written");
    assert_eq!(said(&mut keeper, epoch, ask("again", false), 1_001), Outcome::Running { epoch });
    let unstarted = Command::Abandon { key: key("again"), ticket: 2, how: Abandoned::Unstarted };
    assert_eq!(said(&mut keeper, epoch, unstarted, 1_001), Outcome::Ended);
    drop(keeper);
    let mut keeper = open(keep);
    keeper.sweep(5_000).expect("written");
    let expired = Outcome::Settled(Settled::Expired { executed: false });
    assert_eq!(said(&mut keeper, epoch, ask("again", false), 5_000), expired);
    for id in ["x", "y", "z"] {
        assert_eq!(said(&mut keeper, epoch, claim(id, 1, Class::Transactional), 5_000), Outcome::Granted);
        assert_eq!(said(&mut keeper, epoch, finish(id, 1, "{}"), 5_000), Outcome::Stored);
    }
    keeper.sweep(6_001).expect("written");
    assert_eq!(said(&mut keeper, epoch, claim("new", 1, Class::Once), 6_001), Outcome::Granted);
}

#[test]
fn memory_keeps_the_contract() {
    holds(&MemoryStore::default());
    let store = MemoryStore::default();
    the_oldest_go(|keep| Keeper::open(store.clone(), keep, 0).expect("it opens"));
    let store = MemoryStore::default();
    what_is_given_back_goes_too(|keep| Keeper::open(store.clone(), keep, 0).expect("it opens"));
}

#[test]
fn a_sweep_that_was_not_written_is_made_again() {
    let store = MemoryStore::default();
    let mut bench = Bench::new(&store);
    let epoch = bench.connect(1);
    assert_eq!(bench.outcome(epoch, claim("a", 1, Class::Once)), Outcome::Granted);
    assert_eq!(bench.outcome(epoch, finish("a", 1, "{}")), Outcome::Stored);
    store.disk(|disk| disk.next = Fate::Full);
    assert!(bench.keeper().sweep(KEEP.retention_ns).is_err());
    assert!(matches!(bench.outcome(epoch, claim("a", 2, Class::Once)), Outcome::Done { .. }));
    bench.keeper().sweep(KEEP.retention_ns).expect("written");
    let expired = Outcome::Settled(Settled::Expired { executed: true });
    assert_eq!(bench.outcome(epoch, claim("a", 2, Class::Once)), expired);
}

#[test]
fn nothing_is_answered_that_was_not_written() {
    let store = MemoryStore::default();
    let mut bench = Bench::new(&store);
    let epoch = bench.connect(1);
    for fate in [Fate::Full, Fate::Lost] {
        store.disk(|disk| disk.next = fate);
        assert!(bench.keeper().execute(&[(epoch, claim("a", 1, Class::Once))], 0).is_err());
        assert_eq!(bench.outcome(epoch, ask("a", false)), Outcome::Open, "{fate:?}");
    }
    store.disk(|disk| disk.next = Fate::Written);
    assert!(bench.keeper().execute(&[(epoch, claim("a", 1, Class::Once))], 0).is_err());
    assert_eq!(
        bench.outcome(epoch, claim("a", 1, Class::Once)),
        Outcome::Granted,
        "it was written, and is known again"
    );
}
