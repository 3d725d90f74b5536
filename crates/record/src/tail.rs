use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::journal::FILE_NAME;
use crate::{Entry, JournalError};

/// Bytes that are read at once.
const READ_MAX: u64 = 4 << 20;
/// A line that has no end by then is none of a journal.
const LINE_MAX: usize = 64 << 20;

/// Reads a journal while it is being written: what is there so far, and later what has come since.
#[derive(Debug)]
pub struct JournalTail {
    path: PathBuf,
    file: File,
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
    line: u64,
}

impl JournalTail {
    /// The journal of the run in `folder`, from its beginning.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE_NAME);
        let file = File::open(&path).map_err(|source| JournalError::Read { path: path.clone(), source })?;
        Ok(Self { path, file, torn: Vec::new(), line: 0 })
    }

    /// The next whole rows, some megabytes of them at most; none where nothing has come.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is no row.
    pub fn read(&mut self) -> Result<Vec<Entry>, JournalError> {
        let read = (&mut self.file).take(READ_MAX).read_to_end(&mut self.torn);
        read.map_err(|source| JournalError::Read { path: self.path.clone(), source })?;
        let Some(end) = self.torn.iter().rposition(|byte| *byte == b'\n') else {
            return if self.torn.len() > LINE_MAX { Err(self.corrupt("it has no end".into())) } else { Ok(Vec::new()) };
        };
        let rest = self.torn.split_off(end + 1);
        let whole = std::mem::replace(&mut self.torn, rest);
        let lines = whole.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(|line| {
                self.line += 1;
                serde_json::from_slice(line).map_err(|error| self.corrupt(error.to_string()))
            })
            .collect()
    }

    fn corrupt(&self, what: String) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), line: self.line, what }
    }
}
