//! What may be done to a cluster, and why not.

use rustix::process::geteuid;

use super::control::Connection;
use super::fault::nft::Nft;
use super::fault::process::parent;
use super::protocol::Status;

/// A run breaks what it attaches to: only what is the user's own.
pub(super) fn same_user(connection: &Connection) -> Result<(), String> {
    let owner = connection.peer().map(|(uid, _)| uid);
    refuse_other(owner, geteuid().as_raw())
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

/// Why no replica can be killed; None where one can.
pub(super) fn no_kill(status: &Status) -> Option<String> {
    if let Some(why) = lonely(status) {
        return Some(why);
    }
    let is_visible = status.replicas.iter().filter_map(|one| one.pid).any(|pid| parent(pid) == Some(status.pid));
    let hidden = "the replicas' processes are not visible from here (is the cluster in a container?)";
    (!is_visible).then(|| hidden.into())
}

/// Why no replica can be cut off; None where one can.
pub(super) fn no_partition(status: &Status, nft: &Result<Nft, String>, no_kill: Option<&str>) -> Option<String> {
    match (lonely(status), nft, no_kill) {
        (Some(why), ..) => Some(why),
        (None, Err(nft), Some(process)) => Some(format!("packets cannot be dropped ({nft}), and {process}")),
        _ => None,
    }
}

fn lonely(status: &Status) -> Option<String> {
    let lonely = "the cluster has only one replica: no other could take its clients over";
    (status.replicas.len() < 2).then(|| lonely.into())
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

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

    #[test]
    fn only_what_can_be_seen_and_spared_is_broken() {
        let nft = Err("there is no nft command".to_string());
        let lonely = "the cluster has only one replica: no other could take its clients over";
        let alone = status(&[Some(1)]);
        assert_eq!(no_kill(&alone).as_deref(), Some(lonely));
        assert_eq!(no_partition(&alone, &nft, None).as_deref(), Some(lonely));
        // Process 1 is nobody's child here.
        let hidden = status(&[Some(1), Some(1)]);
        let why = no_kill(&hidden).expect("they are no children of this process");
        assert!(why.starts_with("the replicas' processes are not visible"), "{why}");
        let why = no_partition(&hidden, &nft, Some(&why)).expect("neither way works");
        assert!(why.starts_with("packets cannot be dropped (there is no nft command), and the replicas'"), "{why}");
        assert_eq!(no_partition(&hidden, &nft, None), None);
    }
}
