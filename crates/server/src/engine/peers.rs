//! The other replicas of the cluster, where requests are sent that only one of them can answer.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::entry::{Inside, Insider};
use crate::queue::{Answer, ReplyTo};
use crate::tools::Cancellation;

/// Requests that may be at other replicas at once.
const FORWARDED_MAX: usize = 256;
/// A replica of this machine that takes no connection for so long is away.
const CONNECT: Duration = Duration::from_secs(1);
/// Read at once of an answer.
const PIECE: usize = 16 * 1_024;

/// The members of the cluster by their numbers; none without a cluster.
#[derive(Debug)]
pub(crate) struct Peers {
    members: RwLock<BTreeMap<u16, SocketAddr>>,
    room: Arc<Semaphore>,
    pub(crate) inside: Inside,
}

impl Default for Peers {
    fn default() -> Self {
        Self { members: RwLock::default(), room: Arc::new(Semaphore::new(FORWARDED_MAX)), inside: Inside::default() }
    }
}

impl Peers {
    pub(crate) fn set(&self, members: BTreeMap<u16, SocketAddr>) {
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = members;
    }

    pub(crate) fn find(&self, replica: u16) -> Option<SocketAddr> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).get(&replica).copied()
    }

    /// Room for one more request; it is free again when what this gives is dropped.
    pub(crate) fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.room).try_acquire_owned().ok()
    }
}

/// A request for another replica.
pub(crate) struct Forwarded {
    pub(crate) address: SocketAddr,
    pub(crate) inside: Inside,
    /// As it is sent. It asks the other one to close the connection after its answer.
    pub(crate) request: Vec<u8>,
    /// Who waits here; cancelled when it goes.
    pub(crate) reply: ReplyTo,
    pub(crate) cancellation: Cancellation,
    /// What is answered where the other one does not.
    pub(crate) unreachable: Answer,
    pub(crate) room: OwnedSemaphorePermit,
}

impl Forwarded {
    /// Hands what the other replica answers to whoever waits here, as it comes.
    pub(crate) async fn run(self) {
        let Self { address, inside, request, reply, cancellation, unreachable, room: _room } = self;
        let ReplyTo { mailbox, token, .. } = reply;
        let begun = tokio::select! {
            () = cancellation.cancelled() => return,
            begun = begin(address, &inside, &request) => begun,
        };
        let Ok((mut stream, mut piece)) = begun else { return mailbox.answer(token, unreachable).await };
        while !piece.is_empty() {
            mailbox.raw(token, piece).await;
            piece = vec![0; PIECE];
            let count = tokio::select! {
                () = cancellation.cancelled() => return,
                read = stream.read(&mut piece) => read.unwrap_or(0),
            };
            piece.truncate(count);
        }
        mailbox.raw_end(token).await;
    }
}

/// Sends the request; gives the first piece of the answer, which is not empty.
async fn begin(address: SocketAddr, inside: &Inside, request: &[u8]) -> io::Result<(Insider, Vec<u8>)> {
    let socket = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await??;
    let mut stream = inside.over(socket, address)?;
    stream.write_all(request).await?;
    let mut piece = vec![0; PIECE];
    let count = stream.read(&mut piece).await?;
    piece.truncate(count);
    if piece.is_empty() { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((stream, piece)) }
}
