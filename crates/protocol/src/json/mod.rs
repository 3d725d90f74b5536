//! JSON read in place: one strict pass that checks all of a text and gives the parts that are asked for as they were
//! written, without building anything.
//!
//! Where serde_json is lenient about what it skips (lone surrogates), this is not: what one reader accepts and the next
//! one reads differently is how requests are smuggled. Keys are given as often as they are there; who knows a key
//! refuses it the second time, as [`read_message`](crate::server::read_message) does.

mod scan;
mod text;

pub use scan::{JsonError, Scanner};
pub use text::Text;
