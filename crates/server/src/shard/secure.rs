//! TLS between a socket and its connection. It knows nothing of readiness: what can't go on says so, as a socket does.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustls::ServerConnection;

use super::net::{Shut, Transport};
use crate::engine::AddressPlace;
use crate::entry::Tls;

/// Plain bytes that are secured at once; one record has no more.
const AT_ONCE: usize = 16 * 1_024;
/// What rustls reads at once, into a buffer that it keeps.
const READ: usize = 4 * 1_024;
/// Times that the kernel is asked for one read: what comes may be records without end that hold nothing plain.
const TAKES_MAX: usize = 16;
/// For who speaks HTTP without TLS.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 38\r\nConnection: close\r\n\r\n\
    this address speaks TLS: use https://\n";

/// A stream of bytes, secured.
pub(crate) struct Secure<S: Write> {
    pub(super) socket: S,
    tls: ServerConnection,
    of: Arc<Tls>,
    stage: Stage,
    /// Plain bytes that were secured and that the kernel did not take yet: they are told as written when it has.
    owed: usize,
    /// Nothing more comes: the peer has said so, or has gone.
    has_ended: bool,
    /// The last read has ended before the kernel had no more.
    is_broken_off: bool,
    /// Where each address may have only so many.
    #[expect(dead_code, reason = "it counts by being there")]
    place: Option<AddressPlace>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The handshake goes on.
    Opening {
        first: Option<u8>,
    },
    Open,
    /// What came is no TLS, or not as it should be. The peer was told; what it still sends is of no interest.
    Broken {
        /// Who reads knows: what was good before it may have come out of the same read.
        is_told: bool,
    },
}

/// What one reading of the socket gave.
enum Taken {
    /// `all`: the kernel had no more.
    Some {
        all: bool,
    },
    End,
}

impl<S: Read + Write> Secure<S> {
    /// None where rustls does not take the configuration.
    pub(crate) fn new(socket: S, of: &Arc<Tls>, place: Option<AddressPlace>) -> Option<Self> {
        let mut tls = of.connection()?;
        tls.set_buffer_limit(Some(2 * AT_ONCE));
        of.counts.open.fetch_add(1, Ordering::Relaxed);
        let stage = Stage::Opening { first: None };
        let of = Arc::clone(of);
        Some(Self { socket, tls, of, stage, owed: 0, has_ended: false, is_broken_off: false, place })
    }

    /// Takes what the kernel holds, as much as rustls reads at once.
    fn take(&mut self) -> io::Result<Taken> {
        let mut noting = Noting { socket: &mut self.socket, first: None, is_short: false };
        let count = self.tls.read_tls(&mut noting)?;
        let Noting { first, is_short, .. } = noting;
        if let Stage::Opening { first: known @ None } = &mut self.stage {
            *known = first;
        }
        if count == 0 {
            self.has_ended = true;
            return Ok(Taken::End);
        }
        if let Err(error) = self.tls.process_new_packets() {
            self.break_off();
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        // What the handshake answers.
        send(&mut self.tls, &mut self.socket)?;
        if matches!(self.stage, Stage::Opening { .. }) && !self.tls.is_handshaking() {
            self.stage = Stage::Open;
            self.of.counts.good.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Taken::Some { all: is_short })
    }

    /// Tells the peer what is wrong, by an alert; one that speaks plain HTTP, in its own words.
    fn break_off(&mut self) {
        let stage = std::mem::replace(&mut self.stage, Stage::Broken { is_told: false });
        if matches!(stage, Stage::Opening { .. }) {
            self.of.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        // It is a new connection, which takes this at once; where not, nothing is lost but the reason.
        let _ = match stage {
            Stage::Opening { first: Some(byte) } if byte.is_ascii_uppercase() => self.socket.write(PLAIN).map(|_| true),
            _ => send(&mut self.tls, &mut self.socket),
        };
    }

    /// Goes on with the handshake, as far as it goes.
    fn shake_hands(&mut self) -> io::Result<()> {
        while matches!(self.stage, Stage::Opening { .. }) {
            if let Taken::End = self.take()? {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        Ok(())
    }
}

/// Sends what is ready to be sent. False while the kernel takes no more.
fn send(tls: &mut ServerConnection, socket: &mut impl Write) -> io::Result<bool> {
    while tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

impl<S: Read + Write + Shut> Transport for Secure<S> {
    /// Less than the buffer holds only where the kernel has no more, the stream has ended, or [`TAKES_MAX`] is reached: then
    /// `Interrupted` where there is nothing plain yet.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_broken_off = false;
        match &mut self.stage {
            Stage::Broken { is_told: true } => return self.socket.read(buffer),
            Stage::Broken { is_told } => {
                *is_told = true;
                return Err(io::ErrorKind::InvalidData.into());
            }
            Stage::Opening { .. } | Stage::Open => {}
        }
        let (mut count, mut is_dry, mut takes) = (0, false, 0..TAKES_MAX);
        while count < buffer.len() {
            match self.tls.reader().read(&mut buffer[count..]) {
                // The peer has said that nothing more comes.
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(count);
                }
                Ok(more) => {
                    count += more;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // An end without a word is an end.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(count),
                Err(error) => return Err(error),
            }
            if count > 0 && is_dry {
                return Ok(count);
            }
            if takes.next().is_none() {
                self.is_broken_off = true;
                return if count > 0 { Ok(count) } else { Err(io::ErrorKind::Interrupted.into()) };
            }
            match self.take() {
                Ok(Taken::Some { all }) => is_dry = all,
                Ok(Taken::End) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) if count > 0 => return Ok(count),
                Err(error) => {
                    if let Stage::Broken { is_told } = &mut self.stage {
                        *is_told = true;
                    }
                    return Err(error);
                }
            }
        }
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if matches!(self.stage, Stage::Broken { .. }) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.shake_hands()?;
        if self.owed == 0 {
            self.owed = self.tls.writer().write(&bytes[..bytes.len().min(AT_ONCE)])?;
        }
        if !send(&mut self.tls, &mut self.socket)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(std::mem::take(&mut self.owed))
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.stage == Stage::Open {
            self.tls.send_close_notify();
            send(&mut self.tls, &mut self.socket)?;
        }
        self.socket.shut()
    }

    fn go_on(&mut self) {
        if !matches!(self.stage, Stage::Broken { .. }) {
            // Where it is broken, the next read says so.
            let _ = send(&mut self.tls, &mut self.socket);
        }
    }

    fn may_have_more(&self) -> bool {
        self.has_ended || self.is_broken_off || self.stage == Stage::Broken { is_told: false }
    }
}

impl<S: Write> Secure<S> {
    /// Bytes that a connection at rest holds beside its place in the table, as far as they are known: itself, and what
    /// rustls reads into. Its keys are not among them.
    pub(crate) const BYTES: u64 = (size_of::<Self>() + READ) as u64;
}

impl<S: Write> Drop for Secure<S> {
    fn drop(&mut self) {
        self.of.counts.open.fetch_sub(1, Ordering::Relaxed);
        match self.stage {
            Stage::Opening { .. } => drop(self.of.counts.failed.fetch_add(1, Ordering::Relaxed)),
            // An end without a word would look like a connection that was cut.
            Stage::Open => {
                self.tls.send_close_notify();
                let _ = send(&mut self.tls, &mut self.socket);
            }
            Stage::Broken { .. } => {}
        }
    }
}

/// A socket that is read once, and what is to be known of it.
struct Noting<'a, S> {
    socket: &'a mut S,
    first: Option<u8>,
    /// The kernel gave less than it was asked for.
    is_short: bool,
}

impl<S: Read> Read for Noting<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        self.first = buffer[..count].first().copied();
        self.is_short = count < buffer.len();
        Ok(count)
    }
}
