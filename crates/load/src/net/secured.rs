//! One socket with TLS on it, driven by readiness.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustls::ClientConnection;

use super::Readiness;

/// A socket and its side of TLS.
#[derive(Debug)]
pub(super) struct Secured {
    stream: TcpStream,
    tls: Box<ClientConnection>,
    /// Why it is of no use any more, until that was told.
    error: Option<io::Error>,
    has_shaken_hands: bool,
}

impl Secured {
    pub(super) fn new(stream: TcpStream, mut tls: ClientConnection) -> Self {
        // A request is taken whole, as by a socket: where the rest of it had to wait, nobody would tell when it can go on.
        tls.set_buffer_limit(None);
        Self { stream, tls: Box::new(tls), error: None, has_shaken_hands: false }
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

    /// Fills the buffer as far as there is anything, so that a short read has emptied the socket.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let mut count = 0;
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
            match self.tls.read_tls(&mut self.stream) {
                Ok(_) => self.decrypt()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if count > 0 && error.kind() == ErrorKind::WouldBlock => return Ok(count),
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}
