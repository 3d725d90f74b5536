//! The views of a finished run. Each reads the summary alone.

mod console;
mod json;
mod markdown;

pub use console::console;
pub use json::json;
pub use markdown::markdown;

/// As wide as the console's headings.
pub(crate) const LINE: &str = "================================================================================";
