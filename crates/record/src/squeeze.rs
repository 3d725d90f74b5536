//! Compression by zstd.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress};

/// Compresses all that `source` has into `target`.
///
/// # Errors
/// The first one of either.
pub fn squeeze(source: impl Read, target: impl Write) -> io::Result<()> {
    let failure = RefCell::new(None);
    compress(Told { source, failure: &failure }, Kept { target, failure: &failure }, CompressionLevel::Fastest);
    failure.into_inner().map_or(Ok(()), Err)
}

/// Reads what [`squeeze`] has made.
///
/// # Errors
/// Where the file cannot be read, or is not compressed by zstd.
pub fn squeezed(path: &Path) -> io::Result<impl Read + use<>> {
    let file = BufReader::new(File::open(path)?);
    StreamingDecoder::new(file).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
}

/// The compressor takes no error: what it reads ends at the first one, which is kept.
struct Told<'a, R> {
    source: R,
    failure: &'a RefCell<Option<io::Error>>,
}

impl<R: Read> Read for Told<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut failure = self.failure.borrow_mut();
        if failure.is_some() {
            return Ok(0);
        }
        loop {
            match self.source.read(buffer) {
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    *failure = Some(error);
                    return Ok(0);
                }
            }
        }
    }
}

/// The same for what it writes: after the first error nothing more is.
struct Kept<'a, W> {
    target: W,
    failure: &'a RefCell<Option<io::Error>>,
}

impl<W: Write> Write for Kept<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut failure = self.failure.borrow_mut();
        if failure.is_none() {
            *failure = self.target.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
