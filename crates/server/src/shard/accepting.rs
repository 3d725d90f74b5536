//! Connections taken from the kernel and spread over the shards.

use std::io;
use std::sync::Arc;

use mio::net::{TcpListener, TcpStream};

use super::{Mailbox, Origin};

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
}

struct Listener {
    socket: TcpListener,
    /// There may be more to accept; edges tell only once.
    more: bool,
}

impl Accepting {
    pub(crate) fn new(sockets: Vec<TcpListener>, mailboxes: Vec<Arc<Mailbox>>, own: usize, per_turn_max: u64) -> Self {
        let listeners = sockets.into_iter().map(|socket| Listener { socket, more: true }).collect();
        Self { listeners, mailboxes, own, next: own, held: None, per_turn_max }
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

    /// Accepts as many as a turn may, gives those of the own shard to `adopt`. True where there is more at once.
    pub(crate) fn turn(&mut self, mut adopt: impl FnMut(TcpStream, Origin)) -> bool {
        let mut left = self.per_turn_max;
        if let Some((stream, origin)) = self.held.take()
            && !self.hand_over(stream, origin, &mut adopt)
        {
            return false;
        }
        for index in 0..self.listeners.len() {
            while self.listeners[index].more {
                if left == 0 {
                    return true;
                }
                left -= 1;
                match self.listeners[index].socket.accept() {
                    Ok((stream, _)) => {
                        if !self.hand_over(stream, Origin::new(index as u8), &mut adopt) {
                            return false;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.listeners[index].more = false,
                    // The client has gone while it waited.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                    // Out of descriptors or memory: tried again at the next tick, not at once.
                    Err(_) => return false,
                }
            }
        }
        false
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
