//! The first message from the supervisor to a replica or the store, and the listening sockets with it. The channel is its
//! standard input: nothing else is inherited, so nothing can leak into another child.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::line;

/// Listening sockets of one replica, a name resolves to few addresses; and what goes to and comes from the processes after
/// and before it.
pub(super) const SOCKETS_MAX: usize = 10;
const BYTES_MAX: usize = 64 * 1_024;

/// Sends `hello` and the sockets. The channel is new, so that it has room for them: this never waits.
pub(super) fn send(channel: &UnixStream, hello: &impl Serialize, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let line = line::to_line(hello);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if line.len() > BYTES_MAX || !control.push(SendAncillaryMessage::ScmRights(sockets)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many addresses or host names"));
    }
    let sent = rustix::net::sendmsg(channel, &[IoSlice::new(&line)], &mut control, SendFlags::NOSIGNAL)?;
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives what [`send`] sent. The kernel does not join a message that carries descriptors with the next one.
pub(super) fn receive<T: DeserializeOwned>(channel: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut line = vec![0; BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut line)];
    let received = rustix::net::recvmsg(channel.as_fd(), &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors);
        }
    }
    Ok((line::parse(&line[..received.bytes])?, sockets))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::cluster::messages::Hello;
    use crate::limits::Limits;
    use crate::metrics::ClusterReference;
    use crate::operations::StoreAddress;

    #[test]
    fn sockets_arrive_with_the_first_message_and_only_with_it() {
        let (mut supervisor, mut replica) = UnixStream::pair().expect("a pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let cluster = ClusterReference { control: "c".into(), port: 1, replicas: 3 };
        let session_key = crate::session::SessionKey::random();
        let (limits, allowed_hosts) = (Limits::default(), vec!["a".to_string()]);
        let store = StoreAddress { socket: "s".into(), base: 1, number: 2, after_another: false };
        let hello = Hello {
            speaks: crate::cluster::messages::SPEAKS,
            replica: 2,
            supervisor_pid: 1,
            shards: 1,
            limits,
            allowed_hosts,
            admin: 0,
            entry: crate::entry::EntryConfig::default(),
            telemetry: crate::telemetry::TelemetryConfig::default(),
            cluster,
            session_key,
            store,
            takes_over: false,
            nice: 0,
        };
        send(&supervisor, &hello, &[listener.as_fd(), listener.as_fd()]).expect("sent");
        supervisor.write_all(b"next\n").expect("written");

        let (received, sockets) = receive::<Hello>(&replica).expect("received");
        assert_eq!((received.replica, received.cluster), (2, hello.cluster));
        assert_eq!(sockets.len(), 2);
        let handed_down = TcpListener::from(sockets.into_iter().next().expect("one"));
        assert_eq!(handed_down.local_addr().expect("bound"), listener.local_addr().expect("bound"));
        let flags = rustix::io::fcntl_getfd(&handed_down).expect("flags");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        let mut next = [0; 5];
        replica.read_exact(&mut next).expect("the next message is whole");
        assert_eq!(&next, b"next\n");
    }
}
