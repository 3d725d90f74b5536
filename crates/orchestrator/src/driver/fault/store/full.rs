use std::path::{Path, PathBuf};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use tokio::time::{sleep, timeout};

use super::super::HealError;
use super::super::limit::{Limit, Limited};
use super::super::local::LocalFaults;
use super::super::process::{Known, Process};
use super::counts::Counts;
use super::{InForce, process, status};
use crate::driver::watchdog::{Debt, Ticket, Watchdog};
use crate::event::{Healed, Injected};

/// Replicas tell their figures twice a second, and clients try again after a while.
const SEEN_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The store's process may write nothing more.
#[derive(Debug)]
pub(in crate::driver) struct Full {
    limit: (Process, Limit),
    known: Known,
    ticket: Ticket,
    control: PathBuf,
}

/// Leaves the store's process no byte to write to any file, as a full disk does; returns when operations were seen to be
/// refused and none to be carried out. Somebody else has to send them.
pub(super) async fn fill(local: &LocalFaults) -> Result<(InForce, Injected), String> {
    let store = process(local).await?;
    let gone = || format!("process {} has just ended", store.pid);
    let limit = Limit::now(Limited::FileSize, store.pid).ok_or_else(gone)?;
    let known = Known::of(store.pid).ok_or_else(gone)?;
    let ticket = local.hold(vec![Debt::Limit { process: known, limit }]).await?;
    let injected_us = local.clock.now_us();
    if let Err(why) = limit.lowered(0).set(&store) {
        return local.give_up(ticket, why).await;
    }
    let refused = until(&local.control, |(done, refused)| done == 0 && refused > 0);
    if timeout(SEEN_WITHIN, refused).await.is_err() {
        let why = format!("no operation was refused within {} s", SEEN_WITHIN.as_secs());
        return local.give_up(ticket, why).await;
    }
    let effect_us = local.clock.now_us();
    let method = "no room for the store's files (prlimit, RLIMIT_FSIZE 0)".into();
    let full = Full { limit: (store, limit), known, ticket, control: local.control.clone() };
    Ok((InForce::Full(full), Injected::seen(method, injected_us, effect_us)))
}

/// Waits until what was carried out and refused between two looks is as wanted. Looks begin anew with whatever was carried
/// out, so that what was under way before is not counted.
async fn until(control: &Path, is_wanted: impl Fn((u64, u64)) -> bool) {
    let mut before: Option<Counts> = None;
    loop {
        if let Ok(status) = status(control).await {
            let now = Counts::of(&status);
            let since = before.as_ref().map_or((0, 0), |before| now.since(before));
            if is_wanted(since) {
                return;
            }
            if before.is_none() || since.0 > 0 {
                before = Some(now);
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

impl Full {
    pub(super) async fn heal(self, watchdog: &Watchdog, clock: &RunClock) -> Result<Healed, HealError> {
        let healed_us = clock.now_us();
        watchdog.release(self.ticket).await?;
        Limit::see(std::slice::from_ref(&self.limit))?;
        let done = until(&self.control, |(done, _)| done > 0);
        let none = || format!("no operation was carried out within {} s after it", SEEN_WITHIN.as_secs());
        timeout(SEEN_WITHIN, done).await.map_err(|_| HealError::Otherwise(none()))?;
        if !self.known.is_alive() {
            let pid = self.known.pid;
            return Err(HealError::Otherwise(format!("the store's process {pid} ended while it had no room")));
        }
        Ok(Healed { healed_us, verified_us: clock.now_us() })
    }
}
