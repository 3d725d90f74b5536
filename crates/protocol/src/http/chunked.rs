//! Bodies in chunks: a strict decoder for both ends. It takes its input in pieces of any size, copies nothing and
//! holds nothing but where it is.
//!
//! Stricter than the grammar where leniency has cost others: a line ends with CRLF and nothing else, a size has at
//! most 16 hex digits and no blank beside it, and the framing may not outgrow the body.

#[cfg(test)]
mod tests;

use super::field::is_token_byte;

/// Digits of a size at most, so that it fits.
const DIGITS_MAX: u8 = 16;
/// Bytes of all extensions of a body at most.
const EXTENSIONS_MAX: u64 = 16 * 1024;
/// Bytes and number of trailer fields at most.
const TRAILER_BYTES_MAX: u64 = 16 * 1024;
const TRAILERS_MAX: u8 = 32;
/// Framing may be this many times the body, and so much beside.
const FRAMING_FACTOR: u64 = 8;
const FRAMING_SPARE: u64 = 64 * 1024;

/// Why a body cannot be read on. The connection is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("the chunked body is malformed")]
    Malformed,
    #[error("the chunked body has more framing than data")]
    Framing,
    #[error("the chunked body is larger than its limit")]
    TooLarge,
    #[error("the chunked body has too many trailer fields")]
    Trailers,
}

/// What a piece of input gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// Bytes of the body, not empty. `used` bytes of the input are done with; call again with the rest.
    Data { data: &'a [u8], used: usize },
    /// All of the input is done with and the body goes on.
    More,
    /// The body has ended `used` bytes into the input; what follows is not part of it.
    End { used: usize },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size,
    /// After `;`, before the extension's name.
    ExtensionStart,
    ExtensionName,
    ExtensionEquals,
    ExtensionValue,
    ExtensionQuoted,
    ExtensionEscape,
    ExtensionAfterQuoted,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a trailer line.
    Trailer,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Ended,
}

/// One body that is being read.
#[derive(Debug, Clone)]
pub struct Chunked {
    state: State,
    digits: u8,
    trailers: u8,
    /// The size being read, then what is left of the chunk.
    left: u64,
    body: u64,
    body_max: u64,
    framing: u64,
    extensions: u64,
    trailer_bytes: u64,
}

impl Chunked {
    /// A body of at most `body_max` bytes.
    pub fn new(body_max: u64) -> Self {
        Self {
            state: State::Size,
            digits: 0,
            trailers: 0,
            left: 0,
            body: 0,
            body_max,
            framing: 0,
            extensions: 0,
            trailer_bytes: 0,
        }
    }

    /// Bytes of the body so far.
    pub fn body_bytes(&self) -> u64 {
        self.body
    }

    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Reads on. Give it all that has come and was not used yet; trailers are read over, never given.
    ///
    /// # Errors
    /// Where the body is malformed or past a limit.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Chunk<'a>, ChunkError> {
        let mut at = 0;
        while self.state != State::Ended {
            if self.state == State::Data {
                let end = at + usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len() - at);
                if end == at {
                    return Ok(Chunk::More);
                }
                self.took_data((end - at) as u64);
                return Ok(Chunk::Data { data: &input[at..end], used: end });
            }
            let Some(&byte) = input.get(at) else { return Ok(Chunk::More) };
            at += 1;
            self.framing += 1;
            self.state = self.step(byte)?;
            if self.framing > FRAMING_FACTOR * self.body + FRAMING_SPARE {
                return Err(ChunkError::Framing);
            }
        }
        Ok(Chunk::End { used: at })
    }

    fn took_data(&mut self, bytes: u64) {
        self.left -= bytes;
        self.body += bytes;
        if self.left == 0 {
            self.state = State::DataCr;
        }
    }

    fn step(&mut self, byte: u8) -> Result<State, ChunkError> {
        match self.state {
            State::Size => self.size(byte),
            State::SizeLf if byte == b'\n' => self.size_ends(),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => {
                (self.digits, self.left) = (0, 0);
                Ok(State::Size)
            }
            State::Trailer | State::TrailerName | State::TrailerValue => self.trailer(byte),
            State::TrailerLf if byte == b'\n' => Ok(State::Trailer),
            State::EndLf if byte == b'\n' => Ok(State::Ended),
            State::SizeLf | State::DataCr | State::DataLf | State::TrailerLf | State::EndLf => {
                Err(ChunkError::Malformed)
            }
            State::Data | State::Ended => Ok(self.state),
            _ => self.extension(byte),
        }
    }

    fn size(&mut self, byte: u8) -> Result<State, ChunkError> {
        if let Some(digit) = (byte as char).to_digit(16) {
            self.digits += 1;
            if self.digits > DIGITS_MAX {
                return Err(ChunkError::Malformed);
            }
            self.left = self.left << 4 | u64::from(digit);
            return Ok(State::Size);
        }
        match byte {
            b'\r' if self.digits > 0 => Ok(State::SizeLf),
            b';' if self.digits > 0 => Ok(State::ExtensionStart),
            _ => Err(ChunkError::Malformed),
        }
    }

    fn size_ends(&mut self) -> Result<State, ChunkError> {
        if self.left == 0 {
            return Ok(State::Trailer);
        }
        // Judged by the announced size, before any of it is read.
        if self.left > self.body_max - self.body {
            return Err(ChunkError::TooLarge);
        }
        Ok(State::Data)
    }

    fn extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS_MAX {
            return Err(ChunkError::Malformed);
        }
        let is_token = is_token_byte(byte);
        match (self.state, byte) {
            (State::ExtensionStart | State::ExtensionName, _) if is_token => Ok(State::ExtensionName),
            (State::ExtensionName, b'=') => Ok(State::ExtensionEquals),
            (State::ExtensionEquals, b'"') => Ok(State::ExtensionQuoted),
            (State::ExtensionEquals | State::ExtensionValue, _) if is_token => Ok(State::ExtensionValue),
            (State::ExtensionQuoted, b'"') => Ok(State::ExtensionAfterQuoted),
            (State::ExtensionQuoted, b'\\') => Ok(State::ExtensionEscape),
            (State::ExtensionQuoted | State::ExtensionEscape, b'\t' | b' '..=b'~' | 0x80..) => {
                Ok(State::ExtensionQuoted)
            }
            (State::ExtensionName | State::ExtensionValue | State::ExtensionAfterQuoted, b';') => {
                Ok(State::ExtensionStart)
            }
            (State::ExtensionName | State::ExtensionValue | State::ExtensionAfterQuoted, b'\r') => Ok(State::SizeLf),
            _ => Err(ChunkError::Malformed),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkError::Trailers);
        }
        match (self.state, byte) {
            (State::Trailer, b'\r') => Ok(State::EndLf),
            (State::Trailer, _) if is_token_byte(byte) => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX { Err(ChunkError::Trailers) } else { Ok(State::TrailerName) }
            }
            (State::TrailerName, _) if is_token_byte(byte) => Ok(State::TrailerName),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            _ => Err(ChunkError::Malformed),
        }
    }
}
