use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::parts::{self, Parts};
use crate::{Entry, RECORD_VERSION};

/// No row comes near this: with seven full histograms one takes about a megabyte.
pub(crate) const LINE_MAX: u64 = 64 << 20;

/// A journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot write the run record {path}: {source}. Free the disk or choose another folder with --output")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("cannot read the run record {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a run record: line {line}: {what}")]
    Corrupt { path: PathBuf, line: u64, what: String },
    #[error("{path} was written by a newer erlmcp (record version {found}, this one reads up to {RECORD_VERSION})")]
    TooNew { path: PathBuf, found: u32 },
}

/// Appends rows to a run's journal, one line each.
#[derive(Debug)]
pub struct JournalWriter<W: Write = File> {
    path: PathBuf,
    file: BufWriter<W>,
}

impl JournalWriter {
    /// Starts a new journal in `folder`. Fails where one is there already.
    pub fn create(folder: &Path) -> Result<Self, JournalError> {
        Self::create_over(folder, |file| file)
    }
}

impl<W: Write> JournalWriter<W> {
    /// The same, where its file is not written to directly: `over` makes the writer that is.
    pub fn create_over(folder: &Path, over: impl FnOnce(File) -> W) -> Result<Self, JournalError> {
        let path = parts::current(folder);
        let file = new_file(&path)?;
        Ok(Self { path, file: BufWriter::new(over(file)) })
    }

    /// Bytes of the part that is being written, as far as they are with the kernel; none where that cannot be told, or is
    /// about to be closed.
    pub fn part_bytes(&self) -> Option<u64> {
        let folder = self.path.parent()?;
        (!parts::next(folder).exists()).then(|| Some(self.path.metadata().ok()?.len()))?
    }

    /// Begins another part: what is appended from now on goes there. [`close_part`](crate::close_part) is due once all that
    /// was appended before is with the kernel.
    pub fn begin_part(&mut self, over: impl FnOnce(File) -> W) -> Result<(), JournalError> {
        self.flush()?;
        let next = parts::next(self.path.parent().unwrap_or(Path::new("")));
        self.file = BufWriter::new(over(new_file(&next)?));
        Ok(())
    }

    /// Appends one row; it is on its way to the kernel after the next [`flush`](Self::flush).
    pub fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let write = |file: &mut BufWriter<W>| -> std::io::Result<()> {
            serde_json::to_writer(&mut *file, entry)?;
            file.write_all(b"\n")
        };
        write(&mut self.file).map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }

    /// Hands what was appended to the kernel, so that it survives this process.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.file.flush().map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }
}

fn new_file(path: &Path) -> Result<File, JournalError> {
    let opened = OpenOptions::new().append(true).create_new(true).open(path);
    opened.map_err(|source| JournalError::Write { path: path.to_path_buf(), source })
}

/// Turns the lines of a journal into rows, one after the other.
#[derive(Debug)]
pub(crate) struct Rows {
    path: PathBuf,
    line: u64,
}

impl Rows {
    /// Those of the journal in `folder`. A line's number counts through all its parts.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { path: parts::current(folder), line: 0 }
    }

    pub(crate) fn unreadable(&self, source: std::io::Error) -> JournalError {
        JournalError::Read { path: self.path.clone(), source }
    }

    /// The row that the next line is.
    pub(crate) fn read(&mut self, line: &[u8]) -> Result<Entry, JournalError> {
        self.line += 1;
        if line.len() as u64 >= LINE_MAX {
            return Err(self.corrupt(format!("it is longer than {LINE_MAX} bytes")));
        }
        let entry = serde_json::from_slice(line).map_err(|error| self.corrupt(error.to_string()))?;
        self.check_order(&entry)?;
        Ok(entry)
    }

    fn corrupt(&self, what: String) -> JournalError {
        JournalError::Corrupt { path: self.path.clone(), line: self.line, what }
    }

    fn check_order(&self, entry: &Entry) -> Result<(), JournalError> {
        match (self.line, entry) {
            (1, Entry::Run(header)) if header.record_version > RECORD_VERSION => {
                Err(JournalError::TooNew { path: self.path.clone(), found: header.record_version })
            }
            (1, Entry::Run(_)) => Ok(()),
            (1, _) => Err(self.corrupt("the first row is not the run's header".into())),
            _ => Ok(()),
        }
    }
}

/// Reads a journal row by row, in bounded memory. A torn last line, as a crash leaves it, ends the journal;
/// a bad line with good ones behind it is an error.
#[derive(Debug)]
pub struct JournalReader<R: Read = Parts> {
    rows: Rows,
    lines: BufReader<R>,
    torn: bool,
}

impl JournalReader {
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let rows = Rows::of(folder);
        let parts = Parts::open(folder).map_err(|source| rows.unreadable(source))?;
        Ok(Self { rows, lines: BufReader::new(parts), torn: false })
    }
}

impl<R: Read> JournalReader<R> {
    /// Reads a journal that `path` names in errors.
    pub fn over(path: PathBuf, file: R) -> Self {
        Self { rows: Rows { path, line: 0 }, lines: BufReader::new(file), torn: false }
    }

    /// True after the end was reached at a torn last line.
    pub fn torn(&self) -> bool {
        self.torn
    }

    fn read_line(&mut self) -> Result<Option<Entry>, JournalError> {
        // Bytes, since a line that was torn within a letter is no text.
        let mut text = Vec::new();
        let read = (&mut self.lines).take(LINE_MAX).read_until(b'\n', &mut text);
        let read = read.map_err(|source| self.rows.unreadable(source))?;
        if read == 0 {
            return Ok(None);
        }
        if text.last() != Some(&b'\n') && (read as u64) < LINE_MAX {
            self.torn = true;
            return Ok(None);
        }
        self.rows.read(&text).map(Some)
    }
}

impl<R: Read> Iterator for JournalReader<R> {
    type Item = Result<Entry, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read_line().transpose()
    }
}
