//! The binary, run to its end as a user would, and what it left behind.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::cluster::is_alive;
use crate::descriptors::descriptors;

/// No run of these tests takes so long; one that does hangs.
const AT_MOST: Duration = Duration::from_secs(600);

/// `erlmcp` with these arguments, in an empty folder of its own.
pub(crate) struct Started {
    child: Running,
    folder: TempDir,
}

/// A process that ends with its test. Where the whole test run is killed, a server that is not tied outlives it, and so does
/// what runs until it is told to end: `observe --web`, `watch`, `agent --keep`.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, as it should.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What became of it.
pub(crate) struct Finished {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) output: String,
    /// Standard error.
    pub(crate) errors: String,
    /// report.json, where one was written.
    pub(crate) report: Option<Value>,
    folder: TempDir,
}

pub(crate) fn erlmcp(arguments: &[&str]) -> Started {
    start(Command::new(env!("CARGO_BIN_EXE_erlmcp")).args(arguments))
}

/// The same of the binary that ERLMCP names, where it names one.
pub(crate) fn erlmcp_named(arguments: &[&str]) -> Started {
    let named = std::env::var_os("ERLMCP").unwrap_or_else(|| env!("CARGO_BIN_EXE_erlmcp").into());
    start(Command::new(named).args(arguments))
}

/// The same with a hard limit of descriptors.
pub(crate) fn erlmcp_with_descriptors(limit: u32, arguments: &[&str]) -> Started {
    erlmcp_after(&format!("ulimit -Sn {limit} && ulimit -Hn {limit}"), arguments)
}

/// The same in a shell that has done this before.
pub(crate) fn erlmcp_after(words: &str, arguments: &[&str]) -> Started {
    let script = format!("{words} && exec \"$0\" \"$@\"");
    start(Command::new("sh").arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_erlmcp")).args(arguments))
}

/// Without the ERLMCP_* of whoever runs the tests: each would be a flag. What the test itself says stays.
pub(crate) fn unconfigured(command: &mut Command) -> &mut Command {
    let said: Vec<OsString> = command.get_envs().map(|(name, _)| name.to_os_string()).collect();
    let is_flag = |name: &OsString| name.as_encoded_bytes().starts_with(b"ERLMCP_") && !said.contains(name);
    std::env::vars_os().map(|(name, _)| name).filter(is_flag).fold(command, |command, name| command.env_remove(name))
}

fn start(command: &mut Command) -> Started {
    descriptors();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).expect("a file");
    let child = unconfigured(command)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .expect("the binary starts");
    Started { child: Running(child), folder }
}

impl Started {
    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits until standard output has this text; the rest of its line.
    pub(crate) fn says(&self, text: &str) -> String {
        let began = Instant::now();
        loop {
            // Asked before: its last words count.
            let is_alive = is_alive(self.pid());
            let output = self.output();
            if let Some((_, rest)) = output.split_once(text)
                && let Some((rest, _)) = rest.split_once('\n')
            {
                return rest.to_string();
            }
            assert!(is_alive, "ended without saying {text:?}:\n{output}\n--- stderr\n{}", self.errors());
            assert!(began.elapsed() < AT_MOST, "never said {text:?}:\n{output}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The same; answers with the line that has it.
    pub(crate) fn says_line(&self, text: &str) -> String {
        self.says(text);
        let has_it = || self.output().lines().find(|line| line.contains(text)).map(str::to_string);
        has_it().expect("it was just said")
    }

    pub(crate) fn output(&self) -> String {
        self.written("stdout")
    }

    pub(crate) fn errors(&self) -> String {
        self.written("stderr")
    }

    fn written(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }

    /// The lines of its run's journal so far.
    pub(crate) fn journal(&self) -> String {
        let journal = results(self.folder.path()).map(|results| results.join("journal.jsonl"));
        journal.and_then(|journal| std::fs::read_to_string(journal).ok()).unwrap_or_default()
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Finished {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.0.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(began.elapsed() <= AT_MOST, "did not end within {AT_MOST:?}:\n{}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        };
        let report = results(self.folder.path()).and_then(|results| {
            let text = std::fs::read_to_string(results.join("report.json")).ok()?;
            Some(serde_json::from_str(&text).expect("report.json is JSON"))
        });
        Finished {
            code: status.code().unwrap_or(-1),
            output: self.output(),
            errors: self.errors(),
            report,
            folder: self.folder,
        }
    }
}

/// The one folder under test-results.
fn results(folder: &Path) -> Option<PathBuf> {
    let mut runs = std::fs::read_dir(folder.join("test-results")).ok()?;
    Some(runs.next()?.ok()?.path())
}

impl Finished {
    /// The report of a run that came to one.
    pub(crate) fn report(&self) -> &Value {
        self.report.as_ref().unwrap_or_else(|| panic!("no report; exit code {}:\n{}", self.code, self.said()))
    }

    /// "pass", "fail", "inconclusive" or "skipped": the verdict of one check.
    pub(crate) fn verdict(&self, id: &str) -> &str {
        match &self.check(id)["verdict"] {
            Value::String(verdict) => verdict,
            verdict => verdict.as_object().and_then(|object| object.keys().next()).expect("a verdict has a name"),
        }
    }

    pub(crate) fn check(&self, id: &str) -> &Value {
        let checks = self.report()["checks"].as_array().expect("a report has checks");
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}"))
    }

    /// A figure of "real performance numbers", in its own unit.
    pub(crate) fn number(&self, name: &str) -> f64 {
        let sections = self.report()["numbers"].as_array().expect("a report has numbers");
        let figures = sections.iter().flat_map(|section| section["figures"].as_array().expect("with figures"));
        let figure = figures.clone().find(|figure| figure["name"] == name).unwrap_or_else(|| panic!("no {name}"));
        let value = figure["value"].as_object().and_then(|value| value.values().next()).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("{name} is {}", figure["value"]))
    }

    /// Where it ran.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The run's own folder.
    pub(crate) fn results(&self) -> PathBuf {
        results(self.folder.path()).expect("the run left a folder")
    }

    /// Both outputs, for the message of a test that fails.
    pub(crate) fn said(&self) -> String {
        format!("{}\n--- stderr\n{}", self.output, self.errors)
    }
}

#[test]
#[should_panic(expected = "ended without saying \"x\"")]
fn who_has_ended_is_not_waited_for() {
    erlmcp(&["nonsense"]).says("x");
}
