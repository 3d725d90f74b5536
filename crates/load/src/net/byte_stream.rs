//! A connection of a task, with TLS or without. The engine's own are elsewhere: there are many more of them.

use std::fmt::Debug;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::tls::Tls;

/// With TLS or without. What is written is there only after a flush.
pub trait ByteStream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> ByteStream for S {}

/// Over a connection that is there.
///
/// # Errors
/// Where hands are not shaken.
pub(crate) async fn over(stream: TcpStream, tls: Option<&Tls>) -> io::Result<Box<dyn ByteStream>> {
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.over(stream).await?),
    })
}
