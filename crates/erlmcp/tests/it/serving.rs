//! `erlmcp serve`, until it is dropped.

use rustix::process::{Pid, Signal, kill_process};

use crate::finished::{Started, erlmcp};

/// See the module.
pub(crate) struct Serving {
    started: Option<Started>,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start(more: &[&str]) -> Self {
        let started = erlmcp(&[&["serve", "--listen", "127.0.0.1:0"], more].concat());
        let address = started.says("listening on ");
        Self { started: Some(started), url: format!("http://{address}") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.started.as_ref().map_or(0, Started::pid)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            let pid = Pid::from_raw(started.pid() as i32).expect("a process has a number");
            let _ = kill_process(pid, Signal::TERM);
            started.end();
        }
    }
}

#[test]
fn a_server_is_looked_at_without_any_load() {
    let serving = Serving::start(&[]);
    let observed = erlmcp(&["observe", &serving.url, "--once"]).end();
    assert_eq!(observed.code, 0, "{}", observed.said());
    let last = observed.output.trim_end().lines().last().expect("a table");
    assert!(observed.output.contains("/metrics") && last.contains("  ready  "), "{}", observed.said());
    let screen = erlmcp(&["observe", &serving.url]).end();
    assert!(screen.code == 2 && screen.errors.contains("--once"), "{}", screen.said());
}
