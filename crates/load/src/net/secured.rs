//! One socket with TLS on it, driven by readiness.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustls::ClientConnection;

use super::Readiness;

/// Times that the socket is asked for one read: what comes may be records without end that hold nothing plain.
const TAKES_MAX: usize = 16;

/// A socket and its side of TLS.
#[derive(Debug)]
pub(super) struct Secured {
    stream: TcpStream,
    tls: Box<ClientConnection>,
    /// Why it is of no use any more, until that was told.
    error: Option<io::Error>,
    has_shaken_hands: bool,
    is_broken_off: bool,
}

impl Secured {
    pub(super) fn new(stream: TcpStream, mut tls: ClientConnection) -> Self {
        // A request is taken whole, as by a socket: where the rest of it had to wait, nobody would tell when it can go on.
        tls.set_buffer_limit(None);
        Self { stream, tls: Box::new(tls), error: None, has_shaken_hands: false, is_broken_off: false }
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The socket is ready. Answers with what that means to whoever only sees the bytes inside: nothing before the
    /// handshake is over, which makes it writable.
    pub(super) fn ready(&mut self, readiness: Readiness) -> Option<Readiness> {
        if self.has_shaken_hands {
            if readiness.writable
                && let Err(error) = self.flush()
            {
                self.error = Some(error);
                return Some(Readiness { readable: true, ..readiness });
            }
            return Some(readiness);
        }
        match self.shake_hands() {
            Ok(false) => None,
            Ok(true) => {
                self.has_shaken_hands = true;
                Some(Readiness { readable: true, writable: true, ended: readiness.ended })
            }
            Err(error) => {
                self.error = Some(error);
                Some(Readiness { readable: true, writable: true, ended: true })
            }
        }
    }

    /// Goes on with the handshake as far as it goes. True when it is over.
    fn shake_hands(&mut self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        while self.tls.is_handshaking() {
            self.flush()?;
            if !self.tls.is_handshaking() {
                break;
            }
            match self.tls.read_tls(&mut self.stream) {
                Ok(0) => return Err(ErrorKind::ConnectionReset.into()),
                Ok(_) => self.decrypt()?,
                Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::NotConnected => {
                    return Ok(false);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush()?;
        Ok(true)
    }

    /// Sends what is encrypted already, as far as the socket takes it.
    fn flush(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock || error.kind() == ErrorKind::NotConnected => {
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn decrypt(&mut self) -> io::Result<()> {
        match self.tls.process_new_packets() {
            Ok(_) => Ok(()),
            Err(error) => {
                // The peer is told why, if it still listens.
                let _ = self.flush();
                Err(io::Error::new(ErrorKind::InvalidData, error))
            }
        }
    }

    /// What is taken here is sent by and by, as the socket becomes writable.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if !self.has_shaken_hands {
            return Err(ErrorKind::WouldBlock.into());
        }
        let written = self.tls.writer().write(bytes)?;
        self.flush()?;
        Ok(written)
    }

    /// The last read has ended before the socket was empty.
    pub(super) fn is_broken_off(&self) -> bool {
        self.is_broken_off
    }

    /// Fills the buffer as far as there is anything, so that a short read has emptied the socket, or is broken off: then
    /// `Interrupted` where there is nothing plain yet. What was decrypted comes before the error that ended it.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_broken_off = false;
        let (mut count, mut takes) = (0, 0..TAKES_MAX);
        while count < buffer.len() {
            match self.tls.reader().read(&mut buffer[count..]) {
                Ok(0) => return Ok(count),
                Ok(more) => {
                    count += more;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // An end without farewell is one all the same; what is missing is seen from the answer.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(count),
                Err(error) => return if count > 0 { Ok(count) } else { Err(error) },
            }
            if self.error.is_some() && count > 0 {
                // The end of reading is an event, so somebody comes back for the error.
                let _ = self.stream.shutdown(Shutdown::Read);
                return Ok(count);
            }
            if let Some(error) = self.error.take() {
                return Err(error);
            }
            if takes.next().is_none() {
                self.is_broken_off = true;
                return if count > 0 { Ok(count) } else { Err(ErrorKind::Interrupted.into()) };
            }
            match self.tls.read_tls(&mut self.stream) {
                Ok(_) => self.error = self.decrypt().err(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock && count == 0 => return Err(error),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) => self.error = Some(error),
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::Arc;

    use rustls::ServerConnection;

    use super::*;
    use crate::clock::{RunClock, monotonic_ns};
    use crate::net::tls::Tls;
    use crate::net::tls::tests::server;
    use crate::net::{Net, Sockets};

    /// Shakes hands, gives so many tickets, and sends what it is to say; behind it something that nobody can decrypt.
    fn serve(listener: &TcpListener, tickets: usize, say: impl FnOnce(&mut ServerConnection)) -> TcpStream {
        let mut config = server();
        config.send_tls13_tickets = tickets;
        let mut tls = ServerConnection::new(Arc::new(config)).expect("the configuration is good");
        let (mut stream, _) = listener.accept().expect("somebody connects");
        while tls.is_handshaking() {
            tls.complete_io(&mut stream).expect("hands are shaken");
        }
        tls.set_buffer_limit(None);
        say(&mut tls);
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).expect("memory takes it");
        }
        bytes.extend([23, 3, 3, 0, 32]);
        bytes.extend([7; 32]);
        stream.write_all(&bytes).expect("somebody reads");
        stream
    }

    /// What a client reads, how often it was interrupted, how many of its reads had left something, and how it ended.
    struct Heard {
        got: Vec<u8>,
        interrupted: usize,
        left: usize,
        error: io::Error,
    }

    fn read_to_end(tickets: usize, say: impl FnOnce(&mut ServerConnection) + Send + 'static) -> Heard {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let to = listener.local_addr().expect("it is bound");
        let serving = std::thread::spawn(move || serve(&listener, tickets, say));
        let tls = Tls::new("localhost", "", true).expect("nobody has to be trusted");
        let (mut sockets, _) = Sockets::new(RunClock::new(monotonic_ns()), Some(tls)).expect("a poll can be made");
        sockets.connect(3, to, None).expect("loopback takes connections");
        let until_us = sockets.now_us() + 60_000_000;
        let (mut got, mut interrupted, mut left) = (Vec::new(), 0, 0);
        let (mut buffer, mut goes_on) = ([0; 4_096], false);
        let error = loop {
            assert!(sockets.now_us() < until_us, "nobody tells of the end");
            if !goes_on {
                sockets.wait(Some(until_us)).expect("waiting works");
                if !sockets.take_ready().iter().any(|(_, readiness)| readiness.readable) {
                    continue;
                }
            }
            let read = sockets.read(3, &mut buffer);
            goes_on = sockets.may_have_more(3);
            match read {
                Ok(count) => {
                    got.extend_from_slice(&buffer[..count]);
                    left += usize::from(goes_on);
                    goes_on |= count == buffer.len();
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => interrupted += 1,
                Err(error) => break error,
            }
        };
        drop(serving.join().expect("the server does not fail"));
        assert!(!matches!(sockets.read(3, &mut buffer), Ok(1..)), "nothing raw is ever read");
        Heard { got, interrupted, left, error }
    }

    fn answer(tls: &mut ServerConnection) {
        tls.writer().write_all(b"an answer").expect("there is room");
    }

    #[test]
    fn what_came_before_a_broken_record_is_read_before_the_end_is_told() {
        let read = read_to_end(2, answer);
        assert_eq!((read.got.as_slice(), read.error.kind()), (&b"an answer"[..], ErrorKind::InvalidData));
    }

    #[test]
    fn records_that_say_nothing_do_not_hold_up_whoever_reads() {
        // More tickets than rustls has room for, which is how it ends.
        let read = read_to_end(20_000, answer);
        assert_eq!(read.error.kind(), ErrorKind::InvalidData);
        assert!(read.interrupted > 0, "one read takes them all");
    }

    #[test]
    fn what_a_read_leaves_behind_is_told() {
        let read = read_to_end(2, |tls| {
            for _ in 0..800 {
                for _ in 0..31 {
                    tls.refresh_traffic_keys().expect("TLS 1.3 has them");
                }
                tls.writer().write_all(b"x").expect("there is room");
            }
        });
        assert_eq!((read.got, read.error.kind()), (vec![b'x'; 800], ErrorKind::InvalidData));
        assert!(read.left > 0, "one read takes it all");
    }
}
