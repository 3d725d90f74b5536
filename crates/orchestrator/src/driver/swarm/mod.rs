//! Faults of a Docker Swarm service, through the API of the engine that its tasks run on: of containers only that carry
//! the opt-in label. A replica is a slot of the service; its task, and with it its address, changes.

mod following;
mod replicated;
mod task;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};

pub(super) use following::follow;
pub(crate) use replicated::Replicated;
use task::{paused, tasks};

use super::engine::{Engine, State};
use super::fault::{FaultDriver, HealError};
use super::helper;
use super::service::{Counted, Numbers, Present, Service, Unit};
use super::watchdog::{Debt, Ticket, Watchdog};
use crate::collector::Way;
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};

const SEEN_WITHIN: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A container that goes on answers at once; on a machine at its limit later.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// A partition that lasts. Disconnecting a task from its network would be one, but Swarm never gives a task back the name
/// that it loses by that, so it could not be undone.
const IN_PLACE_OF_PARTITION: &str = "a task that is cut off from its network never gets its name back";

/// The driver, and what it knows of the service. All copies know the same.
#[derive(Debug, Clone)]
pub(super) struct Swarm {
    engine: PathBuf,
    watchdog: Watchdog,
    service: Service,
    numbers: Numbers,
}

/// What was done to containers.
#[derive(Debug)]
pub(super) enum InForce {
    Killed,
    Paused(Ticket, Vec<(u16, Unit)>),
}

impl Swarm {
    /// Finds the containers behind these addresses.
    ///
    /// # Errors
    /// Where the engine does not answer, or has none of them that may be broken.
    pub(super) async fn find(
        engine: &Path,
        endpoints: &[(u16, SocketAddr)],
        (authority, way): ((String, u16), Way),
        clock: RunClock,
    ) -> Result<Self, String> {
        for container in paused(engine).await? {
            tracing::warn!("an earlier run has left the container {container:.12} paused: it goes on");
            Debt::Unpause { engine: engine.into(), container }.pay().await?;
        }
        let service = Service::new(&tasks(engine, authority.1).await?, endpoints, (authority, way), clock);
        if service.held() == 0 {
            return Err(format!(
                "none of the target's addresses is that of a container with the label {}=true on the Docker engine at {}: \
                 run this on the node that the tasks run on, and give the service's containers the label",
                task::LABEL,
                engine.display()
            ));
        }
        let watchdog = Watchdog::new(helper());
        let numbers = Numbers::new(watchdog.clone());
        Ok(Self { engine: engine.into(), watchdog, service, numbers })
    }

    pub(super) fn service(&self) -> &Service {
        &self.service
    }

    /// Kinds of faults that are not made so, with the reason.
    pub(super) fn lacks() -> BTreeMap<Kind, String> {
        let lacking = Kind::ALL
            .into_iter()
            .filter(|kind| !kind.is_of_clients() && !matches!(kind, Kind::Kill | Kind::Pause | Kind::Partition));
        lacking.map(|kind| (kind, "the driver swarm kills and pauses tasks, and nothing else".to_string())).collect()
    }

    /// Why the number of its tasks cannot be changed; None: it can.
    pub(super) async fn cannot_scale(&self) -> Option<String> {
        let replicated = async { Replicated::read(&self.engine, &self.service.owner()?).await };
        match replicated.await {
            Ok(replicated) if replicated.is_breakable() => None,
            Ok(_) => Some(format!("the service's specification gives its containers no label {}=true", task::LABEL)),
            Err(why) => Some(format!("its number of tasks cannot be changed here: {why}")),
        }
    }

    /// Returns when the service's name leads to as many tasks; says where they are.
    pub(super) async fn scale(&self, replicas: u16) -> Result<Vec<(u16, SocketAddr)>, String> {
        let owner = self.service.owner()?;
        self.numbers.change(&Scaled { swarm: self, owner: &owner }, &self.service, replicas).await
    }

    fn containers(&self, replicas: &[u16]) -> Result<Vec<(u16, Unit)>, String> {
        self.service.units(replicas, &format!("container with the label {}=true on this engine", task::LABEL))
    }

    /// Waits for containers to be so.
    async fn seen(&self, containers: &[(u16, Unit)], is: fn(Option<State>) -> bool) -> Result<(), String> {
        let engine = Engine::at(&self.engine);
        for (replica, Unit { id, .. }) in containers {
            let seen = async {
                while !is(engine.state(id).await?) {
                    sleep(LOOK_EVERY).await;
                }
                Ok::<_, String>(())
            };
            let late = || format!("nothing was seen of it at replica {replica}'s container {id:.12}");
            timeout(SEEN_WITHIN, seen).await.map_err(|_| late())??;
        }
        Ok(())
    }

    async fn kill(&self, replicas: &[u16]) -> Result<(InForce, Injected), String> {
        let containers = self.containers(replicas)?;
        let injected_us = self.service.clock.now_us();
        for (_, Unit { id, .. }) in &containers {
            Engine::at(&self.engine).post(&format!("/containers/{id}/kill?signal=KILL"), "").await?;
        }
        self.seen(&containers, |state| state.is_none_or(|state| !state.is_running)).await?;
        let (effect_us, method) =
            (self.service.clock.now_us(), format!("SIGKILL of {}", of_containers(containers.len())));
        Ok((InForce::Killed, Injected::seen(method, injected_us, effect_us)))
    }

    async fn pause(&self, replicas: &[u16], in_place_of: Option<&str>) -> Result<(InForce, Injected), String> {
        let containers = self.containers(replicas)?;
        let debt = |(_, unit): &(u16, Unit)| Debt::Unpause { engine: self.engine.clone(), container: unit.id.clone() };
        let ticket = self.watchdog.ticket();
        self.watchdog.hold(ticket, containers.iter().map(debt).collect()).await?;
        let injected_us = self.service.clock.now_us();
        let paused = async {
            for (_, Unit { id, .. }) in &containers {
                Engine::at(&self.engine).post(&format!("/containers/{id}/pause"), "").await?;
            }
            self.seen(&containers, |state| state.is_some_and(|state| state.is_paused)).await
        };
        if let Err(why) = paused.await {
            return Err(self.watchdog.give_up(ticket, why).await);
        }
        let effect_us = self.service.clock.now_us();
        let why = in_place_of.map(|why| format!(": {why}")).unwrap_or_default();
        let method = format!("{} paused{why}", of_containers(containers.len()));
        Ok((InForce::Paused(ticket, containers), Injected::seen(method, injected_us, effect_us)))
    }

    /// Sees that those that were paused go on.
    async fn go_on(&self, containers: &[(u16, Unit)]) -> Result<(), HealError> {
        let engine = Engine::at(&self.engine);
        for (replica, Unit { id, .. }) in containers {
            match engine.state(id).await.map_err(HealError::Otherwise)? {
                Some(state) if state.is_paused => {
                    return Err(HealError::Stuck(format!("the container {id} is still paused: docker unpause {id}")));
                }
                Some(state) if state.is_running => {}
                _ => {
                    return Err(HealError::Otherwise(format!(
                        "replica {replica}'s container ended while it was paused"
                    )));
                }
            }
            self.service.answers(*replica, ANSWERS_WITHIN).await?;
        }
        Ok(())
    }
}

impl FaultDriver for Swarm {
    type InForce = InForce;

    async fn inject(&self, fault: &Fault) -> Result<(InForce, Injected), String> {
        match fault.kind {
            Kind::Kill => self.kill(&fault.replicas).await,
            Kind::Pause => self.pause(&fault.replicas, None).await,
            Kind::Partition => self.pause(&fault.replicas, Some(IN_PLACE_OF_PARTITION)).await,
            _ => Err("the driver swarm kills and pauses tasks, and nothing else".into()),
        }
    }

    fn lasts(in_force: &Self::InForce) -> bool {
        !matches!(in_force, InForce::Killed)
    }

    async fn heal(&self, in_force: InForce) -> Result<Healed, HealError> {
        let InForce::Paused(ticket, containers) = in_force else {
            return Err(HealError::Otherwise("it only happened: there is nothing to undo".into()));
        };
        let healed_us = self.service.clock.now_us();
        self.watchdog.release(ticket).await?;
        self.go_on(&containers).await?;
        Ok(Healed { healed_us, verified_us: self.service.clock.now_us() })
    }

    fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    async fn end(&self) -> Vec<String> {
        self.watchdog.end().await
    }
}

/// The service as that which has a number of tasks.
struct Scaled<'a> {
    swarm: &'a Swarm,
    owner: &'a str,
}

impl Counted for Scaled<'_> {
    async fn number(&self) -> Result<u16, String> {
        Ok(Replicated::read(&self.swarm.engine, self.owner).await?.replicas)
    }

    async fn set_number(&self, number: u16) -> Result<(), String> {
        Replicated::set(&self.swarm.engine, self.owner, number).await
    }

    fn debt(&self, number: u16) -> Debt {
        Debt::Tasks { engine: self.swarm.engine.clone(), service: self.owner.into(), number }
    }

    /// A task that is on its way has no place in the name yet, and one that goes has none any more.
    async fn present(&self) -> Result<Present, String> {
        let (name, port) = self.swarm.service.authority();
        let found = lookup_host((name.as_str(), *port)).await;
        let addresses: BTreeSet<SocketAddr> =
            found.map_err(|error| format!("the name {name} leads nowhere: {error}"))?.collect();
        Ok(Present { addresses, unsettled: 0, units: tasks(&self.swarm.engine, *port).await? })
    }
}

/// "the container", "3 containers".
fn of_containers(count: usize) -> String {
    if count == 1 { "the container".into() } else { format!("{count} containers") }
}
