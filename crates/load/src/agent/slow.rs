//! Slow clients: what do they cost the others, and does the target put up with them? Half of them send a request a byte at
//! a time; the others ask on and on and read no answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::allowed::Allowed;
use crate::clock::RunClock;
use crate::net::tls::Tls;
use crate::proto;

/// Of one agent, at most.
const CONNECTIONS_MAX: u32 = 4_096;
const BYTE_EVERY: Duration = Duration::from_secs(1);
/// The system makes the least of it that it can.
const RECEIVE_BUFFER: u32 = 2_048;
/// Requests whose answers nobody reads, on one connection: more than any buffer between the two has room for.
const UNREAD_MAX: u32 = 2_000;
/// Sent at once, so that a target that answers fast has something to do.
const ASKED_AT_ONCE: u32 = 10;

/// Where they go, and what they say.
#[derive(Debug, Clone)]
pub(super) struct Slow {
    pub(super) endpoints: Vec<SocketAddr>,
    pub(super) allowed: Allowed,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) tls: Option<Tls>,
    /// What those ask that do not read; empty: all of them send slowly. With TLS nobody could say whether answers lay there
    /// unread.
    pub(super) request: Vec<u8>,
    pub(super) clock: RunClock,
}

/// What became of one of them, run clock.
#[derive(Debug, Clone, Copy)]
struct Held {
    since_us: u64,
    until_us: u64,
    is_cut: bool,
    /// Answers lay there unread.
    has_unread: bool,
}

impl Slow {
    /// Holds them until the time is over.
    pub(super) async fn hold(self, order: proto::Slow) -> proto::Slowed {
        let lasts = Duration::from_micros(order.duration_us);
        let half = format!("POST {} HTTP/1.1\r\nHost: {}\r\nX-Slow: ", self.path, self.authority);
        let half: Arc<[u8]> = half.into_bytes().into();
        let asked: Arc<[u8]> = self.request.repeat(ASKED_AT_ONCE as usize).into();
        let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
        let connections = order.connections.min(CONNECTIONS_MAX) as usize;
        for (number, address) in self.endpoints.iter().cycle().take(connections).enumerate() {
            // An agent has its share of all: so half of them in the sum of many agents, too.
            if (number as u32 + order.first).is_multiple_of(2) || asked.is_empty() {
                writers.spawn(write_slowly(
                    (*address, self.allowed, self.tls.clone()),
                    Arc::clone(&half),
                    lasts,
                    self.clock,
                ));
            } else {
                readers.spawn(read_nothing((*address, self.allowed), Arc::clone(&asked), lasts, self.clock));
            }
        }
        let writers: Vec<Held> = writers.join_all().await.into_iter().flatten().collect();
        let readers: Vec<Held> = readers.join_all().await.into_iter().flatten().collect();
        let held = || writers.iter().chain(&readers);
        let cut = || held().filter(|one| one.is_cut);
        proto::Slowed {
            block: order.block,
            first_us: held().map(|one| one.since_us).min().unwrap_or(0),
            last_us: held().map(|one| one.until_us).max().unwrap_or(0),
            opened: held().count() as u32,
            cut: cut().count() as u32,
            cut_after_us: cut().map(|one| one.until_us.saturating_sub(one.since_us)).max().unwrap_or(0),
            readers: readers.len() as u32,
            unread: readers.iter().filter(|one| one.has_unread).count() as u32,
        }
    }
}

/// Sends half a request, and then a byte a second. None where it could not be opened.
async fn write_slowly(
    (address, allowed, tls): (SocketAddr, Allowed, Option<Tls>),
    half: Arc<[u8]>,
    lasts: Duration,
    clock: RunClock,
) -> Option<Held> {
    let mut stream = allowed.speak_to_be_reset(address, tls.as_ref(), |_| Ok(())).await?;
    stream.write_all(&half).await.ok()?;
    stream.flush().await.ok()?;
    let since_us = clock.now_us();
    let cut = async {
        let mut bytes = interval(BYTE_EVERY);
        let mut answer = [0; 1_024];
        loop {
            tokio::select! {
                _ = bytes.tick() => {
                    if stream.write_all(b"x").await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                // What it says before it closes is of no interest.
                read = stream.read(&mut answer) => if !matches!(read, Ok(1..)) {
                    return;
                },
            }
        }
    };
    let is_cut = timeout(lasts, cut).await.is_ok();
    Some(Held { since_us, until_us: clock.now_us(), is_cut, has_unread: false })
}

/// Asks as long as there is room for it, with the least room for answers, and reads none of them. None where it could not
/// be opened.
async fn read_nothing(
    (address, allowed): (SocketAddr, Allowed),
    asked: Arc<[u8]>,
    lasts: Duration,
    clock: RunClock,
) -> Option<Held> {
    let mut stream = allowed.connect_to_be_reset(address, |socket| socket.set_recv_buffer_size(RECEIVE_BUFFER)).await?;
    stream.write_all(&asked).await.ok()?;
    let since_us = clock.now_us();
    let cut = async {
        for _ in 1..UNREAD_MAX / ASKED_AT_ONCE {
            if stream.write_all(&asked).await.is_err() {
                return;
            }
        }
        // It has said all that it had to say.
        let mut bytes = interval(BYTE_EVERY);
        while SockRef::from(&stream).take_error().is_ok_and(|error| error.is_none()) {
            bytes.tick().await;
        }
    };
    let is_cut = timeout(lasts, cut).await.is_ok();
    let has_unread = ioctl_fionread(&stream).is_ok_and(|bytes| bytes > 0);
    Some(Held { since_us, until_us: clock.now_us(), is_cut, has_unread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_ns;

    fn slow(address: SocketAddr) -> Slow {
        let (authority, path, clock) = (address.to_string(), "/mcp".to_string(), RunClock::new(monotonic_ns()));
        let (endpoints, allowed) = (vec![address], Allowed { foreign: false });
        Slow { endpoints, allowed, tls: None, authority, path, request: b"GET / HTTP/1.1\r\n\r\n".into(), clock }
    }

    fn order(connections: u32, first: u32, duration_us: u64) -> proto::Slow {
        proto::Slow { block: 7, connections, duration_us, first }
    }

    #[tokio::test]
    async fn they_are_held_until_the_end_or_until_they_are_cut() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let target = tokio::spawn(async move {
            let (mut kept, mut has_cut) = (Vec::new(), false);
            while kept.len() < 4 {
                let (mut one, _) = listener.accept().await.expect("five come");
                let mut bytes = vec![0; 1_024];
                let read = one.read(&mut bytes).await.expect("it speaks");
                if bytes[..read].starts_with(b"POST /mcp HTTP/1.1\r\n") && !has_cut {
                    // Cut; the others are left alone.
                    has_cut = true;
                    continue;
                }
                if bytes.starts_with(b"GET / ") {
                    one.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("it is open");
                }
                kept.push(one);
            }
            std::future::pending::<()>().await;
            drop(kept);
        });
        let slowed = slow(address).hold(order(5, 0, 600_000)).await;
        assert_eq!((slowed.block, slowed.opened, slowed.cut), (7, 5, 1));
        assert_eq!((slowed.readers, slowed.unread), (2, 2));
        assert!(slowed.last_us >= slowed.first_us + 600_000 && slowed.cut_after_us < 600_000, "{slowed:?}");
        target.abort();
    }

    #[tokio::test]
    async fn where_nobody_listens_none_is_held() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let slowed = slow(address).hold(order(3, 1, 1_000)).await;
        assert_eq!((slowed.opened, slowed.first_us), (0, 0));
    }
}
