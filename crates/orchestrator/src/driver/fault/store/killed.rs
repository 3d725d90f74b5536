use std::path::PathBuf;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::super::HealError;
use super::super::local::{LOOK_EVERY, LocalFaults};
use super::asking::until_answered;
use super::{InForce, members, process, status};
use crate::collector::Way;
use crate::event::{Healed, Injected};

const GONE_WITHIN: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// A store that ends often is started again after 5 s, and then reads its history: of ten million operations for 8 s alone,
/// and for 20 s and more where the machine has other work.
const BACK_WITHIN: Duration = Duration::from_secs(60);

/// The store's process is gone; its supervisor starts another one.
#[derive(Debug)]
pub(in crate::driver) struct Killed {
    pid: u32,
    control: PathBuf,
    way: Way,
}

/// Kills the store's process; returns when it was seen to be gone.
pub(super) async fn kill(local: &LocalFaults) -> Result<(InForce, Injected), String> {
    let store = process(local).await?;
    let before = until_answered(&members(&local.status().await?, &local.way), ANSWERED_WITHIN).await;
    before.map_err(|why| format!("operations were not carried out before it: {why}"))?;
    let injected_us = local.clock.now_us();
    store.signal(Signal::KILL)?;
    let stays = || format!("process {} was still there {} s after it", store.pid, GONE_WITHIN.as_secs());
    let effect_us = store.ended(GONE_WITHIN, &local.clock).await.ok_or_else(stays)?;
    let method = "SIGKILL of the store's process".into();
    let killed = Killed { pid: store.pid, control: local.control.clone(), way: local.way.clone() };
    Ok((InForce::Killed(killed), Injected::seen(method, injected_us, effect_us)))
}

impl Killed {
    /// Waits until another process is in its place, and every replica has an answer from it.
    pub(super) async fn comes_back(self, clock: &RunClock) -> Result<Healed, HealError> {
        let replaced = async {
            loop {
                if let Ok(status) = status(&self.control).await
                    && let Some(store) = &status.store
                    && store.state == "ready"
                    && store.pid.is_some_and(|pid| pid != self.pid)
                {
                    return (clock.now_us(), members(&status, &self.way));
                }
                sleep(LOOK_EVERY).await;
            }
        };
        let stays_away = || HealError::Otherwise(format!("the store was not back {} s later", BACK_WITHIN.as_secs()));
        let (healed_us, members) = timeout(BACK_WITHIN, replaced).await.map_err(|_| stays_away())?;
        let silent = |why| HealError::Otherwise(format!("operations were not carried out after it: {why}"));
        until_answered(&members, ANSWERED_WITHIN).await.map_err(silent)?;
        Ok(Healed { healed_us, verified_us: clock.now_us() })
    }
}
