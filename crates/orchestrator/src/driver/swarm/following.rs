//! What becomes of the service's tasks, as its name says: a replica is a member as long as the name leads to it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Swarm;
use super::task::tasks;
use crate::event::Event;

/// A change is known so late at most, and the time of one look.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Until it is aborted or nobody listens.
pub(in crate::driver) async fn follow(swarm: Swarm, events: mpsc::Sender<Event>) {
    let mut out = BTreeSet::new();
    let (name, port) = swarm.service.authority().clone();
    while !events.is_closed() {
        sleep(LOOK_EVERY).await;
        // A name that leads nowhere for a moment says nothing of any one of them.
        let Ok(found) = lookup_host((name.as_str(), port)).await else { continue };
        let named: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
        for event in swarm.look(&named, &mut out).await {
            let _ = events.send(event).await;
        }
    }
}

impl Swarm {
    /// What has changed; `out` are the replicas that the name did not lead to.
    pub(super) async fn look(&self, named: &BTreeSet<IpAddr>, out: &mut BTreeSet<u16>) -> Vec<Event> {
        let found = async { tasks(&self.engine, self.service.authority().1).await.ok() };
        self.service.look(|unit| named.contains(&unit.address.ip()), found, out).await
    }
}
