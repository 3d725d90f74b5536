mod full;

use super::*;
use crate::operations::heart::{Abandoned, Class, Command};
use crate::operations::keeper::Keeper;
use crate::operations::keeper::contract::{Reopening, holds};
use crate::operations::table::Keep;

const KEEP: Keep = Keep { held_max: 1_000, retention_ns: u64::MAX };

struct InFile(PathBuf);

impl Reopening for InFile {
    type Store = SqliteStore;

    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0).expect("it opens")
    }
}

#[test]
fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    holds(&InFile(folder.path().join("operations.db")));
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
