//! Limits of a process, lowered and put back.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde::{Deserialize, Serialize};

use super::HealError;
use super::process::{Known, Process};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::driver) enum Limited {
    Descriptors,
    /// Bytes of any file that it writes.
    FileSize,
}

impl Limited {
    /// As /proc/PID/limits names it.
    fn name(self) -> &'static str {
        match self {
            Limited::Descriptors => "Max open files",
            Limited::FileSize => "Max file size",
        }
    }

    fn resource(self) -> Resource {
        match self {
            Limited::Descriptors => Resource::Nofile,
            Limited::FileSize => Resource::Fsize,
        }
    }

    /// As messages name it, and as `prlimit` does.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Limited::Descriptors => ("descriptors", "--nofile"),
            Limited::FileSize => ("file sizes", "--fsize"),
        }
    }
}

/// A limit of a process; None: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::driver) struct Limit {
    of: Limited,
    soft: Option<u64>,
    hard: Option<u64>,
}

impl Limit {
    /// As it is now; None: there is no such process.
    pub(in crate::driver) fn now(of: Limited, pid: u32) -> Option<Self> {
        parse(of, &fs::read_to_string(format!("/proc/{pid}/limits")).ok()?)
    }

    /// The same with another soft limit. The hard one stays: it could not be raised again by everyone.
    pub(super) fn lowered(self, soft: u64) -> Self {
        Self { soft: Some(soft), ..self }
    }

    /// # Errors
    /// Where the process is not there or not ours, as a sentence.
    pub(super) fn set(self, process: &Process) -> Result<(), String> {
        self.put(process.pid)
            .map_err(|error| format!("the {} of process {} are not limited: {error}", self.of.words().0, process.pid))
    }

    /// Puts it back, where that process is still there.
    ///
    /// # Errors
    /// Where it is still lowered, as a sentence that says what to do.
    pub(in crate::driver) fn put_back(self, process: &Known) -> Result<(), String> {
        if !process.is_alive() {
            return Ok(());
        }
        let (what, option) = self.of.words();
        let pid = process.pid;
        self.put(pid)
            .map_err(|error| format!("process {pid} keeps its limit of {what} ({error}): prlimit --pid {pid} {option}"))
    }

    fn put(self, pid: u32) -> rustix::io::Result<()> {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(rustix::io::Errno::SRCH)?;
        prlimit(Some(pid), self.of.resource(), Rlimit { current: self.soft, maximum: self.hard }).map(drop)
    }

    /// Sees that these are as they were.
    pub(super) fn see(limits: &[(Process, Limit)]) -> Result<(), HealError> {
        let is_changed =
            |(process, limit): &&(Process, Limit)| Limit::now(limit.of, process.pid).is_some_and(|now| now != *limit);
        let stuck = |(process, limit): &(Process, Limit)| {
            HealError::Stuck(format!("process {} still has a lower limit of {}", process.pid, limit.of.words().0))
        };
        limits.iter().find(is_changed).map_or(Ok(()), |changed| Err(stuck(changed)))
    }
}

fn parse(of: Limited, limits: &str) -> Option<Limit> {
    let line = limits.lines().find_map(|line| line.strip_prefix(of.name()))?;
    let mut words = line.split_ascii_whitespace();
    let mut number = || words.next().map(|word| word.parse().ok());
    Some(Limit { of, soft: number()?, hard: number()? })
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn limits_are_read() {
        let text = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files     \nMax file size             unlimited            unlimited            bytes     \n";
        let (of, soft, hard) = (Limited::Descriptors, Some(1_024), Some(524_288));
        assert_eq!(parse(of, text), Some(Limit { of, soft, hard }));
        let of = Limited::FileSize;
        assert_eq!(parse(of, text), Some(Limit { of, soft: None, hard: None }));
        assert_eq!(parse(of, "nothing"), None);
        assert!(Limit::now(of, std::process::id()).is_some());
    }

    #[test]
    fn it_is_lowered_and_put_back() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo; read line"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = shell.spawn().expect("a shell is there");
        // One that is still being loaded ends where it finds no descriptor for its libraries.
        let said = child.stdout.as_mut().expect("it is a pipe").read_exact(&mut [0]);
        said.expect("it is there, and waits");
        let process = Process::open(child.id()).expect("it runs");
        let known = Known::of(child.id()).expect("it runs");
        for of in [Limited::Descriptors, Limited::FileSize] {
            let before = Limit::now(of, child.id()).expect("it runs");
            before.lowered(3).set(&process).expect("it is ours");
            assert_eq!(Limit::now(of, child.id()), Some(before.lowered(3)));
            let all = [(Process::open(child.id()).expect("it runs"), before)];
            assert!(matches!(Limit::see(&all), Err(HealError::Stuck(_))));
            before.put_back(&known).expect("it is ours");
            Limit::see(&all).expect("it is as it was");
        }
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        Limit::now(Limited::FileSize, std::process::id()).expect("this runs").put_back(&known).expect("it is gone");
    }
}
