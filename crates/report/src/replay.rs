//! A run once more, from its folder: its rows folded, and its seconds handed out as they become whole.

use std::path::Path;

use erlmcp_record::{Entry, JournalError, JournalReader};

use crate::{Analysis, SecondView};

/// Rows of a second may come so long after it, also of one that seems whole.
const LATE_S: u32 = 240;
/// Past that and this, it is handed out as it is.
const UNSETTLED_S: u32 = 300;

/// Folds the journal of the run in `folder`, and hands every second of it to `each`, in order and once.
///
/// # Errors
/// Where there is no journal, or it cannot be read.
pub fn replay(folder: &Path, mut each: impl FnMut(&SecondView)) -> Result<Analysis, JournalError> {
    let mut analysis = Analysis::new();
    let mut reader = JournalReader::open(folder)?;
    let mut now_s = 0;
    for entry in &mut reader {
        let entry = entry?;
        analysis.push(&entry);
        let second = match &entry {
            Entry::Cluster(row) => row.second,
            Entry::Agent(row) => row.second,
            Entry::Interval(row) => row.second,
            _ => continue,
        };
        if second > now_s {
            now_s = second;
            analysis.take_complete(now_s.saturating_sub(LATE_S), UNSETTLED_S).iter().for_each(&mut each);
        }
    }
    analysis.torn = reader.torn();
    analysis.take_rest().iter().for_each(&mut each);
    Ok(analysis)
}
