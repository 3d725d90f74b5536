//! The other replicas of the cluster, where requests are sent that only one of them can answer.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::passed::Passed;
use crate::entry::{Inside, Insider};
use crate::queue::{Answer, ReplyTo};
use crate::shard::RawEnd;
use crate::tools::Cancellation;

/// Requests that may be at other replicas at once.
const FORWARDED_MAX: usize = 256;
/// A replica of this machine that takes no connection for so long is away.
const CONNECT: Duration = Duration::from_secs(1);
/// Read at once of an answer.
const PIECE: usize = 16 * 1_024;

/// Where a replica is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A member of the cluster.
    At(SocketAddr),
    /// It is no member now, and may be one again.
    Away,
    /// There is none of this number.
    Nowhere,
}

/// The replicas of the cluster by their numbers; none without a cluster.
#[derive(Debug)]
pub(crate) struct Peers {
    /// None before the supervisor has told of them.
    places: RwLock<Option<BTreeMap<u16, Place>>>,
    room: Arc<Semaphore>,
    pub(crate) inside: Inside,
}

impl Peers {
    pub(crate) fn new(is_in_cluster: bool) -> Self {
        Self {
            places: RwLock::new((!is_in_cluster).then(BTreeMap::new)),
            room: Arc::new(Semaphore::new(FORWARDED_MAX)),
            inside: Inside::default(),
        }
    }

    pub(crate) fn set(&self, places: BTreeMap<u16, Place>) {
        *self.places.write().unwrap_or_else(PoisonError::into_inner) = Some(places);
    }

    pub(crate) fn find(&self, replica: u16) -> Place {
        let places = self.places.read().unwrap_or_else(PoisonError::into_inner);
        places.as_ref().map_or(Place::Away, |places| places.get(&replica).copied().unwrap_or(Place::Nowhere))
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
    /// What is answered where the request does not get there.
    pub(crate) unreachable: Answer,
    /// What is answered where it does, and nothing comes back.
    pub(crate) silent: Answer,
    /// For the request to get there, and then for its answer to begin.
    pub(crate) patience: Duration,
    pub(crate) room: OwnedSemaphorePermit,
}

impl Forwarded {
    /// Hands what the other replica answers to whoever waits here, as it comes.
    pub(crate) async fn run(self) {
        let cancellation = self.cancellation.clone();
        tokio::select! {
            () = cancellation.cancelled() => {}
            () = self.pass_on() => {}
        }
    }

    async fn pass_on(self) {
        let Self { address, inside, request, reply, unreachable, silent, patience, room: _room, .. } = self;
        let ReplyTo { mailbox, token, .. } = reply;
        let Ok(Ok(mut stream)) = timeout(patience, send(address, &inside, &request)).await else {
            return mailbox.answer(token, unreachable).await;
        };
        let Ok(Ok((mut answer, mut piece))) = timeout(patience, begin(&mut stream)).await else {
            return mailbox.answer(token, silent).await;
        };
        // One piece waits for the client at a time.
        let places = Arc::new(Semaphore::new(1));
        loop {
            let Ok(taken) = Arc::clone(&places).acquire_owned().await else { return };
            mailbox.raw(token, piece, taken).await;
            if answer.is_whole() {
                break;
            }
            piece = vec![0; PIECE];
            match stream.read(&mut piece).await {
                Ok(count) if count > 0 => piece.truncate(count),
                _ => break,
            }
            answer.add(&piece);
        }
        mailbox.raw_end(token, RawEnd { status: answer.status, is_whole: answer.is_whole() }).await;
    }
}

/// Sends the request. Where this fails, the other one has not got all of it.
async fn send(address: SocketAddr, inside: &Inside, request: &[u8]) -> io::Result<Insider> {
    let socket = timeout(CONNECT, TcpStream::connect(address)).await??;
    let mut stream = inside.over(socket, address)?;
    stream.write_all(request).await?;
    Ok(stream)
}

/// Reads the answer up to the end of its head at least; gives what was read of it.
async fn begin(stream: &mut Insider) -> io::Result<(Passed, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        let had = bytes.len();
        bytes.resize(had + PIECE, 0);
        let count = stream.read(&mut bytes[had..]).await?;
        bytes.truncate(had + count);
        match Passed::begin(&bytes).map_err(io::Error::other)? {
            Some(answer) => return Ok((answer, bytes)),
            None if count == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_the_first_word_of_the_supervisor_every_replica_may_be_there() {
        let at = Place::At("127.0.0.11:80".parse().expect("an address"));
        let peers = Peers::new(true);
        assert_eq!(peers.find(1), Place::Away);
        peers.set([(1, at), (2, Place::Away)].into());
        assert_eq!([1, 2, 3].map(|replica| peers.find(replica)), [at, Place::Away, Place::Nowhere]);
        assert_eq!(Peers::new(false).find(1), Place::Nowhere, "without a cluster there are no others");
    }
}
