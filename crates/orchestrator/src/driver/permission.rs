//! What may be done to a cluster, and why not.

use std::collections::BTreeMap;

use rustix::process::geteuid;

use super::control::Connection;
use super::fault::LocalFaults;
use super::fault::nft::Nft;
use super::fault::process::parent;
use super::protocol::Status;
use crate::fault::{Kind, Needs};

/// A run breaks what it attaches to: only what is the user's own.
pub(super) fn same_user(connection: &Connection) -> Result<(), String> {
    let owner = connection.peer().map(|(uid, _)| uid);
    refuse_other(owner, geteuid().as_raw())
}

/// Packets may be dropped here, for a fault.
///
/// # Errors
/// Why not.
pub(crate) async fn may_drop_packets() -> Result<(), String> {
    Nft::find().await.map(drop)
}

fn refuse_other(owner: Option<u32>, ours: u32) -> Result<(), String> {
    match owner {
        Some(owner) if owner == ours => Ok(()),
        Some(owner) => {
            Err(format!("it belongs to user {owner} and this is user {ours}; run as the user that started it"))
        }
        None => Err("the system does not say whose it is".into()),
    }
}

/// Kinds of faults that cannot be made of this cluster here, with the reason.
pub(super) fn lacks(status: &Status, local: &LocalFaults) -> BTreeMap<Kind, String> {
    let (lonely, hidden) = (lonely(status), hidden(status));
    let nft = local.nft.as_ref().err().map(|why| format!("packets cannot be dropped ({why})"));
    let lack = |kind: Kind| match kind.needs() {
        Needs::Nothing | Needs::Clients => None,
        Needs::OwnCluster if local.own.is_none() => {
            Some("the cluster is not the run's own: nobody would start it again".to_string())
        }
        Needs::OwnCluster => None,
        Needs::Store => storeless(status, kind),
        _ if lonely.is_some() => lonely.clone(),
        Needs::Processes => hidden.clone(),
        // Without the permission a process is stopped in place of it.
        Needs::Packets if kind == Kind::Partition => match (&nft, &hidden) {
            (Some(nft), Some(hidden)) => Some(format!("{nft}, and {hidden}")),
            _ => None,
        },
        Needs::Packets => nft.clone(),
        Needs::Group("cpu") => hidden.clone().or(local.groups.cpu.as_ref().err().cloned()),
        Needs::Group(_) => hidden.clone().or(local.groups.memory.as_ref().err().cloned()),
        Needs::Proxy => Some("no fault proxy stands in front of the replicas".into()),
    };
    Kind::ALL.into_iter().filter_map(|kind| Some((kind, lack(kind)?))).collect()
}

/// Why signals cannot be sent to the replicas.
fn hidden(status: &Status) -> Option<String> {
    let is_visible = status.replicas.iter().filter_map(|one| one.pid).any(|pid| parent(pid) == Some(status.pid));
    let hidden = "the replicas' processes are not visible from here (is the cluster in a container?)";
    (!is_visible).then(|| hidden.into())
}

/// Why nothing can be done to the store.
fn storeless(status: &Status, kind: Kind) -> Option<String> {
    let Some(store) = &status.store else { return Some("the cluster has no store of operations of its own".into()) };
    let is_visible = store.pid.is_some_and(|pid| parent(pid) == Some(status.pid));
    if kind == Kind::StoreFull && store.path.contains("://") {
        return Some("the store keeps operations in a database, whose disk is not the cluster's".into());
    }
    let hidden = "the process of the store is not there, or not visible from here (is the cluster in a container?)";
    (!is_visible).then(|| hidden.into())
}

fn lonely(status: &Status) -> Option<String> {
    let lonely = "the cluster has only one replica: no other could take its clients over";
    (status.replicas.len() < 2).then(|| lonely.into())
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::super::fault::local_of_tests as local;
    use super::*;
    use std::path::Path;

    fn status(pids: &[Option<u32>]) -> Status {
        serde_json::from_value(fake::status(std::process::id(), pids)).expect("the fake speaks the protocol")
    }

    #[test]
    fn another_users_cluster_is_left_alone() {
        assert_eq!(refuse_other(Some(7), 7), Ok(()));
        let why = refuse_other(Some(7), 8).unwrap_err();
        assert_eq!(why, "it belongs to user 7 and this is user 8; run as the user that started it");
        assert!(refuse_other(None, 8).is_err());
        assert!(refuse_other(Some(7), 0).is_err(), "root is another user, too");
    }

    fn lack(status: &Status, local: &LocalFaults, kind: Kind) -> Option<String> {
        lacks(status, local).remove(&kind)
    }

    #[tokio::test]
    async fn only_what_can_be_seen_and_spared_is_broken() {
        let lonely = "the cluster has only one replica: no other could take its clients over";
        let local = local(Path::new("/nowhere"));
        let alone = status(&[Some(1)]);
        assert_eq!(lack(&alone, &local, Kind::Kill).as_deref(), Some(lonely));
        assert_eq!(lack(&alone, &local, Kind::Partition).as_deref(), Some(lonely));
        assert_eq!(lack(&alone, &local, Kind::Command), None);
        // Process 1 is nobody's child here.
        let hidden = status(&[Some(1), Some(1)]);
        let why = lack(&hidden, &local, Kind::Kill).expect("they are no children of this process");
        assert!(why.starts_with("the replicas' processes are not visible"), "{why}");
        let why = lack(&hidden, &local, Kind::Partition).expect("neither way works");
        assert!(why.starts_with("packets cannot be dropped (no nft in this test), and the replicas'"), "{why}");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let visible = status(&[Some(child.id()), Some(1)]);
        assert_eq!((lack(&visible, &local, Kind::Kill), lack(&visible, &local, Kind::Partition)), (None, None));
        assert_eq!(lack(&visible, &local, Kind::Cpu).as_deref(), Some("no cgroups in this test"));
        let why = lack(&visible, &local, Kind::Loss).expect("there is no nft");
        assert_eq!(why, "packets cannot be dropped (no nft in this test)");
        assert!(lack(&visible, &local, Kind::Supervisor).expect("it is not ours").contains("not the run's own"));
        let why = lack(&visible, &local, Kind::StoreFull).expect("it says nothing of a store");
        assert_eq!(why, "the cluster has no store of operations of its own");
        let with_store = |pid: Option<u32>, path: &str| {
            let mut status = fake::status(std::process::id(), &[Some(1)]);
            status["store"] = serde_json::json!({"state": "ready", "pid": pid, "restarts": 0, "path": path});
            serde_json::from_value::<Status>(status).expect("the fake speaks the protocol")
        };
        assert_eq!(lack(&with_store(Some(child.id()), "/x"), &local, Kind::StoreFull), None, "one replica is enough");
        let database = with_store(Some(child.id()), "postgres://localhost/x");
        assert_eq!(lack(&database, &local, Kind::StoreKilled), None);
        assert!(lack(&database, &local, Kind::StoreFull).expect("it has no file").contains("in a database"));
        let why = lack(&with_store(Some(1), "/x"), &local, Kind::StoreKilled).expect("it is no child of this process");
        assert!(why.starts_with("the process of the store is not there"), "{why}");
        child.kill().expect("it is our child");
        child.wait().expect("it is our child");
    }
}
