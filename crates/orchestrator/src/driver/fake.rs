//! A control socket for tests: answers as a cluster would, without one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::broadcast;

/// What a cluster of these processes says of itself; replica i is `pids[i - 1]`.
pub(crate) fn status(supervisor: u32, pids: &[Option<u32>]) -> Value {
    let replicas = pids.iter().enumerate().map(|(index, pid)| {
        let replica = index + 1;
        let is_up = pid.is_some();
        json!({
            "replica": replica, "address": format!("127.77.9.{}:8080", 10 + replica), "pid": pid,
            "state": if is_up { "ready" } else { "down" }, "member": is_up,
            "down_since_ns": if is_up { Value::Null } else { json!(7_000_000_000u64) },
            "restarts": 1, "snapshot": if is_up { snapshot() } else { Value::Null },
            "snapshot_age_ns": if is_up { json!(20_000_000) } else { Value::Null },
        })
    });
    json!({
        "ok": true, "version": "0.1.0", "pid": supervisor, "uid": 0, "shared": "127.0.0.1:8080", "port": 8080,
        "state": "running", "now_ns": 1, "replicas": replicas.collect::<Vec<_>>(),
    })
}

fn snapshot() -> Value {
    json!({
        "version": "0.1.0", "connections": {"mcp": 40, "admin": 2, "new": 1},
        "requests": [{"method": "tools/call", "outcome": "ok", "count": 30},
                     {"method": "ping", "outcome": "ok", "count": 12}],
        "queue": {"depth": 3, "limit": 500, "depth_max": 9, "refused_total": 4, "workers": 50, "workers_active": 5},
        "streams": 6, "sessions": 5, "sessions_held": 2, "components": {"tools": 9, "clock_ns": 20}, "descriptors_open": 70,
        "shards": [{"connections": 43, "longest_stall_us": 900, "longest_stall_last_second_us": 250, "longest_turn_cpu_last_second_us": 240},
                   {"connections": 0, "longest_stall_us": 100, "longest_stall_last_second_us": 800}],
    })
}

/// The whole of an HTTP request, as a server for tests reads it: its first line without the version, its head, its body. None:
/// it ended before.
pub(crate) async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.rsplit_once("Content-Length: ").and_then(|(_, rest)| rest.split("\r\n").next());
            if body.len() >= length.map_or(0, |length| length.parse().expect("a length is a number")) {
                let line = head.split(" HTTP/1.1").next().unwrap_or_default().to_string();
                return Some((line, head.to_string(), body.to_string()));
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Answers it with a JSON text, or with nothing but the status.
pub(crate) async fn say(stream: &mut (impl AsyncWrite + Unpin), status: &str, body: Option<Value>) {
    let body = body.map_or(String::new(), |body| body.to_string());
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// A cluster's control socket that answers with what the test put there.
pub(crate) struct FakeCluster {
    pub(crate) path: PathBuf,
    status: Arc<Mutex<Value>>,
    /// Every request line that came.
    asked: Arc<Mutex<Vec<String>>>,
    told: broadcast::Sender<String>,
    serving: tokio::task::JoinHandle<()>,
    _folder: Option<tempfile::TempDir>,
}

impl FakeCluster {
    pub(crate) fn new(first: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the socket");
        let mut cluster = Self::at(&folder.path().join("control.sock"), first);
        cluster._folder = Some(folder);
        cluster
    }

    pub(crate) fn at(path: &Path, first: Value) -> Self {
        // One that was killed has left its own there.
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).expect("the path can have a socket");
        let (status, asked) = (Arc::new(Mutex::new(first)), Arc::new(Mutex::new(Vec::new())));
        let told = broadcast::channel(64).0;
        let (to_status, to_asked, to_told) = (Arc::clone(&status), Arc::clone(&asked), told.clone());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&to_status), Arc::clone(&to_asked), to_told.clone()));
            }
        });
        Self { path: path.to_path_buf(), status, asked, told, serving, _folder: None }
    }

    pub(crate) fn set(&self, status: Value) {
        *self.status.lock().expect("no test panics here") = status;
    }

    /// For who changes the status while the cluster is used.
    pub(crate) fn status(&self) -> Arc<Mutex<Value>> {
        Arc::clone(&self.status)
    }

    /// To every watcher.
    pub(crate) fn tell(&self, line: &str) {
        let _ = self.told.send(format!("{line}\n"));
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no test panics here").clone()
    }

    pub(crate) fn control(&self) -> &Path {
        &self.path
    }
}

impl Drop for FakeCluster {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The first one takes as long as "scale_ms" of the status says, and the others are refused meanwhile.
async fn scale(status: &Mutex<Value>, replicas: &Value) -> Value {
    let change = |field: &str, value: Value| {
        let mut status = status.lock().expect("no test panics here");
        std::mem::replace(&mut status[field], value)
    };
    if let Some(takes_ms) = change("scale_ms", Value::Null).as_u64() {
        change("state", "scaling".into());
        tokio::time::sleep(std::time::Duration::from_millis(takes_ms)).await;
        change("state", "running".into());
    } else if status.lock().expect("no test panics here")["state"] == "scaling" {
        return json!({"ok": false, "error": "the cluster is busy", "again": true});
    }
    change("scaled", replicas.clone());
    json!({"ok": true, "replicas": replicas})
}

async fn serve(
    stream: UnixStream,
    status: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<String>>>,
    told: broadcast::Sender<String>,
) {
    let (reading, mut writing) = stream.into_split();
    let mut lines = BufReader::new(reading).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        asked.lock().expect("no test panics here").push(line.clone());
        let request: Value = serde_json::from_str(&line).expect("requests are JSON");
        let answer = match request["op"].as_str() {
            Some("status") => status.lock().expect("no test panics here").clone(),
            // What is said to those who want an export, one after the other, is in the status.
            Some("effects") => match status.lock().expect("no test panics here")["exports"].as_array_mut() {
                Some(answers) if !answers.is_empty() => answers.remove(0),
                _ => json!({"ok": false, "error": "there is no such operation"}),
            },
            Some("scale") => scale(&status, &request["replicas"]).await,
            Some("stop" | "notify") => json!({"ok": true}),
            Some("watch") => {
                let mut events = told.subscribe();
                let _ = writing.write_all(b"{\"ok\":true}\n").await;
                while let Ok(event) = events.recv().await {
                    let _ = writing.write_all(event.as_bytes()).await;
                }
                return;
            }
            _ => json!({"ok": false, "error": "there is no such operation"}),
        };
        let _ = writing.write_all(format!("{answer}\n").as_bytes()).await;
    }
}
