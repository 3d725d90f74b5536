//! The way of a plain request through a shard, without a socket and by a clock that stands still, so that its cost can be
//! counted: in allocations (the test below) and in instructions (`bench/instructions`, under which the machine's own clock
//! cannot be read). No part of the library's interface.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::Receiver;

use erlmcp_protocol::server::check::check_request;
use erlmcp_protocol::server::message::MessageLimits;
use erlmcp_protocol::server::{HeadLimits, HeadRead, read_head, read_message};

use crate::clock::Clock;
use crate::conn::Call;
use crate::dispatch::{Asker, Dispatcher, MODERN};
use crate::engine::{ServerConfig, Shared, share};
use crate::metrics::counters::{Method, Outcome};
use crate::queue::Answer;
use crate::shard::{ConnToken, Mailbox, Net, Origin, Readiness, Shard, Transport};
use crate::telemetry::{Span, Telemetry, TelemetryConfig};
use crate::tools::{Cancellation, Registry};

const BODY: &str = r#"{"jsonrpc":"2.0","id":1234567,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"hot","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
const HEAD: &str = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n\
                    Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
                    Mcp-Method: tools/call\r\nMcp-Name: echo\r\n";
/// What the tool makes of it, as members of the result.
const CONTENT: &[u8] = br#""content":[{"type":"text","text":"hello"}],"#;
const HEAD_LIMITS: HeadLimits = HeadLimits { bytes_max: 16_384, fields_max: 64, body_bytes_max: 1 << 20 };
const MESSAGE_LIMITS: MessageLimits = MessageLimits { depth_max: 64, id_bytes_max: 256 };

/// Both directions of the one connection.
struct Wire {
    request: Vec<u8>,
    /// A request has come and was not read.
    is_due: Cell<bool>,
    /// The last write.
    answer: RefCell<Vec<u8>>,
    token: Cell<Option<ConnToken>>,
}

struct End(Rc<Wire>);

impl Transport for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.0.is_due.replace(false) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let request = &self.0.request;
        buffer[..request.len()].copy_from_slice(request);
        Ok(request.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut answer = self.0.answer.borrow_mut();
        answer.clear();
        answer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One connection, which needs no telling of its readiness.
struct Loopback(Rc<Wire>);

impl Net for Loopback {
    type Stream = End;

    fn register(&mut self, _: &mut End, token: ConnToken) -> io::Result<()> {
        self.0.token.set(Some(token));
        Ok(())
    }

    fn release(&mut self, _: End) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A shard with one connection, and the parts of its way apart. All of them serve the same `tools/call` of `echo`.
pub struct Hot {
    wire: Rc<Wire>,
    shard: Shard<Loopback>,
    shared: Arc<Shared>,
    dispatcher: Dispatcher,
    asker: Asker,
    out: Vec<u8>,
    call: Call,
    answer: Answer,
    spans: Option<Receiver<Box<Span>>>,
}

impl Default for Hot {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    pub fn new() -> Self {
        Self::with(BODY, None)
    }

    /// One request in a hundred gets a span, which nobody sends anywhere.
    pub fn traced() -> Self {
        let (telemetry, spans) = Telemetry::new(TelemetryConfig::default().sample);
        Self { spans: Some(spans), ..Self::with(BODY, Some(telemetry)) }
    }

    /// With this body of the request, and with somebody who takes spans.
    fn with(body: &str, telemetry: Option<Telemetry>) -> Self {
        let config = ServerConfig { registry: Registry::builtin(), ..ServerConfig::default() };
        let mailboxes = vec![Arc::new(Mailbox::without_waker(16))];
        let addresses = ["127.0.0.1:8080".parse().expect("an address")];
        let clock = Clock::Manual(Arc::new(AtomicU64::new(1_000_000_000_000)));
        let shared = Arc::new(share(config, &addresses, vec![false], mailboxes, true, clock));
        telemetry.map(|telemetry| shared.telemetry.set(telemetry));
        let wire = Rc::new(Wire {
            request: format!("{HEAD}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes(),
            is_due: Cell::new(false),
            answer: RefCell::default(),
            token: Cell::new(None),
        });
        let mut shard = Shard::new(&shared, 0, Loopback(Rc::clone(&wire)));
        shard.begin_turn();
        shard.adopt(End(Rc::clone(&wire)), Origin::new(0));
        let token = wire.token.get().expect("it was registered");
        let call = Call::waiting(Method::ToolsCall, Cancellation::default(), 0, false);
        Self {
            dispatcher: Dispatcher::new(&shared, 0, 1),
            asker: Asker { token, listener: 0, now_ns: shard.now_ns() },
            wire,
            shard,
            shared,
            out: Vec::new(),
            call,
            answer: Answer::json(200, Vec::new(), Outcome::Ok),
            spans: None,
        }
    }

    /// A turn of the loop in which one request comes, is read, parsed, dispatched, answered and written.
    pub fn serve(&mut self) {
        self.wire.is_due.set(true);
        self.shard.begin_turn();
        self.shard.ready(self.asker.token, Readiness { readable: true, ..Readiness::default() });
        self.shard.go_on();
        self.shard.tick();
    }

    /// The same, and the spans that came of it are thrown away.
    pub fn serve_traced(&mut self) {
        self.serve();
        self.spans.iter().flat_map(Receiver::try_iter).for_each(drop);
    }

    /// What the connection was last sent.
    pub fn answer(&self) -> Vec<u8> {
        self.wire.answer.borrow().clone()
    }

    /// The request's bytes are read and checked, and no more.
    pub fn parse(&self) {
        let bytes = black_box(self.wire.request.as_slice());
        let HeadRead::Whole(head) = read_head(bytes, &HEAD_LIMITS) else { panic!("the head is whole") };
        let message = read_message(&bytes[head.text.len()..], &MESSAGE_LIMITS).expect("the message is good");
        assert!(check_request(&head.known, &message, &MODERN).is_ok());
        black_box(message);
    }

    /// From the request's bytes to those of its answer.
    pub fn dispatch(&mut self) {
        self.out.clear();
        black_box(self.dispatcher.step(black_box(&self.wire.request), &self.asker, &mut self.out));
        black_box(&self.out);
    }

    /// From what a tool made to the bytes of the answer.
    pub fn encode(&mut self) {
        self.out.clear();
        self.answer.body.clear();
        let write = |out: &mut Vec<u8>| out.extend_from_slice(black_box(CONTENT));
        self.shared.answers.result(&mut self.answer.body, b"1234567", write);
        self.dispatcher.answered(&mut self.out, &self.answer, &self.call, false);
        black_box(&self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thousand times, after a few that fill what is kept.
    fn allocations(mut once: impl FnMut()) -> u64 {
        (0..100).for_each(|_| once());
        allocation_counter::measure(|| (0..1_000).for_each(|_| once())).count_total
    }

    #[test]
    fn a_request_is_served_without_an_allocation() {
        assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1_000, "the counter counts");
        let mut hot = Hot::new();
        assert_eq!(allocations(|| hot.serve()), 0, "from the bytes of a request to those of its answer");
        let answer = String::from_utf8(hot.answer()).expect("answers here are UTF-8");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(r#""id":1234567,"#) && answer.contains(r#""text":"hello""#), "{answer}");
    }

    #[test]
    fn nor_does_one_that_gets_no_span() {
        let (telemetry, spans) = Telemetry::new(0.0);
        let mut hot = Hot::with(BODY, Some(telemetry));
        assert_eq!(allocations(|| hot.serve()), 0, "the dice say no");
        let (telemetry, all) = Telemetry::new(1.0);
        let traced = |flags: &str| {
            let parent =
                format!(r#""_meta":{{"traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}","#);
            BODY.replace(r#""_meta":{"#, &parent)
        };
        let mut hot = Hot::with(&traced("00"), Some(telemetry));
        assert_eq!(allocations(|| hot.serve()), 0, "its client says no");
        assert_eq!((spans.try_iter().count(), all.try_iter().count()), (0, 0));
        let (telemetry, all) = Telemetry::new(0.0);
        let mut hot = Hot::with(&traced("01"), Some(telemetry));
        hot.serve();
        assert_eq!(all.try_iter().count(), 1, "its client says yes");
    }

    #[test]
    fn nor_do_the_parts_of_its_way_allocate() {
        let mut hot = Hot::new();
        assert_eq!(allocations(|| hot.parse()), 0, "to read and check a request");
        assert_eq!(allocations(|| hot.dispatch()), 0, "to read a request and to answer it");
        assert!(hot.out.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert_eq!(allocations(|| hot.encode()), 0, "to write an answer");
        assert!(hot.out.ends_with(b"}}}"));
    }
}
