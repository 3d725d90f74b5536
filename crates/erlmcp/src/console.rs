//! Events of a run on the terminal: lines, and a progress bar below them where there is one.

mod bar;

use std::io::{IsTerminal, Write};

use erlmcp_report::live::{self, Event};
use indicatif::ProgressDrawTarget;

use bar::Bar;

use crate::args::ShowArgs;

pub(crate) struct Console {
    show: ShowArgs,
    /// None where standard output is not a terminal.
    bar: Option<Bar>,
}

impl Console {
    pub(crate) fn new(show: ShowArgs) -> Self {
        let is_terminal = std::io::stdout().is_terminal() && std::io::stderr().is_terminal();
        let has_bar = is_terminal && !show.quiet && !show.json;
        Self { show, bar: has_bar.then(|| Bar::new(ProgressDrawTarget::stderr)) }
    }

    pub(crate) fn show(&mut self, event: &Event) {
        let text = if self.show.quiet { live::quiet(event) } else { live::console(event) };
        if self.show.json {
            print(&live::json(event));
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            return;
        }
        // What is for screens alone has no line.
        if text.is_empty() {
            return;
        }
        match &mut self.bar {
            Some(bar) => {
                bar.aside(|| print(&text));
                bar.advance(event);
            }
            None => print(&text),
        }
    }
}

/// One line of a command that has no run.
pub(crate) fn line(text: impl std::fmt::Display) {
    print(&format!("{text}\n"));
}

/// A reader that went away (`| head`) is no reason to fail a run.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
