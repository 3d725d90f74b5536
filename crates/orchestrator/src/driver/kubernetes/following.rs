//! What becomes of the pods, as the API says: a replica is a member as long as its pod is ready, which is when its Service
//! leads to it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::Kubernetes;
use super::pod::{Pod, pods};
use crate::driver::service::Unit;
use crate::event::Event;

/// A change is known so late at most, and the time of one look.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Until it is aborted or nobody listens.
pub(in crate::driver) async fn follow(kubernetes: Kubernetes, events: mpsc::Sender<Event>) {
    let mut out = BTreeSet::new();
    while !events.is_closed() {
        sleep(LOOK_EVERY).await;
        // What the API does not answer for a moment says nothing of any pod.
        let Ok((found, _)) = pods(&kubernetes.api, kubernetes.service.authority().1).await else { continue };
        for event in kubernetes.look(&found, &mut out).await {
            let _ = events.send(event).await;
        }
    }
}

impl Kubernetes {
    /// What has changed; `out` are the replicas that had no ready pod.
    pub(super) async fn look(&self, found: &[Pod], out: &mut BTreeSet<u16>) -> Vec<Event> {
        let ready: BTreeSet<&str> = found.iter().filter(|pod| pod.is_ready).map(|pod| pod.unit.id.as_str()).collect();
        let units = async { Some(found.iter().map(|pod| pod.unit.clone()).collect::<Vec<Unit>>()) };
        self.service.look(|unit| ready.contains(unit.id.as_str()), units, out).await
    }
}
