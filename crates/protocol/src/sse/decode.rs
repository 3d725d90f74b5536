//! Events read from a stream that comes in pieces of any size.

#[cfg(test)]
mod tests;

/// Bytes of an event's id at most: it is sent back in a header.
const ID_MAX: usize = 1_024;

/// An event, or a line, is larger than the decoder takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the event is larger than its limit")]
pub struct TooLarge;

/// One stream that is being read. Comments are counted and read over, and so are events without data.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// A line that has come in part.
    line: Vec<u8>,
    /// Data of the event so far, each line with its LF.
    data: Vec<u8>,
    /// The id of the event so far, and the one of the last event that was complete; empty: none.
    id: Vec<u8>,
    last_id: Vec<u8>,
    has_new_id: bool,
    retry_ms: Option<u64>,
    event_max: usize,
    after_cr: bool,
    is_first_line: bool,
    comments: u64,
}

impl Decoder {
    /// Of a line or event at most `event_max` bytes are held.
    pub fn new(event_max: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            id: Vec::new(),
            last_id: Vec::new(),
            has_new_id: false,
            retry_ms: None,
            event_max,
            after_cr: false,
            is_first_line: true,
            comments: 0,
        }
    }

    /// Begins another stream with the same limit and space.
    pub fn reset(&mut self) {
        self.line.clear();
        self.data.clear();
        self.id.clear();
        self.last_id.clear();
        self.has_new_id = false;
        self.retry_ms = None;
        self.after_cr = false;
        self.is_first_line = true;
        self.comments = 0;
    }

    /// Comments so far: what keeps a stream from looking dead.
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// The id of the last complete event that had one, where a header can hold it.
    pub fn last_id(&self) -> Option<&str> {
        std::str::from_utf8(&self.last_id).ok().filter(|id| !id.is_empty())
    }

    /// How long the server wants to be left alone after the stream's end, milliseconds, where it says.
    pub fn retry_ms(&self) -> Option<u64> {
        self.retry_ms
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
            if std::mem::take(&mut self.has_new_id) {
                self.last_id.clone_from(&self.id);
            }
            if self.data.len() > 1 {
                on_event(&self.data[..self.data.len() - 1]);
            }
            self.data.clear();
            return Ok(());
        }
        self.comments += u64::from(line[0] == b':');
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        if name != b"data" {
            self.take_field(name, value);
            return Ok(());
        }
        if self.data.len() + value.len() + 1 > self.event_max {
            return Err(TooLarge);
        }
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
        Ok(())
    }

    fn take_field(&mut self, name: &[u8], value: &[u8]) {
        let is_visible = |byte: &u8| (0x21..=0x7e).contains(byte);
        if name == b"id" && value.len() <= ID_MAX && value.iter().all(is_visible) {
            self.has_new_id = true;
            self.id.clear();
            self.id.extend_from_slice(value);
        } else if name == b"retry" && !value.is_empty() && value.iter().all(u8::is_ascii_digit) {
            let ms = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            self.retry_ms = ms.or(self.retry_ms);
        }
    }
}
