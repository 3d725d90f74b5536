//! The parts of a journal. `journal.jsonl` is the one that is being written; those before it were closed, each at the end
//! of a row: `journal-000001.jsonl`, or `journal-000001.jsonl.zst` once it was compressed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::squeeze::{squeeze, squeezed};

/// The part that is being written.
const CURRENT: &str = "journal.jsonl";
/// The part that will be.
const NEXT: &str = "journal.jsonl.next";
/// Between two parts there is for a moment none of that name.
const BETWEEN: Duration = Duration::from_millis(10);
const BETWEEN_MAX: u32 = 100;

/// True for the name of a part in a run's folder.
pub fn is_part(name: &str) -> bool {
    name == CURRENT || number_of(name).is_some()
}

/// The number of a part that was closed.
fn number_of(name: &str) -> Option<u32> {
    let name = name.strip_suffix(".zst").unwrap_or(name);
    let digits = name.strip_prefix("journal-")?.strip_suffix(".jsonl")?;
    (digits.len() >= 6 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// The part that is being written.
pub(crate) fn current(folder: &Path) -> PathBuf {
    folder.join(CURRENT)
}

/// The same to read. Between two parts, where a kill may have left it for good, it still has the name of the next one.
///
/// # Errors
/// Where there is none.
pub(crate) fn open_current(folder: &Path) -> io::Result<File> {
    let current = current(folder);
    match File::open(&current) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match File::open(next(folder)) {
            Ok(file) if !current.exists() => Ok(file),
            // It got its name meanwhile.
            _ => File::open(&current),
        },
        opened => opened,
    }
}

/// True where there is a journal in this folder. Where its writer was killed between two parts, the current one gets its
/// name here.
pub fn find_journal(folder: &Path) -> bool {
    let (current, next) = (current(folder), next(folder));
    for _ in 0..BETWEEN_MAX {
        if current.is_file() || !next.is_file() {
            return current.is_file();
        }
        // Its writer may be there, and be about to do it.
        sleep(BETWEEN);
    }
    // Where the folder cannot be written, it is read as it is.
    let _ = fs::rename(&next, &current);
    true
}

/// Where what follows the current part is written until that is closed.
pub(crate) fn next(folder: &Path) -> PathBuf {
    folder.join(NEXT)
}

fn closed(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("journal-{number:06}.jsonl"))
}

fn pressed(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("journal-{number:06}.jsonl.zst"))
}

/// Closes the current part as `number`, once all of it was written; the next one, which was begun, takes its place.
///
/// # Errors
/// Where the folder cannot be written.
pub fn close_part(folder: &Path, number: u32) -> io::Result<()> {
    fs::rename(current(folder), closed(folder, number))?;
    match fs::rename(next(folder), current(folder)) {
        // A reader took this process for dead, and did it.
        Err(error) if error.kind() == io::ErrorKind::NotFound && current(folder).exists() => Ok(()),
        renamed => renamed,
    }
}

/// Compresses a part that was closed, which `pace` may slow down: it is given the bytes read each time. Whoever reads the
/// part meanwhile finds it in one form or the other.
///
/// # Errors
/// Where it cannot be read, or the folder not be written; the part is there as before.
pub fn press_part(folder: &Path, number: u32, pace: impl FnMut(usize)) -> io::Result<()> {
    let (from, to) = (closed(folder, number), pressed(folder, number));
    let unfinished = to.with_extension("zst.unfinished");
    let write = || -> io::Result<()> {
        let mut target = BufWriter::new(File::create(&unfinished)?);
        squeeze(Paced { inner: File::open(&from)?, pace }, &mut target)?;
        target.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&unfinished, &to)?;
        fs::remove_file(&from)
    };
    write().inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

struct Paced<R, P> {
    inner: R,
    pace: P,
}

impl<R: Read, P: FnMut(usize)> Read for Paced<R, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.pace)(read);
        Ok(read)
    }
}

/// How many parts were closed.
pub(crate) fn count(folder: &Path) -> u32 {
    (1..).find(|number| !is_closed(folder, *number)).map_or(0, |missing| missing - 1)
}

pub(crate) fn is_closed(folder: &Path, number: u32) -> bool {
    pressed(folder, number).exists() || closed(folder, number).exists()
}

/// A part to read: one that was closed, or the current one.
///
/// # Errors
/// Where there is none.
pub(crate) fn open(folder: &Path, number: u32) -> io::Result<Box<dyn Read + Send>> {
    let plain = match File::open(closed(folder, number)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened?),
    };
    match plain {
        Some(file) => Ok(Box::new(file)),
        None => Ok(Box::new(squeezed(&pressed(folder, number))?)),
    }
}

/// All parts of a journal, as one text.
pub struct Parts {
    folder: PathBuf,
    /// Closed ones that come next.
    ahead: std::ops::RangeInclusive<u32>,
    reading: Box<dyn Read + Send>,
    /// The last one, which was opened when the others were counted, so that none is missed or read twice.
    current: Option<File>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("folder", &self.folder).field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl Parts {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        for _ in 0..BETWEEN_MAX {
            let parts = count(folder);
            match open_current(folder) {
                Ok(file) if count(folder) == parts => {
                    let folder = folder.to_path_buf();
                    return Ok(Self { folder, ahead: 1..=parts, reading: Box::new(io::empty()), current: Some(file) });
                }
                Err(error) => return Err(error),
                Ok(_) => sleep(BETWEEN),
            }
        }
        Err(io::Error::other("its parts change faster than they can be read"))
    }
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.reading.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.reading = match self.ahead.next() {
                Some(number) => open(&self.folder, number)?,
                None => match self.current.take() {
                    Some(file) => Box::new(file),
                    None => return Ok(0),
                },
            };
        }
    }
}
