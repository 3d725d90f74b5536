//! Against a PostgreSQL that `peers/run postgres` starts; without it these tests are left out. ERLMCP_TEST_POSTGRES is the
//! address of a database that may be filled. One at a time: one of them ends connections.

use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::operations::heart::{Class, Key, Outcome, Settled};
use crate::operations::keeper::contract::{KEEP, Reopening, holds};

const KEEP_ALL: Keep = Keep { held_max: 1_000_000, retention_ns: 3_600_000_000_000, ..KEEP };

fn address() -> PostgresAddress {
    let text = std::env::var("ERLMCP_TEST_POSTGRES").expect("ERLMCP_TEST_POSTGRES is the address of a database");
    text.parse().expect("an address")
}

/// A member of its own, so that tests leave each other alone.
fn base() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    crate::operations::random_base() ^ NEXT.fetch_add(1, Ordering::Relaxed)
}

fn open(base: u64) -> PostgresStore {
    PostgresStore::open(&address(), base, KEEP_ALL).expect("it opens")
}

fn key(operation: &str) -> Key {
    Key { principal: "tests".into(), operation: operation.into() }
}

fn claim(operation: &str, ticket: u64, class: Class) -> Command {
    Command::Claim { key: key(operation), ticket, class, fingerprint: [7; 16] }
}

fn finish(operation: &str, ticket: u64) -> Command {
    let effect = Some(operation.into());
    Command::Finish { key: key(operation), ticket, hash: 1, result: Box::from(*b"{}"), effect }
}

fn incarnation(base: u64, number: u64) -> Incarnation {
    Incarnation { base, replica: 1, number }
}

fn one(store: &mut PostgresStore, epoch: u64, command: Command) -> Outcome {
    store.execute(&[(epoch, command)], 1).expect("written").remove(0).outcome
}

struct InDatabase(u64);

impl Reopening for InDatabase {
    type Open = PostgresStore;

    fn open(&self) -> PostgresStore {
        PostgresStore::open(&address(), self.0, Keep { held_max: KEEP_ALL.held_max, ..KEEP }).expect("it opens")
    }
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn postgres_keeps_the_contract() {
    holds(&InDatabase(1));
}

/// Ends connections of stores at random moments, until it is dropped.
struct Terminator {
    stop: std::sync::Arc<std::sync::atomic::AtomicBool>,
    thread: Option<std::thread::JoinHandle<u64>>,
}

/// A connection for a test's own questions.
fn direct<T>(work: impl AsyncFn(&tokio_postgres::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let config = address().config("erlmcp store").expect("an address");
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.expect("it connects");
        let driver = tokio::spawn(connection);
        let done = work(&client).await;
        driver.abort();
        done
    })
}

impl Terminator {
    fn start() -> Self {
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let flag = std::sync::Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            direct(async |client| {
                let end = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE \
                           application_name = 'erlmcp store' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1) a";
                let mut count = 0;
                while !flag.load(Ordering::Relaxed) {
                    count += client.query_one(end, &[]).await.expect("it may").get::<_, i64>(0).cast_unsigned();
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                count
            })
        });
        Self { stop, thread: Some(thread) }
    }

    fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("it runs").join().expect("it ends")
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// As a replica does: what the store could not do is said again.
fn insist(store: &mut PostgresStore, batch: &[(u64, Command)]) -> Vec<Outcome> {
    for _ in 0..1_000 {
        match store.execute(batch, 1) {
            Ok(replies) => return replies.into_iter().map(|reply| reply.outcome).collect(),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    panic!("the store has not come back");
}

/// 1..=count, shuffled by a seed.
fn shuffled(count: u64, seed: u64) -> Vec<u64> {
    let mut numbers: Vec<u64> = (1..=count).collect();
    let mut state = seed;
    for place in (1..numbers.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        numbers.swap(place, usize::try_from(state >> 33).expect("31 bits") % (place + 1));
    }
    numbers
}

/// One member claims all operations of a race in its own order, several at once, and does those that it gets. How many.
fn compete(race: &str, count: u64, seed: u64) -> usize {
    let base = base();
    let mut store = loop {
        if let Ok(store) = PostgresStore::open(&address(), base, KEEP_ALL) {
            break store;
        }
    };
    let epoch = loop {
        match store.connect(incarnation(base, 1), 1) {
            Ok(epoch) => break epoch.expect("it is the latest"),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let mut granted = 0;
    for some in shuffled(count, seed).chunks(16) {
        let id = |number: &u64| format!("{race}-{number}");
        let claims: Vec<_> = some.iter().map(|one| (epoch, claim(&id(one), *one, Class::Transactional))).collect();
        let outcomes = insist(&mut store, &claims);
        let mine = some.iter().zip(&outcomes).filter(|(_, outcome)| **outcome == Outcome::Granted);
        let finishes: Vec<_> = mine.map(|(one, _)| (epoch, finish(&id(one), *one))).collect();
        granted += finishes.len();
        assert!(insist(&mut store, &finishes).iter().all(|outcome| *outcome == Outcome::Stored));
        let others = outcomes.iter().filter(|outcome| **outcome != Outcome::Granted);
        assert!(others.into_iter().all(|one| matches!(one, Outcome::Running { .. } | Outcome::Done { .. })));
    }
    granted
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn of_members_that_race_one_is_granted_whatever_breaks() {
    const RACES: u64 = 4_000;
    for (seed, breaks) in [(1, false), (2, true)] {
        let race = format!("race-{:x}", base());
        let terminator = breaks.then(Terminator::start);
        let granted: Vec<usize> = std::thread::scope(|threads| {
            let race = &race;
            let members: Vec<_> =
                (0..3).map(|member| threads.spawn(move || compete(race, RACES, seed * 10 + member))).collect();
            members.into_iter().map(|member| member.join().expect("it ends")).collect()
        });
        let ended = terminator.map(Terminator::stop);
        assert_eq!(granted.iter().sum::<usize>() as u64, RACES, "{granted:?}, {ended:?} connections ended");
        assert!(ended.is_none_or(|ended| ended > 0));
        let (effects, different): (i64, i64) = direct(async |client| {
            let count = "SELECT count(*), count(DISTINCT operation) FROM erlmcp.effects WHERE operation LIKE $1";
            let row = client.query_one(count, &[&format!("{race}-%")]).await.expect("counted");
            (row.get(0), row.get(1))
        });
        assert_eq!((effects.cast_unsigned(), different.cast_unsigned()), (RACES, RACES));
        println_for_people(&format!("{RACES} races of 3 members: {granted:?} granted; {ended:?} connections ended"));
    }
}

#[expect(clippy::print_stderr, reason = "what a run of these tests has seen")]
fn println_for_people(text: &str) {
    eprintln!("{text}");
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn a_member_that_is_gone_loses_its_claims_and_one_that_comes_back_begins_anew() {
    let (ours, theirs) = (base(), base());
    let id = format!("gone-{ours:x}");
    let mut store = open(ours);
    let epoch = store.connect(incarnation(ours, 1), 1).expect("written").expect("the latest");
    assert_eq!(one(&mut store, epoch, claim(&id, 1, Class::Transactional)), Outcome::Granted);
    let once = format!("{id}-once");
    assert_eq!(one(&mut store, epoch, claim(&once, 2, Class::Once)), Outcome::Granted);
    let mut other = open(theirs);
    let next = other.connect(incarnation(theirs, 1), 1).expect("written").expect("the latest");
    assert_ne!(epoch, next, "the same replica of another cluster is another process");
    for _ in 0..3 {
        other.sweep(1).expect("it looks");
    }
    assert_eq!(one(&mut other, next, claim(&id, 1, Class::Transactional)), Outcome::Running { epoch });
    drop(store);
    let gone_ns = monotonic_ns();
    while one(&mut other, next, claim(&id, 1, Class::Transactional)) != Outcome::Granted {
        std::thread::sleep(Duration::from_millis(500));
        other.sweep(1).expect("it looks");
        assert!(monotonic_ns() - gone_ns < 60_000_000_000, "its claims are still there");
    }
    assert!(monotonic_ns() - gone_ns >= 5_000_000_000, "it could have come back");
    let settled = Outcome::Settled(Settled::Indeterminate);
    assert_eq!(one(&mut other, next, claim(&once, 1, Class::Once)), settled);
    let mut back = open(ours);
    back.epochs.insert(epoch);
    assert_eq!(one(&mut back, epoch, finish(&id, 1)), Outcome::Fenced);
    assert!(!back.lives(epoch), "it knows now");
    let again = back.connect(incarnation(ours, 1), 1).expect("written").expect("the latest");
    assert!(again > next);
    assert_eq!(one(&mut other, next, finish(&id, 1)), Outcome::Stored);
    assert!(
        matches!(one(&mut back, again, claim(&id, 1, Class::Transactional)), Outcome::Done { epoch, .. } if epoch == next)
    );
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn what_the_database_refuses_is_refused_and_a_lost_connection_is_made_again() {
    let base = base();
    let mut store = open(base);
    let id = format!("refused-{base:x}");
    let epoch = store.connect(incarnation(base, 1), 1).expect("written").expect("the latest");
    let say = |store: &PostgresStore, sql: &str| {
        let session = store.session.as_ref().expect("it is connected");
        store.runtime.block_on(session.client.batch_execute(sql)).expect("it may");
    };
    say(&store, "SET default_transaction_read_only = on");
    let refused = store.execute(&[(epoch, claim(&id, 1, Class::Once))], 1);
    assert!(matches!(&refused, Err(StoreError::NotWritten(why)) if why.contains("read-only")), "{refused:?}");
    say(&store, "SET default_transaction_read_only = off");
    assert_eq!(one(&mut store, epoch, claim(&id, 1, Class::Once)), Outcome::Granted);
    let session = store.session.as_ref().expect("it is connected");
    let pid = store.runtime.block_on(session.client.query_one("SELECT pg_backend_pid()", &[])).expect("asked");
    let pid: i32 = pid.get(0);
    direct(async |client| client.query("SELECT pg_terminate_backend($1)", &[&pid]).await.expect("it may"));
    assert_eq!(one(&mut store, epoch, finish(&id, 1)), Outcome::Stored);
    assert!(store.lives(epoch));
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn an_export_has_what_all_members_did() {
    let (ours, theirs) = (base(), base());
    let (mut store, mut other) = (open(ours), open(theirs));
    let id = format!("export-{ours:x}");
    let epoch = store.connect(incarnation(ours, 1), 1).expect("written").expect("the latest");
    let next =
        other.connect(Incarnation { replica: 9, ..incarnation(theirs, 1) }, 1).expect("written").expect("the latest");
    assert_eq!(one(&mut store, epoch, claim(&id, 1, Class::Transactional)), Outcome::Granted);
    store.living(ours, 1, &[], 5).expect("written");
    assert_eq!(one(&mut other, next, claim(&id, 1, Class::Transactional)), Outcome::Granted);
    assert_eq!(one(&mut other, next, finish(&id, 1)), Outcome::Stored);
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("export");
    let rows = export(&address(), &to).expect("exported while it is open");
    let text = std::fs::read_to_string(&to).expect("text");
    assert_eq!(text.lines().count() as u64, rows);
    let print = "0707070707070707";
    let of_it = text.lines().filter(|line| line.contains(&id)).map(|line| line.split_once('\t').expect("fields").1);
    let expected = [
        format!("accepted\ttests\t{id}\t{epoch}\t1\t{print}\t-\t1"),
        format!("started\ttests\t{id}\t{epoch}\t1\t{print}\t-\t1"),
        format!("fenced\ttests\t{id}\t{epoch}\t1\t{print}\t-\t5"),
        format!("accepted\ttests\t{id}\t{next}\t9\t{print}\t-\t1"),
        format!("started\ttests\t{id}\t{next}\t9\t{print}\t-\t1"),
        format!("effect\ttests\t{id}\t{next}\t9\t{print}\t-\t1"),
        format!("done\ttests\t{id}\t{next}\t9\t{print}\t0000000000000001\t1"),
    ];
    assert_eq!(of_it.collect::<Vec<_>>(), expected);
    assert!(text.contains(&format!("\tfenced\t-\t-\t{epoch}\t1\t-\t-\t5")), "the end of its epoch is told");
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn where_there_is_no_room_the_oldest_are_forgotten() {
    let base = base();
    let mut store = open(base);
    let epoch = store.connect(incarnation(base, 1), 1).expect("written").expect("the latest");
    let before = store.len();
    let id = |number| format!("old-{base:x}-{number}");
    let settle: Vec<_> = (0..40).map(|number| (epoch, Command::Ask { key: key(&id(number)), settle: true })).collect();
    store.execute(&settle, 1).expect("written");
    assert_eq!(store.len(), before + 40);
    store.keep = Keep { held_max: store.len(), ..KEEP_ALL };
    assert_eq!(one(&mut store, epoch, claim(&id(40), 1, Class::Once)), Outcome::Full, "nothing young is forgotten");
    store.sweep(1).expect("swept");
    assert_eq!(one(&mut store, epoch, claim(&id(40), 1, Class::Once)), Outcome::Full, "nothing young is forgotten");
    store.keep.retention_ns = 0;
    store.sweep(1).expect("swept");
    assert!(store.len() < before + 40);
    assert_eq!(one(&mut store, epoch, claim(&id(40), 1, Class::Once)), Outcome::Granted);
}

#[test]
#[ignore = "needs a PostgreSQL"]
fn a_command_that_is_not_taken_fails_alone() {
    let base = base();
    let mut store = open(base);
    let epoch = store.connect(incarnation(base, 1), 1).expect("written").expect("the latest");
    let id = |number: u64| format!("unfit-{base:x}-{number}{}", if number == 7 { "\0" } else { "" });
    let batch: Vec<_> = (0..20).map(|number| (epoch, claim(&id(number), number, Class::Transactional))).collect();
    let replies = store.execute(&batch, 1).expect("written");
    for (number, reply) in replies.iter().enumerate() {
        assert_eq!(reply.outcome, if number == 7 { Outcome::NotWritten } else { Outcome::Granted }, "{number}");
    }
    let bad: Vec<_> =
        (100..200).map(|number| (epoch, claim(&format!("{}\0", id(number)), number, Class::Once))).collect();
    let refused = store.execute(&bad, 1);
    assert!(matches!(&refused, Err(StoreError::Broken(why)) if why.contains("0x00")), "{refused:?}");
}
