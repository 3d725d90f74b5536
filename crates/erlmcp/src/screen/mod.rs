//! `--tui` and `observe`: the whole terminal for a board, which the events of a run are folded into. Keys that stop a run
//! are told to this very process as the signal that Ctrl-C is elsewhere.

mod draw;
mod tables;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use erlmcp_report::board::Board;
use erlmcp_report::live::{self, Event};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::mpsc::Receiver;
use tokio::sync::mpsc::error::TryRecvError;

use crate::clock::ScreenClock;
use crate::console;

/// Between two looks at the keyboard; it is drawn as often.
const TICK: Duration = Duration::from_millis(200);

static HAS_TERMINAL: AtomicBool = AtomicBool::new(false);

/// What a screen gets when it asks.
pub(crate) enum Fed {
    /// With the time at which it belongs, milliseconds.
    Event(Box<Event>, u64),
    /// No more for now; what time it is, and seconds since the last of a record was written.
    Nothing {
        now_ms: u64,
        silent_s: u64,
    },
    Ended,
}

/// What the keys that stop do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// They are a signal to this process, which what feeds the screen ends at: once in order, twice in a hurry.
    Signal,
    /// They close the screen.
    Close,
}

/// True while a screen has the terminal, so that nobody else may write to it.
pub(crate) fn has_terminal() -> bool {
    HAS_TERMINAL.load(Ordering::Relaxed)
}

/// As NO_COLOR=1, which screens heed by themselves.
pub(crate) fn without_colors() {
    ratatui::crossterm::style::force_color_output(false);
}

/// Shows a run until it has ended; what it came to is said after that.
///
/// # Errors
/// Where the terminal cannot be taken or written to; the events are read all the same then, so that the run goes on.
pub(crate) fn show_run(mut events: Receiver<Event>) -> io::Result<()> {
    let clock = ScreenClock::start();
    let mut last_words = Vec::new();
    let feed = || match events.try_recv() {
        Ok(event) => {
            keep(&event, &mut last_words);
            Fed::Event(Box::new(event), clock.now_ms())
        }
        Err(TryRecvError::Empty) => Fed::Nothing { now_ms: clock.now_ms(), silent_s: 0 },
        Err(TryRecvError::Disconnected) => Fed::Ended,
    };
    let shown = show(feed, Stop::Signal, "q: stop in order");
    while let Some(event) = events.blocking_recv() {
        keep(&event, &mut last_words);
    }
    last_words.iter().for_each(|event| console::print(&live::console(event)));
    shown
}

/// What stays to be read when the screen is gone.
fn keep(event: &Event, last_words: &mut Vec<Event>) {
    if matches!(event, Event::Final(_) | Event::ReportWritten { .. }) {
        last_words.push(event.clone());
    }
}

/// Takes the terminal, shows what is fed until it ends or a key closes it, and gives the terminal back, also where a thread
/// panics: ratatui's own hook does that before the message is printed.
///
/// # Errors
/// Where the terminal cannot be taken or written to.
pub(crate) fn show(feed: impl FnMut() -> Fed, stop: Stop, hint: &str) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    HAS_TERMINAL.store(true, Ordering::Relaxed);
    let shown = until_the_end(&mut terminal, feed, stop, hint);
    ratatui::restore();
    HAS_TERMINAL.store(false, Ordering::Relaxed);
    shown
}

fn until_the_end(
    terminal: &mut DefaultTerminal,
    mut feed: impl FnMut() -> Fed,
    stop: Stop,
    hint: &str,
) -> io::Result<()> {
    let mut board = Board::default();
    let clock = ScreenClock::start();
    loop {
        let due_ms = clock.now_ms() + TICK.as_millis() as u64;
        let Some(taken) = take_in(&mut board, &mut feed, || clock.now_ms() >= due_ms) else { return Ok(()) };
        terminal.draw(|frame| draw::draw(frame, &board, (taken.now_ms, hint)))?;
        let wait = if taken.has_more { Duration::ZERO } else { TICK };
        if event::poll(wait)?
            && let Input::Key(key) = event::read()?
            && is_stop(key)
        {
            match stop {
                Stop::Signal => kill_process(getpid(), Signal::INT)?,
                Stop::Close => return Ok(()),
            }
        }
    }
}

/// How far a board has come.
#[derive(Debug, PartialEq, Eq)]
struct Taken {
    now_ms: u64,
    has_more: bool,
}

/// Takes in what is fed until there is no more for now, or it is due to be drawn; None where it has ended.
fn take_in(board: &mut Board, feed: &mut impl FnMut() -> Fed, is_due: impl Fn() -> bool) -> Option<Taken> {
    loop {
        match feed() {
            Fed::Event(event, at_ms) => {
                board.push(&event, at_ms);
                if is_due() {
                    return Some(Taken { now_ms: at_ms, has_more: true });
                }
            }
            Fed::Nothing { now_ms, silent_s } => {
                board.silent_s = silent_s;
                return Some(Taken { now_ms, has_more: false });
            }
            Fed::Ended => return None,
        }
    }
}

fn is_stop(key: KeyEvent) -> bool {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (key.code == KeyCode::Char('q') || is_ctrl_c)
}

#[cfg(test)]
mod tests;
