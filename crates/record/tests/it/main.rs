//! The format of a record, and what survives a crash.

mod fuzzed;
mod golden;
mod hist;
mod journal;
mod operations;
