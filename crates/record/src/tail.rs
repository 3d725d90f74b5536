use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::journal::{LINE_MAX, Rows};
use crate::{Entry, JournalError};

/// Bytes that are read at once.
const READ_MAX: u64 = 4 << 20;

/// Reads a journal while it is being written: what is there so far, and later what has come since.
#[derive(Debug)]
pub struct JournalTail {
    rows: Rows,
    file: File,
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
}

impl JournalTail {
    /// The journal of the run in `folder`, from its beginning.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let (rows, file) = Rows::open(folder)?;
        Ok(Self { rows, file, torn: Vec::new() })
    }

    /// The next whole rows, some megabytes of them at most; none where nothing has come.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is no row.
    pub fn read(&mut self) -> Result<Vec<Entry>, JournalError> {
        let read = (&mut self.file).take(READ_MAX).read_to_end(&mut self.torn);
        read.map_err(|source| self.rows.unreadable(source))?;
        let Some(end) = self.torn.iter().rposition(|byte| *byte == b'\n') else {
            // A line that has no end by then is none of a journal.
            let is_line = (self.torn.len() as u64) < LINE_MAX;
            return if is_line { Ok(Vec::new()) } else { self.rows.read(&self.torn).map(|row| vec![row]) };
        };
        let rest = self.torn.split_off(end + 1);
        let whole = std::mem::replace(&mut self.torn, rest);
        let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| self.rows.read(line)).collect()
    }
}
