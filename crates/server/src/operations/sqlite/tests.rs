mod full;
mod replaced;
mod starting;

use super::*;
use crate::operations::heart::{Abandoned, Class, Command};
use crate::operations::keeper::contract::{self, Reopening, holds};
use crate::operations::keeper::{Deciding, Keeper};
use crate::operations::table::{Keep, Row};

const KEEP: Keep = Keep { held_max: 1_000, retention_ns: u64::MAX, unfiled_rows: 16 };

struct InFile(PathBuf);

impl Reopening for InFile {
    type Open = Keeper<SqliteStore>;

    fn open(&self) -> Self::Open {
        Keeper::open(SqliteStore::open(&self.0).expect("it opens"), contract::KEEP, 0).expect("it is read")
    }
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    holds(&InFile(folder.path().join("operations.db")));
    let path = folder.path().join("little.db");
    contract::the_oldest_go(|keep| {
        Keeper::open(SqliteStore::open(&path).expect("it opens"), keep, 0).expect("it is read")
    });
    let path = folder.path().join("given-back.db");
    contract::what_is_given_back_goes_too(|keep| {
        Keeper::open(SqliteStore::open(&path).expect("it opens"), keep, 0).expect("it is read")
    });
}

#[test]
fn one_process_has_it_and_what_is_no_store_is_not_touched() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let first = SqliteStore::open(&path).expect("it opens");
    assert!(matches!(SqliteStore::open(&path), Err(OpenError::InUse(_))));
    drop(first);
    SqliteStore::open(&path).expect("it is free again");
    let text = folder.path().join("text");
    std::fs::write(&text, "this is no database, and long enough not to be taken for an empty one".repeat(20))
        .expect("written");
    let error = SqliteStore::open(&text).expect_err("no store").to_string();
    assert!(error.contains("--store"), "{error}");
    assert!(SqliteStore::open(&folder.path().join("none/operations.db")).is_err());
}

#[test]
fn a_file_of_a_later_version_is_said_to_be_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let mut store = SqliteStore::open(&path).expect("it opens");
    let change = |sql: &str| Connection::open(&path).and_then(|file| file.execute_batch(sql)).expect("it is changed");
    change(
        "INSERT INTO history (row, event, first, epoch, replica, ticket, class, at_ns) \
         VALUES (1, 99, 1, 1, 1, 1, 0, 0)",
    );
    let read = store.recover(&mut Table::new(KEEP), 0).expect_err("nobody here knows the event").to_string();
    let exported = export(&path, &folder.path().join("export")).expect_err("nor here").to_string();
    assert!(read.contains("event") && read.contains("99") && exported.contains("99"), "{read}; {exported}");
    drop(store);
    change("PRAGMA user_version = 3");
    let opened = SqliteStore::open(&path).expect_err("another layout").to_string();
    assert!(opened.contains("layout 3, not 2"), "{opened}");
}

#[test]
fn an_export_has_every_event_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let mut keeper = Keeper::open(SqliteStore::open(&path).expect("it opens"), KEEP, 0).expect("it is empty");
    let incarnation = Incarnation { base: 1, replica: 3, number: 1 };
    let epoch = keeper.connect(incarnation, 5).expect("written").expect("the first");
    let key = |operation: &str| Key { principal: Box::default(), operation: operation.into() };
    let claim =
        |operation: &str, class| Command::Claim { key: key(operation), ticket: 1, class, fingerprint: [0xab; 16] };
    let commands = [
        claim("a", Class::Transactional),
        Command::Finish { key: key("a"), ticket: 1, hash: 255, result: Box::from(*b"{}"), effect: Some("x".into()) },
        claim("b", Class::Once),
        claim("c", Class::Once),
        Command::Abandon { key: key("c"), ticket: 1, how: Abandoned::Unstarted },
        Command::Ask { key: key("d"), settle: true },
    ];
    for command in commands {
        keeper.execute(&[(epoch, command)], 7).expect("written");
    }
    keeper.living(1, 1, &[], 9).expect("written");
    let to = folder.path().join("export");
    let rows = export(&path, &to).expect("exported while it is open");
    let text = std::fs::read_to_string(&to).expect("text");
    let print = "abababababababab";
    let expected = [
        format!("1\taccepted\t-\ta\t1\t3\t{print}\t-\t7"),
        format!("2\tstarted\t-\ta\t1\t3\t{print}\t-\t7"),
        format!("3\teffect\t-\ta\t1\t3\t{print}\t-\t7"),
        format!("4\tdone\t-\ta\t1\t3\t{print}\t00000000000000ff\t7"),
        format!("5\taccepted\t-\tb\t1\t3\t{print}\t-\t7"),
        format!("6\tstarted\t-\tb\t1\t3\t{print}\t-\t7"),
        "7\tnever\t-\td\t1\t3\t-\t-\t7".to_string(),
        format!("8\tindeterminate\t-\tb\t1\t3\t{print}\t-\t9"),
        "9\tfenced\t-\t-\t1\t3\t-\t-\t9".to_string(),
    ];
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    assert_eq!(rows, 9);
}

/// A store whose log has a whole transaction that it takes for not written, as a commit leaves it that fails at its end.
fn in_doubt(folder: &Path) -> (SqliteStore, PathBuf) {
    let [good, path] = ["good.db", "operations.db"].map(|name| folder.join(name));
    let key = Key { principal: Box::default(), operation: "a".into() };
    let write = |store: &mut SqliteStore, number: i64| {
        let (event, at_ns, fingerprint) = (Event::Claimed, 0, [1; 16]);
        let row = Row { row: number, event, first: number, epoch: 1, ticket: 1, class: 0, fingerprint, at_ns };
        store.write(&[Entry::Row { row, replica: 1, key: Some(&key), kept: None, effect: None }]).expect("written");
    };
    let mut first = SqliteStore::open(&good).expect("it opens");
    first.recover(&mut Table::new(KEEP), 0).expect("it is empty");
    write(&mut first, 1);
    copy(&good, &path);
    let second = SqliteStore::open(&path).expect("it opens");
    assert_eq!(rows(&second.connection), 1);
    write(&mut first, 2);
    let log = std::fs::read(log_of(&good)).expect("a log");
    let mut behind = OpenOptions::new().write(true).open(log_of(&path)).expect("a log");
    std::io::Write::write_all(&mut behind, &log).expect("it is ours");
    assert_eq!(rows(&second.connection), 1, "it does not know of it");
    (second, path)
}

fn log_of(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

/// The files as the death of a process leaves them.
fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("it is ours");
    std::fs::copy(log_of(from), log_of(to)).expect("it is ours");
}

fn rows(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM history", [], |row| row.get(0)).expect("it can be read")
}

#[test]
fn what_was_not_known_to_be_written_does_not_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, path) = in_doubt(folder.path());
    let after_a_death = |name: &str| {
        let to = folder.path().join(name);
        copy(&path, &to);
        rows(&Connection::open(&to).expect("it opens"))
    };
    assert_eq!(after_a_death("before.db"), 2, "a whole transaction lies there");
    store.is_in_doubt = true;
    store.recover(&mut Table::new(KEEP), 0).expect("it is read");
    assert_eq!((rows(&store.connection), after_a_death("after.db")), (1, 1), "everybody was told that it is not there");
}
