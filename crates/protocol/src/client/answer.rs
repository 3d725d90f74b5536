//! An answer to one request, read as it comes: head, body in whatever framing, JSON or event stream, and what it says.
//!
//! A small answer that is wholly there is judged where it lies, without a copy. What has come in part is kept here.

mod judging;
mod known;
#[cfg(test)]
mod tests;

use judging::{is_success, judge};
use known::Known;

use super::head::{self, BadHead, Content, Framing, Head};
use super::message::{self, Id, Kind};
use crate::code::METHOD_NOT_FOUND;
use crate::http::chunked::{Chunk, ChunkError, Chunked};
use crate::sse::decode::Decoder;

/// Bytes of an answer, or of one event of a stream, at most.
pub const ANSWER_MAX: usize = 16 * 1024 * 1024;
/// Space that an answer keeps for the next one at most.
const SPARE_MAX: usize = 64 * 1024;
/// Bytes of a head that is known again at most.
const KNOWN_HEAD_MAX: usize = 1_024;
/// Requests of the server's that are kept at most until they are taken: more than one piece of a stream has.
const QUESTIONS_MAX: usize = 4_096;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Ok,
    /// A result with `isError`.
    ToolError,
    /// The server wants to know more before it does what was asked.
    InputRequired,
    /// A result of a type that nobody asked for.
    OfAnotherType,
    /// A JSON-RPC error with this code.
    RpcError(i64),
    /// A status without a usable JSON-RPC answer.
    HttpError(u16),
    /// 503 or 429 with `executed: false`: to be tried again after so long.
    Refused {
        status: u16,
        after_us: u64,
    },
    /// The id, where it is a number.
    AnotherId(Option<u64>),
    NotJsonRpc,
    /// An event stream ended without the response.
    NoResponse,
}

/// True where the server does not know the session of a request any more. A method that it does not know is told by 404 as
/// well, with an error that says so.
pub fn session_has_ended(status: u16, said: Said) -> bool {
    status == 404 && said != Said::RpcError(METHOD_NOT_FOUND)
}

/// Why an answer cannot be read on. The connection is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the answer is not HTTP/1.1")]
    NotHttp,
    #[error("the answer is too large")]
    TooLarge,
    #[error("the connection closed before the whole answer")]
    CutOff,
}

impl From<BadHead> for Broken {
    fn from(bad: BadHead) -> Self {
        match bad {
            BadHead::NotHttp => Broken::NotHttp,
            BadHead::TooLarge => Broken::TooLarge,
        }
    }
}

impl From<ChunkError> for Broken {
    fn from(error: ChunkError) -> Self {
        if error == ChunkError::TooLarge { Broken::TooLarge } else { Broken::NotHttp }
    }
}

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    More,
    /// `used` bytes of what was fed belong to it. `stays_open`: the connection can be used again.
    Whole {
        used: usize,
        said: Said,
        stays_open: bool,
    },
    Broken(Broken),
}

#[derive(Debug)]
enum Body {
    /// The head is not whole yet.
    None,
    Length(u64),
    Chunked(Chunked),
    Close,
}

/// One answer that is being read.
#[derive(Debug)]
pub struct Answer {
    id: u64,
    head: Head,
    body: Body,
    /// The head, then the text of the body, as far as they have come.
    kept: Vec<u8>,
    events: Option<Box<Decoder>>,
    /// What an event has said.
    said: Option<Said>,
    has_event: bool,
    /// It is a stream that goes on where another one has ended, and need not end with the response.
    is_resumed: bool,
    /// Requests of the server's that were not taken yet.
    questions: Vec<Box<[u8]>>,
    /// More of them came at once than are kept.
    asks_too_much: bool,
    record: Option<Box<Record>>,
    /// The last head that came whole: those of one server are mostly alike, byte by byte, and say the same then.
    last: Option<(Head, Vec<u8>)>,
    /// Their messages differ in little but their ids.
    known: Known,
}

/// Head and message of an answer, for those who want to know more.
#[derive(Debug, Default, Clone)]
pub struct Record {
    pub head: Vec<u8>,
    /// The body; of an event stream, the response in it.
    pub message: Vec<u8>,
}

impl Default for Answer {
    fn default() -> Self {
        Self {
            id: 0,
            head: Head::NONE,
            body: Body::None,
            kept: Vec::new(),
            events: None,
            said: None,
            has_event: false,
            is_resumed: false,
            questions: Vec::new(),
            asks_too_much: false,
            record: None,
            last: None,
            known: Known::default(),
        }
    }
}

impl Answer {
    /// An answer whose head and message are recorded.
    pub fn recorded(id: u64) -> Self {
        Self { id, record: Some(Box::default()), ..Self::default() }
    }

    /// Begins the answer to the request with this id, in the same space.
    pub fn begin(&mut self, id: u64) {
        self.id = id;
        self.head = Head::NONE;
        self.body = Body::None;
        self.kept.clear();
        self.said = None;
        self.has_event = false;
        self.is_resumed = false;
        self.questions.clear();
        self.asks_too_much = false;
        if self.kept.capacity() > SPARE_MAX {
            self.kept = Vec::new();
        }
        match &mut self.events {
            Some(events) if events.capacity() <= SPARE_MAX => events.reset(),
            events => *events = None,
        }
    }

    /// Begins the answer to a GET that a stream goes on with which has ended before its response. It is whole as soon as
    /// that response has come.
    pub fn begin_resumed(&mut self, id: u64) {
        self.begin(id);
        self.is_resumed = true;
    }

    /// The head, once it is whole.
    pub fn head(&self) -> Option<&Head> {
        (!matches!(self.body, Body::None)).then_some(&self.head)
    }

    /// Bytes of memory that what has come of it holds on to.
    pub fn capacity(&self) -> usize {
        self.kept.capacity() + self.events.as_ref().map_or(0, |events| events.capacity())
    }

    /// True where an event has come.
    pub fn has_event(&self) -> bool {
        self.has_event
    }

    /// What our response said, as soon as that event of a stream has come.
    pub fn response(&self) -> Option<Said> {
        self.said.filter(|said| is_ours(*said))
    }

    /// Requests of the server's that have come since they were last taken: each one JSON-RPC message.
    pub fn take_questions(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.questions)
    }

    /// True where there are any.
    pub fn has_questions(&self) -> bool {
        !self.questions.is_empty()
    }

    /// The whole message, where it said [`Said::InputRequired`].
    pub fn message(&self) -> &[u8] {
        &self.kept
    }

    /// The id of the last event of a stream, where it had one.
    pub fn last_event_id(&self) -> Option<&str> {
        self.events.as_ref()?.last_id()
    }

    /// How long the stream is to be left alone before it goes on, milliseconds, where the server says.
    pub fn retry_ms(&self) -> Option<u64> {
        self.events.as_ref()?.retry_ms()
    }

    /// What was recorded, if it was asked for.
    pub fn into_record(self) -> Record {
        self.record.map(|record| *record).unwrap_or_default()
    }

    /// Comments of the event stream so far.
    pub fn comments(&self) -> u64 {
        self.events.as_ref().map_or(0, |events| events.comments())
    }

    /// Reads on.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        self.feed_watched(bytes, &mut |_| ())
    }

    /// Reads on, and gives each event of a stream as it comes.
    pub fn feed_watched(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(&[u8])) -> Progress {
        self.read_on(bytes, on_event).unwrap_or_else(Progress::Broken)
    }

    fn read_on(&mut self, bytes: &[u8], on_event: &mut dyn FnMut(&[u8])) -> Result<Progress, Broken> {
        let mut used = 0;
        while matches!(self.body, Body::None) {
            match self.read_head(&bytes[used..])? {
                Some(more) => used += more,
                None => return Ok(Progress::More),
            }
        }
        if let (Body::Length(length), Content::Text, true) = (&self.body, self.head.content, self.kept.is_empty())
            && let Ok(length) = usize::try_from(*length)
            && let Some(text) = bytes[used..].get(..length)
        {
            self.record_message(text);
            let said = self.judged(text);
            self.keep_question(said, text);
            return Ok(Progress::Whole { used: used + length, said, stays_open: self.head.stays_open });
        }
        loop {
            let (data, taken, is_end) = piece(&mut self.body, &bytes[used..])?;
            used += taken;
            self.take(data, on_event)?;
            if is_end {
                return Ok(Progress::Whole { used, said: self.verdict(), stays_open: self.head.stays_open });
            }
            if used == bytes.len() {
                return Ok(match self.response().filter(|_| self.is_resumed) {
                    Some(said) => Progress::Whole { used, said, stays_open: false },
                    None => Progress::More,
                });
            }
        }
    }

    /// Reads the head, and answers with how many of the bytes belong to it; None where it is not whole.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Broken> {
        let before = self.kept.len();
        let read = if before == 0 {
            self.whole_head(bytes)?
        } else {
            self.kept.extend_from_slice(bytes);
            // A head that comes byte by byte is not parsed at each of them.
            if bytes.contains(&b'\n') || self.kept.len() > head::HEAD_MAX { head::read(&self.kept)? } else { None }
        };
        let Some((head, length)) = read else {
            if before == 0 {
                self.kept.extend_from_slice(bytes);
            }
            return Ok(None);
        };
        if let Some(record) = &mut self.record {
            let whole = if before == 0 { bytes } else { &self.kept };
            record.head = whole[..length].to_vec();
        }
        self.kept.clear();
        // 100 Continue and the like come before the answer.
        if head.status >= 200 {
            self.begin_body(head)?;
        }
        Ok(Some(length - before))
    }

    /// Reads a head, if it is not the one before.
    fn whole_head(&mut self, bytes: &[u8]) -> Result<Option<(Head, usize)>, BadHead> {
        if let Some((head, text)) = self.last.as_ref().filter(|(_, text)| bytes.starts_with(text)) {
            return Ok(Some((*head, text.len())));
        }
        let read = head::read(bytes)?;
        if let Some((head, length)) = read.filter(|(_, length)| *length <= KNOWN_HEAD_MAX) {
            let (known, text) = self.last.get_or_insert_with(|| (head, Vec::with_capacity(length)));
            *known = head;
            text.clear();
            text.extend_from_slice(&bytes[..length]);
        }
        Ok(read)
    }

    fn begin_body(&mut self, head: Head) -> Result<(), Broken> {
        let is_text = head.content == Content::Text;
        self.body = match head.framing {
            Framing::Length(length) if is_text && length > ANSWER_MAX as u64 => return Err(Broken::TooLarge),
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Chunked::new(if is_text { ANSWER_MAX as u64 } else { u64::MAX })),
            Framing::Close => Body::Close,
        };
        self.head = head;
        Ok(())
    }

    fn take(&mut self, data: &[u8], on_event: &mut dyn FnMut(&[u8])) -> Result<(), Broken> {
        if self.head.content == Content::Text {
            if self.kept.len() + data.len() > ANSWER_MAX {
                return Err(Broken::TooLarge);
            }
            self.kept.extend_from_slice(data);
            return Ok(());
        }
        let mut events = self.events.take().unwrap_or_else(|| Box::new(Decoder::new(ANSWER_MAX)));
        let fed = events.feed(data, |event| {
            self.take_event(event);
            on_event(event);
        });
        self.events = Some(events);
        if self.asks_too_much { Err(Broken::TooLarge) } else { fed.map_err(|_| Broken::TooLarge) }
    }

    /// A response with our id goes before one with another; notifications say nothing.
    fn take_event(&mut self, event: &[u8]) {
        self.has_event = true;
        if let Ok(message) = message::read(event)
            && message.kind == Kind::Call
        {
            if message.id != Id::Absent {
                self.asks_too_much |= self.questions.len() >= QUESTIONS_MAX;
                if !self.asks_too_much {
                    self.questions.push(event.into());
                }
            }
            return;
        }
        if self.said.is_some_and(is_ours) {
            return;
        }
        let said = self.judged(event);
        self.said = Some(said);
        self.keep_question(said, event);
        self.record_message(event);
    }

    /// What a text says under this head, as the answer to this request.
    fn judged(&mut self, text: &[u8]) -> Said {
        if is_success(&self.head) && self.known.is(text, self.id) {
            return Said::Ok;
        }
        let read = message::read(text);
        let said = judge(&self.head, read, self.id);
        if let (Said::Ok, Ok(message)) = (said, read) {
            self.known.keep(text, message.id_at);
        }
        said
    }

    /// Keeps the message of a result that asks for input: nothing else is read again.
    fn keep_question(&mut self, said: Said, text: &[u8]) {
        if said == Said::InputRequired {
            self.kept.clear();
            self.kept.extend_from_slice(text);
        }
    }

    fn record_message(&mut self, text: &[u8]) {
        if let Some(record) = &mut self.record {
            record.message = text.to_vec();
        }
    }

    /// What the whole body says.
    fn verdict(&mut self) -> Said {
        if self.head.content == Content::Events {
            return self.said.unwrap_or(Said::NoResponse);
        }
        let text = std::mem::take(&mut self.kept);
        self.record_message(&text);
        let said = self.judged(&text);
        self.kept = text;
        said
    }

    /// The peer has closed in order.
    pub fn end(&mut self) -> Progress {
        let is_whole = match self.body {
            Body::None => false,
            Body::Close => true,
            // The response has come; only the stream's own end has not.
            Body::Length(_) | Body::Chunked(_) => self.head.content == Content::Events,
        };
        if !is_whole {
            let is_bad = matches!(self.body, Body::None) && head::read(&self.kept).is_err();
            return Progress::Broken(if is_bad { Broken::NotHttp } else { Broken::CutOff });
        }
        Progress::Whole { used: 0, said: self.verdict(), stays_open: false }
    }
}

/// True where it was said of our own request.
fn is_ours(said: Said) -> bool {
    !matches!(said, Said::AnotherId(_) | Said::NotJsonRpc)
}

/// The next data of the body, how many bytes that took, and whether the body has ended.
fn piece<'a>(body: &mut Body, bytes: &'a [u8]) -> Result<(&'a [u8], usize, bool), Broken> {
    match body {
        Body::Length(left) => {
            let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            *left -= count as u64;
            Ok((&bytes[..count], count, *left == 0))
        }
        Body::Chunked(chunked) => Ok(match chunked.decode(bytes)? {
            Chunk::Data { data, used } => (data, used, false),
            Chunk::More => (&[], bytes.len(), false),
            Chunk::End { used } => (&[], used, true),
        }),
        Body::Close | Body::None => Ok((bytes, bytes.len(), false)),
    }
}
