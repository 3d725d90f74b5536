//! Connections that go on in the process that takes this one's place.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use tokio::sync::mpsc;

use super::Shared;
use crate::metrics::counters::ConnectionKind;
use crate::shard::{Mailbox, Origin};

/// Batches that wait to be sent over: the fewer, the sooner a connection is served again.
const BATCHES_MAX: usize = 4;
/// Connections of one message, and those that a shard here finds at once; the kernel takes 253 at most.
const AT_ONCE: usize = 64;
/// Two bytes a connection go with it: its listener and what it was.
const BYTES: usize = 2;
/// Where the kernel or a shard has no room for more at the moment.
const AGAIN: Duration = Duration::from_millis(1);

/// A connection on its way.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: OwnedFd,
    pub(crate) listener: u8,
    pub(crate) kind: ConnectionKind,
}

/// Who takes connections over: in batches, so that each costs one message and wakes everybody on its way once.
pub(crate) type Heir = mpsc::Sender<Vec<Handed>>;

/// Sends connections over as they come, in a thread of its own; its end, once nobody hands over any more.
pub(super) fn send(to: UnixStream) -> io::Result<(Heir, JoinHandle<()>)> {
    let (heir, mut handed) = mpsc::channel::<Vec<Handed>>(BATCHES_MAX);
    let thread = thread::Builder::new().name("handing-over".into()).spawn(move || {
        while let Some(batch) = handed.blocking_recv() {
            // Where the other end is gone they are closed, and those who hand over see that this has ended.
            if let Err(error) = batch.chunks(AT_ONCE).try_for_each(|message| send_message(&to, message)) {
                tracing::warn!("connections cannot be handed over: {error}");
                return;
            }
        }
    })?;
    Ok((heir, thread))
}

fn send_message(to: &UnixStream, handed: &[Handed]) -> io::Result<()> {
    let sockets: Vec<BorrowedFd<'_>> = handed.iter().map(|one| one.socket.as_fd()).collect();
    let bytes: Vec<u8> = handed.iter().flat_map(|one| [one.listener, one.kind as u8]).collect();
    loop {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&sockets)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match rustix::net::sendmsg(to, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Ok(sent) if sent == bytes.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            // So many descriptors of this user are on their way: the other end takes some.
            Err(Errno::TOOMANYREFS | Errno::AGAIN | Errno::NOBUFS) => thread::sleep(AGAIN),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Takes connections over from the process before this one, in a thread of its own, until that one has ended.
pub(super) fn receive(from: UnixStream, shared: Arc<Shared>) -> io::Result<()> {
    thread::Builder::new().name("taking-over".into()).spawn(move || {
        if let Err(error) = receive_all(&from, &shared) {
            tracing::warn!("connections cannot be taken over: {error}");
        }
        // Two processes of one replica are never at the store together: operations here have waited until now.
        shared.operations.get().iter().for_each(|operations| operations.take_place());
    })?;
    Ok(())
}

fn receive_all(from: &UnixStream, shared: &Shared) -> io::Result<()> {
    let mut shards = shared.mailboxes.iter().cycle();
    while let Some(handed) = receive_message(from)?
        && let Some(shard) = shards.next()
    {
        give(handed, shard);
    }
    Ok(())
}

/// Gives what came together to one shard.
fn give(handed: Vec<Handed>, shard: &Mailbox) {
    let connection = |one: Handed| {
        let stream = mio::net::TcpStream::from_std(TcpStream::from(one.socket));
        (stream, Origin { listener: one.listener, kind: Some(one.kind) })
    };
    let mut left: Vec<_> = handed.into_iter().map(connection).collect();
    // A shard that is behind takes some of them later: their bytes wait in the kernel, and its other connections do not wait.
    while !shard.connections(&mut left, AT_ONCE) {
        thread::sleep(AGAIN);
    }
}

/// One message; None at the end. The kernel does not join two messages that carry descriptors.
fn receive_message(from: &UnixStream) -> io::Result<Option<Vec<Handed>>> {
    let mut bytes = [0; AT_ONCE * BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(from.as_fd(), &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            received => break received?.bytes,
        }
    };
    if received == 0 {
        return Ok(None);
    }
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let words = bytes[..received].chunks_exact(BYTES);
    let handed = rights.flatten().zip(words).map(|(socket, word)| {
        let kind = match word[1] {
            kind if kind == ConnectionKind::Mcp as u8 => ConnectionKind::Mcp,
            kind if kind == ConnectionKind::Admin as u8 => ConnectionKind::Admin,
            _ => ConnectionKind::New,
        };
        Handed { socket, listener: word[0], kind }
    });
    let handed: Vec<Handed> = handed.collect();
    // The kernel closes what it finds no descriptor for here.
    let lost = received / BYTES - handed.len();
    if lost > 0 {
        tracing::warn!("{lost} connections were lost on their way here: all descriptors are taken");
    }
    Ok(Some(handed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn connections_go_over_in_their_order_with_what_waits_in_them() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (here, there) = UnixStream::pair().expect("a pair");
        let (heir, thread) = send(here).expect("a thread");
        let (mut clients, mut batch) = (Vec::new(), Vec::new());
        // More than one message takes.
        for number in 0..150u8 {
            let mut client = TcpStream::connect(address).expect("it listens");
            client.write_all(&[number]).expect("it is open");
            let socket = listener.accept().expect("it has come").0.into();
            let kind = if number.is_multiple_of(2) { ConnectionKind::Mcp } else { ConnectionKind::New };
            batch.push(Handed { socket, listener: number, kind });
            clients.push(client);
        }
        heir.blocking_send(batch).expect("the thread takes it");
        drop(heir);
        let mut number = 0u8;
        while let Some(handed) = receive_message(&there).expect("it comes whole") {
            for one in handed {
                let mut byte = [0];
                TcpStream::from(one.socket).read_exact(&mut byte).expect("it has waited");
                assert_eq!((byte[0], one.listener), (number, number));
                assert_eq!(one.kind == ConnectionKind::Mcp, number.is_multiple_of(2));
                number += 1;
            }
        }
        assert_eq!(number, 150);
        thread.join().expect("it ends");
    }
}
