//! What became of what misbehaving clients did.

use std::sync::{Mutex, PoisonError};

use erlmcp_record::MisbehavingRow;

/// How one deed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Answered with an error.
    Refused,
    /// Answered as if nothing was wrong.
    Taken,
    /// The target ended the connection without an answer, so long after the client's last byte.
    Cut {
        after_us: u64,
    },
    /// No answer came in time.
    Unanswered,
    /// The client went away by itself, or the load was over.
    Left,
    NotConnected,
}

/// Of all clients of one way.
#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<MisbehavingRow>);

impl Counts {
    pub(super) fn note(&self, met: Met) {
        let mut row = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        row.done += 1;
        let count = match met {
            Met::Refused => &mut row.refused,
            Met::Taken => &mut row.taken,
            Met::Cut { .. } => &mut row.cut,
            Met::Unanswered => &mut row.unanswered,
            Met::Left => &mut row.left,
            Met::NotConnected => &mut row.not_connected,
        };
        *count += 1;
        if let Met::Cut { after_us } = met {
            row.last_cut_us = row.last_cut_us.max(Some(after_us));
        }
    }

    /// Without what it is of.
    pub(super) fn row(&self) -> MisbehavingRow {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
