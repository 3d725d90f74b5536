use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use super::force::Force;
use super::local::{LOOK_EVERY, LocalFaults, of_processes};
use super::process::Process;
use crate::event::Injected;

/// A killed process is gone in milliseconds; with much memory to give back, later.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// From the end of a process to the next one of the same replica: back-off and start.
const NEXT_WITHIN: Duration = Duration::from_secs(20);

/// Kills the replicas' processes, all at the same time; returns when the last was seen to be gone.
pub(super) async fn kill(local: &LocalFaults, replicas: &[u16]) -> Result<(Force, Injected), String> {
    let processes = local.processes(replicas).await?;
    let injected_us = local.clock.now_us();
    for process in &processes {
        process.signal(Signal::KILL)?;
    }
    let effect_us = gone(local, &processes).await?;
    let method = format!("SIGKILL of {}", of_processes(processes.len()));
    Ok((Force::Past, Injected::seen(method, injected_us, effect_us)))
}

/// When the last of them was seen to have ended.
async fn gone(local: &LocalFaults, processes: &[Process]) -> Result<u64, String> {
    let mut last_us = 0;
    for process in processes {
        let still_there = || format!("process {} was still there {} s after it", process.pid, GONE_WITHIN.as_secs());
        last_us = last_us.max(process.ended(GONE_WITHIN, &local.clock).await.ok_or_else(still_there)?);
    }
    Ok(last_us)
}

/// Kills each next process of the replicas as soon as it is there; the effect is the first end.
pub(super) async fn again_and_again(
    local: &LocalFaults,
    replicas: &[u16],
    times: u64,
) -> Result<(Force, Injected), String> {
    let first = local.processes(replicas).await?;
    let (force, mut injected) = kill(local, replicas).await?;
    injected.unfinished = kill_next(local, replicas, (first, times - 1)).await.err();
    injected.method = format!("SIGKILL of {}, {times} times, as soon as it was there", of_processes(replicas.len()));
    Ok((force, injected))
}

/// Kills so many processes of each of the replicas that come after these.
async fn kill_next(
    local: &LocalFaults,
    replicas: &[u16],
    (mut killed, times): (Vec<Process>, u64),
) -> Result<(), String> {
    for _ in 0..times {
        let next = async {
            loop {
                // One that was killed may be named for a moment yet.
                if let Ok(processes) = local.processes(replicas).await
                    && processes.iter().all(|process| killed.iter().all(|one| one.pid != process.pid))
                {
                    return processes;
                }
                sleep(LOOK_EVERY * 4).await;
            }
        };
        let too_late = || format!("there was no next process within {} s", NEXT_WITHIN.as_secs());
        let processes = timeout(NEXT_WITHIN, next).await.map_err(|_| too_late())?;
        for process in &processes {
            process.signal(Signal::KILL)?;
        }
        gone(local, &processes).await?;
        killed = processes;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::contract::local;
    use super::*;
    use crate::driver::fake::{self, FakeCluster};
    use std::process::Command;

    #[tokio::test]
    async fn the_replicas_are_killed_and_seen_gone() {
        let child = || Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let (mut one, mut two) = (child(), child());
        let cluster = FakeCluster::new(fake::status(std::process::id(), &[None, Some(one.id()), Some(two.id())]));
        let local = local(cluster.control());
        let (_, injected) = kill(&local, &[2, 3]).await.expect("our children can be killed");
        assert!(injected.effect_us >= injected.injected_us && injected.effect_us <= local.clock.now_us());
        assert_eq!((injected.method.as_str(), injected.at_most_us), ("SIGKILL of 2 processes", None));
        for child in [&mut one, &mut two] {
            let status = child.wait().expect("it was a child");
            assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        }
    }

    #[tokio::test]
    async fn what_is_no_child_of_the_supervisor_is_left_alone() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is there");
        let cluster = FakeCluster::new(fake::status(1, &[Some(child.id()), None]));
        let local = local(cluster.control());
        let why = async |replica| kill(&local, &[replica]).await.map(|_| ()).unwrap_err();
        let error = why(1).await;
        assert!(error.contains("is not a child of the supervisor"), "{error}");
        assert!(child.try_wait().expect("it is a child").is_none(), "it still runs");
        assert_eq!(why(2).await, "replica 2 has no process now");
        assert_eq!(why(3).await, "the cluster has no replica 3");
        child.kill().expect("it can be killed");
        child.wait().expect("it was a child");
    }
}
