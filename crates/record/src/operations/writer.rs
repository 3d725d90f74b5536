use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::layout::{JournalOf, OperationRecord, RECORD_BYTES, header};
use super::{Event, OperationId, OperationsError, agent_journal, store_journal};

/// Records gathered before they are written by themselves: 256 KiB.
const GATHERED_MAX: usize = 4_096 * RECORD_BYTES;

/// Appends records to a journal of operations. A record is safe from the death of this process once the next
/// [`flush`](Self::flush) has returned: whoever sends flushes first.
#[derive(Debug)]
pub struct OperationWriter<W: Write = File> {
    path: PathBuf,
    file: W,
    gathered: Vec<u8>,
    sequence: u32,
    /// After a write that failed in its middle nothing more may follow.
    is_broken: bool,
}

impl OperationWriter {
    /// Starts the journal of an agent in a run's folder. Fails where it is there already.
    pub fn of_agent(folder: &Path, agent: u32) -> Result<Self, OperationsError> {
        Self::create(agent_journal(folder, agent), JournalOf::Agent(agent))
    }

    /// Starts the journal of the store in a run's folder. Fails where it is there already.
    pub fn of_store(folder: &Path) -> Result<Self, OperationsError> {
        Self::create(store_journal(folder), JournalOf::Store)
    }

    fn create(path: PathBuf, of: JournalOf) -> Result<Self, OperationsError> {
        let opened = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = opened.map_err(|source| OperationsError::Write { path: path.clone(), source })?;
        Self::over(path, file, of)
    }
}

impl<W: Write> OperationWriter<W> {
    /// Starts a journal in an empty file, which `path` names in errors.
    pub fn over(path: PathBuf, file: W, of: JournalOf) -> Result<Self, OperationsError> {
        let mut writer = Self { path, file, gathered: header(of).to_vec(), sequence: 0, is_broken: false };
        writer.flush()?;
        Ok(writer)
    }

    /// Gathers one record.
    pub fn append(&mut self, record: &OperationRecord) -> Result<(), OperationsError> {
        if self.sequence == u32::MAX {
            return Err(self.failed(std::io::Error::other("it has no room for more records")));
        }
        self.gathered.extend_from_slice(&record.encode(self.sequence));
        self.sequence += 1;
        if self.gathered.len() >= GATHERED_MAX { self.flush() } else { Ok(()) }
    }

    /// Leaves a hole: one record is known to be lost, and readers are to find that.
    pub(super) fn skip(&mut self) {
        self.sequence = self.sequence.saturating_add(1);
    }

    /// Hands what was gathered to the kernel in one write, so that it survives this process. Nothing where nothing was
    /// gathered.
    pub fn flush(&mut self) -> Result<(), OperationsError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        if self.is_broken {
            return Err(self.failed(std::io::Error::other("an earlier write to it has failed")));
        }
        if let Err(source) = self.file.write_all(&self.gathered).and_then(|()| self.file.flush()) {
            self.is_broken = true;
            return Err(self.failed(source));
        }
        self.gathered.clear();
        Ok(())
    }

    /// Writes the last record: how many operations were begun and how many have a fate.
    pub fn end(mut self, begun: u64, settled: u64, at_ns: u64) -> Result<(), OperationsError> {
        let end = OperationRecord::new(Event::End, OperationId::NONE, at_ns);
        self.append(&OperationRecord { begun, settled, ..end })?;
        self.flush()
    }

    /// Records so far.
    pub fn records(&self) -> u32 {
        self.sequence
    }

    fn failed(&self, source: std::io::Error) -> OperationsError {
        OperationsError::Write { path: self.path.clone(), source }
    }
}
