use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::clock::monotonic_ns;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::lane::{Lane, Next, Weather};

const READ_MAX: usize = 16 * 1024;
/// A replica that is there takes a connection at once; the attempt to reach one that is cut off is not kept for longer.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

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
    let server = tokio::select! {
        server = timeout(CONNECT_WITHIN, TcpStream::connect(target)) => server.ok().and_then(Result::ok),
        // It waits no more, and nor do we.
        _ = client.ready(Interest::ERROR) => None,
    };
    let Some(server) = server else {
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
    from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    weather: watch::Receiver<Weather>,
    is_answer: bool,
) -> End {
    let end = pass(&from, &mut to, weather, is_answer).await;
    if end == End::Reset {
        let _ = (from.as_ref().set_zero_linger(), to.as_ref().set_zero_linger());
        // Else it would say goodbye first.
        to.forget();
    }
    end
}

async fn pass(
    from: &OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    is_answer: bool,
) -> End {
    let mut lane = Lane::new(is_answer);
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
        tokio::select! {
            ready = from.readable(), if is_open && lane.room() > 0 => {
                let weather = *weather.borrow();
                match ready.and_then(|()| take(from, to, &mut lane, &weather)) {
                    Ok(is_more) => is_open = is_more,
                    Err(_) => return End::Reset,
                }
            }
            () = sleep(wait.unwrap_or(Duration::MAX)), if wait.is_some() => {}
            changed = weather.changed() => match changed {
                Ok(()) => lane.weather_changed(),
                Err(_) => return End::Reset,
            },
        }
    }
}

/// Takes what was said, and passes it on at once where nothing is in its way. The buffer is on the stack: a connection
/// that waits holds none. False: no more will be said.
fn take(from: &OwnedReadHalf, to: &OwnedWriteHalf, lane: &mut Lane, weather: &Weather) -> io::Result<bool> {
    let mut buffer = [0; READ_MAX];
    let room = lane.room().min(READ_MAX);
    let read = match from.try_read(&mut buffer[..room]) {
        Ok(0) => return Ok(false),
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut rest = &buffer[..read];
    if lane.is_clear(weather) {
        match to.try_write(rest) {
            Ok(wrote) => rest = &rest[wrote..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    if !rest.is_empty() {
        lane.push(rest, monotonic_ns(), weather);
    }
    Ok(true)
}
