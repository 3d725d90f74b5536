//! `autoscale`: as many replicas as the load wants, of a local cluster or of a Swarm service.

mod policy;
mod swarm;

use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::{RunClock, monotonic_ns};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use policy::Scaler;
pub use policy::{Change, Load, Policy};
pub use swarm::{SwarmService, Trust};

use crate::StressError;
use crate::collector::Way;
use crate::driver;

/// A replica that goes is drained first, one after the other at worst.
const SCALED_WITHIN: Duration = Duration::from_secs(120);
/// All replicas are asked beside each other.
const LOOKED_WITHIN: Duration = Duration::from_secs(5);

/// What is scaled, and by what.
#[derive(Debug, Clone)]
pub struct AutoscaleConfig {
    /// Whose replicas.
    pub place: Place,
    /// How many.
    pub policy: Policy,
    /// Between two looks.
    pub every: Duration,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// Where the replicas are.
#[derive(Debug, Clone)]
pub enum Place {
    /// A cluster of this machine, by its control socket.
    Cluster {
        /// Its path.
        control: PathBuf,
    },
    /// A service of Docker Swarm.
    Swarm(SwarmService),
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AutoscaleEvent {
    /// The first look was taken.
    Begun(Load),
    /// This was done, or would be.
    Scaled {
        /// Replicas before.
        from: u16,
        /// See there.
        change: Change,
    },
    /// The load is not known, or a change was not made; it is tried again. Told once for each reason in a row.
    Failed(String),
}

/// Looks again and again, and changes the number of replicas, until the user has enough.
///
/// # Errors
/// Where the first look finds nothing, or the policy makes no sense.
pub async fn autoscale(
    config: AutoscaleConfig,
    events: mpsc::Sender<AutoscaleEvent>,
    mut cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let AutoscaleConfig { place, policy, every, dry_run } = config;
    if policy.min == 0 || policy.min > policy.max {
        return Err(StressError::usage("--min must be 1 or more, and not above --max"));
    }
    let way = place.way().await.map_err(StressError::failed)?;
    let load = place.look(&way).await.map_err(StressError::failed)?;
    let _ = events.send(AutoscaleEvent::Begun(load)).await;
    let (mut scaler, clock, mut said) = (Scaler::new(policy), RunClock::new(monotonic_ns()), None);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = cancel.wait_for(|count| *count > 0) => return Ok(()),
        }
        let done = async {
            let load = place.look(&way).await?;
            let Some(change) = scaler.step(Duration::from_micros(clock.now_us()), load) else { return Ok(None) };
            if !dry_run && let Err(why) = place.scale(change.to).await {
                scaler.failed();
                return Err(format!("{} replicas could not be had: {why}", change.to));
            }
            Ok(Some(AutoscaleEvent::Scaled { from: load.replicas, change }))
        };
        let done = tokio::select! {
            done = done => done,
            _ = cancel.wait_for(|count| *count > 0) => return Ok(()),
        };
        let event = match done {
            Ok(event) => {
                said = None;
                event
            }
            Err(why) if said.as_ref() == Some(&why) => None,
            Err(why) => {
                said = Some(why.clone());
                Some(AutoscaleEvent::Failed(why))
            }
        };
        if let Some(event) = event
            && events.send(event).await.is_err()
        {
            return Ok(());
        }
    }
}

impl Place {
    /// How its replicas are asked, where that is not done through a socket of this machine.
    async fn way(&self) -> Result<Way, String> {
        match self {
            Self::Cluster { .. } => Ok(Way::default()),
            Self::Swarm(service) => service.way().await,
        }
    }

    async fn look(&self, way: &Way) -> Result<Load, String> {
        let late = || format!("nothing was said within {} s", LOOKED_WITHIN.as_secs());
        match self {
            Self::Cluster { control } => driver::load_of(control).await,
            Self::Swarm(service) => timeout(LOOKED_WITHIN, service.look(way)).await.map_err(|_| late())?,
        }
    }

    async fn scale(&self, replicas: u16) -> Result<(), String> {
        match self {
            Self::Cluster { control } => driver::scale_to(control, replicas, SCALED_WITHIN).await,
            Self::Swarm(service) => timeout(LOOKED_WITHIN, service.scale(replicas))
                .await
                .map_err(|_| "the engine did not answer in time".to_string())?,
        }
    }
}

#[cfg(test)]
mod tests;
