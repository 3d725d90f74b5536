//! A file that goes, or that another one takes the place of, while the store has it open.

use super::starting::{asked, claim, connect, open, operate};
use super::*;
use crate::operations::heart::Outcome;

/// With what lies beside it.
fn rename(from: &Path, to: &Path) {
    for extension in ["db", "db-wal", "db-shm"] {
        let [from, to] = [from, to].map(|path| path.with_extension(extension));
        if from.exists() {
            std::fs::rename(from, to).expect("it is ours");
        }
    }
}

/// Why nothing is carried out.
fn refused(keeper: &mut Keeper<SqliteStore>, epoch: u64) -> String {
    keeper.execute(&[(epoch, claim(1))], 0).expect_err("nothing is carried out").to_string()
}

#[test]
fn a_store_whose_file_has_gone_does_not_begin_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, aside] = ["operations.db", "aside.db"].map(|name| folder.path().join(name));
    let mut keeper = open(&path, KEEP);
    let epoch = connect(&mut keeper);
    operate(&mut keeper, epoch, 0..1, 1);
    rename(&path, &aside);
    let other = Connection::open(&aside).expect("it opens");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    assert!(refused(&mut keeper, epoch).contains("locked"), "another one writes");
    assert!(refused(&mut keeper, epoch).contains("missing"));
    assert!(!path.exists());
    std::fs::write(&path, "").expect("it is ours");
    assert!(refused(&mut keeper, epoch).contains("empty"));
    assert!(is_missing(&path), "a store that is started again has to see it too");
    std::fs::copy(&aside, &path).expect("it is ours");
    assert!(refused(&mut keeper, epoch).contains("empty"), "all is in the log so far");
    drop(other);
    rename(&aside, &path);
    assert!(matches!(asked(&mut keeper, epoch, 0), Ok((Outcome::Done { .. }, true))));
    assert_eq!(keeper.execute(&[(epoch, claim(1))], 0).expect("written")[0].outcome, Outcome::Granted);
}

#[test]
fn a_good_file_is_found_in_the_place_of_a_damaged_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, good] = ["operations.db", "good.db"].map(|name| folder.path().join(name));
    let mut keeper = open(&path, KEEP);
    let epoch = connect(&mut keeper);
    operate(&mut keeper, epoch, 0..100, 1);
    copy(&path, &good);
    let spoil = "UPDATE history SET event = event + 90 WHERE row < (SELECT filed FROM marks)";
    Connection::open(&path).and_then(|file| file.execute_batch(spoil)).expect("it is changed");
    drop(keeper);
    let mut keeper = open(&path, KEEP);
    assert_eq!(connect(&mut keeper), epoch);
    asked(&mut keeper, epoch, 1).expect_err("it is damaged");
    rename(&good, &path);
    assert!(matches!(asked(&mut keeper, epoch, 1), Ok((Outcome::Done { .. }, true))));
}
