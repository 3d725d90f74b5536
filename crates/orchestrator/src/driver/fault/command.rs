//! Faults by the user's own commands: of any target, wherever it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::{sleep, timeout};

use super::force::{After, Force};
use super::{FaultDriver, HealError};
use crate::driver::watchdog::{Debt, Watchdog, run};
use crate::event::{Healed, Injected};
use crate::fault::{CommandFault, Fault};

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The driver of a target that no other one knows.
#[derive(Debug, Clone)]
pub(in crate::driver) struct Commands {
    pub(in crate::driver) clock: RunClock,
    pub(in crate::driver) watchdog: Watchdog,
    /// By replica.
    pub(in crate::driver) addresses: BTreeMap<u16, SocketAddr>,
}

impl FaultDriver for Commands {
    type InForce = Force;

    async fn inject(&self, fault: &Fault) -> Result<(Force, Injected), String> {
        let Some(command) = &fault.command else { return Err("the target has no fault driver".into()) };
        let address = match fault.replicas.first() {
            Some(first) => Some(self.addresses.get(first).ok_or_else(|| format!("the target has no replica {first}"))?),
            None => None,
        };
        let fill = |words: &[String]| CommandFault::fill(words, &fault.replicas, address.map(SocketAddr::to_string));
        let (inject, effect, heal) = (fill(&command.inject), fill(&command.effect), fill(&command.heal));
        let within_ms = command.within.as_millis() as u64;
        let ticket = self.watchdog.ticket();
        if !heal.is_empty() {
            self.watchdog.hold(ticket, vec![Debt::Command { words: heal.clone(), within_ms }]).await?;
        }
        let injected_us = self.clock.now_us();
        let shown = match run(&inject, command.within).await {
            Ok(()) => {
                until_good(&effect, command.within).await.map_err(|why| format!("its effect was not seen: {why}"))
            }
            Err(why) => Err(why),
        };
        if let Err(why) = shown {
            return Err(self.watchdog.give_up(ticket, why).await);
        }
        let effect_us = self.clock.now_us();
        let injected = Injected::seen(format!("`{}`", inject.join(" ")), injected_us, effect_us);
        if heal.is_empty() {
            return Ok((Force::Past, injected));
        }
        let after = After::Verified(fill(&command.verify), command.within);
        Ok((Force::Held { ticket, after, addresses: Vec::new() }, injected))
    }

    fn lasts(in_force: &Self::InForce) -> bool {
        !matches!(in_force, Force::Past)
    }

    async fn heal(&self, force: Force) -> Result<Healed, HealError> {
        force.heal((&self.watchdog, &self.clock), None).await
    }

    fn watchdog(&self) -> &Watchdog {
        &self.watchdog
    }

    async fn end(&self) -> Vec<String> {
        self.watchdog.end().await
    }
}

/// Asks until the command succeeds.
///
/// # Errors
/// What it said last, where it did not in time.
pub(super) async fn until_good(words: &[String], within: Duration) -> Result<(), String> {
    let mut last = String::from("it was not asked in time");
    let good = async {
        while let Err(why) = run(words, within).await {
            last = why;
            sleep(LOOK_EVERY).await;
        }
    };
    timeout(within, good).await.map_err(|_| last)
}
