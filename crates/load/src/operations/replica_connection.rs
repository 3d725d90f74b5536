//! One connection for operations: kept open from one to the next.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_protocol::client::answer::{Answer, Progress};
use erlmcp_record::operations::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::answer::Whole;
use super::course::End;
use crate::allowed::Allowed;
use crate::net::byte_stream::{ByteStream, over};
use crate::net::tls::Tls;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
const READ_BUFFER: usize = 8 * 1024;

/// The way to one replica; connected when something is sent.
#[derive(Debug)]
pub(super) struct ReplicaConnection {
    address: SocketAddr,
    allowed: Allowed,
    tls: Option<Tls>,
    stream: Option<Box<dyn ByteStream>>,
}

impl ReplicaConnection {
    pub(super) fn to(address: SocketAddr, allowed: Allowed, tls: Option<Tls>) -> Self {
        Self { address, allowed, tls, stream: None }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.stream.is_some()
    }

    /// Connects, if it is not. An error is an attempt's end that certainly did nothing.
    pub(super) async fn connect(&mut self) -> Result<(), End> {
        let failed = |reason| Err(End::Fail { reason, after_us: None });
        if self.is_connected() {
            return Ok(());
        }
        match tokio::time::timeout(CONNECT_TIMEOUT, open(self.address, self.allowed, self.tls.as_ref())).await {
            Ok(Ok(stream)) => {
                self.stream = Some(stream);
                Ok(())
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => failed(Reason::ConnectRefused),
            _ => failed(Reason::NotSent),
        }
    }

    /// Sends a whole request. The connection is gone after an error.
    pub(super) async fn send(&mut self, request: &[u8]) -> Result<(), End> {
        let Some(mut stream) = self.stream.take() else {
            return Err(End::Fail { reason: Reason::NotSent, after_us: None });
        };
        let mut sent = 0;
        while sent < request.len() {
            match tokio::time::timeout(ANSWER_TIMEOUT, stream.write(&request[sent..])).await {
                Ok(Ok(count)) if count > 0 => sent += count,
                _ if sent == 0 => return Err(End::Fail { reason: Reason::NotSent, after_us: None }),
                Ok(_) => return Err(End::Info(Reason::Reset)),
                Err(_) => return Err(End::Info(Reason::TimedOut)),
            }
        }
        // TLS may have kept some of it.
        match tokio::time::timeout(ANSWER_TIMEOUT, stream.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(End::Info(Reason::Reset)),
            Err(_) => return Err(End::Info(Reason::TimedOut)),
        }
        self.stream = Some(stream);
        Ok(())
    }

    /// Waits for the whole answer to the request with this id. The connection is gone after an error.
    pub(super) async fn receive(&mut self, id: u64) -> Result<Whole, End> {
        let Some(stream) = self.stream.take() else { return Err(End::Info(Reason::Reset)) };
        match tokio::time::timeout(ANSWER_TIMEOUT, read(stream, id)).await {
            Ok(Ok((whole, stream))) => {
                self.stream = stream;
                Ok(whole)
            }
            Ok(Err(reason)) => Err(End::Info(reason)),
            Err(_) => Err(End::Info(Reason::TimedOut)),
        }
    }
}

async fn open(address: SocketAddr, allowed: Allowed, tls: Option<&Tls>) -> io::Result<Box<dyn ByteStream>> {
    let stream = allowed.connect(address, |_| Ok(())).await?;
    let _ = stream.set_nodelay(true);
    over(stream, tls).await
}

/// The answer, and the connection where it stays open.
async fn read(mut stream: Box<dyn ByteStream>, id: u64) -> Result<(Whole, Option<Box<dyn ByteStream>>), Reason> {
    let mut answer = Answer::recorded(id);
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let count = stream.read(&mut buffer).await.map_err(|_| Reason::Reset)?;
        let progress = if count == 0 { answer.end() } else { answer.feed(&buffer[..count]) };
        match progress {
            Progress::More if count == 0 => return Err(Reason::Closed),
            Progress::More => {}
            // Nothing was asked that more could answer.
            Progress::Whole { used, .. } if used < count => return Err(Reason::NotAnAnswer),
            Progress::Whole { said, stays_open, .. } => {
                let head = answer.head();
                let (status, retry_after_s) = head.map_or((0, None), |head| (head.status, head.retry_after_s));
                let is_clean = stays_open && count > 0;
                let message = answer.into_record().message;
                return Ok((Whole { status, said, retry_after_s, message }, is_clean.then_some(stream)));
            }
            Progress::Broken(_) if count == 0 => return Err(Reason::Closed),
            Progress::Broken(_) => return Err(Reason::NotAnAnswer),
        }
    }
}
