//! Why a request or a connection was not well.

use std::fmt;

use erlmcp_record::names::cause::{ANOTHER_ID, GENERATOR};

/// Kept as a small value where things happen, written as words where a row is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// An HTTP status without a usable JSON-RPC answer.
    Http(u16),
    /// A JSON-RPC error with this code.
    Rpc(i64),
    ToolError,
    /// The server asked for input, which a load has not.
    InputRequired,
    /// A `resultType` that nobody asked for.
    OfAnotherType,
    /// 503 or 429 with `executed: false`.
    Refused(u16),
    AnotherId,
    NotJsonRpc,
    NotHttp,
    TooLarge,
    StreamEnded,
    /// The peer closed in order (FIN) before the whole answer.
    ClosedBeforeAnswer,
    /// The peer closed an idle connection in order (FIN).
    Closed,
    /// The same, after the same idle time as the last time.
    IdleLimit,
    /// The same, as a request was sent, which the peer had hardly seen.
    CrossedClose,
    /// Closed by us: it was idle for almost as long as the peer keeps it (`Keep-Alive: timeout`).
    KeepAliveOver,
    /// `Connection: close` on an answer.
    ClosedWithAnswer,
    /// Closed by us: its last answer was there, and the stream that it came on did not end.
    LeftOpen,
    /// Closed by us, to be opened again at once.
    Reconnected,
    /// Closed by us after its client had moved to another address.
    Moved,
    ResetByPeer,
    UserTimeout,
    TimedOut,
    /// Abandoned because its replica was found dead.
    ReplicaLost,
    /// Abandoned because its replica no longer answered.
    ReplicaSilent,
    Surplus,
    ConnectRefused,
    ConnectTimedOut,
    Unreachable,
    /// Established, but its first request was not answered in time.
    FirstUnanswered,
    StillBusy,
    NotOpen,
    Foreign,
    NoDescriptor,
    NoPort,
    TooLate,
    RunEnded,
    /// TLS broke: the handshake or what came after it.
    Tls,
    /// Another error of the system, by its number.
    Os(i32),
    /// Whatever came after the bound on different causes.
    Other,
}

impl Cause {
    /// What a failed system call on a connection means.
    pub(crate) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Cause::ConnectRefused,
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => Cause::ResetByPeer,
            ErrorKind::TimedOut => Cause::UserTimeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Cause::Unreachable,
            ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Cause::NoPort,
            ErrorKind::PermissionDenied => Cause::Unreachable,
            ErrorKind::InvalidData => Cause::Tls,
            _ => Self::of_number(error.raw_os_error()),
        }
    }

    fn of_number(number: Option<i32>) -> Self {
        use rustix::io::Errno;
        match number.map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Cause::NoDescriptor,
            Some(errno) => Cause::Os(errno.raw_os_error()),
            None => Cause::Other,
        }
    }

    /// True where the generator's own want is why a connection could not be opened.
    pub(crate) fn is_generators(self) -> bool {
        matches!(self, Cause::NoDescriptor | Cause::NoPort | Cause::TooLate)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Cause::Http(status) => return write!(f, "http {status}"),
            Cause::Rpc(code) => return write!(f, "rpc {code}"),
            Cause::Refused(status) => return write!(f, "refused with http {status}"),
            Cause::NoDescriptor => return write!(f, "{GENERATOR}no descriptor"),
            Cause::NoPort => return write!(f, "{GENERATOR}no port"),
            Cause::TooLate => return write!(f, "{GENERATOR}came too late"),
            Cause::Os(number) => return write!(f, "{}", std::io::Error::from_raw_os_error(*number)),
            Cause::ToolError => "tool said isError",
            Cause::InputRequired => "result is input_required",
            Cause::OfAnotherType => "result is of an unknown type",
            Cause::AnotherId => ANOTHER_ID,
            Cause::NotJsonRpc => "answer is not JSON-RPC",
            Cause::NotHttp => "answer is not HTTP",
            Cause::TooLarge => "answer is too large",
            Cause::StreamEnded => "stream ended without its response",
            Cause::ClosedBeforeAnswer => "connection closed before the whole answer",
            Cause::Closed => "connection closed by the target",
            Cause::IdleLimit => "connection closed by the target after the same idle time again",
            Cause::CrossedClose => "request crossed the close of its idle connection",
            Cause::KeepAliveOver => "closed before the target's keep-alive timeout",
            Cause::ClosedWithAnswer => "connection closed by the target after an answer",
            Cause::LeftOpen => "stream left open after its response",
            Cause::Moved => "closed after its client had moved to another address",
            Cause::Reconnected => "closed to be opened again at once",
            Cause::ResetByPeer => "connection reset by the target",
            Cause::UserTimeout => "packets unacknowledged (TCP_USER_TIMEOUT)",
            Cause::TimedOut => "no answer within the timeout",
            Cause::ReplicaLost => "abandoned: its replica was lost",
            Cause::ReplicaSilent => "abandoned: its replica did not answer",
            Cause::Surplus => "answer that nothing had asked for",
            Cause::ConnectRefused => "connect refused",
            Cause::ConnectTimedOut => "connect timed out",
            Cause::Unreachable => "address unreachable",
            Cause::FirstUnanswered => "first request unanswered",
            Cause::StillBusy => "its connection was still busy",
            Cause::NotOpen => "its connection was not open",
            Cause::Foreign => "address is not loopback and was not allowed",
            Cause::RunEnded => "the run ended",
            Cause::Tls => "TLS broke",
            Cause::Other => "other",
        };
        f.write_str(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generators_wants_are_named_as_its_own() {
        for cause in [Cause::NoDescriptor, Cause::NoPort, Cause::TooLate] {
            assert!(cause.is_generators());
            assert!(cause.to_string().starts_with(GENERATOR), "{cause}");
        }
        assert!(!Cause::ConnectRefused.is_generators());
        assert!(!Cause::ConnectRefused.to_string().starts_with(GENERATOR));
    }

    #[test]
    fn system_errors_have_their_words() {
        let of = |errno: rustix::io::Errno| Cause::of(&std::io::Error::from(errno));
        assert_eq!(of(rustix::io::Errno::MFILE), Cause::NoDescriptor);
        assert_eq!(of(rustix::io::Errno::ADDRNOTAVAIL), Cause::NoPort);
        assert_eq!(of(rustix::io::Errno::PIPE), Cause::ResetByPeer);
        assert_eq!(of(rustix::io::Errno::CONNREFUSED), Cause::ConnectRefused);
        assert_eq!(of(rustix::io::Errno::TIMEDOUT), Cause::UserTimeout);
        assert_eq!(Cause::Rpc(-32603).to_string(), "rpc -32603");
        assert_eq!(Cause::Http(500).to_string(), "http 500");
    }
}
