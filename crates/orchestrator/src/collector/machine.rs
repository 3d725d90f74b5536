//! Everything of a second that is read from this machine's /proc.

use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_record::KernelSample;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{kernel, process};
use process::ProcessFigures;

/// Between the processes it rests for so long, all together: replicas that share their cores with it wait for one reading at
/// most, not for all of them.
const RESTS: Duration = Duration::from_millis(120);

/// What was read; a process that is not there has None.
pub(super) type Reading = (Vec<Option<ProcessFigures>>, KernelSample);

/// Reads away from the loop: the memory of a process with many connections takes milliseconds. One reading at a time:
/// one that hangs in the kernel is not joined by another each second.
#[derive(Debug)]
pub(super) struct Machine {
    one: Arc<Semaphore>,
}

impl Machine {
    pub(super) fn new() -> Self {
        Self { one: Arc::new(Semaphore::new(1)) }
    }

    /// # Errors
    /// Where it does not come to an end in time, as a sentence.
    pub(super) async fn read(
        &self,
        pids: Vec<Option<u32>>,
        within: Duration,
        clock: RunClock,
    ) -> Result<Reading, String> {
        let slow = || "reading /proc takes too long".to_string();
        let permit = Arc::clone(&self.one).try_acquire_owned().map_err(|_| slow())?;
        let reading = spawn_blocking(move || {
            let read = (each(&pids, RESTS, &clock), kernel::sample());
            drop(permit);
            read
        });
        timeout(within, reading).await.map_err(|_| slow())?.map_err(|error| format!("/proc could not be read: {error}"))
    }
}

fn each(pids: &[Option<u32>], rests: Duration, clock: &RunClock) -> Vec<Option<ProcessFigures>> {
    let rest = rests / u32::try_from(pids.len().max(1)).unwrap_or(u32::MAX);
    let read = |(number, pid): (usize, &Option<u32>)| {
        if number > 0 {
            std::thread::sleep(rest);
        }
        pid.and_then(|pid| process::figures(pid, clock))
    };
    pids.iter().enumerate().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reading_that_hangs_is_not_joined_by_another() {
        let (machine, clock) = (Machine::new(), RunClock::new(0));
        let soon = Duration::from_secs(30);
        let read = machine.read(vec![Some(std::process::id()), None], soon, clock).await;
        let (processes, kernel) = read.expect("/proc is there");
        assert!(matches!(processes[..], [Some(_), None]), "{processes:?}");
        assert!(kernel.busy_us.is_some());
        let hanging = Arc::clone(&machine.one).try_acquire_owned().expect("the first is over");
        assert_eq!(machine.read(Vec::new(), soon, clock).await, Err("reading /proc takes too long".into()));
        drop(hanging);
        assert!(machine.read(Vec::new(), soon, clock).await.is_ok());
    }
}
