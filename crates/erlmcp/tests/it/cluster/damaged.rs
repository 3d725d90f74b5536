//! A store whose file is torn, overwritten or gone: it is never begun anew in silence.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::json;

use super::operations::{about, append, store};
use super::{Cluster, is_alive, signal, until};

const PAGE: usize = 4_096;

/// A file beside the store's.
fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

fn started(folder: &Path, path: &Path) -> Cluster {
    Cluster::start_with(folder, 1, &["--store", &path.display().to_string()])
}

#[test]
fn a_damaged_file_is_refused_and_a_good_copy_of_it_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("operations.db");
    let mut cluster = started(folder.path(), &path);
    for number in 0..60 {
        assert_eq!(append(cluster.own(1), &format!("a-{number}")).expect("an answer").0, 200);
    }
    assert_eq!(cluster.ask(json!({"op": "stop"}))["ok"], true);
    assert_eq!(cluster.end(), Some(0));
    assert!(!beside(&path, "-wal").exists(), "all of it is in the file");
    let good = fs::read(&path).expect("it is there");
    assert!(good.len() > 4 * PAGE, "{} bytes", good.len());
    let torn: fn(&mut Vec<u8>) = |bytes| bytes.truncate(2 * PAGE);
    let overwritten: fn(&mut Vec<u8>) = |bytes| bytes[PAGE..2 * PAGE].fill(0xa5);
    let headless: fn(&mut Vec<u8>) = |bytes| bytes[..16].fill(0xa5);
    for (damage, why) in [(torn, "malformed"), (overwritten, "malformed"), (headless, "not a database")] {
        let mut bytes = good.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).expect("written");
        let control = super::socket(folder.path());
        let mut command = super::command(&control, "127.0.0.1:0", 1);
        let output = command.arg("--store").arg(&path).output().expect("the binary was built");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{why}: {said}");
        let told = ["the store of operations cannot start", &path.display().to_string(), why, "--store"];
        assert!(told.iter().all(|what| said.contains(what)), "{said}");
    }
    fs::write(&path, good).expect("written");
    let cluster = started(folder.path(), &path);
    let (status, again) = append(cluster.own(1), "a-7").expect("an answer");
    assert_eq!((status, &about(&again)["replayed"]), (200, &json!(true)), "{again}");
}

/// While nobody has the file: the store's process is killed, and its supervisor held.
fn while_it_is_dead(cluster: &Cluster, change: impl FnOnce()) {
    let pid = store(cluster);
    signal(cluster.child.id(), Signal::STOP);
    signal(pid, Signal::KILL);
    until("the store is dead", || !is_alive(pid));
    change();
    signal(cluster.child.id(), Signal::CONT);
}

#[test]
fn a_file_that_is_lost_under_a_cluster_is_not_made_anew() {
    for is_gone in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("operations.db");
        let (log, index) = (beside(&path, "-wal"), beside(&path, "-shm"));
        let cluster = started(folder.path(), &path);
        assert_eq!(append(cluster.own(1), "a").expect("an answer").0, 200);
        let (saved, saved_log) = (folder.path().join("saved"), folder.path().join("saved-wal"));
        while_it_is_dead(&cluster, || {
            fs::copy(&path, &saved).expect("it is there");
            fs::copy(&log, &saved_log).expect("what is not in the file is here");
            [&path, &log, &index].into_iter().for_each(|file| fs::remove_file(file).expect("it was there"));
            if !is_gone {
                fs::write(&path, [0xa5u8; 2 * PAGE]).expect("written");
            }
        });
        // "a" was done: whoever ran it again would do it twice.
        for id in ["a", "b", "a"] {
            let (status, refused) = append(cluster.own(1), id).expect("an answer");
            let data = &refused["error"]["data"];
            assert_eq!((status, &data["executed"], &data["scope"]), (503, &json!(false), &json!("store")), "{refused}");
        }
        assert_eq!(path.exists(), !is_gone, "it is not made anew");
        until("it waits before it tries again", || cluster.status()["store"]["state"] == "backoff");
        if !is_gone {
            fs::remove_file(&path).expect("it was there");
        }
        fs::rename(&saved_log, &log).expect("moved");
        fs::rename(&saved, &path).expect("moved");
        store(&cluster);
        let (status, again) = append(cluster.own(1), "a").expect("an answer");
        assert_eq!((status, &about(&again)["replayed"]), (200, &json!(true)), "{again}");
    }
}
