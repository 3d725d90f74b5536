//! A disk without room, for real: a small one in memory, in a mount namespace that goes with the process that fills it.

use std::fs;
use std::path::Path;
use std::process::Command as Process;

use super::*;
use crate::lacking::lacking;
use crate::operations::heart::Outcome;
use crate::operations::keeper::Reply;

const FOLDER: &str = "ERLMCP_TEST_SMALL_DISK";
/// What the script ends with where the machine does not let it mount.
const NOT_PERMITTED: i32 = 77;
const BALLAST_BYTES: usize = 256 * 1_024;
const ROUNDS: usize = 3;

#[test]
fn a_full_disk_refuses_everything_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let test = std::env::current_exe().expect("this is a process");
    let inner = "--exact operations::sqlite::tests::full::on_a_small_disk --ignored --nocapture";
    let script =
        format!("mount -t tmpfs -o size=2m,mode=700 erlmcp \"$0\" || exit {NOT_PERMITTED}; exec \"$1\" {inner}");
    let run = Process::new("unshare")
        .args(["-m", "sh", "-c", &script])
        .args([folder.path(), &test])
        .env(FOLDER, folder.path())
        .output();
    let Ok(run) = run else { return lacking("mount", "there is no unshare command") };
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    if run.status.code() == Some(NOT_PERMITTED) || said.starts_with("unshare:") {
        return lacking("mount", said.trim());
    }
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "it was mounted for the other process only");
}

/// What was answered.
#[derive(Default)]
struct Answered {
    /// Their results are kept.
    stored: Vec<String>,
    /// Claimed, and their results had no room.
    unfinished: Vec<String>,
    refused: Vec<String>,
}

struct Disk {
    keeper: Keeper<SqliteStore>,
    epoch: u64,
    next: usize,
    answered: Answered,
}

fn key(id: &str) -> Key {
    Key { principal: Box::default(), operation: id.into() }
}

impl Disk {
    /// None: there was no room.
    fn execute(&mut self, command: Command) -> Option<Reply> {
        match self.keeper.execute(&[(self.epoch, command)], 1) {
            Ok(mut replies) => Some(replies.remove(0)),
            Err(StoreError::NotWritten(_)) => None,
            Err(error) => panic!("a full disk leaves no doubt: {error}"),
        }
    }

    fn finish(&mut self, id: &str) -> bool {
        let (result, effect) = (vec![b'x'; 3_000].into(), Some(id.into()));
        let stored = self.execute(Command::Finish { key: key(id), ticket: 1, hash: 1, result, effect });
        assert!(stored.as_ref().is_none_or(|reply| reply.outcome == Outcome::Stored), "{stored:?}");
        stored.is_some()
    }

    /// One operation, as far as there is room; false where there was none.
    fn operate(&mut self) -> bool {
        self.next += 1;
        let id = format!("operation-{}", self.next);
        let claim = Command::Claim { key: key(&id), ticket: 1, class: Class::Transactional, fingerprint: [1; 16] };
        let Some(granted) = self.execute(claim) else {
            self.answered.refused.push(id);
            return false;
        };
        assert_eq!(granted.outcome, Outcome::Granted);
        let is_stored = self.finish(&id);
        if is_stored {
            self.answered.stored.push(id)
        } else {
            self.answered.unfinished.push(id)
        }
        is_stored
    }

    fn asked(&mut self, id: &str) -> Outcome {
        self.execute(Command::Ask { key: key(id), settle: false }).expect("a question writes nothing").outcome
    }

    /// All that was answered is so.
    fn check(&mut self) {
        for id in self.answered.stored.clone() {
            assert!(matches!(self.asked(&id), Outcome::Done { .. }), "{id} was answered");
        }
        for id in self.answered.unfinished.clone() {
            assert!(matches!(self.asked(&id), Outcome::Running { .. }), "{id} was claimed and not finished");
        }
        for id in self.answered.refused.clone() {
            assert_eq!(self.asked(&id), Outcome::Open, "{id} was refused");
        }
    }
}

fn open(path: &Path) -> (Keeper<SqliteStore>, u64) {
    let mut keeper = Keeper::open(SqliteStore::open(path).expect("it opens"), KEEP, 0).expect("it is read");
    let epoch = keeper.connect(Incarnation { base: 1, replica: 1, number: 1 }, 0).expect("written").expect("the first");
    (keeper, epoch)
}

/// Not a test by itself.
#[test]
#[ignore = "it is started by another test"]
fn on_a_small_disk() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let ballast: Vec<PathBuf> = (0..ROUNDS).map(|number| folder.join(format!("ballast-{number}"))).collect();
    ballast.iter().for_each(|file| fs::write(file, vec![1; BALLAST_BYTES]).expect("there is room"));
    let path = folder.join("operations.db");
    let (keeper, epoch) = open(&path);
    let mut disk = Disk { keeper, epoch, next: 0, answered: Answered::default() };
    for file in &ballast {
        while disk.operate() {}
        // What is smaller may still find room now and then; what finds none changes nothing.
        for _ in 0..50 {
            disk.operate();
        }
        assert!(!disk.answered.refused.is_empty() || !disk.answered.unfinished.is_empty());
        disk.check();
        fs::remove_file(file).expect("it is ours");
        // It goes on as it is, and what had no room is said again until it has.
        for id in std::mem::take(&mut disk.answered.unfinished) {
            assert!(disk.finish(&id), "there is room again");
            disk.answered.stored.push(id);
        }
        assert!(disk.operate(), "there is room again");
    }
    disk.check();
    let Disk { keeper, answered, next, .. } = disk;
    drop(keeper);
    let (keeper, epoch) = open(&path);
    let mut disk = Disk { keeper, epoch, next, answered };
    disk.check();
    let reader = Connection::open(&path).expect("it is a database");
    let effects: usize =
        reader.query_row("SELECT count(*) FROM effects", [], |row| row.get(0)).expect("it can be read");
    assert_eq!(effects, disk.answered.stored.len(), "each once");
}
