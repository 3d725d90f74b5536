use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use rustix::process::Signal;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::super::HealError;
use super::super::local::LocalFaults;
use super::super::process::{Known, Process};
use super::asking::{Asked, ask, until_answered};
use super::{InForce, members, process, status};
use crate::collector::{Page, Way};
use crate::driver::watchdog::{Debt, Ticket, Watchdog};
use crate::event::{Healed, Injected};

/// Between two stops: what has come meanwhile is done, and the cluster hears that it lives.
const BREATH: Duration = Duration::from_millis(50);
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// The store's process stands still for most of the time.
#[derive(Debug)]
pub(in crate::driver) struct Slow {
    stops: JoinHandle<()>,
    store: Process,
    ticket: Ticket,
    control: PathBuf,
    way: Way,
}

/// Stops the store's process for so long, again and again; returns when a question was seen to wait for it.
pub(super) async fn slow_down(local: &LocalFaults, ms: u64) -> Result<(InForce, Injected), String> {
    let store = process(local).await?;
    let status = local.status().await?;
    // A process that is stopped for as long as that is killed by its cluster.
    let longest_ms = status.fence_after_ms.map_or(ms, |fence_ms| fence_ms / 2);
    let still = Duration::from_millis(ms.min(longest_ms));
    let members = members(&status, &local.way);
    let first = members.first().ok_or("no replica takes requests")?;
    let before = until_answered(&members, ANSWERED_WITHIN).await;
    before.map_err(|why| format!("operations were not carried out before it: {why}"))?;
    let known = Known::of(store.pid).ok_or_else(|| format!("process {} has just ended", store.pid))?;
    let ticket = local.hold(vec![Debt::Continue { process: known }]).await?;
    let injected_us = local.clock.now_us();
    let effect_us = match is_waited_for(local, &store, still, first).await {
        Ok(effect_us) => effect_us,
        Err(why) => return local.give_up(ticket, why).await,
    };
    let stops = tokio::spawn(again_and_again(store.clone(), still));
    let (still_ms, breath_ms) = (still.as_millis(), BREATH.as_millis());
    let method = format!("the store's process stopped (SIGSTOP) for {still_ms} ms, again {breath_ms} ms later");
    let slow = Slow { stops, store, ticket, control: local.control.clone(), way: local.way.clone() };
    Ok((InForce::Slow(slow), Injected::seen(method, injected_us, effect_us)))
}

/// One stop, and a question during it: when it was answered, which was not before the end of the stop.
async fn is_waited_for(local: &LocalFaults, store: &Process, still: Duration, member: &Page) -> Result<u64, String> {
    store.signal(Signal::STOP)?;
    store.stands_still().await?;
    let asked = async {
        let asked = ask(member).await;
        (asked, local.clock.now_us())
    };
    let stop = async {
        sleep(still).await;
        let goes_on_us = local.clock.now_us();
        store.signal(Signal::CONT).map(|()| goes_on_us)
    };
    let ((asked, answered_us), goes_on_us) = tokio::join!(asked, stop);
    let goes_on_us = goes_on_us?;
    match asked {
        // A replica that has no patience left refuses: that is waiting too.
        Asked::Answered | Asked::Refused if answered_us >= goes_on_us => Ok(answered_us),
        Asked::Answered | Asked::Refused => Err("a question was answered while the store stood still".into()),
        Asked::Otherwise(why) => Err(why),
    }
}

/// Until the process ends, or this is aborted: then it may stand still.
async fn again_and_again(store: Process, still: Duration) {
    loop {
        sleep(BREATH).await;
        if store.signal(Signal::STOP).is_err() {
            return;
        }
        sleep(still).await;
        if store.signal(Signal::CONT).is_err() {
            return;
        }
    }
}

impl Slow {
    pub(super) async fn heal(mut self, watchdog: &Watchdog, clock: &RunClock) -> Result<Healed, HealError> {
        self.stops.abort();
        // Only when it is known to be over may the process go on for good.
        let _ = (&mut self.stops).await;
        let healed_us = clock.now_us();
        // It may stand still with nobody who owes that it goes on, where the watchdog was gone meanwhile. Whether it does is
        // seen below.
        let _ = self.store.signal(Signal::CONT);
        self.store.goes_on().await?;
        watchdog.release(self.ticket).await?;
        let silent = |why| HealError::Otherwise(format!("operations were not carried out after it: {why}"));
        let status = status(&self.control).await.map_err(silent)?;
        until_answered(&members(&status, &self.way), ANSWERED_WITHIN).await.map_err(silent)?;
        Ok(Healed { healed_us, verified_us: clock.now_us() })
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.stops.abort();
    }
}
