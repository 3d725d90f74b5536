//! A server of the run's own beside the target: of this program, on a port that is free.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::fault::process::signal_child;

const STARTS_WITHIN: Duration = Duration::from_secs(20);
const ENDS_WITHIN: Duration = Duration::from_secs(15);

/// See the module. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct LoneServer {
    child: Child,
    address: SocketAddr,
}

impl LoneServer {
    /// With so many further tools; returns when it listens.
    ///
    /// # Errors
    /// Why it does not, as part of a sentence.
    pub(crate) async fn start(extra_tools: u64) -> Result<Self, String> {
        let failed = |why: &str| format!("a server of this program cannot be started: {why}");
        // Not the path: the file may have been replaced since.
        let mut command = Command::new("/proc/self/exe");
        command.args([
            "serve",
            "--tied",
            "--listen",
            "127.0.0.1:0",
            "--shards",
            "1",
            "--extra-tools",
            &extra_tools.to_string(),
        ]);
        // A process group of its own: Ctrl-C is for the run, which ends it.
        command.process_group(0).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(&error.to_string()))?;
        let out = child.stdout.take().ok_or_else(|| failed("it has no output"))?;
        let mut lines = BufReader::new(out).lines();
        let said = timeout(STARTS_WITHIN, lines.next_line()).await.ok().and_then(Result::ok).flatten();
        let address = said.as_deref().and_then(|line| line.strip_prefix("listening on ")?.parse().ok());
        let address = address.ok_or_else(|| failed("it does not say where it listens"))?;
        Ok(Self { child, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it in order, else kills it; false where it is still there.
    pub(crate) async fn stop(mut self) -> bool {
        signal_child(&self.child, Signal::TERM);
        if timeout(ENDS_WITHIN, self.child.wait()).await.is_ok() {
            return true;
        }
        let _ = self.child.start_kill();
        timeout(ENDS_WITHIN, self.child.wait()).await.is_ok()
    }
}
