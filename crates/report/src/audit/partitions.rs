use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AuditError;
use super::compact::{COMPACT_BYTES, Compact};

/// What a reader of journals gathers for one partition before it writes: just under 16 KiB.
const GATHERED_BYTES: usize = 341 * COMPACT_BYTES;
const CHUNK_BYTES: usize = 5_461 * COMPACT_BYTES;

/// Records sorted by the id of their operation into parts of about the same size: in memory where there is one part,
/// else each in a temporary file that has no name and so goes with this process.
#[derive(Debug)]
pub(super) struct Partitions {
    parts: Vec<Mutex<Part>>,
    folder: PathBuf,
}

#[derive(Debug)]
enum Part {
    Memory(Vec<u8>),
    File(File),
}

impl Partitions {
    /// `count` is a power of two.
    pub(super) fn new(count: usize, folder: &Path) -> Result<Self, AuditError> {
        if count == 1 {
            return Ok(Self { parts: vec![Mutex::new(Part::Memory(Vec::new()))], folder: folder.to_path_buf() });
        }
        // Beside the record, where there is room for journals; elsewhere where that cannot be written to.
        let (folder, first) = match tempfile::tempfile_in(folder) {
            Ok(file) => (folder.to_path_buf(), Ok(file)),
            Err(_) => (std::env::temp_dir(), tempfile::tempfile()),
        };
        let failed = |source| AuditError::Sorting { folder: folder.clone(), source };
        let mut parts = vec![Mutex::new(Part::File(first.map_err(failed)?))];
        for _ in 1..count {
            parts.push(Mutex::new(Part::File(tempfile::tempfile_in(&folder).map_err(failed)?)));
        }
        Ok(Self { parts, folder })
    }

    pub(super) fn count(&self) -> usize {
        self.parts.len()
    }

    /// Takes records for a thread of its own.
    pub(super) fn feeder(&self) -> Feeder<'_> {
        Feeder { partitions: self, gathered: vec![Vec::new(); self.parts.len()] }
    }

    fn place(&self, operation: u128) -> usize {
        // Ids are random; those of others are hashes. Folded, so that no single half decides.
        let folded = (operation as u64 ^ (operation >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (folded >> 32) as usize & (self.parts.len() - 1)
    }

    fn write(&self, place: usize, bytes: &[u8]) -> Result<(), AuditError> {
        let mut part = self.parts[place].lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *part {
            Part::Memory(all) => all.extend_from_slice(bytes),
            Part::File(file) => file.write_all(bytes).map_err(|source| self.failed(source))?,
        }
        Ok(())
    }

    /// Gives every record of one part, those of one journal in their order.
    pub(super) fn each(
        &self,
        place: usize,
        mut take: impl FnMut(&Compact) -> Result<(), AuditError>,
    ) -> Result<(), AuditError> {
        let mut part = self.parts[place].lock().unwrap_or_else(PoisonError::into_inner);
        let mut take_all = |bytes: &[u8]| -> Result<(), AuditError> {
            for compact in bytes.as_chunks().0.iter().filter_map(Compact::decode) {
                take(&compact)?;
            }
            Ok(())
        };
        match &mut *part {
            Part::Memory(all) => take_all(all),
            Part::File(file) => {
                file.rewind().map_err(|source| self.failed(source))?;
                let mut chunk = Vec::with_capacity(CHUNK_BYTES);
                loop {
                    chunk.clear();
                    let taken = Read::by_ref(file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk);
                    if taken.map_err(|source| self.failed(source))? == 0 {
                        return Ok(());
                    }
                    take_all(&chunk)?;
                }
            }
        }
    }

    fn failed(&self, source: std::io::Error) -> AuditError {
        AuditError::Sorting { folder: self.folder.clone(), source }
    }
}

/// Gathers records before they go to their parts.
#[derive(Debug)]
pub(super) struct Feeder<'a> {
    partitions: &'a Partitions,
    gathered: Vec<Vec<u8>>,
}

impl Feeder<'_> {
    pub(super) fn push(&mut self, compact: &Compact) -> Result<(), AuditError> {
        let place = self.partitions.place(compact.operation);
        let gathered = &mut self.gathered[place];
        gathered.extend_from_slice(&compact.encode());
        if gathered.len() >= GATHERED_BYTES {
            self.partitions.write(place, gathered)?;
            gathered.clear();
        }
        Ok(())
    }

    /// Nothing is left behind.
    pub(super) fn finish(self) -> Result<(), AuditError> {
        for (place, gathered) in self.gathered.iter().enumerate().filter(|(_, gathered)| !gathered.is_empty()) {
            self.partitions.write(place, gathered)?;
        }
        Ok(())
    }
}
