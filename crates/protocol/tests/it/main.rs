//! What others put on the wire, read by both ends.

mod answers;
mod recorded;
mod requests;
