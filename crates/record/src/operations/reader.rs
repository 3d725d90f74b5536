use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::OperationsError;
use super::layout::{BadHeader, JournalOf, OperationRecord, RECORD_BYTES, read_header};

const BUFFER_BYTES: usize = 4_096 * RECORD_BYTES;

/// How a journal ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tail {
    /// Bytes of its end that are no record, as a crash leaves them.
    pub torn_bytes: u64,
}

/// Reads a journal of operations record by record, in bounded memory. A torn end ends the journal; a bad record with
/// good ones behind it, or a gap in the sequence, is an error.
#[derive(Debug)]
pub struct OperationReader<R: Read = File> {
    path: PathBuf,
    file: R,
    of: Option<JournalOf>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    sequence: u32,
    tail: Tail,
    is_over: bool,
}

impl OperationReader {
    pub fn open(path: &Path) -> Result<Self, OperationsError> {
        let file = File::open(path).map_err(|source| OperationsError::Read { path: path.to_path_buf(), source })?;
        Self::over(path.to_path_buf(), file)
    }
}

impl<R: Read> OperationReader<R> {
    /// Reads a journal that `path` names in errors.
    pub fn over(path: PathBuf, file: R) -> Result<Self, OperationsError> {
        let mut reader = Self {
            path,
            file,
            of: None,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            sequence: 0,
            tail: Tail::default(),
            is_over: false,
        };
        reader.begin()?;
        Ok(reader)
    }

    /// Whose it is; None where not even the header was written whole.
    pub fn of(&self) -> Option<JournalOf> {
        self.of
    }

    /// After the last record: how it ended.
    pub fn tail(&self) -> Tail {
        self.tail
    }

    /// Records so far.
    pub fn records(&self) -> u32 {
        self.sequence
    }

    fn begin(&mut self) -> Result<(), OperationsError> {
        let Some(bytes) = self.take()? else {
            self.tail.torn_bytes = (self.end - self.start) as u64;
            self.is_over = true;
            return Ok(());
        };
        match read_header(&bytes) {
            Ok(of) => self.of = Some(of),
            Err(BadHeader::TooNew(found)) => return Err(OperationsError::TooNew { path: self.path.clone(), found }),
            Err(BadHeader::Not(what)) => {
                return Err(OperationsError::NotAJournal { path: self.path.clone(), what: what.into() });
            }
        }
        Ok(())
    }

    /// The next record; None at the end.
    pub fn next_record(&mut self) -> Result<Option<OperationRecord>, OperationsError> {
        if self.is_over {
            return Ok(None);
        }
        let Some(bytes) = self.take()? else {
            self.tail.torn_bytes = (self.end - self.start) as u64;
            self.is_over = true;
            return Ok(None);
        };
        match OperationRecord::decode(&bytes) {
            Some((sequence, record)) if sequence == self.sequence => {
                self.sequence = self.sequence.saturating_add(1);
                Ok(Some(record))
            }
            Some((found, _)) => {
                let what = format!("record {found} stands there, so others are missing or there twice");
                Err(self.damaged(what))
            }
            None => self.at_bad_record(&bytes),
        }
    }

    /// The next bytes of a record's size; None where the file has no more of them.
    fn take(&mut self) -> Result<Option<[u8; RECORD_BYTES]>, OperationsError> {
        if self.end - self.start < RECORD_BYTES {
            self.fill()?;
        }
        let Some(bytes) = self.buffer[self.start..self.end].first_chunk::<RECORD_BYTES>().copied() else {
            return Ok(None);
        };
        self.start += RECORD_BYTES;
        Ok(Some(bytes))
    }

    /// Moves what is left to the front and reads until the buffer is full or the file ends.
    fn fill(&mut self) -> Result<(), OperationsError> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < self.buffer.len() {
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(OperationsError::Read { path: self.path.clone(), source }),
            }
        }
        Ok(())
    }

    /// These bytes are no record. With a good record anywhere behind them, at any byte, the journal is damaged; else
    /// this is its torn end.
    fn at_bad_record(&mut self, bad: &[u8; RECORD_BYTES]) -> Result<Option<OperationRecord>, OperationsError> {
        let mut window = bad.to_vec();
        let mut skipped = 0_u64;
        loop {
            window.extend_from_slice(&self.buffer[self.start..self.end]);
            self.start = self.end;
            let found = window.windows(RECORD_BYTES).position(|bytes| self.is_later_record(bytes));
            if let Some(at) = found {
                let what = format!("it is no record, and there is a good one {} bytes behind it", skipped + at as u64);
                return Err(self.damaged(what));
            }
            self.fill()?;
            if self.start == self.end {
                self.tail.torn_bytes = skipped + window.len() as u64;
                self.is_over = true;
                return Ok(None);
            }
            let done = window.len() - (RECORD_BYTES - 1);
            window.drain(..done);
            skipped += done as u64;
        }
    }

    /// Its sequence number is looked at first: that is cheap, and almost never right by chance.
    fn is_later_record(&self, bytes: &[u8]) -> bool {
        let Some(bytes) = bytes.first_chunk::<RECORD_BYTES>() else { return false };
        let sequence = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        sequence >= self.sequence && OperationRecord::decode(bytes).is_some()
    }

    fn damaged(&self, what: String) -> OperationsError {
        OperationsError::Damaged { path: self.path.clone(), record: u64::from(self.sequence), what }
    }
}

impl<R: Read> Iterator for OperationReader<R> {
    type Item = Result<OperationRecord, OperationsError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.next_record().transpose();
        self.is_over |= matches!(next, Some(Err(_)));
        next
    }
}
