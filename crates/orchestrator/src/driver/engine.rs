//! The API of a Docker engine, over its socket: the few questions that are asked of it.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::collector::whole_answer;

/// Of docker 20.10, and of all later ones.
const API: &str = "/v1.41";
/// Stopping and starting a container takes an engine at its limit a while.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
const NOT_FOUND: u16 = 404;
const BYTES_MAX: usize = 16 << 20;

/// What becomes of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    /// A paused one runs as well.
    pub(crate) is_running: bool,
    pub(crate) is_paused: bool,
}

/// An engine, by its socket.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    socket: &'a Path,
}

impl<'a> Engine<'a> {
    pub(crate) fn at(socket: &'a Path) -> Self {
        Self { socket }
    }

    /// # Errors
    /// Why there is no good answer, as a sentence; the engine's own, where it has one.
    pub(crate) async fn get(&self, path: &str) -> Result<Value, String> {
        self.request("GET", path, "").await
    }

    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn post(&self, path: &str, body: &str) -> Result<Value, String> {
        self.request("POST", path, body).await
    }

    /// The state of a container; None: there is none of that id any more.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub(crate) async fn state(&self, container: &str) -> Result<Option<State>, String> {
        let path = format!("/containers/{container}/json");
        let (status, value) = self.answered("GET", &path, "").await?;
        if status == NOT_FOUND {
            return Ok(None);
        }
        let value = good("GET", &path, (status, value))?;
        let is = |what: &str| value.pointer(&format!("/State/{what}")).and_then(Value::as_bool).unwrap_or(false);
        Ok(Some(State { is_running: is("Running"), is_paused: is("Paused") }))
    }

    async fn request(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        good(method, path, self.answered(method, path, body).await?)
    }

    async fn answered(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value), String> {
        let answered = timeout(ANSWERED_WITHIN, self.exchange(method, path, body)).await;
        let late = || format!("the Docker engine did not answer within {} s", ANSWERED_WITHIN.as_secs());
        let (status, body) = answered.map_err(|_| late())??;
        Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
    async fn exchange(&self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>), String> {
        let unusable = |error: std::io::Error| {
            format!("the Docker engine at {} cannot be used: {error}; see --engine", self.socket.display())
        };
        let mut stream = UnixStream::connect(self.socket).await.map_err(unusable)?;
        let fields = "Host: docker\r\nConnection: close\r\nContent-Type: application/json";
        let request =
            format!("{method} {API}{path} HTTP/1.1\r\n{fields}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.map_err(unusable)?;
        let mut bytes = Vec::new();
        loop {
            let read = stream.read_buf(&mut bytes).await.map_err(unusable)?;
            if let Some(answered) = whole_answer(&bytes, read == 0)? {
                return Ok((answered.status, answered.body));
            }
            if read == 0 || bytes.len() > BYTES_MAX {
                return Err("the Docker engine's answer is not whole".into());
            }
        }
    }
}

fn good(method: &str, path: &str, (status, value): (u16, Value)) -> Result<Value, String> {
    if (200..300).contains(&status) {
        return Ok(value);
    }
    let why = value.get("message").and_then(Value::as_str).unwrap_or("it does not say why");
    Err(format!("the Docker engine refused {method} {path} with {status}: {why}"))
}

#[cfg(test)]
pub(crate) use fake::FakeEngine;

/// An engine for tests: it has one service, and notes what it is told.
#[cfg(test)]
mod fake {
    use std::path::PathBuf;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::driver::fake::heard;
    use tokio::net::UnixListener;

    pub(crate) struct FakeEngine {
        folder: tempfile::TempDir,
        posted: Arc<Mutex<Vec<(String, Value)>>>,
    }

    impl FakeEngine {
        pub(crate) fn new(service: Arc<Mutex<Value>>) -> Self {
            let folder = tempfile::tempdir().expect("a folder for the socket");
            let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("it is ours");
            let posted = Arc::new(Mutex::new(Vec::new()));
            tokio::spawn(serve(listener, service, Arc::clone(&posted)));
            Self { folder, posted }
        }

        pub(crate) fn path(&self) -> PathBuf {
            self.folder.path().join("docker.sock")
        }

        /// Path and body of each.
        pub(crate) fn posted(&self) -> Vec<(String, Value)> {
            self.posted.lock().expect("no test panics here").clone()
        }
    }

    async fn serve(listener: UnixListener, service: Arc<Mutex<Value>>, posted: Arc<Mutex<Vec<(String, Value)>>>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some((_, head, body)) = heard(&mut stream).await else { continue };
            let path = head.split(' ').nth(1).unwrap_or_default().to_string();
            let (status, answer) = match head.split(' ').next() {
                Some("POST") => {
                    let body = serde_json::from_str(&body).expect("bodies are JSON");
                    posted.lock().expect("no test panics here").push((path, body));
                    ("200 OK", serde_json::json!({"Warnings": null}))
                }
                _ if path.starts_with("/v1.41/services/s") => {
                    ("200 OK", service.lock().expect("no test panics here").clone())
                }
                _ => ("404 Not Found", serde_json::json!({"message": "service y not found"})),
            };
            let body = answer.to_string();
            // As the engine does it.
            let answer = format!(
                "HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }

    #[tokio::test]
    async fn an_engine_that_refuses_is_quoted_and_one_that_is_not_there_named() {
        let engine = FakeEngine::new(Arc::default());
        let why = Engine::at(&engine.path()).get("/services/y").await.expect_err("there is none");
        assert_eq!(why, "the Docker engine refused GET /services/y with 404: service y not found");
        let why = Engine::at(Path::new("/nowhere/docker.sock")).get("/services/y").await.expect_err("nobody is there");
        assert!(why.starts_with("the Docker engine at /nowhere/docker.sock cannot be used: "), "{why}");
    }
}
