use std::path::Path;

use erlmcp_record::{Entry, JournalError};

use crate::{SecondView, Summary};

/// The fold over a record's rows. Rows may come in any order within a phase; memory is bounded by the length of
/// the run in seconds, not by its rows.
#[derive(Debug, Default)]
pub struct Analysis {}

/// Figures of some seconds of load, for the line that is printed every 30 s.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Span {
    pub planned: u64,
    pub ok: u64,
    /// Planned and not ok, without what the generator itself did not send.
    pub errors: u64,
    pub mean_ms: Option<f64>,
    pub answered_rps: f64,
    /// Open at its end.
    pub connections: u64,
}

impl Analysis {
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds the journal of the run in `folder`.
    pub fn from_folder(folder: &Path) -> Result<Self, JournalError> {
        let _ = folder;
        todo!()
    }

    pub fn push(&mut self, entry: &Entry) {
        let _ = entry;
        todo!()
    }

    /// Connections open now, as the agents' last rows say.
    pub fn open_now(&self) -> u64 {
        todo!()
    }

    /// Openings that succeeded in a phase so far.
    pub fn opened_in(&self, phase: u8) -> u64 {
        let _ = phase;
        todo!()
    }

    /// The load of the seconds `from..to`, in whatever phase.
    pub fn span(&self, from: u32, to: u32) -> Span {
        let _ = (from, to);
        todo!()
    }

    /// The seconds, in order and each once, whose requests all have a fate, or that are `lag` seconds or more ago.
    /// `now_second` is the run clock's. The last two seconds are never among them: their rows may be on the way.
    pub fn take_complete(&mut self, now_second: u32, lag: u32) -> Vec<SecondView> {
        let _ = (now_second, lag);
        todo!()
    }

    /// All seconds that were not taken yet: at the end of the run.
    pub fn take_rest(&mut self) -> Vec<SecondView> {
        todo!()
    }

    /// The lines of the summary that stands after a phase, from what is known now.
    pub fn phase_summary(&self, phase: u8) -> Vec<String> {
        let _ = phase;
        todo!()
    }

    /// The view model, from what is known now.
    pub fn summary(&self) -> Summary {
        todo!()
    }
}
