//! Clusters that are one for their clients, as if on several machines. What takes a database is in `peers/run postgres`.

use std::fs;

use serde_json::Value;

use super::Cluster;
use super::sessions::{open, ping};

#[test]
fn clusters_with_one_key_take_each_others_sessions() {
    let folders = [(); 3].map(|()| tempfile::tempdir().expect("a folder"));
    let key = folders[0].path().join("key");
    fs::write(&key, [7; 32]).expect("the folder is ours");
    let with_key = ["--session-key-file", key.to_str().expect("plain")];
    let east = Cluster::start_with(folders[0].path(), 1, &with_key);
    let west = Cluster::start_with(folders[1].path(), 1, &with_key);
    let stranger = Cluster::start(folders[2].path(), 1);
    let session = open(east.shared);
    assert_eq!(ping(west.shared, &session), Some(200));
    assert_eq!(ping(stranger.shared, &session), Some(404));
    assert_eq!(west.status()["machines"], Value::Null, "without a database there is nobody to be named");
}
