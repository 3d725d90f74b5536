//! `erlmcp cluster` with real processes: what is killed comes back, what is stopped leaves nothing.

mod autoscaling;
mod between;
mod breaking;
mod chaos;
mod damaged;
mod elsewhere;
mod faults;
mod life;
mod machines;
mod modern;
mod operations;
mod refusals;
mod replacing;
mod rounds;
mod scaling;
mod secured;
mod sessions;
mod streams;
mod suite_last;
mod telemetry;
mod updating;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

pub(crate) use chaos::details;

use crate::finished::unconfigured;

/// Nothing here takes so long, however busy the machine is.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// A supervisor that dies with the test.
pub(super) struct Cluster {
    child: Child,
    control: PathBuf,
    /// The shared address.
    pub(super) shared: SocketAddr,
}

impl Cluster {
    /// Starts one on a port that is free; returns when it says that it listens.
    fn start(folder: &Path, replicas: u16) -> Self {
        Self::start_with(folder, replicas, &[])
    }

    pub(super) fn start_with(folder: &Path, replicas: u16, more: &[&str]) -> Self {
        let control = socket(folder);
        let mut command = command(&control, "127.0.0.1:0", replicas);
        Self::of(control, command.args(more))
    }

    /// The one of this command, with this control socket.
    fn of(control: PathBuf, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary was built");
        let said = child.stdout.take().expect("it is piped");
        let mut cluster = Self { child, control, shared: SocketAddr::from(([0, 0, 0, 0], 0)) };
        let (sender, first) = mpsc::sync_channel(1);
        std::thread::spawn(move || sender.send(BufReader::new(said).lines().next()));
        let line = first.recv_timeout(PATIENCE).expect("it speaks").expect("a line").expect("a text");
        let shared = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("it says {line:?}"));
        cluster.shared = shared.trim().parse().expect("an address");
        cluster
    }

    fn connected(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.control).expect("the control socket answers");
        // Some answers come only after a drain.
        stream.set_read_timeout(Some(2 * PATIENCE)).expect("a timeout");
        stream
    }

    fn own(&self, replica: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 10 + replica], self.shared.port()))
    }

    fn ask(&self, request: Value) -> Value {
        let mut stream = self.connected();
        writeln!(stream, "{request}").expect("it reads");
        next(&mut BufReader::new(stream))
    }

    pub(super) fn status(&self) -> Value {
        self.ask(json!({"op": "status"}))
    }

    /// What the status says of one replica.
    pub(super) fn replica(&self, replica: u16) -> Value {
        let status = self.status();
        let replicas = status["replicas"].as_array().expect("a list");
        replicas.iter().find(|one| one["replica"] == replica).cloned().unwrap_or(Value::Null)
    }

    pub(super) fn pid(&self, replica: u16) -> u32 {
        let pid = self.replica(replica)["pid"].as_u64().expect("it has a process");
        u32::try_from(pid).expect("a process id")
    }

    /// Whether the replica runs in another process by now; between the two it has none.
    pub(super) fn is_elsewhere(&self, replica: u16, before: u32) -> bool {
        self.replica(replica)["pid"].as_u64().is_some_and(|pid| pid != u64::from(before))
    }

    fn pids(&self) -> Vec<u32> {
        let status = self.status();
        let replicas = status["replicas"].as_array().expect("a list");
        replicas.iter().filter_map(|one| u32::try_from(one["pid"].as_u64()?).ok()).collect()
    }

    pub(super) fn watch(&self) -> Events {
        let mut stream = self.connected();
        writeln!(stream, "{}", json!({"op": "watch"})).expect("it reads");
        let mut lines = BufReader::new(stream);
        assert_eq!(next(&mut lines), json!({"ok": true}));
        Events(lines)
    }

    /// Waits for the end; the exit code.
    fn end(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let mut ended = None;
        until("the supervisor ends", || {
            ended = child.try_wait().expect("it is our child");
            ended.is_some()
        });
        ended.and_then(|status| status.code())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It may have ended already, as it should.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Where it is not in the test's own folder it would stay.
        let _ = std::fs::remove_file(&self.control);
    }
}

/// The control socket of the cluster of this folder, which is in the system's where TMPDIR is deep: a socket's path has 107
/// bytes at most.
pub(super) fn socket(folder: &Path) -> PathBuf {
    let inside = folder.join("control.sock");
    let name = folder.file_name().expect("a folder has a name").to_string_lossy();
    if inside.as_os_str().len() < 100 { inside } else { PathBuf::from(format!("/tmp/{name}.sock")) }
}

/// The command that starts a cluster, which ends with the test however that ends.
fn command(control: &Path, listen: &str, replicas: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_erlmcp"));
    command.args(["cluster", "--tied", "--listen", listen, "--replicas", &replicas.to_string(), "--control"]);
    unconfigured(command.arg(control).stdin(Stdio::null()));
    command
}

/// The lines of a watched cluster.
pub(super) struct Events(BufReader<UnixStream>);

impl Events {
    /// The next event of that name; those before it are passed over.
    pub(super) fn expect(&mut self, name: &str, replica: u16) -> Value {
        loop {
            let event = next(&mut self.0);
            if event["event"] == name && event["replica"] == replica {
                return event;
            }
        }
    }
}

fn next(lines: &mut impl BufRead) -> Value {
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line in time");
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Waits for what must come.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Status and body of a GET; None where nobody listens.
pub(super) fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_string()))
}

pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("it is ours");
}

/// False for one that has ended and is only not waited for yet.
pub(super) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

#[test]
fn a_socket_of_a_deep_folder_is_elsewhere() {
    let deep = Path::new("/tmp").join("x".repeat(90)).join("name");
    assert_eq!(socket(&deep), Path::new("/tmp/name.sock"));
    assert_eq!(socket(Path::new("/tmp/name")), Path::new("/tmp/name/control.sock"));
}
