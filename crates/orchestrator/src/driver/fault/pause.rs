//! A process that is stopped for a while: what is left to do where packets cannot be dropped.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::HealError;
use super::process::Process;

/// The kernel stops and continues a process in far less.
const SEEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Continues process `$1` after `$2` seconds, or at once when nobody holds its input any more.
const WATCHDOG: &str = "timeout \"$2\" cat > /dev/null; kill -CONT \"$1\"";

/// A process that stands still.
#[derive(Debug)]
pub(super) struct Pause {
    process: Process,
    watchdog: Child,
}

impl Pause {
    /// Stops it; whatever becomes of us, it is continued after `at_most`.
    pub(super) async fn begin(process: Process, at_most: Duration) -> Result<Self, String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHDOG, "sh", &process.pid.to_string(), &at_most.as_secs_f64().to_string()]);
        // Not killed with its handle: it has something to do first.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let watchdog = command.spawn().map_err(|error| format!("a shell cannot be started: {error}"))?;
        let mut pause = Self { process, watchdog };
        pause.process.signal(Signal::STOP)?;
        if !pause.waited(|state| state == Some('T')).await {
            return Err(format!("process {} was not seen to stop", pause.process.pid));
        }
        match pause.watchdog.try_wait() {
            Ok(None) => Ok(pause),
            _ => Err("nothing would continue the process if this one died (is there a `timeout` command?)".into()),
        }
    }

    async fn waited(&self, wanted: impl Fn(Option<char>) -> bool) -> bool {
        let seen = async {
            while !wanted(self.process.state()) {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(SEEN_WITHIN, seen).await.is_ok()
    }

    /// Continues it and sees that it goes on.
    ///
    /// # Errors
    /// Where it does not, or is no more.
    pub(super) async fn end(mut self) -> Result<(), HealError> {
        drop(self.watchdog.stdin.take());
        self.process.signal(Signal::CONT).map_err(HealError::Otherwise)?;
        let _ = timeout(SEEN_WITHIN, self.watchdog.wait()).await;
        if !self.waited(|state| state != Some('T')).await {
            return Err(HealError::Stuck(format!("process {} is still stopped: kill -CONT {0}", self.process.pid)));
        }
        match self.process.state() {
            None | Some('Z' | 'X') => {
                Err(HealError::Otherwise(format!("process {} ended while it was stopped", self.process.pid)))
            }
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    /// A process that does something all the time.
    struct Victim(process::Child);

    impl Victim {
        fn new() -> Self {
            Self(process::Command::new("sleep").arg("60").spawn().expect("sleep is there"))
        }

        fn handle(&self) -> Process {
            Process::open(self.0.id()).expect("it runs")
        }
    }

    impl Drop for Victim {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    async fn goes_on(process: &Process) {
        let seen = async {
            while process.state() == Some('T') {
                sleep(LOOK_EVERY).await;
            }
        };
        timeout(Duration::from_secs(10), seen).await.expect("it is continued");
    }

    #[tokio::test]
    async fn it_stands_still_until_the_end() {
        let victim = Victim::new();
        let pause = Pause::begin(victim.handle(), Duration::from_secs(60)).await.expect("our child can be stopped");
        assert_eq!(victim.handle().state(), Some('T'));
        pause.end().await.expect("and continued");
        assert_ne!(victim.handle().state(), Some('T'));
    }

    #[tokio::test]
    async fn it_goes_on_when_we_are_gone_or_forget() {
        let victim = Victim::new();
        let pause = Pause::begin(victim.handle(), Duration::from_secs(60)).await.expect("our child can be stopped");
        drop(pause);
        goes_on(&victim.handle()).await;
        let pause = Pause::begin(victim.handle(), Duration::from_millis(300)).await.expect("and again");
        goes_on(&victim.handle()).await;
        pause.end().await.expect("it was continued already");
    }

    #[tokio::test]
    async fn one_that_dies_meanwhile_is_not_healed() {
        let victim = Victim::new();
        let pause = Pause::begin(victim.handle(), Duration::from_secs(60)).await.expect("our child can be stopped");
        victim.handle().signal(Signal::KILL).expect("it is our child");
        let clock = erlmcp_load::clock::RunClock::new(0);
        assert!(victim.handle().ended(Duration::from_secs(10), &clock).await.is_some());
        let error = pause.end().await.unwrap_err();
        assert!(matches!(error, HealError::Otherwise(_)), "{error}");
        let error = error.to_string();
        assert!(error.contains("ended while it was stopped") || error.contains("No such process"), "{error}");
    }
}
