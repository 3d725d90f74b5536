//! Events read from a stream that comes in pieces of any size.

#[cfg(test)]
mod tests;

/// An event, or a line, is larger than the decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event is larger than its limit")]
pub struct TooLarge;

/// One stream that is being read. Comments, and events without data, are read over.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// A line that has come in part.
    line: Vec<u8>,
    /// Data of the event so far, each line with its LF.
    data: Vec<u8>,
    event_max: usize,
    after_cr: bool,
    is_first_line: bool,
}

impl Decoder {
    /// Of a line or event at most `event_max` bytes are held.
    pub fn new(event_max: usize) -> Self {
        Self { line: Vec::new(), data: Vec::new(), event_max, after_cr: false, is_first_line: true }
    }

    /// Begins another stream with the same limit and space.
    pub fn reset(&mut self) {
        self.line.clear();
        self.data.clear();
        self.after_cr = false;
        self.is_first_line = true;
    }

    /// Bytes of memory that it holds on to.
    pub fn capacity(&self) -> usize {
        self.line.capacity() + self.data.capacity()
    }

    /// Reads on, and gives the data of each event that is complete.
    ///
    /// # Errors
    /// Where a line or event is too large; the stream is of no use after it.
    pub fn feed(&mut self, mut bytes: &[u8], mut on_event: impl FnMut(&[u8])) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', bytes) else {
                return self.keep(bytes);
            };
            self.after_cr = bytes[end] == b'\r';
            if self.line.is_empty() {
                self.take_line(&bytes[..end], &mut on_event)?;
            } else {
                self.keep(&bytes[..end])?;
                let mut line = std::mem::take(&mut self.line);
                self.take_line(&line, &mut on_event)?;
                line.clear();
                self.line = line;
            }
            bytes = &bytes[end + 1..];
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + self.data.len() + bytes.len() > self.event_max {
            return Err(TooLarge);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], on_event: &mut impl FnMut(&[u8])) -> Result<(), TooLarge> {
        let is_first = std::mem::take(&mut self.is_first_line);
        let line = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| is_first).unwrap_or(line);
        if line.is_empty() {
            if self.data.len() > 1 {
                on_event(&self.data[..self.data.len() - 1]);
            }
            self.data.clear();
            return Ok(());
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        if name != b"data" {
            return Ok(());
        }
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if self.data.len() + value.len() + 1 > self.event_max {
            return Err(TooLarge);
        }
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
        Ok(())
    }
}
