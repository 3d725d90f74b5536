//! What others put on the wire, read by both ends.

mod answers;
mod fuzzed;
mod hostile;
mod recorded;
mod requests;
