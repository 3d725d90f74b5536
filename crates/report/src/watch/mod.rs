//! Checks of a server again and again: what one comes to, and whether the server changed from some check on.
//! A check is a run of its own, with a record; what is kept of it for good is one line, a [`Check`].

mod change;
mod check;
mod history;
mod words;

pub use change::{Change, Finding};
pub use check::{Asked, Check, Outcome};
pub use history::{Count, History};
pub use words::{change_line, check_lines, count_line};

/// The version of the shape of a line of the history.
pub const WATCH_VERSION: u32 = 1;
