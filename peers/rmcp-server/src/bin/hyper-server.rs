//! hyper alone, for what its HTTP takes and refuses: hyper-server [--port N]
//!
//! Every request is read to its end and answered alike.

#![forbid(unsafe_code)]

use std::net::Ipv4Addr;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

const ANSWER: &[u8] = br#"{"jsonrpc":"2.0","id":7,"result":{}}"#;

/// The error ends the connection: what came was not a whole request.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let port: u16 = match arguments.iter().position(|argument| argument == "--port") {
        Some(at) => arguments.get(at + 1).map_or(Ok(0), |port| port.parse())?,
        None => 0,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let served = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service_fn(answer));
            if let Err(error) = served.await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}
