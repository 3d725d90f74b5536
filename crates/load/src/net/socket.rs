//! The real network: non-blocking sockets in one epoll.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Resource, getrlimit};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::parting::Parting;
use super::poll::{Poll, Wake};
use super::secured::Secured;
use super::tls::Tls;
use super::{Closing, Net, Readiness, Woken};
use crate::clock::RunClock;

/// Connections that are ready at once, at first.
const READY: usize = 1_024;
/// Data unacknowledged for so long end a connection (TCP_USER_TIMEOUT): loopback loses nothing; elsewhere a lost
/// packet must have time to be sent again.
const USER_TIMEOUT_LOOPBACK: Duration = Duration::from_secs(1);
const USER_TIMEOUT: Duration = Duration::from_secs(5);
/// The same for the end of a connection whose peer does not answer: longer than partitions last.
const USER_TIMEOUT_UNHEARD: Duration = Duration::from_secs(60);
/// Descriptors that are not for sockets of connections.
const DESCRIPTORS_KEPT: u64 = 64;

/// What bytes go through.
#[derive(Debug)]
enum Transport {
    Plain(TcpStream),
    Secured(Secured),
}

impl Transport {
    fn stream(&self) -> &TcpStream {
        match self {
            Transport::Plain(stream) => stream,
            Transport::Secured(secured) => secured.stream(),
        }
    }

    fn into_stream(self) -> TcpStream {
        match self {
            Transport::Plain(stream) => stream,
            Transport::Secured(secured) => secured.into_stream(),
        }
    }
}

/// All sockets of the engine.
#[derive(Debug)]
pub(crate) struct Sockets {
    clock: RunClock,
    poll: Poll,
    ready: Vec<(u32, Readiness)>,
    table: Vec<Option<Transport>>,
    open: u32,
    tls: Option<Tls>,
    parting: Parting<TcpStream>,
    /// Sockets that this process may have.
    sockets_max: u64,
}

impl Sockets {
    /// With `tls` every connection is secured.
    pub(crate) fn new(clock: RunClock, tls: Option<Tls>) -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        let wake = poll.waker();
        let sockets = Self {
            clock,
            poll,
            ready: Vec::with_capacity(READY),
            table: Vec::new(),
            open: 0,
            tls,
            parting: Parting::new(),
            sockets_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_KEPT),
        };
        Ok((sockets, wake))
    }

    /// Waits until a connection is ready, another thread wakes it, or `until_us` is reached (None: no limit).
    pub(crate) fn wait(&mut self, until_us: Option<u64>) -> io::Result<Woken> {
        let now_us = self.clock.now_us();
        self.parting.let_go(now_us);
        let until_us = until_us.into_iter().chain(self.parting.next_us()).min();
        let timeout = until_us.map(|until_us| Duration::from_micros(until_us.saturating_sub(now_us)));
        let Self { clock, poll, ready, table, .. } = self;
        ready.clear();
        let mut woken_us = None;
        let is_full = poll.wait(timeout, |key, readiness| {
            // Before the work that TLS makes of what has come.
            woken_us.get_or_insert_with(|| clock.now_us());
            let inside = match table.get_mut(key as usize) {
                Some(Some(Transport::Secured(secured))) => secured.ready(readiness),
                _ => Some(readiness),
            };
            ready.extend(inside.map(|readiness| (key, readiness)));
        })?;
        Ok(Woken { at_us: woken_us.unwrap_or_else(|| clock.now_us()), is_full })
    }

    /// What the last wait has found, taken over by the caller, who gives the space back.
    pub(crate) fn take_ready(&mut self) -> Vec<(u32, Readiness)> {
        std::mem::take(&mut self.ready)
    }

    pub(crate) fn give_back(&mut self, space: Vec<(u32, Readiness)>) {
        self.ready = space;
    }

    fn put(&mut self, key: u32, transport: Transport) {
        let index = key as usize;
        if index >= self.table.len() {
            self.table.resize_with(index + 1, || None);
        }
        self.table[index] = Some(transport);
        self.open += 1;
    }

    fn get(&mut self, key: u32) -> io::Result<&mut Transport> {
        self.table.get_mut(key as usize).and_then(Option::as_mut).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

impl Net for Sockets {
    fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    fn connect(&mut self, key: u32, to: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<()> {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        let user_timeout = if to.ip().is_loopback() { USER_TIMEOUT_LOOPBACK } else { USER_TIMEOUT };
        socket.set_tcp_user_timeout(Some(user_timeout))?;
        if let Some(source) = source {
            // The port is chosen at connect, when the whole of the four is known: see ip(7).
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            socket.bind(&SocketAddrV4::new(source, 0).into())?;
        }
        match socket.connect(&to.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        let stream = TcpStream::from(socket);
        self.poll.add(&stream, key)?;
        let transport = match &self.tls {
            None => Transport::Plain(stream),
            Some(tls) => Transport::Secured(Secured::new(stream, tls.connection().map_err(io::Error::other)?)),
        };
        self.put(key, transport);
        Ok(())
    }

    fn write(&mut self, key: u32, bytes: &[u8]) -> io::Result<usize> {
        let transport = self.get(key)?;
        let written = match transport {
            // Not by libc, whose calls are points at which a thread may be cancelled.
            Transport::Plain(stream) => rustix::net::send(stream, bytes, SendFlags::NOSIGNAL).map_err(io::Error::from),
            Transport::Secured(secured) => secured.write(bytes),
        };
        if !written.as_ref().is_ok_and(|count| *count == bytes.len()) {
            // Who reads slowly is not away, and what it has no room for is unacknowledged as well. Where this fails, it has gone.
            let _ = SockRef::from(transport.stream()).set_tcp_user_timeout(Some(USER_TIMEOUT));
        }
        written
    }

    fn read(&mut self, key: u32, buffer: &mut [u8]) -> io::Result<usize> {
        match self.get(key)? {
            Transport::Plain(stream) => Ok(rustix::net::recv(stream, buffer, RecvFlags::empty())?.0),
            Transport::Secured(secured) => secured.read(buffer),
        }
    }

    fn may_have_more(&self, key: u32) -> bool {
        matches!(self.table.get(key as usize), Some(Some(Transport::Secured(secured))) if secured.is_broken_off())
    }

    fn close(&mut self, key: u32, how: Closing) {
        let Some(transport) = self.table.get_mut(key as usize).and_then(Option::take) else { return };
        self.open -= 1;
        let has_room = u64::from(self.open) + (self.parting.len() as u64) < self.sockets_max;
        let socket = SockRef::from(transport.stream());
        // Where either fails the socket closes with FIN, which is only less tidy.
        let _ = match how {
            Closing::Reset => socket.set_linger(Some(Duration::ZERO)),
            Closing::Unheard => socket.set_tcp_user_timeout(Some(USER_TIMEOUT_UNHEARD)),
            Closing::Fin => Ok(()),
        };
        if how == Closing::Unheard && has_room {
            let stream = transport.into_stream();
            // Where it fails the socket is closed at once: its events must not be taken for those of its successor.
            if self.poll.remove(&stream).is_ok() {
                self.parting.keep(key, stream, self.clock.now_us());
            }
        }
    }

    fn sockets(&self) -> u32 {
        self.open + self.parting.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_ns;
    use std::io::Read;
    use std::net::TcpListener;

    fn sockets() -> Sockets {
        Sockets::new(RunClock::new(monotonic_ns()), None).expect("a poll can be made").0
    }

    #[test]
    fn who_reads_slowly_has_more_time_than_who_is_away() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let mut sockets = sockets();
        sockets.connect(0, listener.local_addr().expect("it is bound"), None).expect("it listens");
        let (_reads_nothing, _) = listener.accept().expect("it connects");
        let timeout = |sockets: &mut Sockets| {
            SockRef::from(sockets.get(0).expect("it is open").stream()).tcp_user_timeout().expect("it can be asked")
        };
        assert_eq!(sockets.write(0, b"small").expect("there is room"), 5);
        assert_eq!(timeout(&mut sockets), Some(USER_TIMEOUT_LOOPBACK));
        while sockets.write(0, &[0; 65_536]).is_ok() {}
        assert_eq!(timeout(&mut sockets), Some(USER_TIMEOUT));
    }

    #[test]
    fn the_timer_never_wakes_early_and_wakes_again() {
        let mut sockets = sockets();
        for _ in 0..3 {
            let until_us = sockets.now_us() + 700;
            while sockets.now_us() < until_us {
                sockets.wait(Some(until_us)).expect("waiting works");
            }
            assert!(sockets.now_us() >= until_us);
        }
    }

    #[test]
    fn a_connection_comes_from_its_source_and_carries_bytes() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let to = listener.local_addr().expect("it is bound");
        let mut sockets = sockets();
        sockets.connect(5, to, Some(Ipv4Addr::new(127, 9, 0, 1))).expect("loopback takes connections");
        let (mut peer, from) = listener.accept().expect("it came");
        assert_eq!(from.ip(), Ipv4Addr::new(127, 9, 0, 1));
        while !sockets.ready.iter().any(|(key, readiness)| *key == 5 && readiness.writable) {
            sockets.wait(Some(sockets.now_us() + 100_000)).expect("waiting works");
        }
        assert_eq!(sockets.write(5, b"ping").expect("it is established"), 4);
        let mut got = [0; 4];
        peer.read_exact(&mut got).expect("the bytes arrive");
        assert_eq!(&got, b"ping");
        assert_eq!(sockets.sockets(), 1);
        sockets.close(5, Closing::Reset);
        sockets.close(5, Closing::Reset);
        assert_eq!(sockets.sockets(), 0);
        assert_eq!(peer.read(&mut got).expect_err("it was reset").kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_refused_connect_is_told_by_the_write() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let to = listener.local_addr().expect("it is bound");
        drop(listener);
        let mut sockets = sockets();
        sockets.connect(0, to, None).expect("the refusal comes later");
        sockets.wait(None).expect("waiting works");
        assert_eq!(sockets.write(0, b"x").expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
    }
}
