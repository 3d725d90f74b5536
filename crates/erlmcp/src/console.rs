//! Events of a run on the terminal: lines, and a progress bar below them where there is one.

mod bar;

use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::sync::OnceLock;

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
        match &mut self.bar {
            Some(bar) => {
                // What is for screens alone has no line.
                if !text.is_empty() {
                    bar.aside(|| print(&text));
                }
                bar.advance(event);
            }
            None if text.is_empty() => {}
            None => print(&text),
        }
    }
}

/// One line of a command that has no run.
pub(crate) fn line(text: impl std::fmt::Display) {
    print(&format!("{text}\n"));
}

pub(crate) fn print(text: &str) {
    write(|out| out.write_all(text.as_bytes()));
}

/// All that goes to standard output goes through here. It does not end what is under way when it cannot be written:
/// [`failure`] tells of it at the end.
pub(crate) fn write(rows: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
    let mut out = BufWriter::new(std::io::stdout().lock());
    note(rows(&mut out).and_then(|()| out.flush()));
}

static FAILED: OnceLock<String> = OnceLock::new();

/// Keeps why something could not be written. A reader that has seen enough and closed the pipe (`| head`) is no reason.
pub(crate) fn note(written: std::io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        FAILED.get_or_init(|| error.to_string());
    }
}

/// Why not all that was said reached standard output; None where it did, or nobody wanted more.
pub(crate) fn failure() -> Option<&'static str> {
    FAILED.get().map(String::as_str)
}
