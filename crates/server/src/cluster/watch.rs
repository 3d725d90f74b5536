//! What a replica finds out of others: it probes those that its supervisor names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::membership::Verdict;
use super::messages::Member;
use super::probe::Probe;
use crate::entry::Inside;

/// The replicas that this one watches, from its own address.
pub(super) struct Watch {
    source: Option<IpAddr>,
    inside: Inside,
    verdicts: mpsc::Sender<(u16, Verdict)>,
    /// At most one a replica of the cluster.
    probes: BTreeMap<u16, (Member, JoinHandle<()>)>,
}

impl Watch {
    pub(super) fn new(source: Option<IpAddr>, inside: Inside, verdicts: mpsc::Sender<(u16, Verdict)>) -> Self {
        Self { source, inside, verdicts, probes: BTreeMap::new() }
    }

    /// Watches these, and no others any more.
    pub(super) fn set(&mut self, members: Vec<Member>) {
        self.probes.retain(|_, (member, probe)| {
            let stays = members.contains(member);
            if !stays {
                probe.abort();
            }
            stays
        });
        for member in members {
            let (source, verdicts, address, replica) =
                (self.source, self.verdicts.clone(), member.address, member.replica);
            let inside = self.inside.clone();
            self.probes.entry(replica).or_insert_with(|| {
                let mut probe = Probe::new(address, source, inside);
                let task = tokio::spawn(async move {
                    // A peer has no need to hurry.
                    while verdicts.send((replica, probe.next(true).await)).await.is_ok() {}
                });
                (member, task)
            });
        }
    }
}
