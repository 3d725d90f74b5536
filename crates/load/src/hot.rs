//! The way of a planned request through the engine, without a socket and by a clock that is moved by hand, so that its cost
//! can be counted: in allocations (the test below) and in instructions (`bench/instructions`). No part of the crate's
//! interface.

use std::collections::VecDeque;
use std::hint::black_box;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use erlmcp_protocol::client::request::Peer;
use erlmcp_protocol::era::Version;
use erlmcp_record::{Entry, Fate, Hist, Kind};

use crate::engine::{Engine, Order};
use crate::ledger::{Account, Ledger, Outcome};
use crate::net::{Closing, Net, Readiness, Woken};
use crate::proto;
use crate::report::Report;
use crate::request::Call;
use crate::settings::Settings;
use crate::wire::{Calls, Progress, Reading, Said};

const CONNECTIONS: u64 = 64;
/// Between two requests. What is counted fits into one second, so that no second's rows are in it.
const PERIOD_US: u64 = 2;
const SECOND_US: u64 = 1_000_000;
const BLOCK: u32 = 2;
/// An answer, but for its id, which follows the first part.
const ANSWER: (&str, &str) = (
    r#"{"jsonrpc":"2.0","id":"#,
    r#","result":{"resultType":"complete","content":[{"type":"text","text":"hello"}],"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"erlmcp-server","version":"0.1.0"}}}}"#,
);

/// Appends the whole answer to the request with this id.
fn write_answer(id: u64, out: &mut Vec<u8>) {
    let (mut digits, mut length) = (itoa::Buffer::new(), itoa::Buffer::new());
    let id = digits.format(id);
    let length = length.format(ANSWER.0.len() + id.len() + ANSWER.1.len());
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Thu, 26 Nov 2026 12:00:00 GMT\r\nContent-Length: ";
    for part in [head, length, "\r\n\r\n", ANSWER.0, id, ANSWER.1] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A server that answers each request at once.
#[derive(Debug, Default)]
struct Echo {
    now_us: u64,
    /// The engine counts its ids likewise: the id of the last request.
    requests: u64,
    /// Who is to be told that there is something to read, and the id of its request.
    owed: VecDeque<(u32, u64)>,
    connecting: VecDeque<u32>,
    reading: u64,
    answer: Vec<u8>,
}

impl Net for Echo {
    fn now_us(&self) -> u64 {
        self.now_us
    }

    fn connect(&mut self, key: u32, _: SocketAddr, _: Option<Ipv4Addr>) -> io::Result<()> {
        self.connecting.push_back(key);
        Ok(())
    }

    fn write(&mut self, key: u32, bytes: &[u8]) -> io::Result<usize> {
        self.requests += 1;
        self.owed.push_back((key, self.requests));
        Ok(bytes.len())
    }

    fn read(&mut self, _: u32, buffer: &mut [u8]) -> io::Result<usize> {
        self.answer.clear();
        write_answer(self.reading, &mut self.answer);
        buffer[..self.answer.len()].copy_from_slice(&self.answer);
        Ok(self.answer.len())
    }

    fn close(&mut self, _: u32, _: Closing) {}

    fn sockets(&self) -> u32 {
        0
    }
}

/// An engine under load with its connections open, and the parts of a request's way apart.
pub struct Hot {
    engine: Engine<Echo>,
    calls: Calls,
    out: Vec<u8>,
    answer: Vec<u8>,
    reading: Option<Box<Reading>>,
    ledger: Ledger,
    hist: Hist,
    value: u64,
    ok: u64,
}

impl Default for Hot {
    fn default() -> Self {
        Self::new()
    }
}

impl Hot {
    pub fn new() -> Self {
        let settings = Settings {
            agent: 0,
            agents: 1,
            seed: 1,
            timeout_us: 5 * SECOND_US,
            connect_timeout_us: SECOND_US,
            spread_sources: true,
            reset_on_close: true,
            allowed: crate::allowed::Allowed { foreign: false },
            raw_latencies: false,
            tokens: crate::tokens::Tokens::default(),
        };
        let calls = calls();
        let mut engine = Engine::new(Echo { now_us: SECOND_US, ..Echo::default() }, settings, calls.clone());
        engine.order(Order::Endpoints(vec![(1, "127.0.0.11:8080".parse().expect("an address"))]));
        engine.order(Order::Phase(2));
        let start_us = engine.net.now_us;
        let open =
            proto::Open { block: 1, phase: 2, connections: CONNECTIONS, rate: 0.0, start_us, at_once_max: CONNECTIONS };
        engine.order(Order::Open(open));
        let mut answer = Vec::new();
        write_answer(1, &mut answer);
        let mut hot = Self {
            engine,
            calls,
            out: Vec::new(),
            answer,
            reading: None,
            ledger: Ledger::default(),
            hist: Hist::new(),
            value: 0,
            ok: 0,
        };
        while hot.engine.net.requests < CONNECTIONS {
            hot.turn();
        }
        hot.begin_second();
        let load = proto::Load {
            block: BLOCK,
            phase: 3,
            rate: SECOND_US as f64 / PERIOD_US as f64,
            start_us: hot.engine.net.now_us,
            duration_us: 1_000 * SECOND_US,
            ..proto::Load::default()
        };
        hot.engine.order(Order::Load(load));
        hot
    }

    /// The rows of the second before are told.
    fn begin_second(&mut self) {
        self.engine.net.now_us = (self.engine.net.now_us / SECOND_US + 1) * SECOND_US;
        self.turn();
        while let Some(report) = self.engine.take_report() {
            if let Report::Row(entry) = report
                && let Entry::Interval(row) = *entry
                && row.block == BLOCK
            {
                self.ok += row.fates.get(Fate::Ok);
            }
        }
    }

    /// A turn of the loop: what is due is sent, and what has come is read.
    fn turn(&mut self) {
        let now_us = self.engine.net.now_us;
        self.engine.loop_times.polled(now_us, Woken { at_us: now_us, is_full: false });
        self.engine.turn();
        while let Some(key) = self.engine.net.connecting.pop_front() {
            self.engine.ready(key, Readiness { writable: true, ..Readiness::default() });
        }
        while let Some((key, id)) = self.engine.net.owed.pop_front() {
            self.engine.net.reading = id;
            self.engine.ready(key, Readiness { readable: true, ..Readiness::default() });
        }
    }

    /// A turn of the loop in which one request is planned and sent, and its answer is read, checked, and counted in ledger
    /// and histograms.
    pub fn request(&mut self) {
        self.engine.net.now_us += PERIOD_US;
        self.turn();
    }

    /// Ends the load. Requests of it that were sent, and those that ended ok by the rows of the record.
    pub fn end(mut self) -> (u64, u64) {
        self.engine.order(Order::Cut(BLOCK));
        self.turn();
        self.begin_second();
        (self.engine.net.requests - CONNECTIONS, self.ok)
    }

    /// A request's bytes are written.
    pub fn send(&mut self) {
        self.out.clear();
        self.calls.write(black_box(Call::Load), black_box(1), None, &mut self.out);
        black_box(&self.out);
    }

    /// An answer's bytes are read and checked.
    pub fn check(&mut self) {
        let mut reading = self.reading.take().unwrap_or_default().begun(1);
        let progress = reading.feed(black_box(&self.answer));
        assert!(matches!(progress, Progress::Whole { said: Said::Ok, stays_open: true, .. }));
        self.reading = Some(reading);
    }

    /// A request is planned, sent and settled in the books, its histograms among them.
    pub fn ledger(&mut self) {
        let account = Account { block: BLOCK, phase: 3, kind: Kind::Load, class: 0 };
        self.value = (self.value + 7) % 100_000;
        let ticket = self.ledger.plan(black_box(account), SECOND_US + self.value, 0);
        self.ledger.sent(&ticket, black_box(3));
        let outcome = Outcome {
            fate: Fate::Ok,
            cause: None,
            latency_us: Some(self.value),
            service_us: Some(self.value),
            headers_us: Some(self.value),
            first_event_us: None,
            receive_lag_us: Some(2),
            operation_us: None,
        };
        self.ledger.settle(ticket, black_box(outcome));
    }

    /// One value is counted in a histogram.
    pub fn histogram(&mut self) {
        self.value = (self.value + 7) % 100_000;
        self.hist.record_us(black_box(self.value));
    }
}

fn calls() -> Calls {
    let peer =
        Peer { authority: "127.0.0.1:8080", path: "/mcp", headers: &[], version: Version::NEWEST, session: None };
    let load = proto::Request {
        method: erlmcp_protocol::header::method::TOOLS_CALL.into(),
        name: "echo".into(),
        arguments: r#"{"text":"hello"}"#.into(),
        with_progress: false,
    };
    let requests = proto::Requests { load: Some(load), ..proto::Requests::default() };
    Calls::new(&peer, &requests, &[]).expect("nothing is wrong with these")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a thousand times, after a few that fill what is kept.
    fn allocations(mut once: impl FnMut()) -> u64 {
        (0..200).for_each(|_| once());
        allocation_counter::measure(|| (0..1_000).for_each(|_| once())).count_total
    }

    #[test]
    fn a_request_is_planned_sent_checked_and_counted_without_an_allocation() {
        assert_eq!(allocations(|| drop(black_box(Box::new(1)))), 1_000, "the counter counts");
        let mut hot = Hot::new();
        assert_eq!(allocations(|| hot.request()), 0, "from the plan to the books");
        let (sent, ok) = hot.end();
        assert!(sent >= 1_200, "{sent} were sent");
        assert_eq!(sent, ok, "and all of them were answered well");
    }

    #[test]
    fn nor_does_it_take_one_to_put_in_a_session_and_a_token_of_its_own() {
        let (calls, tokens) = (Calls::of_own_sessions(), crate::tokens::Tokens::new(&["s3cret".into()], 0, 1));
        let mut out = Vec::new();
        let send = || {
            out.clear();
            calls.write(Call::Load, 1, Some("Mcp-Session-Id: s-1\r\n"), &mut out);
            tokens.put(7, &mut out);
        };
        assert_eq!(allocations(send), 0, "to write a request");
        assert!(out.starts_with(b"POST /mcp HTTP/1.1\r\nAuthorization: Bearer s3cret\r\nMcp-Session-Id: s-1\r\n"));
    }

    #[test]
    fn nor_do_the_parts_of_its_way_allocate() {
        let mut hot = Hot::new();
        assert_eq!(allocations(|| hot.send()), 0, "to write a request");
        assert!(hot.out.starts_with(b"POST /mcp HTTP/1.1\r\n"));
        assert_eq!(allocations(|| hot.check()), 0, "to read and check an answer");
        assert_eq!(allocations(|| hot.ledger()), 0, "to keep the books");
        assert_eq!(allocations(|| hot.histogram()), 0, "to count a value");
        assert_eq!(hot.hist.count(), 1_200);
    }
}
