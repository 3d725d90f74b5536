use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

/// The environment variable in which an agent finds its token: arguments can be seen by every user.
const TOKEN: &str = "ERLMCP_JOIN_TOKEN";
/// A line of an agent is cut after this.
const LINE_MAX: usize = 400;
/// The last words of an agent that has ended are read for so long.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The process of one agent. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct AgentProcess {
    child: Child,
    /// None at its end.
    stderr: Option<Lines<BufReader<ChildStderr>>>,
    last_line: Option<String>,
}

/// What a process did.
#[derive(Debug)]
pub(super) enum Deed {
    Said(String),
    Ended(String),
}

impl AgentProcess {
    /// Must be called on the main thread: an agent dies with the thread that started it.
    pub(super) fn start(binary: &Path, join: SocketAddr, index: u32, token: &str) -> std::io::Result<Self> {
        let mut child = Command::new(binary)
            .args(["agent", "--join", &join.to_string(), "--index", &index.to_string()])
            .env(TOKEN, token)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for the orchestrator alone; it tells its agents.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let stderr = child.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        Ok(Self { child, stderr, last_line: None })
    }

    pub(super) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.start_kill();
    }

    /// The next thing that it does. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Deed {
        let Some(stderr) = &mut self.stderr else { return self.end().await };
        tokio::select! {
            line = stderr.next_line() => match line {
                Ok(Some(line)) => Deed::Said(note(&mut self.last_line, line)),
                _ => {
                    self.stderr = None;
                    self.end().await
                }
            },
            status = self.child.wait() => Deed::Ended(self.reason(status).await),
        }
    }

    async fn end(&mut self) -> Deed {
        let status = self.child.wait().await;
        Deed::Ended(self.reason(status).await)
    }

    /// Why it ended, with the last line that it wrote.
    async fn reason(&mut self, status: std::io::Result<ExitStatus>) -> String {
        if let Some(stderr) = &mut self.stderr {
            let read = async {
                while let Ok(Some(line)) = stderr.next_line().await {
                    note(&mut self.last_line, line);
                }
            };
            let _ = tokio::time::timeout(LAST_WORDS, read).await;
        }
        let how = match status {
            Ok(status) => how_ended(status),
            Err(error) => format!("its process cannot be waited for: {error}"),
        };
        match &self.last_line {
            Some(line) => format!("{how}: {line}"),
            None => how,
        }
    }
}

/// Keeps a line, cut to a bearable length, where it says something.
fn note(last_line: &mut Option<String>, line: String) -> String {
    let line: String = line.chars().take(LINE_MAX).collect();
    if !line.trim().is_empty() {
        *last_line = Some(line.trim().to_string());
    }
    line
}

fn how_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("its process ended with exit code {code}"),
        (None, Some(9)) => "its process was killed (signal 9): by someone, or for want of memory".into(),
        (None, Some(signal)) => format!("its process was ended by signal {signal}"),
        (None, None) => "its process ended".into(),
    }
}
