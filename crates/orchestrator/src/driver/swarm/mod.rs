//! Faults of a Docker Swarm service, through the API of the engine that its tasks run on: of containers only that carry
//! the opt-in label. A replica is a slot of the service; its task, and with it its address, changes.

mod following;
mod task;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::{sleep, timeout};

pub(super) use following::follow;
use task::{Task, tasks};

use super::engine::{Engine, State};
use super::fault::{FaultDriver, HealError};
use super::ready::await_ready_as;
use super::watchdog::{Debt, Ticket, Watchdog};
use super::{helper, locked};
use crate::event::{Healed, Injected};
use crate::fault::{Fault, Kind};
use crate::plan::RECOVERY_BOUND;

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
    clock: RunClock,
    watchdog: Watchdog,
    /// Name and port that its replicas are asked by.
    authority: (String, u16),
    /// By replica.
    tasks: Arc<Mutex<BTreeMap<u16, Task>>>,
    /// Replicas that are none of this engine's containers.
    elsewhere: Arc<[(u16, SocketAddr)]>,
}

/// What was done to containers.
#[derive(Debug)]
pub(super) enum InForce {
    Killed,
    Paused(Ticket, Vec<(u16, String)>),
}

impl Swarm {
    /// Finds the containers behind these addresses.
    ///
    /// # Errors
    /// Where the engine does not answer, or has none of them that may be broken.
    pub(super) async fn find(
        engine: &Path,
        endpoints: &[(u16, SocketAddr)],
        authority: (String, u16),
        clock: RunClock,
    ) -> Result<Self, String> {
        let found = tasks(engine, authority.1).await?;
        let of = |address: &SocketAddr| found.iter().find(|task| task.addresses.contains(address)).cloned();
        let tasks: BTreeMap<u16, Task> =
            endpoints.iter().filter_map(|(replica, address)| Some((*replica, of(address)?.at(*address)))).collect();
        if tasks.is_empty() {
            return Err(format!(
                "none of the target's addresses is that of a container with the label {}=true on the Docker engine at {}: \
                 run this on the node that the tasks run on, and give the service's containers the label",
                task::LABEL,
                engine.display()
            ));
        }
        let elsewhere = endpoints.iter().filter(|(replica, _)| !tasks.contains_key(replica)).copied().collect();
        let (engine, watchdog, tasks) = (engine.into(), Watchdog::new(helper()), Arc::new(Mutex::new(tasks)));
        Ok(Self { engine, clock, watchdog, authority, tasks, elsewhere })
    }

    /// Replicas whose containers are known, and may be broken.
    pub(super) fn replicas(&self) -> usize {
        locked(&self.tasks).len()
    }

    /// Kinds of faults that are not made so, with the reason.
    pub(super) fn lacks() -> BTreeMap<Kind, String> {
        let lacking = Kind::ALL
            .into_iter()
            .filter(|kind| !kind.is_of_clients() && !matches!(kind, Kind::Kill | Kind::Pause | Kind::Partition));
        lacking.map(|kind| (kind, "the driver swarm kills and pauses tasks, and nothing else".to_string())).collect()
    }

    /// When the replica was ready, wherever its task runs by then; None: it was not in time.
    pub(super) async fn await_ready(&self, replica: u16) -> Option<u64> {
        let ready = async {
            loop {
                let address = locked(&self.tasks).get(&replica).map(|task| task.address)?;
                let at_us = await_ready_as((address, self.host()), Duration::from_secs(1), &self.clock).await;
                // It may have moved meanwhile.
                if at_us.is_some() && locked(&self.tasks).get(&replica).is_some_and(|task| task.address == address) {
                    return at_us;
                }
            }
        };
        timeout(RECOVERY_BOUND, ready).await.ok().flatten()
    }

    fn host(&self) -> String {
        format!("{}:{}", self.authority.0, self.authority.1)
    }

    fn containers(&self, replicas: &[u16]) -> Result<Vec<(u16, String)>, String> {
        if replicas.is_empty() {
            return Err("no replica is named".into());
        }
        let tasks = locked(&self.tasks);
        let container = |replica: &u16| {
            let task = tasks.get(replica).ok_or_else(|| {
                format!("replica {replica} is no container with the label {}=true on this engine", task::LABEL)
            })?;
            Ok((*replica, task.container.clone()))
        };
        replicas.iter().map(container).collect()
    }

    /// Waits for containers to be so.
    async fn seen(&self, containers: &[(u16, String)], is: fn(Option<State>) -> bool) -> Result<(), String> {
        let engine = Engine::at(&self.engine);
        for (replica, container) in containers {
            let seen = async {
                while !is(engine.state(container).await?) {
                    sleep(LOOK_EVERY).await;
                }
                Ok::<_, String>(())
            };
            let late = || format!("nothing was seen of it at replica {replica}'s container {container:.12}");
            timeout(SEEN_WITHIN, seen).await.map_err(|_| late())??;
        }
        Ok(())
    }

    async fn kill(&self, replicas: &[u16]) -> Result<(InForce, Injected), String> {
        let containers = self.containers(replicas)?;
        let injected_us = self.clock.now_us();
        for (_, container) in &containers {
            Engine::at(&self.engine).post(&format!("/containers/{container}/kill?signal=KILL"), "").await?;
        }
        self.seen(&containers, |state| state.is_none_or(|state| !state.is_running)).await?;
        let (effect_us, method) = (self.clock.now_us(), format!("SIGKILL of {}", of_containers(containers.len())));
        Ok((InForce::Killed, Injected { method, injected_us, effect_us, at_most_us: None }))
    }

    async fn pause(&self, replicas: &[u16], in_place_of: Option<&str>) -> Result<(InForce, Injected), String> {
        let containers = self.containers(replicas)?;
        let debt = |(_, container): &(u16, String)| Debt::Unpause {
            engine: self.engine.clone(),
            container: container.clone(),
        };
        let ticket = self.watchdog.ticket();
        self.watchdog.hold(ticket, containers.iter().map(debt).collect()).await?;
        let injected_us = self.clock.now_us();
        let paused = async {
            for (_, container) in &containers {
                Engine::at(&self.engine).post(&format!("/containers/{container}/pause"), "").await?;
            }
            self.seen(&containers, |state| state.is_some_and(|state| state.is_paused)).await
        };
        if let Err(why) = paused.await {
            let stuck = self.watchdog.release(ticket).await.err();
            return Err(stuck.map_or(why.clone(), |stuck| format!("{why}; {stuck}")));
        }
        let effect_us = self.clock.now_us();
        let why = in_place_of.map(|why| format!(": {why}")).unwrap_or_default();
        let method = format!("{} paused{why}", of_containers(containers.len()));
        Ok((InForce::Paused(ticket, containers), Injected { method, injected_us, effect_us, at_most_us: None }))
    }

    /// Sees that those that were paused go on.
    async fn go_on(&self, containers: &[(u16, String)]) -> Result<(), HealError> {
        let engine = Engine::at(&self.engine);
        for (replica, container) in containers {
            match engine.state(container).await.map_err(HealError::Otherwise)? {
                Some(state) if state.is_paused => {
                    let why = format!("the container {container} is still paused: docker unpause {container}");
                    return Err(HealError::Stuck(why));
                }
                Some(state) if state.is_running => {}
                _ => {
                    return Err(HealError::Otherwise(format!(
                        "replica {replica}'s container ended while it was paused"
                    )));
                }
            }
            let address = locked(&self.tasks).get(replica).map(|task| task.address);
            let Some(address) = address else { continue };
            if await_ready_as((address, self.host()), ANSWERS_WITHIN, &self.clock).await.is_none() {
                let why = format!("{address} still did not answer {} s later", ANSWERS_WITHIN.as_secs());
                return Err(HealError::Otherwise(why));
            }
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

    async fn heal(&self, in_force: InForce) -> Result<Healed, HealError> {
        let InForce::Paused(ticket, containers) = in_force else {
            return Err(HealError::Otherwise("it only happened: there is nothing to undo".into()));
        };
        let healed_us = self.clock.now_us();
        self.watchdog.release(ticket).await.map_err(HealError::Stuck)?;
        self.go_on(&containers).await?;
        Ok(Healed { healed_us, verified_us: self.clock.now_us() })
    }

    async fn end(&self) -> Vec<String> {
        self.watchdog.end().await
    }
}

/// "the container", "3 containers".
fn of_containers(count: usize) -> String {
    if count == 1 { "the container".into() } else { format!("{count} containers") }
}
