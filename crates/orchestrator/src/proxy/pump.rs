use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::clock::monotonic_ns;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use super::lane::{Lane, Next, Weather};

const READ_MAX: usize = 16 * 1024;

/// How a direction ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Its sender has no more to say.
    Quiet,
    /// An error, or the weather: both sides are reset.
    Reset,
}

/// One connection of a client to the replica behind the proxy, until both directions have ended.
pub(super) async fn connection(client: TcpStream, target: SocketAddr, weather: watch::Receiver<Weather>) {
    let Ok(server) = TcpStream::connect(target).await else {
        // As the client would have seen it: no connection.
        let _ = client.set_zero_linger();
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut there = std::pin::pin!(direction(from_client, to_server, weather.clone(), false));
    let mut back = std::pin::pin!(direction(from_server, to_client, weather, true));
    // A server that closes ends the connection; a client that has said all still wants its answer.
    let end = tokio::select! {
        _ = &mut back => None,
        end = &mut there => Some(end),
    };
    if end == Some(End::Quiet) {
        let _ = back.await;
    }
}

/// Passes on what one side says; a reset is one for both sides.
async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
    is_answer: bool,
) -> End {
    let end = pass(&mut from, &mut to, weather, is_answer).await;
    if end == End::Reset {
        let _ = (from.as_ref().set_zero_linger(), to.as_ref().set_zero_linger());
        // Else it would say goodbye first.
        to.forget();
    }
    end
}

/// The bounds of the weather are for answers only.
async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    is_answer: bool,
) -> End {
    let mut lane = Lane::default();
    let mut buffer = vec![0; READ_MAX];
    let mut is_open = true;
    loop {
        let wait = match lane.next(monotonic_ns()) {
            Next::Bytes(bytes) => {
                if to.write_all(&bytes).await.is_err() {
                    return End::Reset;
                }
                continue;
            }
            Next::Reset => return End::Reset,
            Next::Idle if !is_open => {
                let _ = to.shutdown().await;
                return End::Quiet;
            }
            Next::Idle => None,
            Next::At(due_ns) => Some(Duration::from_nanos(due_ns.saturating_sub(monotonic_ns()))),
        };
        let room = lane.room().min(READ_MAX);
        tokio::select! {
            read = from.read(&mut buffer[..room.max(1)]), if is_open && room > 0 => match read {
                Ok(0) => is_open = false,
                Ok(read) => {
                    let mut now = *weather.borrow();
                    if !is_answer {
                        (now.then_nothing, now.then_reset) = (None, None);
                    }
                    lane.push(&buffer[..read], monotonic_ns(), &now);
                }
                Err(_) => return End::Reset,
            },
            () = sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
            changed = weather.changed() => match changed {
                Ok(()) => lane.weather_changed(),
                Err(_) => return End::Reset,
            },
        }
    }
}
