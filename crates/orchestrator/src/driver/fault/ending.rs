//! Processes that are told to end, in order; and the supervisor, which is not asked.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::Mutex;

use super::HealError;
use super::bench::{Bench, of_processes};
use super::hold::Force;
use crate::driver::own::OwnCluster;
use crate::driver::ready;
use crate::event::Injected;
use crate::plan::RECOVERY_BOUND;

/// A replica that drains cuts what is left after 10 s.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);

/// Tells the replicas' processes to end; returns when the last of them has drained.
pub(super) async fn terminate(bench: &Bench, replicas: &[u16]) -> Result<(Force, Injected), String> {
    let processes = bench.processes(replicas).await?;
    let injected_us = bench.clock.now_us();
    for process in &processes {
        process.signal(Signal::TERM)?;
    }
    let mut effect_us = injected_us;
    for process in &processes {
        let stays = || format!("process {} had not ended {} s after SIGTERM", process.pid, DRAINED_WITHIN.as_secs());
        effect_us = effect_us.max(process.ended(DRAINED_WITHIN, &bench.clock).await.ok_or_else(stays)?);
    }
    let method = format!("SIGTERM to {}", of_processes(processes.len()));
    Ok((Force::Past, Injected { method, injected_us, effect_us, at_most_us: None }))
}

/// Each of the replicas ends in order and is ready again before the next one ends; the effect is the first end.
pub(super) async fn one_after_another(bench: &Bench, replicas: &[u16]) -> Result<(Force, Injected), String> {
    let addresses = bench.addresses(replicas).await?;
    let mut first: Option<Injected> = None;
    for (replica, address) in replicas.iter().zip(addresses) {
        let (_, injected) = terminate(bench, &[*replica]).await?;
        first.get_or_insert(injected);
        let slow = || format!("replica {replica} was not ready {} s after it had ended", RECOVERY_BOUND.as_secs());
        ready::await_ready(address, RECOVERY_BOUND, &bench.clock).await.ok_or_else(slow)?;
    }
    let mut injected = first.ok_or("no replica is named")?;
    injected.method =
        format!("SIGTERM to {} replicas, one after another, each when the last was ready", replicas.len());
    Ok((Force::Past, injected))
}

/// Kills the run's own supervisor; its replicas die with it.
pub(super) async fn supervisor(bench: &Bench) -> Result<(Force, Injected), String> {
    let own = bench.own.as_ref().ok_or("the cluster is not the run's own: nobody would start it again")?;
    let injected_us = bench.clock.now_us();
    let effect_us = own.lock().await.kill(&bench.clock).await?;
    let method = "SIGKILL of the supervisor, with which its replicas die".into();
    Ok((Force::Headless, Injected { method, injected_us, effect_us, at_most_us: None }))
}

/// A supervisor in the place of the one that was killed.
pub(super) async fn start_again(own: Option<&Arc<Mutex<OwnCluster>>>) -> Result<(), HealError> {
    let stuck = |why: String| HealError::Stuck(format!("the cluster was not started again: {why}"));
    let own = own.ok_or_else(|| stuck("it is not the run's own".into()))?;
    own.lock().await.start_again().await.map_err(stuck)
}
