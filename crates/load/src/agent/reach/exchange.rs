//! One request and its answer after the other, on a connection that waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use erlmcp_protocol::client::answer::{Answer, Broken, Progress, Record, Said};
use erlmcp_protocol::client::canned;
use erlmcp_protocol::client::head::{Content, is_request_timeout};
use erlmcp_protocol::client::request::ResponseHead;
use erlmcp_protocol::era::Era;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;
use socket2::SockRef;

use super::super::target::{Spoken, Target};
use super::asking;
use super::timed::Timed;
use super::trouble::Trouble;
use crate::clock::monotonic_ns;
use crate::net::tls::{Tls, explain};

/// How long the end of a stream is waited for after its response.
const END_WITHIN_NS: u64 = 250_000_000;
/// An answer that is carried and longer is given up.
const CARRIED_MAX: usize = 16 << 20;

/// The id of the request before. A session has each id once: those of the engine's requests begin at 1, and these above
/// them, where ids of 32 bits with a sign still reach.
static LAST_ID: AtomicU64 = AtomicU64::new(2_000_000_000);

/// An id that no other request of this process has.
pub(super) fn next_id() -> u64 {
    LAST_ID.fetch_add(1, Ordering::Relaxed) + 1
}

/// An answer, with what it says and what it is.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) said: Said,
    pub(super) status: u16,
    pub(super) record: Record,
    /// Where its stream goes on, if it ended without the response: the last event's id, and how long to wait before.
    pub(super) goes_on: Option<(String, Duration)>,
}

impl Answered {
    /// The JSON-RPC message that it carries; null where there is none.
    pub(super) fn message(&self) -> Value {
        serde_json::from_slice(&self.record.message).unwrap_or_default()
    }
}

type Securing = StreamOwned<ClientConnection, Timed>;

#[derive(Debug)]
pub(super) enum Channel {
    Plain(Timed),
    Secured(Box<Securing>),
}

impl Channel {
    pub(super) fn stream(&self) -> &TcpStream {
        match self {
            Channel::Plain(timed) => &timed.stream,
            Channel::Secured(secured) => &secured.sock.stream,
        }
    }

    /// From now on it is read from and written to until then at the latest, CLOCK_MONOTONIC in nanoseconds; `TimedOut` after it.
    pub(super) fn limit(&mut self, until_ns: u64) {
        match self {
            Channel::Plain(timed) => timed.until_ns = until_ns,
            Channel::Secured(secured) => secured.sock.until_ns = until_ns,
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Channel::Plain(timed) => timed.write_all(bytes),
            Channel::Secured(secured) => secured.write_all(bytes),
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Channel::Plain(timed) => timed.read(buffer),
            Channel::Secured(secured) => secured.read(buffer),
        }
    }

    /// False where the other end is known to have closed it, or says that it was idle for too long.
    fn is_open(&self) -> bool {
        let stream = self.stream();
        let mut first = [0; 12];
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut first));
        let is_open = match peeked {
            Ok(count) => count > 0 && !is_request_timeout(&first[..count]),
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        };
        stream.set_nonblocking(false).is_ok() && is_open
    }
}

/// Why there is no answer to a request.
enum Lost {
    /// The connection was closed, and nothing of an answer had come.
    Unanswered(Trouble),
    Otherwise(Trouble),
}

impl From<Trouble> for Lost {
    fn from(trouble: Trouble) -> Self {
        Lost::Otherwise(trouble)
    }
}

impl From<Lost> for Trouble {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Unanswered(trouble) | Lost::Otherwise(trouble) => trouble,
        }
    }
}

/// How long it took to a connection that can be written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct SettingOut {
    pub(super) connect_us: u64,
    /// None without TLS.
    pub(super) tls_us: Option<u64>,
}

/// Asks one address.
#[derive(Debug)]
pub(super) struct Exchanger<'t> {
    pub(super) target: &'t Target,
    pub(super) address: SocketAddr,
    patience: Duration,
    channel: Option<Channel>,
    /// The channel has brought an answer before: the server may have closed it since.
    is_kept: bool,
    /// For answers to what the server asks on a stream.
    side: Option<Box<Exchanger<'t>>>,
    /// The session that it asks in.
    spoken: Option<Spoken>,
    /// Some answer was an event stream.
    pub(super) has_streamed: bool,
}

impl<'t> Exchanger<'t> {
    /// Connects with the first request. Each request may take `patience`, and so may a connect.
    ///
    /// # Errors
    /// Where the address is not one that may be connected to.
    pub(super) fn new(target: &'t Target, address: SocketAddr, patience: Duration) -> Result<Self, Trouble> {
        if !target.allowed.has(address) {
            return Err(Trouble::Foreign(address));
        }
        Ok(Self {
            target,
            address,
            patience,
            channel: None,
            is_kept: false,
            side: None,
            spoken: None,
            has_streamed: false,
        })
    }

    /// Connects ahead of the first request, and times that.
    pub(super) fn set_out(&mut self) -> Result<SettingOut, Trouble> {
        let (begun_ns, until_ns) = (monotonic_ns(), self.until_ns());
        let stream = self.connect_plain(until_ns)?;
        let established_ns = monotonic_ns();
        let connect_us = (established_ns - begun_ns) / 1_000;
        self.is_kept = false;
        let Some(tls) = &self.target.tls else {
            self.channel = Some(Channel::Plain(Timed { stream, until_ns }));
            return Ok(SettingOut { connect_us, tls_us: None });
        };
        let secured = self.secure(tls, stream, until_ns)?;
        self.channel = Some(Channel::Secured(secured));
        Ok(SettingOut { connect_us, tls_us: Some((monotonic_ns() - established_ns) / 1_000) })
    }

    /// What the server asks from here on is answered in this session.
    pub(super) fn in_session(&mut self, spoken: &Spoken) {
        self.spoken = Some(spoken.clone());
    }

    /// When a request that is sent now is given up.
    pub(super) fn until_ns(&self) -> u64 {
        monotonic_ns() + self.patience.as_nanos() as u64
    }

    /// Sends a request, and waits for its answer. What the server asks meanwhile is answered. Where it has closed a
    /// connection after an earlier answer, the request goes on a new one (RFC 9112, 9.3.1).
    pub(super) fn exchange(&mut self, request: &[u8], id: u64) -> Result<Answered, Trouble> {
        self.exchange_by(request, id, self.until_ns())
    }

    /// The same, until then at the latest.
    pub(super) fn exchange_by(&mut self, request: &[u8], id: u64, until_ns: u64) -> Result<Answered, Trouble> {
        self.exchange_into(request, &|| Answer::recorded(id), (until_ns, true))
    }

    /// The same for what may change something: it is not sent twice.
    pub(super) fn exchange_once(&mut self, request: &[u8], id: u64, until_ns: u64) -> Result<Answered, Trouble> {
        self.exchange_into(request, &|| Answer::recorded(id), (until_ns, false))
    }

    /// The same with a GET, which may bring the answer to an earlier request.
    pub(super) fn resume(&mut self, get: &[u8], id: u64, until_ns: u64) -> Result<Answered, Trouble> {
        let begin = || {
            let mut answer = Answer::recorded(id);
            answer.begin_resumed(id);
            answer
        };
        self.exchange_into(get, &begin, (until_ns, true))
    }

    fn exchange_into(
        &mut self,
        request: &[u8],
        begin: &dyn Fn() -> Answer,
        (until_ns, again): (u64, bool),
    ) -> Result<Answered, Trouble> {
        let is_kept = std::mem::take(&mut self.is_kept);
        if let Some(channel) = self.channel.take().filter(|channel| !is_kept || channel.is_open()) {
            match self.exchange_on(channel, request, begin(), until_ns) {
                Err(Lost::Unanswered(_)) if is_kept && again => {}
                exchanged => return exchanged.map_err(Trouble::from),
            }
        }
        let channel = self.connect(until_ns)?;
        Ok(self.exchange_on(channel, request, begin(), until_ns)?)
    }

    fn exchange_on(
        &mut self,
        mut channel: Channel,
        request: &[u8],
        mut answer: Answer,
        until_ns: u64,
    ) -> Result<Answered, Lost> {
        let (mut buffer, mut has_begun) = ([0; 16 * 1024], false);
        let closed = |has_begun: bool, trouble: Trouble| match trouble {
            Trouble::Closed(..) if !has_begun => Lost::Unanswered(trouble),
            _ => Lost::Otherwise(trouble),
        };
        channel.limit(until_ns);
        channel.write_all(request).map_err(|error| closed(false, self.trouble(&error)))?;
        let mut read_until_ns = until_ns;
        loop {
            let has_response = answer.response().is_some();
            channel.limit(read_until_ns);
            let progress = match channel.read(&mut buffer) {
                Ok(0) => answer.end(),
                Ok(count) => {
                    has_begun = true;
                    answer.feed(&buffer[..count])
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => answer.end(),
                // The response is there, and its stream is left open.
                Err(error) if has_response && is_over(&error) => answer.end(),
                Err(error) => return Err(closed(has_begun, self.trouble(&error))),
            };
            // Whoever asks on and on, and takes no answer, leaves time for its own.
            let now_ns = monotonic_ns();
            self.answer_all(answer.take_questions(), now_ns + until_ns.saturating_sub(now_ns) / 2);
            match progress {
                Progress::More if !has_response && answer.response().is_some() => {
                    read_until_ns = until_ns.min(monotonic_ns() + END_WITHIN_NS);
                }
                Progress::More => {}
                Progress::Whole { said, stays_open, .. } => {
                    self.channel = stays_open.then_some(channel);
                    self.is_kept = stays_open;
                    let status = answer.head().map_or(0, |head| head.status);
                    let is_stream = answer.head().is_some_and(|head| head.content == Content::Events);
                    self.has_streamed |= is_stream && (200..300).contains(&status);
                    let goes_on = asking::resumption(&answer);
                    return Ok(Answered { said, status, record: answer.into_record(), goes_on });
                }
                Progress::Broken(Broken::NotHttp) => return Err(Trouble::NotHttp(self.address).into()),
                Progress::Broken(Broken::TooLarge) => return Err(Trouble::TooLarge(self.address).into()),
                Progress::Broken(Broken::CutOff) => return Err(closed(has_begun, self.closed())),
            }
        }
    }

    /// Answers what the server has asked, all of it until then. Whether it takes that is its own affair: its response
    /// says so.
    pub(super) fn answer_all(&mut self, questions: Vec<Box<[u8]>>, until_ns: u64) {
        let count = questions.len();
        for (at, question) in questions.iter().enumerate() {
            if let Err(trouble) = self.answer(question, until_ns) {
                tracing::warn!("what the target asked could not be answered: {trouble}");
            }
            if monotonic_ns() >= until_ns && at + 1 < count {
                return tracing::warn!("{} questions of the target are left without an answer", count - at - 1);
            }
        }
    }

    fn answer(&mut self, question: &[u8], until_ns: u64) -> Result<(), Trouble> {
        let Some(spoken) = self.spoken.as_ref().filter(|spoken| spoken.version.era() == Era::Legacy) else {
            return Ok(());
        };
        let Some((_, response)) = canned::response(question) else { return Ok(()) };
        let mut request = Vec::new();
        ResponseHead::new(&self.target.peer(spoken))?.write(&response, &mut request);
        let mut side = match self.side.take() {
            Some(side) => side,
            None => Box::new(Exchanger::new(self.target, self.address, self.patience)?),
        };
        let answered = side.exchange_by(&request, 0, until_ns).map_err(|trouble| match trouble {
            Trouble::Silent(..) => Trouble::Untaken,
            other => other,
        })?;
        self.side = Some(side);
        match answered.status {
            200..300 => Ok(()),
            status => Err(Trouble::NotMcp(format!("HTTP {status} to an answer"))),
        }
    }

    /// Sends a request on a connection of its own, and waits for the head of its answer only. True where an event
    /// stream begins with it.
    pub(super) fn begin_stream(&mut self, request: &[u8]) -> Result<(u16, bool), Trouble> {
        let (_, answer, _) = self.open_stream(request)?;
        let head = answer.head();
        Ok(head.map_or((0, false), |head| (head.status, head.content == Content::Events)))
    }

    /// The same; what follows the head can be read from the channel, unless the answer has come to its end already.
    pub(super) fn open_stream(&self, request: &[u8]) -> Result<(Channel, Answer, bool), Trouble> {
        let mut channel = self.begin(request)?;
        let (mut answer, mut buffer) = (Answer::default(), [0; 4 * 1024]);
        loop {
            let progress = match channel.read(&mut buffer) {
                Ok(0) => return Err(self.closed()),
                Ok(count) => answer.feed(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.trouble(&error)),
            };
            if answer.head().is_some() {
                return Ok((channel, answer, progress != Progress::More));
            }
        }
    }

    /// Sends a request, or the beginning of one, on a connection of its own.
    pub(super) fn begin(&self, request: &[u8]) -> Result<Channel, Trouble> {
        let mut channel = self.connect(self.until_ns())?;
        channel.write_all(request).map_err(|error| self.trouble(&error))?;
        Ok(channel)
    }

    /// Sends a request on a connection of its own. `take` is shown all that has come of the answer, and whether that is its
    /// end, until it takes something from it.
    pub(super) fn carry<T>(
        &self,
        request: &[u8],
        mut take: impl FnMut(&[u8], bool) -> Option<T>,
    ) -> Result<T, Trouble> {
        let mut channel = self.begin(request)?;
        let (mut bytes, mut more) = (Vec::new(), [0; 16 * 1024]);
        while bytes.len() <= CARRIED_MAX {
            let count = match channel.read(&mut more) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(self.trouble(&error)),
            };
            bytes.extend_from_slice(&more[..count]);
            match take(&bytes, count == 0) {
                Some(taken) => {
                    // What would come is only the other side's end, or a TIME_WAIT.
                    let _ = SockRef::from(channel.stream()).set_linger(Some(Duration::ZERO));
                    return Ok(taken);
                }
                None if count == 0 => return Err(self.closed()),
                None => {}
            }
        }
        Err(Trouble::TooLarge(self.address))
    }

    /// True where the server would speak HTTP/2; None where there is no TLS to ask by.
    pub(super) fn offers_h2(&self) -> Result<Option<bool>, Trouble> {
        let Some(tls) = &self.target.tls else { return Ok(None) };
        let until_ns = self.until_ns();
        let channel = self.connect_by(&tls.asking_for_h2(), until_ns)?;
        Ok(Some(channel.conn.alpn_protocol() == Some(b"h2")))
    }

    fn connect(&self, until_ns: u64) -> Result<Channel, Trouble> {
        match &self.target.tls {
            None => self.connect_plain(until_ns).map(|stream| Channel::Plain(Timed { stream, until_ns })),
            Some(tls) => self.connect_by(tls, until_ns).map(Channel::Secured),
        }
    }

    pub(super) fn connect_plain(&self, until_ns: u64) -> Result<TcpStream, Trouble> {
        let left = self.left(until_ns)?;
        self.target.allowed.connect_within(self.address, left).map_err(|error| match error.kind() {
            ErrorKind::PermissionDenied if !self.target.allowed.has(self.address) => Trouble::Foreign(self.address),
            ErrorKind::ConnectionRefused => Trouble::Refused(self.address),
            ErrorKind::TimedOut | ErrorKind::WouldBlock => {
                Trouble::ConnectTimeout(self.address, self.patience.as_secs())
            }
            _ => Trouble::Connect(self.address, error.to_string()),
        })
    }

    fn connect_by(&self, tls: &Tls, until_ns: u64) -> Result<Box<Securing>, Trouble> {
        self.secure(tls, self.connect_plain(until_ns)?, until_ns)
    }

    fn secure(&self, tls: &Tls, stream: TcpStream, until_ns: u64) -> Result<Box<Securing>, Trouble> {
        let connection = tls.connection().map_err(|error| Trouble::Tls(self.address, explain(&error)))?;
        let mut secured = Box::new(StreamOwned::new(connection, Timed { stream, until_ns }));
        while secured.conn.is_handshaking() {
            let StreamOwned { conn, sock } = &mut *secured;
            conn.complete_io(sock).map_err(|error| match self.trouble(&error) {
                Trouble::Silent(address, seconds) => {
                    let what = format!("no TLS handshake within {seconds} s: is it http:// instead of https://?");
                    Trouble::Tls(address, what)
                }
                other => other,
            })?;
        }
        Ok(secured)
    }

    fn left(&self, until_ns: u64) -> Result<Duration, Trouble> {
        match until_ns.saturating_sub(monotonic_ns()) {
            0 => Err(self.silent()),
            left_ns => Ok(Duration::from_nanos(left_ns)),
        }
    }

    fn silent(&self) -> Trouble {
        Trouble::Silent(self.address, self.patience.as_secs())
    }

    fn closed(&self) -> Trouble {
        Trouble::Closed(self.address, self.target.tls.is_some())
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Trouble::Tls(self.address, explain(tls));
        }
        match error.kind() {
            _ if is_over(error) => self.silent(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => self.closed(),
            _ => Trouble::Connect(self.address, error.to_string()),
        }
    }
}

/// True where a socket has waited as long as it was to.
fn is_over(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
