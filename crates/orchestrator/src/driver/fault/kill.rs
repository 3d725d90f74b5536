use std::path::Path;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use rustix::process::Signal;

use super::process::Process;
use crate::event::Injected;

/// A killed process is gone in milliseconds; with much memory to give back, later.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Kills a replica's process; returns when it was seen to be gone.
pub(super) async fn kill(control: &Path, replica: u16, clock: &RunClock) -> Result<Injected, String> {
    let process = Process::of_replica(control, replica).await?;
    let injected_us = clock.now_us();
    process.signal(Signal::KILL)?;
    let still_there = || format!("process {} was still there {} s after SIGKILL", process.pid, GONE_WITHIN.as_secs());
    let effect_us = process.ended(GONE_WITHIN, clock).await.ok_or_else(still_there)?;
    Ok(Injected { method: "SIGKILL of the process".into(), injected_us, effect_us, at_most_us: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::fake::{self, FakeCluster};
    use std::process::Command;

    #[tokio::test]
    async fn the_replica_is_killed_and_seen_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let cluster = FakeCluster::new(fake::status(std::process::id(), &[None, Some(child.id())]));
        let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
        let injected = kill(cluster.control(), 2, &clock).await.expect("our child can be killed");
        assert!(injected.effect_us >= injected.injected_us && injected.effect_us <= clock.now_us(), "{injected:?}");
        assert_eq!((injected.method.as_str(), injected.at_most_us), ("SIGKILL of the process", None));
        let status = child.wait().expect("it was a child");
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    }

    #[tokio::test]
    async fn what_is_no_child_of_the_supervisor_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let cluster = FakeCluster::new(fake::status(1, &[Some(child.id()), None]));
        let clock = RunClock::new(0);
        let error = kill(cluster.control(), 1, &clock).await.unwrap_err();
        assert!(error.contains("is not a child of the supervisor"), "{error}");
        assert!(child.try_wait().expect("it is a child").is_none(), "it still runs");
        assert_eq!(kill(cluster.control(), 2, &clock).await.unwrap_err(), "replica 2 has no process now");
        assert_eq!(kill(cluster.control(), 3, &clock).await.unwrap_err(), "the cluster has no replica 3");
        child.kill().expect("it can be killed");
        child.wait().expect("it was a child");
    }
}
