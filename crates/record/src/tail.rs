use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::journal::{LINE_MAX, Rows};
use crate::parts;
use crate::{Entry, JournalError};

/// Bytes that are read at once.
const READ_MAX: u64 = 4 << 20;

/// Reads a journal while it is being written: what is there so far, and later what has come since.
pub struct JournalTail {
    folder: PathBuf,
    rows: Rows,
    /// The part that is being read, and the number that it has or will have.
    part: Box<dyn Read + Send>,
    number: u32,
    /// The beginning of a line whose end is not written yet.
    torn: Vec<u8>,
}

impl JournalTail {
    /// The journal of the run in `folder`, from its beginning.
    ///
    /// # Errors
    /// Where there is none.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let rows = Rows::of(folder);
        let part = open(folder, 1).map_err(|source| rows.unreadable(source))?;
        Ok(Self { folder: folder.to_path_buf(), rows, part, number: 1, torn: Vec::new() })
    }

    /// The next whole rows, some megabytes of them at most; none where nothing has come.
    ///
    /// # Errors
    /// Where it cannot be read, or a line is no row.
    pub fn read(&mut self) -> Result<Vec<Entry>, JournalError> {
        self.go_on().map_err(|source| self.rows.unreadable(source))?;
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

    /// When the last of it was written, by the clock of its file system.
    ///
    /// # Errors
    /// Where the file system does not say.
    pub fn written_at(&self) -> io::Result<SystemTime> {
        parts::open_current(&self.folder)?.metadata()?.modified()
    }

    /// Reads what has come, of the next part where the one before has ended.
    fn go_on(&mut self) -> io::Result<()> {
        // Asked first: what was closed by then has all its rows.
        while parts::is_closed(&self.folder, self.number) {
            if (&mut self.part).take(READ_MAX).read_to_end(&mut self.torn)? > 0 {
                return Ok(());
            }
            match open(&self.folder, self.number + 1) {
                // Between two parts there is for a moment none.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => self.part = opened?,
            }
            self.number += 1;
        }
        (&mut self.part).take(READ_MAX).read_to_end(&mut self.torn)?;
        Ok(())
    }
}

impl std::fmt::Debug for JournalTail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalTail").field("folder", &self.folder).field("part", &self.number).finish_non_exhaustive()
    }
}

/// The part that has this number, or will have it: every one before it was closed.
fn open(folder: &Path, number: u32) -> io::Result<Box<dyn Read + Send>> {
    let current = parts::open_current(folder);
    // Asked after that: a file that was opened before its part was closed has the part's number.
    if parts::is_closed(folder, number) { parts::open(folder, number) } else { Ok(Box::new(current?)) }
}
