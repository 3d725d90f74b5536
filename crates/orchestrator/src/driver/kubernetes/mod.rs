//! Faults of pods, through the API of their cluster: of those only that carry the opt-in label. A replica is a place among the
//! pods of a StatefulSet or a Deployment; its pod, and mostly its address, changes.

mod access;
mod api;
mod cut_off;
mod following;
mod permission;
mod pod;
#[cfg(test)]
pub(super) mod real;
#[cfg(test)]
pub(super) mod tests;
mod workload;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use serde_json::json;
use tokio::time::{sleep, timeout};

pub(super) use access::Access;
pub(super) use api::ANSWERED_WITHIN;
use api::Api;
pub(super) use cut_off::undo;
pub(super) use following::follow;
use pod::{id_of, pods};
use workload::Workload;
pub(super) use workload::set_number;

use super::fault::{FaultDriver, HealError};
use super::helper;
use super::service::{Numbers, Service, Unit};
use super::watchdog::{Debt, Ticket, Watchdog};
use crate::collector::Way;
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A pod that can be reached again answers as soon as its node knows.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// Questions in a row that a pod leaves unanswered when it cannot be reached: one alone may be a stall.
const SILENT_TRIES: u32 = 2;

/// How long is waited for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// An answer of a pod.
    attempt: Duration,
    /// Nodes to end what was deleted.
    gone_within: Duration,
    /// The network to take a policy up.
    cut_within: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let gone_within = Duration::from_secs(15);
        Self { attempt: Duration::from_millis(500), gone_within, cut_within: Duration::from_secs(10) }
    }
}

/// The driver, and what it knows of the service. All copies know the same.
#[derive(Debug, Clone)]
pub(super) struct Kubernetes {
    api: Api,
    watchdog: Watchdog,
    service: Service,
    numbers: Numbers,
    pace: Pace,
    lacks: BTreeMap<Kind, String>,
    /// What the pods are of; else why their number cannot be changed.
    workload: Result<Workload, String>,
}

/// What was done to pods.
#[derive(Debug)]
pub(super) enum InForce {
    Killed,
    CutOff(Ticket, Vec<(u16, Unit)>),
}

impl Kubernetes {
    /// Finds the pods behind these addresses; `said` are the API and the namespace that the user named.
    ///
    /// # Errors
    /// Where the API cannot be used, or knows none of them that may be broken.
    pub(super) async fn find(
        said: (Option<&str>, Option<&str>),
        endpoints: &[(u16, SocketAddr)],
        door: ((String, u16), Way),
        clock: RunClock,
    ) -> Result<Self, String> {
        let access = Access::find(said, Path::new(access::ACCOUNT), |name| std::env::var(name).ok())?;
        Self::find_by(access, endpoints, door, clock, Pace::default()).await
    }

    async fn find_by(
        access: Access,
        endpoints: &[(u16, SocketAddr)],
        (authority, way): ((String, u16), Way),
        clock: RunClock,
        pace: Pace,
    ) -> Result<Self, String> {
        let api = Api::open(access).await?;
        let (found, _) = pods(&api, authority.1).await?;
        let units: Vec<Unit> = found.iter().map(|pod| pod.unit.clone()).collect();
        let service = Service::new(&units, endpoints, (authority, way), clock);
        if service.held() == 0 {
            return Err(format!(
                "none of the target's addresses is that of a pod with the label {}=true in the namespace {}: give the pods the \
                 label, and name their own Service, which has to be headless",
                pod::LABEL,
                api.access.namespace
            ));
        }
        cut_off::undo_all(&api).await?;
        let lacks = permission::lacks(&api).await;
        let workload = Workload::of(&api, &service, &found, endpoints.len()).await;
        let watchdog = Watchdog::new(helper());
        let numbers = Numbers::new(watchdog.clone());
        Ok(Self { api, watchdog, service, numbers, pace, lacks, workload })
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Kinds of faults that are not made so, with the reason.
    pub(super) fn lacks(&self) -> BTreeMap<Kind, String> {
        self.lacks.clone()
    }

    /// Why the number of its pods cannot be changed; None: it can.
    pub(super) fn cannot_scale(&self) -> Option<String> {
        self.workload.as_ref().err().cloned()
    }

    /// Returns when there are as many pods, all of them ready; says where they are.
    pub(super) async fn scale(&self, replicas: u16) -> Result<Vec<(u16, SocketAddr)>, String> {
        let workload = self.workload.as_ref().map_err(String::clone)?;
        let scaled = workload::Scaled { api: &self.api, workload, port: self.service.authority().1 };
        self.numbers.change(&scaled, &self.service, replicas).await
    }

    fn pods(&self, replicas: &[u16]) -> Result<Vec<(u16, Unit)>, String> {
        self.service.units(replicas, &format!("pod with the label {}=true", pod::LABEL))
    }

    /// Deletes the pods; returns when the API has them no more, and they serve nobody.
    async fn kill(&self, replicas: &[u16]) -> Result<(InForce, Injected), String> {
        let pods = self.pods(replicas)?;
        let injected_us = self.service.clock.now_us();
        for (replica, Unit { id, name, .. }) in &pods {
            // The one that is meant, and none that has its name by now.
            let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0,
                "preconditions": {"uid": id}});
            let path = self.api.access.path("/api/v1", &format!("pods/{name}"));
            if !self.api.delete(&path, &options).await? {
                return Err(format!("replica {replica}'s pod {name} is not there any more"));
            }
        }
        let gone = async {
            for (_, Unit { id, name, address, .. }) in &pods {
                while id_of(&self.api, name).await?.as_ref() == Some(id) {
                    sleep(LOOK_EVERY).await;
                }
                self.silence(*address, |status| status == 200).await;
            }
            Ok::<_, String>(())
        };
        let within = self.pace.gone_within;
        let late = || format!("a deleted pod still served {} s later", within.as_secs());
        timeout(within, gone).await.map_err(|_| late())??;
        let effect_us = self.service.clock.now_us();
        let method = format!("{} deleted, without grace", of_pods(pods.len()));
        Ok((InForce::Killed, Injected::seen(method, injected_us, effect_us)))
    }

    async fn cut_off(&self, replicas: &[u16]) -> Result<(InForce, Injected), String> {
        let pods = self.pods(replicas)?;
        for (replica, _) in &pods {
            // From one that does not answer nothing could be seen.
            self.service.answers(*replica, ANSWERS_WITHIN).await.map_err(|error| error.to_string())?;
        }
        let (policy, names) = (cut_off::policy_of(&pods[0].1), pods.iter().map(|(_, pod)| pod.name.clone()).collect());
        let debt = Debt::CutOff { api: self.api.access.clone(), policy: policy.clone(), pods: names };
        let ticket = self.watchdog.ticket();
        self.watchdog.hold(ticket, vec![debt]).await?;
        let injected_us = self.service.clock.now_us();
        let cut = async {
            cut_off::make(&self.api, &policy, &pods).await?;
            let silent = async {
                for (_, pod) in &pods {
                    // Whatever it answers, it can be reached.
                    self.silence(pod.address, |_| true).await;
                }
            };
            let within = self.pace.cut_within;
            timeout(within, silent).await.map_err(|_| {
                format!(
                    "the NetworkPolicy had no effect within {} s: this cluster's network enforces none, or another policy that \
                     selects the pod lets its clients in",
                    within.as_secs()
                )
            })
        };
        if let Err(why) = cut.await {
            return Err(self.watchdog.give_up(ticket, why).await);
        }
        let effect_us = self.service.clock.now_us();
        let method = format!("{} cut off by a NetworkPolicy", of_pods(pods.len()));
        Ok((InForce::CutOff(ticket, pods), Injected::seen(method, injected_us, effect_us)))
    }

    /// Returns when nobody serves at this address; `serves` says which answers (their status) are of one who does.
    async fn silence(&self, address: SocketAddr, serves: impl Fn(u16) -> bool) {
        let page = self.service.ready(address);
        let mut silent = 0;
        while silent < SILENT_TRIES {
            match page.get(self.pace.attempt).await {
                Ok(answered) if serves(answered.status) => {
                    silent = 0;
                    sleep(LOOK_EVERY).await;
                }
                _ => silent += 1,
            }
        }
    }
}

impl FaultDriver for Kubernetes {
    type InForce = InForce;

    async fn inject(&self, fault: &Fault) -> Result<(InForce, Injected), String> {
        match fault.kind {
            Kind::Kill => self.kill(&fault.replicas).await,
            Kind::Partition => self.cut_off(&fault.replicas).await,
            _ => Err(permission::NOTHING_ELSE.into()),
        }
    }

    fn lasts(in_force: &Self::InForce) -> bool {
        !matches!(in_force, InForce::Killed)
    }

    async fn heal(&self, in_force: InForce) -> Result<Healed, HealError> {
        let InForce::CutOff(ticket, pods) = in_force else {
            return Err(HealError::Otherwise("it only happened: there is nothing to undo".into()));
        };
        let healed_us = self.service.clock.now_us();
        self.watchdog.release(ticket).await?;
        for (replica, _) in &pods {
            self.service.answers(*replica, ANSWERS_WITHIN).await?;
        }
        Ok(Healed { healed_us, verified_us: self.service.clock.now_us() })
    }

    fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    /// What is still on its way to the API must not arrive after its undoing.
    async fn end(&self) -> Vec<String> {
        self.api.idle().await;
        self.watchdog.end().await
    }
}

/// "the pod", "3 pods".
fn of_pods(count: usize) -> String {
    if count == 1 { "the pod".into() } else { format!("{count} pods") }
}
