//! What becomes of the service's tasks, as its name and the engine say: a replica is a member as long as the name leads to
//! it, and where a slot has a new task, the clients are told its address.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Swarm;
use super::task::tasks;
use crate::driver::locked;
use crate::event::{Change, Event};

/// A change is known so late at most, and the time of one look.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Until it is aborted or nobody listens.
pub(in crate::driver) async fn follow(swarm: Swarm, events: mpsc::Sender<Event>) {
    let mut out = BTreeSet::new();
    while !events.is_closed() {
        sleep(LOOK_EVERY).await;
        // A name that leads nowhere for a moment says nothing of any one of them.
        let Ok(found) = lookup_host((swarm.authority.0.as_str(), swarm.authority.1)).await else { continue };
        let named: BTreeSet<IpAddr> = found.map(|address| address.ip()).collect();
        for event in swarm.look(&named, &mut out).await {
            let _ = events.send(event).await;
        }
    }
}

impl Swarm {
    /// What has changed; `out` are the replicas that the name did not lead to.
    pub(super) async fn look(&self, named: &BTreeSet<IpAddr>, out: &mut BTreeSet<u16>) -> Vec<Event> {
        let now_us = self.clock.now_us();
        let mut events = self.gone(named, out, now_us);
        if !out.is_empty() && self.replace(named, out).await {
            events.push(Event::Moved(self.endpoints()));
        }
        let back: Vec<u16> = out.iter().copied().filter(|replica| self.is_named(*replica, named)).collect();
        for replica in back {
            out.remove(&replica);
            events.push(Event::Replica { replica, at_us: now_us, change: Change::Up });
        }
        events
    }

    fn gone(&self, named: &BTreeSet<IpAddr>, out: &mut BTreeSet<u16>, at_us: u64) -> Vec<Event> {
        let lost = |replica: &u16| !self.is_named(*replica, named);
        let gone: Vec<u16> = locked(&self.tasks).keys().copied().collect();
        let gone: Vec<u16> = gone.into_iter().filter(|replica| lost(replica) && out.insert(*replica)).collect();
        gone.into_iter().map(|replica| Event::Replica { replica, at_us, change: Change::Down }).collect()
    }

    fn is_named(&self, replica: u16, named: &BTreeSet<IpAddr>) -> bool {
        locked(&self.tasks).get(&replica).is_some_and(|task| named.contains(&task.address.ip()))
    }

    /// Finds the new tasks of slots that have lost theirs; true where there is one that the name leads to.
    async fn replace(&self, named: &BTreeSet<IpAddr>, out: &BTreeSet<u16>) -> bool {
        let Ok(found) = tasks(&self.engine, self.authority.1).await else { return false };
        let mut tasks = locked(&self.tasks);
        let mut is_new = false;
        for (_, task) in tasks.iter_mut().filter(|(replica, _)| out.contains(replica)) {
            let address = |other: &super::Task| other.addresses.iter().copied().find(|one| named.contains(&one.ip()));
            let next = found.iter().filter(|other| other.slot == task.slot && other.container != task.container);
            if let Some((next, address)) = next.filter_map(|next| Some((next, address(next)?))).next() {
                *task = next.clone().at(address);
                is_new = true;
            }
        }
        is_new
    }

    fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        let tasks = locked(&self.tasks);
        let here = tasks.iter().map(|(replica, task)| (*replica, task.address));
        here.chain(self.elsewhere.iter().copied()).collect()
    }
}
