//! A connection at the door: one of a few, and with little time until an agent was let in by it.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tonic::transport::server::Connected;

/// See the module.
#[derive(Debug)]
pub(super) struct Newcomer {
    stream: TcpStream,
    patience: Pin<Box<Sleep>>,
    way: Way,
    #[expect(dead_code, reason = "it counts by being there")]
    place: OwnedSemaphorePermit,
}

/// What its requests know of it.
#[derive(Debug, Clone)]
pub(super) struct Way {
    pub(super) from: String,
    is_in: Arc<AtomicBool>,
}

impl Way {
    /// From now on it may take its time.
    pub(super) fn let_in(&self) {
        self.is_in.store(true, Ordering::Relaxed);
    }
}

impl Newcomer {
    /// It is closed after `patience`, unless an agent was let in by it.
    pub(super) fn new(stream: TcpStream, place: OwnedSemaphorePermit, patience: Duration) -> Self {
        let from = stream.peer_addr().map_or_else(|_| "nowhere".to_string(), |address| address.to_string());
        Self { stream, patience: Box::pin(sleep(patience)), way: Way { from, is_in: Arc::default() }, place }
    }
}

impl Connected for Newcomer {
    type ConnectInfo = Way;

    fn connect_info(&self) -> Way {
        self.way.clone()
    }
}

impl AsyncRead for Newcomer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        if !own.way.is_in.load(Ordering::Relaxed) && own.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut own.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Newcomer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn who_is_not_let_in_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let places = Arc::new(Semaphore::new(2));
        let come = async || {
            let peer = TcpStream::connect(address).await.expect("it listens");
            let place = Arc::clone(&places).try_acquire_owned().expect("there is room");
            let (stream, _) = listener.accept().await.expect("it came");
            (peer, Newcomer::new(stream, place, Duration::from_millis(50)))
        };
        let ((silent, mut stranger), (mut speaks, mut guest)) = (come().await, come().await);
        guest.connect_info().let_in();
        assert_eq!(stranger.read_u8().await.expect_err("its time is over").kind(), ErrorKind::TimedOut);
        speaks.write_all(b"x").await.expect("it is open");
        assert_eq!(guest.read_u8().await.expect("it was let in"), b'x');
        drop((silent, stranger));
        assert_eq!(places.available_permits(), 1);
    }
}
