//! Verdicts and views, made from a run folder alone.
//!
//! [`Analysis`] folds the rows of a record, live or from the folder; [`Analysis::summary`] gives the one view
//! model, [`Summary`], and [`series`] what is drawn over time; `render` turns both into text. What is told while a run goes on is [`live::Event`].
//! [`audit`](audit::audit) proves from the journals of operations that none was lost, or shows which.
//! This crate opens no socket, reads no clock and prints nothing.

#![forbid(unsafe_code)]

mod analysis;
pub mod audit;
pub mod board;
pub mod bundle;
pub mod capacity;
pub mod compare;
mod exit;
mod facts;
mod format;
pub mod live;
pub mod live_page;
pub mod nearest;
pub mod render;
mod replay;
pub mod retelling;
mod seconds;
pub mod series;
pub mod slo;
mod stats;
mod suite;
mod summary;
pub mod verdict;
pub mod watch;

pub use analysis::{Analysis, Span};
pub use exit::{ExitCode, exit_code};
pub use format::{bytes, command_line, mebibytes, plural};
pub use replay::replay;
pub use seconds::{ActiveFault, AgentView, QueueView, ReplicaView, SecondView};
pub use suite::is_rate_kept;
pub use summary::{
    FaultLine, Figure, Finish, Generator, LedgerLine, PhaseLine, Readiness, ScenarioOutcome, ScenarioResult, Section,
    State, Summary, SummaryPhase, TimelineLine, Value,
};
pub use verdict::{threshold, thresholds};
