//! Processes that are told to end, in order; and the supervisor, which is not asked.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::Mutex;

use super::HealError;
use super::force::Force;
use super::local::{LocalFaults, of_processes};
use crate::driver::own::{GONE_WITHIN, OwnCluster};
use crate::driver::ready::await_ready;
use crate::event::Injected;
use crate::plan::RECOVERY_BOUND;

/// A replica that drains cuts what is left after 10 s.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);

/// Tells the replicas' processes to end; returns when the last of them has drained.
pub(super) async fn terminate(local: &LocalFaults, replicas: &[u16]) -> Result<(Force, Injected), String> {
    let processes = local.processes(replicas).await?;
    let injected_us = local.clock.now_us();
    for process in &processes {
        process.signal(Signal::TERM)?;
    }
    let mut effect_us = injected_us;
    for process in &processes {
        let stays = || format!("process {} had not ended {} s after SIGTERM", process.pid, DRAINED_WITHIN.as_secs());
        effect_us = effect_us.max(process.ended(DRAINED_WITHIN, &local.clock).await.ok_or_else(stays)?);
    }
    let method = format!("SIGTERM to {}", of_processes(processes.len()));
    Ok((Force::Past, Injected::seen(method, injected_us, effect_us)))
}

/// Each of the replicas ends in order and is ready again before the next one ends; the effect is the first end.
pub(super) async fn one_after_another(local: &LocalFaults, replicas: &[u16]) -> Result<(Force, Injected), String> {
    let Some((first, others)) = replicas.split_first() else { return Err("no replica is named".into()) };
    let addresses = local.addresses(replicas).await?;
    let (force, mut injected) = terminate(local, &[*first]).await?;
    let others = async {
        let mut next = others.iter();
        for (replica, address) in replicas.iter().zip(addresses) {
            let slow = || format!("replica {replica} was not ready {} s after it had ended", RECOVERY_BOUND.as_secs());
            let ready = local.way.page(address, "/ready");
            await_ready(&ready, RECOVERY_BOUND, &local.clock).await.ok_or_else(slow)?;
            if let Some(next) = next.next() {
                terminate(local, &[*next]).await?;
            }
        }
        Ok(())
    };
    injected.unfinished = others.await.err();
    injected.method =
        format!("SIGTERM to {} replicas, one after another, each when the last was ready", replicas.len());
    Ok((force, injected))
}

/// Kills the run's own supervisor; its replicas die with it.
pub(super) async fn supervisor(local: &LocalFaults) -> Result<(Force, Injected), String> {
    let own = local.own.as_ref().ok_or("the cluster is not the run's own: nobody would start it again")?;
    let injected_us = local.clock.now_us();
    let (effect_us, outlived) = own.lock().await.kill(&local.clock).await?;
    let mut method = "SIGKILL of the supervisor, with which its replicas die".to_string();
    if outlived > 0 {
        method += &format!(
            "; {outlived} of its processes were still there {} s later and killed, too",
            GONE_WITHIN.as_secs()
        );
    }
    Ok((Force::Headless, Injected::seen(method, injected_us, effect_us)))
}

/// A supervisor in the place of the one that was killed.
pub(super) async fn start_again(own: Option<&Arc<Mutex<OwnCluster>>>) -> Result<(), HealError> {
    let stuck = |why: String| HealError::Stuck(format!("the cluster was not started again: {why}"));
    let own = own.ok_or_else(|| stuck("it is not the run's own".into()))?;
    own.lock().await.start_again().await.map_err(stuck)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::FaultDriver;
    use super::super::contract::local;
    use super::*;
    use crate::driver::control;
    use crate::driver::fake::{self, FakeCluster, heard, say};
    use crate::driver::own::tests::{folder, supervisor as supervisor_of_tests};

    #[tokio::test]
    async fn a_supervisor_is_started_again_also_where_its_replicas_outlive_it() {
        let folder = folder();
        let started =
            OwnCluster::start(&supervisor_of_tests(folder.path(), "polite"), 2, &folder.path().join("log")).await;
        let (own, first) = started.expect("the supervisor comes up");
        let own = Arc::new(Mutex::new(own));
        let control = own.lock().await.control();
        let local = LocalFaults { own: Some(Arc::clone(&own)), ..local(&control) };
        let (force, injected) = supervisor(&local).await.expect("it can be killed");
        assert!(
            injected.method.ends_with("; 2 of its processes were still there 5 s later and killed, too"),
            "{injected:?}"
        );
        local.heal(force).await.expect("it is started again");
        let next = control::status(&control).await.expect("it answers");
        assert!(next.is_complete(2) && next.pid != first.pid, "{next:?}");
        assert_eq!(own.lock().await.stop().await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_rolling_restart_that_does_not_go_on_has_the_effect_that_was_seen() {
        let ready = TcpListener::bind("127.77.2.20:0").await.expect("loopback has many addresses");
        let address = ready.local_addr().expect("it is bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = ready.accept().await {
                heard(&mut stream).await;
                say(&mut stream, "200 OK", None).await;
            }
        });
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep is there");
        // The second one is no child of the supervisor, and so left alone.
        let mut status = fake::status(std::process::id(), &[Some(child.id()), Some(1)]);
        status["replicas"][0]["address"] = serde_json::Value::from(address.to_string());
        let cluster = FakeCluster::new(status);
        let local = local(cluster.control());
        let (_, injected) = one_after_another(&local, &[1, 2]).await.expect("the first one ends");
        let why = injected.unfinished.expect("the second one does not");
        assert!(why.contains("is not a child of the supervisor"), "{why}");
        child.wait().expect("it was a child");
    }
}
