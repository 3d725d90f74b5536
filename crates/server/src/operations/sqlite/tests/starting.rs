//! What a store reads when it starts does not depend on how long its history is.

use super::*;
use crate::limits::Limits;
use crate::operations::heart::Outcome;
use crate::operations::table::name;

pub(super) fn open(path: &Path, keep: Keep) -> Keeper<SqliteStore> {
    Keeper::open(SqliteStore::open(path).expect("it opens"), keep, 0).expect("it is read")
}

fn key(number: u64) -> Key {
    Key { principal: "p".into(), operation: format!("{number:032x}").into() }
}

pub(super) fn claim(number: u64) -> Command {
    Command::Claim { key: key(number), ticket: number, class: Class::Once, fingerprint: [7; 16] }
}

fn finish(number: u64) -> Command {
    let result = format!("{{\"number\":{number},\"text\":\"{}\"}}", "x".repeat(80)).into_bytes().into();
    Command::Finish { key: key(number), ticket: number, hash: number, result, effect: None }
}

pub(super) fn connect(keeper: &mut Keeper<SqliteStore>) -> u64 {
    keeper.connect(Incarnation { base: 1, replica: 1, number: 1 }, 0).expect("written").expect("the first")
}

/// Does these operations, so many with a transaction.
pub(super) fn operate(keeper: &mut Keeper<SqliteStore>, epoch: u64, numbers: std::ops::Range<u64>, batch: usize) {
    for from in numbers.clone().step_by(batch) {
        let some = from..numbers.end.min(from + batch as u64);
        for commands in [some.clone().map(claim).collect::<Vec<_>>(), some.map(finish).collect()] {
            let commands: Vec<(u64, Command)> = commands.into_iter().map(|command| (epoch, command)).collect();
            keeper.execute(&commands, 0).expect("written");
        }
    }
}

pub(super) fn asked(keeper: &mut Keeper<SqliteStore>, epoch: u64, number: u64) -> Result<(Outcome, bool), StoreError> {
    let ask = Command::Ask { key: key(number), settle: false };
    keeper
        .execute(&[(epoch, ask)], 0)
        .map(|mut replies| replies.remove(0))
        .map(|said| (said.outcome, said.result.is_some()))
}

#[test]
fn a_store_that_starts_reads_nothing_that_is_filed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let mut keeper = open(&path, KEEP);
    let epoch = connect(&mut keeper);
    // It runs all the time.
    keeper.execute(&[(epoch, claim(0))], 0).expect("written");
    operate(&mut keeper, epoch, 1..300, 1);
    drop(keeper);
    let file = Connection::open(&path).expect("it is a database");
    let filed: i64 = file.query_row("SELECT filed FROM marks", [], |row| row.get(0)).expect("it is there");
    let unfiled = rows(&file) + 1 - filed;
    assert!((0..3 * KEEP.unfiled_rows).contains(&unfiled), "{unfiled} of {} rows are not filed", rows(&file));
    // Whoever reads one of these fails.
    let spoil = "UPDATE history SET event = event + 90 WHERE row > 1 AND row < ?1";
    file.execute(spoil, [filed]).expect("it is changed");
    let mut keeper = open(&path, KEEP);
    assert_eq!(keeper.len(), 300);
    assert_eq!(connect(&mut keeper), epoch);
    assert_eq!(asked(&mut keeper, epoch, 0), Ok((Outcome::Running { epoch }, false)), "what runs is not forgotten");
    assert_eq!(asked(&mut keeper, epoch, 300), Ok((Outcome::Open, false)));
    let error = asked(&mut keeper, epoch, 1).expect_err("it is looked up when it is asked for").to_string();
    assert!(error.contains("92"), "{error}");
    file.execute("UPDATE history SET event = event - 90 WHERE event > 90", []).expect("it is changed");
    for number in 1..300 {
        let said = asked(&mut keeper, epoch, number).expect("it is read");
        assert!(matches!(said, (Outcome::Done { .. }, true)), "{number}: {said:?}");
    }
    assert_eq!(keeper.execute(&[(epoch, finish(0))], 0).expect("written")[0].outcome, Outcome::Stored);
}

#[test]
fn no_table_is_searched_from_end_to_end_when_a_store_starts() {
    use schema::{BOOT, FILED, LIVING, MARKS, NEXT_EPOCH, NEXT_ROW, ROWS, RUNNING};
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("operations.db")).expect("it opens");
    for said in [BOOT, FILED, LIVING, MARKS, NEXT_EPOCH, NEXT_ROW, ROWS, RUNNING] {
        let mut explained = store.connection.prepare(&format!("EXPLAIN QUERY PLAN {said}")).expect("it is right");
        let mut steps = explained.raw_query();
        while let Some(step) = steps.next().expect("it is explained") {
            let step: String = step.get(3).expect("a text");
            // The list of claims that run is short.
            assert!(step.starts_with("SEARCH ") || step == "SCAN k", "{said}: {step}");
        }
    }
}

#[test]
fn a_store_of_the_layout_before_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let mut keeper = open(&path, KEEP);
    let epoch = connect(&mut keeper);
    operate(&mut keeper, epoch, 0..50, 1);
    keeper.execute(&[(epoch, claim(50))], 0).expect("written");
    drop(keeper);
    let before =
        "DROP TABLE filed; DROP TABLE running; DROP TABLE marks; DROP INDEX epochs_living; PRAGMA user_version = 1";
    Connection::open(&path).and_then(|file| file.execute_batch(before)).expect("it is changed");
    let mut keeper = open(&path, KEEP);
    assert_eq!((keeper.len(), connect(&mut keeper)), (51, epoch));
    assert_eq!(asked(&mut keeper, epoch, 50), Ok((Outcome::Running { epoch }, false)));
    operate(&mut keeper, epoch, 51..150, 1);
    drop(keeper);
    let mut keeper = open(&path, KEEP);
    assert_eq!(keeper.len(), 150);
    for number in (0..150).filter(|number| *number != 50) {
        let said = asked(&mut keeper, epoch, number).expect("it is read");
        assert!(matches!(said, (Outcome::Done { .. }, true)), "{number}: {said:?}");
    }
    drop(keeper);
    let mut store = SqliteStore::open(&path).expect("it opens");
    let filed = store.find(&[name(&key(0)), name(&key(1_000))]).expect("it is read");
    assert_eq!(filed.len(), 1, "that one is filed, which was written before there was anything to file it in");
}

/// With `--ignored --nocapture`, in a release build: what an operation costs as the history grows, and how long a store takes to
/// start. OPERATIONS: how many, with 1,000 in a transaction, so that it is not the disk that is measured.
#[test]
#[ignore = "measures"]
#[expect(clippy::print_stdout, reason = "it is what it is for")]
fn what_a_long_history_costs() {
    let operations = std::env::var("OPERATIONS").ok().and_then(|number| number.parse().ok()).unwrap_or(2_000_000);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let keep = Keep { held_max: usize::MAX, ..Keep::from_limits(&Limits::default()) };
    for from in (0..operations).step_by(500_000) {
        let began = std::time::Instant::now();
        let mut keeper = open(&path, keep);
        let started = began.elapsed();
        let epoch = connect(&mut keeper);
        let began = std::time::Instant::now();
        operate(&mut keeper, epoch, from..from + 500_000, 1_000);
        let each = began.elapsed() / 500_000;
        println!("with {from} operations a store starts in {started:?}; then {each:?} an operation");
    }
}
