//! The client's side of a cluster's control socket: a line of JSON a request, a line an answer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::protocol::Status;

/// Between two questions of the same kind, where the first was refused for now.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// An answer may be so long: 250 replicas with all of their figures have a tenth of it.
const LINE_BYTES_MAX: u64 = 32 << 20;
/// A cluster that works answers a question about itself in milliseconds.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Why a cluster did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("no cluster answers at {}: {error}", path.display())]
    Unreachable { path: PathBuf, error: std::io::Error },
    #[error("the cluster did not answer \"{op}\" within {} s", within.as_secs())]
    Silent { op: String, within: Duration },
    #[error("the cluster closed its control socket")]
    Closed,
    #[error("the cluster's answer to \"{op}\" is not understood ({error}): is it of another version?")]
    NotUnderstood { op: String, error: String },
    #[error("the cluster refused: {0}")]
    Refused(String),
    /// It may do so later.
    #[error("the cluster refused for now: {0}")]
    NotNow(String),
}

/// A kept connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
}

#[derive(Deserialize)]
struct Head {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    again: bool,
}

impl Connection {
    pub(crate) async fn open(path: &Path) -> Result<Self, ControlError> {
        let unreachable = |error| ControlError::Unreachable { path: path.to_path_buf(), error };
        let stream = match timeout(ANSWER_WITHIN, UnixStream::connect(path)).await {
            Ok(connected) => connected.map_err(unreachable)?,
            Err(_) => return Err(ControlError::Silent { op: "connect".into(), within: ANSWER_WITHIN }),
        };
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// User and process at the other end, as the kernel knows them.
    pub(crate) fn peer(&self) -> Option<(u32, Option<i32>)> {
        let credentials = self.stream.get_ref().peer_cred().ok()?;
        Some((credentials.uid(), credentials.pid()))
    }

    /// Sends one request and reads its answer; `extra` is what stands beside the op.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &mut self,
        (op, extra): (&str, Option<(&str, u64)>),
        within: Duration,
    ) -> Result<T, ControlError> {
        let mut request = serde_json::json!({ "op": op });
        if let Some((name, value)) = extra {
            request[name] = value.into();
        }
        self.request(op, &request, within).await
    }

    /// The same of a whole request.
    pub(crate) async fn request<T: DeserializeOwned>(
        &mut self,
        op: &str,
        request: &serde_json::Value,
        within: Duration,
    ) -> Result<T, ControlError> {
        let exchange = async {
            self.stream.get_mut().write_all(format!("{request}\n").as_bytes()).await.ok()?;
            self.line().await
        };
        let answered = timeout(within, exchange).await;
        let line = answered.map_err(|_| ControlError::Silent { op: op.into(), within })?.ok_or(ControlError::Closed)?;
        let not_understood =
            |error: serde_json::Error| ControlError::NotUnderstood { op: op.into(), error: error.to_string() };
        let head: Head = serde_json::from_str(&line).map_err(not_understood)?;
        if !head.ok {
            let why = head.error.unwrap_or_else(|| "it did not say why".into());
            return Err(if head.again { ControlError::NotNow(why) } else { ControlError::Refused(why) });
        }
        serde_json::from_str(&line).map_err(not_understood)
    }

    /// Has all operations of the cluster's store written to a file.
    pub(crate) async fn effects(&mut self, to: &Path, within: Duration) -> Result<(), ControlError> {
        let request = serde_json::json!({ "op": "effects", "to": to });
        self.request::<Done>("effects", &request, within).await.map(drop)
    }

    pub(crate) async fn status(&mut self, within: Duration) -> Result<Status, ControlError> {
        self.ask(("status", None), within).await
    }

    /// The next line; None: there are no more. Must not be dropped half-way where another line is wanted.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = (&mut self.stream).take(LINE_BYTES_MAX).read_line(&mut line).await.ok()?;
        (read > 0 && line.ends_with('\n')).then_some(line)
    }
}

/// Answers without a body of interest.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {}

/// One request on a connection of its own: a slow one holds nobody else up.
pub(crate) async fn ask<T: DeserializeOwned>(
    path: &Path,
    op: (&str, Option<(&str, u64)>),
    within: Duration,
) -> Result<T, ControlError> {
    Connection::open(path).await?.ask(op, within).await
}

/// Asks until the answer is another one than "not now", and at most for so long.
///
/// # Errors
/// Whatever else the question comes to; where it is late, the last refusal.
pub(crate) async fn insist<T, A>(op: &str, within: Duration, ask: impl Fn() -> A) -> Result<T, ControlError>
where
    A: Future<Output = Result<T, ControlError>>,
{
    let mut last = ControlError::Silent { op: op.into(), within };
    let asked = async {
        loop {
            match ask().await {
                Err(ControlError::NotNow(why)) => last = ControlError::NotNow(why),
                outcome => return outcome,
            }
            sleep(AGAIN_AFTER).await;
        }
    };
    let outcome = timeout(within, asked).await;
    outcome.unwrap_or(Err(last))
}

pub(crate) async fn status(path: &Path) -> Result<Status, ControlError> {
    ask(path, ("status", None), ANSWER_WITHIN).await
}

#[cfg(test)]
mod tests;
