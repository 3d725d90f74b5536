//! A shard's loop: poll, look, serve.

use std::io;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Poll, Token};

use super::accepting::{Accepted, Accepting};
use super::net::{Held, Link, Readiness, Sockets};
use super::secure::Secure;
use super::{ConnToken, Origin, Shard};
use crate::clock;
use crate::metrics::counters::Reached;
use crate::metrics::{COUNTS, StallWatch};

/// Says that there are messages.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// The first listener; the others count down. No connection's generation and key come near.
const LISTENER: usize = usize::MAX - 1;
const LISTENERS_MAX: usize = 256;
/// Events taken from the kernel at once.
const EVENTS: usize = 1_024;
/// After so many of them the shard is seen to go on.
const EVENTS_A_STEP: usize = 32;

/// What one shard's thread runs.
pub(crate) struct Looping {
    pub(crate) shard: Shard<Sockets>,
    pub(crate) poll: Poll,
    /// Where this shard is the one that accepts.
    pub(crate) accepting: Option<Accepting>,
}

impl Looping {
    pub(crate) fn new(shard: Shard<Sockets>, poll: Poll, mut accepting: Option<Accepting>) -> io::Result<Self> {
        if let Some(accepting) = &mut accepting {
            accepting.register(poll.registry(), LISTENER)?;
        }
        Ok(Self { shard, poll, accepting })
    }
}

impl Shard<Sockets> {
    /// Takes a socket over, secured where its listener is.
    fn welcome(&mut self, socket: TcpStream, origin: Origin) {
        let addresses = self.shared.addresses.as_ref();
        // One whose peer has gone already is nobody's.
        let place = addresses.and_then(|addresses| Some(addresses.enter(socket.peer_addr().ok()?.ip())));
        let is_above = place.as_ref().is_some_and(|place| place.is_above);
        let link = match (self.shared.tls_of(origin.listener), place) {
            (None, None) => Link::Plain(socket),
            (None, Some(place)) => Link::Held(Box::new(Held::Counted(socket, place))),
            (Some(tls), place) => match Secure::new(socket, tls, place) {
                Some(secure) => Link::Held(Box::new(Held::Secure(Box::new(secure)))),
                None => return,
            },
        };
        if is_above && origin.kind.is_none() { self.refuse(link, origin) } else { self.adopt(link, origin) }
    }
}

/// Runs until a drain is over; gives the number of connections that were cut.
pub(crate) fn run(looping: Looping) -> u64 {
    let Looping { mut shard, mut poll, mut accepting } = looping;
    let mut events = Events::with_capacity(EVENTS);
    let mut watch = StallWatch::new(clock::monotonic_ns(), clock::thread_cpu_ns());
    let mut at_once = true;
    shard.counters.thread.set(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs().into());
    loop {
        let wait = if at_once { 0 } else { shard.next_tick_ns().saturating_sub(clock::monotonic_ns()) };
        if poll.poll(&mut events, Some(Duration::from_nanos(wait))).is_err() {
            // Interrupted, or out of memory: the loop looks at everything it knows and comes back.
            events.clear();
        }
        shard.begin_turn();
        let woke_ns = shard.now_ns();
        shard.counters.last_poll_ns.set(woke_ns);
        for (nth, event) in events.iter().enumerate() {
            if nth % EVENTS_A_STEP == 0 {
                shard.counters.steps.add(1);
            }
            let Token(number) = event.token();
            if event.token() == WAKER {
                continue;
            }
            if number > LISTENER - LISTENERS_MAX {
                accepting.iter_mut().for_each(|accepting| accepting.ready(LISTENER - number));
                continue;
            }
            let readiness = Readiness {
                readable: event.is_readable(),
                writable: event.is_writable(),
                ended: event.is_read_closed() || event.is_error(),
            };
            shard.ready(ConnToken::from(event.token()), readiness);
        }
        for (stream, origin) in shard.take_messages() {
            shard.welcome(stream, origin);
        }
        shard.counters.steps.add(1);
        at_once = shard.go_on();
        if let Some(accepting) = &mut accepting
            && !shard.rests_from_accepting()
        {
            let accepted = accepting.turn(woke_ns, |stream, origin| shard.welcome(stream, origin));
            at_once |= accepted == Accepted::Some;
            if accepted == Accepted::Starved {
                shard.counters.reached(Reached::Descriptors);
            }
        }
        shard.counters.steps.add(1);
        shard.tick();
        shard.go_on_draining();
        if !shard.accepts()
            && let Some(mut last) = accepting.take()
        {
            // Closing the listener would reset those who wait in its backlog.
            if last.finish(woke_ns, |stream, origin| shard.welcome(stream, origin)) {
                shard.end_accepting();
            } else {
                accepting = Some(last);
            }
        }
        if COUNTS {
            watch.worked(woke_ns, clock::monotonic_ns(), clock::thread_cpu_ns, &shard.counters);
        }
        if let Some(cut) = shard.ended() {
            return cut;
        }
    }
}
