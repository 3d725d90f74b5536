//! Clients that send a request a byte at a time: what do they cost the others, and does the target put up with them?

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::clock::RunClock;
use crate::proto;

/// Of one agent, at most.
const CONNECTIONS_MAX: u32 = 4_096;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// Where they go, and what they begin to say.
#[derive(Debug, Clone)]
pub(super) struct Slow {
    pub(super) endpoints: Vec<SocketAddr>,
    pub(super) authority: String,
    pub(super) path: String,
    /// Of a target with TLS nothing can be said that it would wait for: the connection alone is held.
    pub(super) is_plain: bool,
    pub(super) clock: RunClock,
}

/// What became of one of them, run clock.
#[derive(Debug, Clone, Copy)]
struct Held {
    since_us: u64,
    until_us: u64,
    is_cut: bool,
}

impl Slow {
    /// Holds them until the time is over.
    pub(super) async fn hold(self, order: proto::Slow) -> proto::Slowed {
        let lasts = Duration::from_micros(order.duration_us);
        let half: Arc<[u8]> = match self.is_plain {
            true => format!("POST {} HTTP/1.1\r\nHost: {}\r\nX-Slow: ", self.path, self.authority).into_bytes().into(),
            false => Arc::new([]),
        };
        let mut tasks = JoinSet::new();
        for address in self.endpoints.iter().cycle().take(order.connections.min(CONNECTIONS_MAX) as usize) {
            tasks.spawn(one(*address, Arc::clone(&half), lasts, self.clock));
        }
        let held: Vec<Held> = tasks.join_all().await.into_iter().flatten().collect();
        let cut = || held.iter().filter(|one| one.is_cut);
        proto::Slowed {
            block: order.block,
            first_us: held.iter().map(|one| one.since_us).min().unwrap_or(0),
            last_us: held.iter().map(|one| one.until_us).max().unwrap_or(0),
            opened: held.len() as u32,
            cut: cut().count() as u32,
            cut_after_us: cut().map(|one| one.until_us.saturating_sub(one.since_us)).max().unwrap_or(0),
        }
    }
}

/// None where it could not be opened.
async fn one(address: SocketAddr, half: Arc<[u8]>, lasts: Duration, clock: RunClock) -> Option<Held> {
    let mut stream = timeout(CONNECT_WITHIN, TcpStream::connect(address)).await.ok()?.ok()?;
    // No TIME_WAIT on the machine under test.
    let _ = stream.set_zero_linger();
    stream.write_all(&half).await.ok()?;
    let since_us = clock.now_us();
    let cut = async {
        let mut bytes = interval(BYTE_EVERY);
        let mut answer = [0; 1_024];
        loop {
            tokio::select! {
                _ = bytes.tick() => {
                    if !half.is_empty() && stream.write_all(b"x").await.is_err() {
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
    Some(Held { since_us, until_us: clock.now_us(), is_cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::monotonic_ns;

    fn slow(address: SocketAddr) -> Slow {
        let (authority, path, clock) = (address.to_string(), "/mcp".to_string(), RunClock::new(monotonic_ns()));
        Slow { endpoints: vec![address], authority, path, is_plain: true, clock }
    }

    #[tokio::test]
    async fn they_are_held_until_the_end_or_until_they_are_cut() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let target = tokio::spawn(async move {
            let (mut first, _) = listener.accept().await.expect("one comes");
            let mut bytes = vec![0; 1_024];
            let read = first.read(&mut bytes).await.expect("it speaks");
            assert!(bytes[..read].starts_with(b"POST /mcp HTTP/1.1\r\n"));
            // Cut; the others are left alone.
            drop(first);
            let mut kept = Vec::new();
            while kept.len() < 2 {
                kept.push(listener.accept().await.expect("three come"));
            }
            std::future::pending::<()>().await;
            drop(kept);
        });
        let order = proto::Slow { block: 7, connections: 3, duration_us: 400_000 };
        let slowed = slow(address).hold(order).await;
        assert_eq!((slowed.block, slowed.opened, slowed.cut), (7, 3, 1));
        assert!(slowed.last_us >= slowed.first_us + 400_000 && slowed.cut_after_us < 400_000, "{slowed:?}");
        target.abort();
    }

    #[tokio::test]
    async fn where_nobody_listens_none_is_held() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        drop(listener);
        let slowed = slow(address).hold(proto::Slow { block: 7, connections: 3, duration_us: 1_000 }).await;
        assert_eq!((slowed.opened, slowed.first_us), (0, 0));
    }
}
