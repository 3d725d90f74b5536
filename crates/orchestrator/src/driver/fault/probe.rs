use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// What came of an attempt to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// The connection was made.
    Answers,
    /// Neither yes nor no within the time.
    Silent,
    /// Nobody listens there, or it cannot be reached.
    Refused,
}

/// The kernel answers a connect on loopback by itself, however busy the process is: silence is lost packets.
pub(crate) async fn connect(address: SocketAddr, within: Duration) -> Seen {
    match timeout(within, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => {
            // No TIME_WAIT on the machine under test for a question.
            let _ = stream.set_zero_linger();
            Seen::Answers
        }
        Ok(Err(_)) => Seen::Refused,
        Err(_) => Seen::Silent,
    }
}
