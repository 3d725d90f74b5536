//! A shard with a network and a clock of its own.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::engine::{ServerConfig, Shared, share};
use crate::limits::Limits;
use crate::shard::net::{Net, Readiness, Transport};
use crate::shard::{ConnToken, Mailbox, Origin, Shard};
use crate::tools::Registry;

/// One connection, seen from the wire.
#[derive(Debug)]
pub(super) struct Wire {
    incoming: VecDeque<u8>,
    /// What the server has sent.
    pub(super) outgoing: Vec<u8>,
    /// Bytes that the server may send before its writes would block.
    room: usize,
    /// Bytes of one write at most.
    write_max: usize,
    peer_finished: bool,
    reset: bool,
    /// The server sends nothing more.
    pub(super) finished: bool,
    /// The server has let go of it.
    pub(super) closed: bool,
    /// How long bytes may be unacknowledged.
    pub(super) unacknowledged_max: Option<Duration>,
}

/// The server's end.
pub(super) struct End(Rc<RefCell<Wire>>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.borrow_mut().closed = true;
    }
}

impl Transport for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if wire.incoming.is_empty() && !wire.peer_finished {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = buffer.len().min(wire.incoming.len());
        for (place, byte) in buffer.iter_mut().zip(wire.incoming.drain(..count)) {
            *place = byte;
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut wire = self.0.borrow_mut();
        if wire.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = bytes.len().min(wire.room).min(wire.write_max);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wire.room -= count;
        wire.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.borrow_mut().finished = true;
        Ok(())
    }

    fn expect_acknowledgements(&mut self, within: Duration) {
        self.0.borrow_mut().unacknowledged_max = Some(within);
    }
}

/// Remembers the tokens, in the order of the connections.
#[derive(Default)]
pub(super) struct Net1(Rc<RefCell<Vec<ConnToken>>>);

impl Net for Net1 {
    type Stream = End;

    fn register(&mut self, _: &mut End, token: ConnToken) -> io::Result<()> {
        self.0.borrow_mut().push(token);
        Ok(())
    }

    fn release(&mut self, _: End) -> io::Result<OwnedFd> {
        Ok(std::fs::File::open("/dev/null")?.into())
    }
}

/// The client's end.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) wire: Rc<RefCell<Wire>>,
    pub(super) token: ConnToken,
}

impl Peer {
    /// What the server has sent since this was last asked.
    pub(super) fn received(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire.borrow_mut().outgoing)).expect("answers here are UTF-8")
    }

    pub(super) fn is_closed(&self) -> bool {
        self.wire.borrow().closed
    }

    pub(super) fn is_finished(&self) -> bool {
        self.wire.borrow().finished
    }

    /// Takes only so many bytes more.
    pub(super) fn narrow(&self, room: usize) {
        self.wire.borrow_mut().room = room;
    }
}

/// What one shard has, where nobody accepts.
pub(super) fn shared(limits: Limits, clock: &Arc<AtomicU64>) -> Arc<Shared> {
    let config = ServerConfig { limits, registry: Registry::builtin(), ..ServerConfig::default() };
    let mailboxes = vec![Arc::new(Mailbox::without_waker(16))];
    let addresses = ["127.0.0.1:8080".parse().expect("an address")];
    let manual = Clock::Manual(Arc::clone(clock));
    let shared = Arc::new(share(config, &addresses, vec![false], mailboxes, true, manual));
    shared.accepting_ended.store(true, Ordering::Release);
    shared
}

pub(super) struct Stage {
    pub(super) shard: Shard<Net1>,
    pub(super) shared: Arc<Shared>,
    clock: Arc<AtomicU64>,
    tokens: Rc<RefCell<Vec<ConnToken>>>,
}

impl Stage {
    pub(super) fn new(limits: Limits) -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000_000_000));
        let shared = shared(limits, &clock);
        let net = Net1::default();
        let tokens = Rc::clone(&net.0);
        let mut shard = Shard::new(&shared, 0, net);
        shard.begin_turn();
        Self { shard, shared, clock, tokens }
    }

    pub(super) fn connect(&mut self) -> Peer {
        let wire = Wire {
            incoming: VecDeque::new(),
            outgoing: Vec::new(),
            room: usize::MAX,
            write_max: usize::MAX,
            peer_finished: false,
            reset: false,
            finished: false,
            closed: false,
            unacknowledged_max: None,
        };
        let wire = Rc::new(RefCell::new(wire));
        self.shard.adopt(End(Rc::clone(&wire)), Origin::new(0));
        // One that was turned away at once has no token, and needs none.
        let token = self.tokens.borrow_mut().pop().unwrap_or(ConnToken::new(u32::MAX, 0));
        Peer { wire, token }
    }

    pub(super) fn send(&mut self, peer: &Peer, bytes: impl AsRef<[u8]>) {
        peer.wire.borrow_mut().incoming.extend(bytes.as_ref());
        self.tell(peer, Readiness { readable: true, ..Readiness::default() });
    }

    pub(super) fn finish(&mut self, peer: &Peer) {
        peer.wire.borrow_mut().peer_finished = true;
        self.tell(peer, Readiness { readable: true, ended: true, ..Readiness::default() });
    }

    /// Both are there before the server looks.
    pub(super) fn send_and_finish(&mut self, peer: &Peer, bytes: impl AsRef<[u8]>) {
        peer.wire.borrow_mut().incoming.extend(bytes.as_ref());
        self.finish(peer);
    }

    pub(super) fn reset(&mut self, peer: &Peer) {
        peer.wire.borrow_mut().reset = true;
        self.tell(peer, Readiness { readable: true, ended: true, writable: true });
    }

    /// The client takes everything again.
    pub(super) fn widen(&mut self, peer: &Peer) {
        peer.narrow(usize::MAX);
        self.tell(peer, Readiness { writable: true, ..Readiness::default() });
    }

    /// The client takes a few bytes more.
    pub(super) fn widen_by(&mut self, peer: &Peer, room: usize) {
        peer.narrow(room);
        self.tell(peer, Readiness { writable: true, ..Readiness::default() });
    }

    fn tell(&mut self, peer: &Peer, readiness: Readiness) {
        self.shard.ready(peer.token, readiness);
        self.turn();
    }

    /// What a turn of the loop does.
    pub(super) fn turn(&mut self) {
        self.shard.begin_turn();
        assert!(self.shard.take_messages().is_empty());
        while self.shard.go_on() {}
        self.shard.tick();
        self.shard.go_on_draining();
        while self.shard.go_on() {}
    }

    /// One turn, which may leave something to the next. True where it does.
    pub(super) fn one_turn(&mut self) -> bool {
        self.shard.begin_turn();
        assert!(self.shard.take_messages().is_empty());
        let goes_on = self.shard.go_on();
        self.shard.go_on_draining();
        goes_on
    }

    /// Time goes by, a tick at a time.
    pub(super) fn wait_ms(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(100) {
            self.clock.fetch_add(100_000_000, Ordering::Relaxed);
            self.turn();
        }
    }

    pub(super) fn open(&self) -> u64 {
        self.shared.open_connections()
    }
}
