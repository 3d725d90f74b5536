//! The versioned record of a run.
//!
//! A run is a folder. `journal.jsonl` in it holds one [`Entry`] a line, appended as things happen, so that a
//! run that was killed can still be judged (of a long run its earlier parts are beside it, compressed); every view and
//! verdict is made from it again. This crate knows the rows, their reader and their writer. It opens no socket and has no
//! opinion. What each client did about operations, which happen once, is in journals of their own: see [`operations`].

#![forbid(unsafe_code)]

mod capacity;
mod entry;
mod fate;
mod hist;
mod interval;
mod joined;
mod journal;
mod marks;
mod misbehaving;
pub mod names;
pub mod operations;
mod parts;
mod plain;
mod run;
mod sample;
mod squeeze;
mod streams;
mod tail;

pub use capacity::{Axis, CapacityAsked, CapacityRow, LimitBy, LimitRow, SearchBounds, TrialOutcome, TrialRow};
pub use entry::{Entry, ROWS, row_schema};
pub use fate::{Fate, FateCounts};
pub use hist::{Hist, HistError};
pub use interval::{ConnectionRow, Dialogue, EpisodeRow, IntervalRow, Kind, ReplicaCounts, Slot};
pub use joined::{ClockRow, JoinedRow};
pub use journal::{JournalError, JournalReader, JournalWriter};
pub use marks::{
    BlockRow, Detail, Expected, FaultRow, FindingRow, MembershipRow, PhaseEvent, PhaseRow, ScenarioRow, Skip,
};
pub use misbehaving::MisbehavingRow;
pub use parts::{Parts, close_part, find_journal, is_part, press_part};
pub use plain::{Plain, is_unseen, plain, plain_json, plain_lines, without_query_values};
pub use run::{
    ClassLimit, ClassRow, ConfigRow, EndRow, Ended, Machine, MisbehavingClients, Proxied, RunHeader, TargetRow,
    Threshold, WorkloadRow,
};
pub use sample::{AgentSample, ClusterSample, KernelSample, MemorySource, ReplicaSample};
pub use squeeze::{squeeze, squeezed};
pub use streams::{ChangeRow, FanOutRow, StreamRow};
pub use tail::JournalTail;

/// The version of the record that this build writes; readers accept it and every older one.
pub const RECORD_VERSION: u32 = 3;
