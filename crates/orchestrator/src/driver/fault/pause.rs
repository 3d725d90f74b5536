//! Processes that are stopped for a while: a fault by itself, and what is left to do where packets cannot be dropped.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::HealError;
use super::force::{After, Force};
use super::local::{LocalFaults, of_processes};
use super::process::{Known, Process};
use crate::driver::watchdog::Debt;
use crate::event::Injected;

/// The kernel stops and continues a process in far less.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long a process is stopped where the cluster does not say when it takes it for dead: an erlmcp cluster finds out
/// within 1.25 s that it does not answer, and kills it after 2 s.
const PAUSE: Duration = Duration::from_millis(1_600);
/// Kept between the end of a pause and the time at which the cluster would kill the process.
const PAUSE_MARGIN: Duration = Duration::from_millis(400);

/// Stops the replicas' processes; returns when they were seen to stand still. In place of something else it says why, and
/// that it must end before the cluster takes them for dead.
pub(super) async fn pause(
    local: &LocalFaults,
    replicas: &[u16],
    in_place_of: Option<&str>,
) -> Result<(Force, Injected), String> {
    let at_most = pause_for(local.status().await?.fence_after_ms);
    let addresses = local.addresses(replicas).await?;
    let processes = local.processes(replicas).await?;
    let known = processes.iter().filter_map(|process| Known::of(process.pid));
    let ticket = local.hold(known.map(|process| Debt::Continue { process }).collect()).await?;
    let injected_us = local.clock.now_us();
    for process in &processes {
        let stopped = process.signal(Signal::STOP).and(process.stands_still().await);
        if let Err(why) = stopped {
            return local.give_up(ticket, why).await;
        }
    }
    let effect_us = local.clock.now_us();
    let what = if processes.len() == 1 { "process".into() } else { of_processes(processes.len()) };
    let method = match in_place_of {
        Some(why) => {
            format!("{what} stopped (SIGSTOP) for {:.1} s: nftables is not available ({why})", at_most.as_secs_f64())
        }
        None => format!("{what} stopped (SIGSTOP)"),
    };
    let at_most_us = in_place_of.map(|_| at_most.as_micros() as u64);
    let force = Force::Held { ticket, after: After::GoOn(processes), addresses };
    Ok((force, Injected { at_most_us, ..Injected::seen(method, injected_us, effect_us) }))
}

/// Less than the time after which the cluster would kill the process.
fn pause_for(fence_after_ms: Option<u64>) -> Duration {
    let Some(fence_after) = fence_after_ms.map(Duration::from_millis) else { return PAUSE };
    fence_after.saturating_sub(PAUSE_MARGIN).max(fence_after / 2)
}

impl Process {
    async fn waited(&self, wanted: impl Fn(Option<char>) -> bool) -> bool {
        let seen = async {
            while !wanted(self.state()) {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(SEEN_WITHIN, seen).await.is_ok()
    }

    pub(super) async fn stands_still(&self) -> Result<(), String> {
        let stopped = self.waited(|state| state == Some('T')).await;
        if stopped { Ok(()) } else { Err(format!("process {} was not seen to stop", self.pid)) }
    }

    /// Sees that it is stopped no more.
    pub(super) async fn goes_on(&self) -> Result<(), HealError> {
        if !self.waited(|state| state != Some('T')).await {
            return Err(HealError::Stuck(format!("process {} is still stopped: kill -CONT {0}", self.pid)));
        }
        match self.state() {
            None | Some('Z' | 'X') => {
                Err(HealError::Otherwise(format!("process {} ended while it was stopped", self.pid)))
            }
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_before_the_process_is_taken_for_dead() {
        assert_eq!(pause_for(None), PAUSE);
        assert_eq!(pause_for(Some(5_000)), Duration::from_millis(4_600));
        assert_eq!(pause_for(Some(600)), Duration::from_millis(300));
    }
}
