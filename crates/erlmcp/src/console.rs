//! Events of a run on the terminal: lines, and a progress bar below them where there is one.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use erlmcp_report::live::{self, Event};
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Console {
    /// None where standard output is not a terminal.
    bar: Option<ProgressBar>,
}

impl Console {
    pub(crate) fn new() -> Self {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        Self { bar: is_terminal.then(ProgressBar::hidden) }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        let text = live::console(event);
        match &self.bar {
            Some(bar) => bar.suspend(|| print(&text)),
            None => print(&text),
        }
        self.advance(event);
    }

    fn advance(&mut self, event: &Event) {
        let Some(bar) = &mut self.bar else { return };
        match event {
            Event::PhaseStarted(start) => *bar = phase_bar(start),
            Event::PhaseSummary { .. } | Event::Final(_) => bar.finish_and_clear(),
            _ => {}
        }
    }
}

/// A bar that runs with the time of the phase's estimate.
fn phase_bar(start: &live::PhaseStart) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {spinner} {elapsed} of about {prefix}")
        .expect("the template is a constant");
    let bar = ProgressBar::new_spinner().with_style(style).with_message(start.name.clone());
    bar.set_prefix(format!("{} s", start.estimated_ms.div_ceil(1000)));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// One line of a command that has no run.
pub(crate) fn line(text: impl std::fmt::Display) {
    print(&format!("{text}\n"));
}

/// A reader that went away (`| head`) is no reason to fail a run.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
