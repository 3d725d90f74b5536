//! Requests for something else than MCP, over HTTP/1.1 with or without TLS: to the API of a cluster, for the pages of a
//! server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::super::target::{BadSetup, Target};
use super::at_some;
use super::exchange::Exchanger;
use super::trouble::Trouble;
use crate::net::byte_stream::{self, ByteStream};
use crate::proto;

/// Knows the way, and whom to trust there. Each request has a connection of its own.
#[derive(Debug, Clone)]
pub struct Courier {
    target: Target,
    patience: Duration,
}

impl Courier {
    /// To where `setup` leads; a request may take so long.
    ///
    /// # Errors
    /// Where there is nobody to trust, or an address is none: one sentence.
    pub fn new(setup: &proto::Setup, patience: Duration) -> Result<Self, String> {
        let target = Target::of(setup).map_err(|error: BadSetup| error.to_string())?;
        Ok(Self { target, patience })
    }

    /// To this address by the same name and trust; a request may take so long.
    pub fn to(&self, address: SocketAddr, patience: Duration) -> Self {
        let target = Target { endpoints: vec![(0, address)], ..self.target.clone() };
        Self { target, patience }
    }

    /// Sends the bytes of a request. `take` is shown all that has come of the answer, and whether that is its end, until it
    /// takes something from it. It waits, so it is called on a thread that may.
    ///
    /// # Errors
    /// Where nobody answers, or the answer ends before anything was taken: one sentence.
    pub fn carry<T>(&self, request: &[u8], mut take: impl FnMut(&[u8], bool) -> Option<T>) -> Result<T, String> {
        let carried = at_some(&self.target, 0, |address| {
            Exchanger::new(&self.target, address, self.patience)?.carry(request, &mut take)
        });
        carried.map_err(told)
    }

    /// Sends the beginning of a request; its connection lasts as long as what is given back. It waits, too.
    ///
    /// # Errors
    /// Where nobody takes it: one sentence.
    pub fn begin(&self, request: &[u8]) -> Result<Box<dyn Send>, String> {
        let begun =
            at_some(&self.target, 0, |address| Exchanger::new(&self.target, address, self.patience)?.begin(request));
        begun.map(|channel| Box::new(channel) as Box<dyn Send>).map_err(told)
    }

    /// Over a connection that is there already, for a task.
    ///
    /// # Errors
    /// Where hands are not shaken.
    pub async fn over(&self, stream: TcpStream) -> io::Result<Box<dyn ByteStream>> {
        byte_stream::over(stream, self.target.tls.as_ref()).await
    }
}

fn told(trouble: Trouble) -> String {
    match trouble {
        Trouble::Silent(address, seconds) | Trouble::ConnectTimeout(address, seconds) => {
            format!("{address} did not answer within {seconds} s")
        }
        Trouble::Closed(address, _) => format!("{address} closed the connection before its answer was whole"),
        other => other.to_string(),
    }
}
