//! Connections taken from the kernel and spread over the shards.

use std::io;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};

use super::{Mailbox, Origin};
use crate::conn::wheel::TICK_NS;

/// The listeners of a server, with the shard that accepts for all.
pub(crate) struct Accepting {
    listeners: Vec<Listener>,
    mailboxes: Vec<Arc<Mailbox>>,
    /// The shard that accepts.
    own: usize,
    /// The shard that gets the next connection.
    next: usize,
    /// Taken from the kernel, with no room anywhere.
    held: Option<(TcpStream, Origin)>,
    per_turn_max: u64,
    /// The system had no descriptor or no memory: not asked again before then.
    rests_until_ns: u64,
}

/// How a turn of accepting went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// Whatever there was, as far as there was room.
    All,
    /// There may be more at once.
    Some,
    /// The system has given no descriptor, or no memory.
    Starved,
}

struct Listener {
    socket: TcpListener,
    /// There may be more to accept; edges tell only once.
    more: bool,
}

impl Accepting {
    pub(crate) fn new(sockets: Vec<TcpListener>, mailboxes: Vec<Arc<Mailbox>>, own: usize, per_turn_max: u64) -> Self {
        let listeners = sockets.into_iter().map(|socket| Listener { socket, more: true }).collect();
        Self { listeners, mailboxes, own, next: own, held: None, per_turn_max, rests_until_ns: 0 }
    }

    pub(crate) fn register(&mut self, registry: &mio::Registry, first: usize) -> io::Result<()> {
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            registry.register(&mut listener.socket, mio::Token(first - index), mio::Interest::READABLE)?;
        }
        Ok(())
    }

    /// There is something to accept.
    pub(crate) fn ready(&mut self, index: usize) {
        if let Some(listener) = self.listeners.get_mut(index) {
            listener.more = true;
        }
    }

    /// Accepts as many as a turn may, gives those of the own shard to `adopt`.
    pub(super) fn turn(&mut self, now_ns: u64, mut adopt: impl FnMut(TcpStream, Origin)) -> Accepted {
        if now_ns < self.rests_until_ns {
            return Accepted::All;
        }
        let mut left = self.per_turn_max;
        if let Some((stream, origin)) = self.held.take()
            && !self.hand_over(stream, origin, &mut adopt)
        {
            return Accepted::All;
        }
        for index in 0..self.listeners.len() {
            while self.listeners[index].more {
                if left == 0 {
                    return Accepted::Some;
                }
                left -= 1;
                match self.listeners[index].socket.accept() {
                    Ok((stream, _)) => {
                        if !self.hand_over(stream, Origin::new(index as u8), &mut adopt) {
                            return Accepted::All;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.listeners[index].more = false,
                    // The client has gone while it waited.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                    // Out of descriptors or memory: whatever else the loop turns for, it is tried again at the next tick.
                    Err(_) => {
                        self.rests_until_ns = now_ns + TICK_NS;
                        return Accepted::Starved;
                    }
                }
            }
        }
        Accepted::All
    }

    /// Accepts what is left. False while a shard has no room for a connection that was taken from the kernel.
    pub(super) fn finish(&mut self, now_ns: u64, mut adopt: impl FnMut(TcpStream, Origin)) -> bool {
        while self.turn(now_ns, &mut adopt) == Accepted::Some {}
        self.held.is_none()
    }

    /// False where there was no room; the connection is held then.
    fn hand_over(&mut self, stream: TcpStream, origin: Origin, adopt: &mut impl FnMut(TcpStream, Origin)) -> bool {
        let shard = self.next;
        self.next = (self.next + 1) % self.mailboxes.len();
        if shard == self.own {
            adopt(stream, origin);
            return true;
        }
        match self.mailboxes[shard].connection(stream, origin) {
            Ok(()) => true,
            Err(stream) => {
                self.next = shard;
                self.held = Some((stream, origin));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mailbox::Inbox;
    use super::*;

    fn nobody(_: TcpStream, _: Origin) {
        panic!("they are for the other shard");
    }

    #[test]
    fn a_connection_that_no_shard_had_room_for_is_not_dropped_at_the_end() {
        let poll = mio::Poll::new().expect("a poll");
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).expect("a waker");
        let mailbox = Arc::new(Mailbox::new(waker, 1, 1));
        let socket = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("it is free");
        let address = socket.local_addr().expect("it listens");
        let _clients = [(); 2].map(|()| std::net::TcpStream::connect(address).expect("it listens"));
        let mut accepting = Accepting::new(vec![socket], vec![Arc::clone(&mailbox)], 1, 8);
        accepting.next = 0;
        assert!(!accepting.finish(0, nobody) && !accepting.finish(0, nobody), "there is room for one");
        let mut inbox = Inbox::default();
        mailbox.collect(&mut inbox);
        assert_eq!(inbox.connections.len(), 1);
        assert!(accepting.finish(0, nobody), "there is again");
    }
}
