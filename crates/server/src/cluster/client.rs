//! Speaking to a running cluster through its control socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::control::Request;
use super::line;

/// Why a cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody answers.
    #[error("no cluster answers on {}: start one with `erlmcp cluster`, or name another with --port or --control", .0.display())]
    NoCluster(PathBuf),
    /// The conversation broke off.
    #[error("the cluster on {} did not answer: {source}", path.display())]
    Broken {
        /// The control socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It said no.
    #[error("{0}")]
    Refused(String),
}

/// Stops the cluster behind the control socket at `path`, and waits until it has gone.
///
/// # Errors
/// Where no cluster answers.
pub fn stop(path: &Path) -> Result<(), AskError> {
    let broken = |source| AskError::Broken { path: path.to_path_buf(), source };
    let mut stream = UnixStream::connect(path).map_err(|_| AskError::NoCluster(path.to_path_buf()))?;
    stream.write_all(&line::to_line(&Request::Stop)).map_err(broken)?;
    // The answer comes at once; the end of the stream comes with the end of the cluster, in whatever way that is.
    let _ = io::copy(&mut stream, &mut io::sink());
    Ok(())
}

/// Asks the cluster behind the control socket at `path`; waits for the answer, which [`Request::Scale`] gives only when
/// it is done.
///
/// # Errors
/// Where no cluster answers, or it refuses.
pub fn ask(path: &Path, request: &Request) -> Result<Value, AskError> {
    let broken = |source| AskError::Broken { path: path.to_path_buf(), source };
    let mut stream = UnixStream::connect(path).map_err(|_| AskError::NoCluster(path.to_path_buf()))?;
    stream.write_all(&line::to_line(request)).map_err(broken)?;
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer).map_err(broken)?;
    let answer: Value = line::parse(&answer).map_err(broken)?;
    if answer["ok"] == true {
        return Ok(answer);
    }
    Err(AskError::Refused(answer["error"].as_str().unwrap_or("the cluster refused").to_string()))
}
