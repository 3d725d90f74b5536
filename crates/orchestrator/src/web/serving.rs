//! The page and its events over HTTP/1.1.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_report::live_page::LivePage;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::WatchStream;

use super::door::{Asked, Door, Entry};
use super::viewers::Viewers;

/// A page takes two connections.
const CONNECTIONS_MAX: usize = 64;
/// A head that takes longer is not waited for, nor a connection that asks nothing.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a head.
const HEAD_MAX: usize = 16 << 10;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What every request meets.
#[derive(Clone)]
struct Desk {
    door: Door,
    page: Bytes,
    feed: watch::Receiver<Arc<str>>,
    viewers: Viewers,
}

/// A message as a server-sent event.
pub(super) fn event(page: &LivePage) -> Arc<str> {
    format!("data: {}\n\n", page.message()).into()
}

/// Until the user has enough; what is open then is closed.
pub(super) async fn serve(
    listener: TcpListener,
    (door, page): (Door, String),
    (feed, viewers): (watch::Receiver<Arc<str>>, Viewers),
    mut cancel: watch::Receiver<u32>,
) {
    let desk = Desk { door, page: page.into(), feed, viewers };
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            _ = cancel.wait_for(|count| *count > 0) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let desk = desk.clone();
                connections.spawn(async move {
                    let _permit = permit;
                    let service =
                        service_fn(move |request| std::future::ready(Ok::<_, Infallible>(desk.answer(&request))));
                    let mut http = http1::Builder::new();
                    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MAX);
                    // A viewer that goes away is no failure.
                    let _ = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
            // Out of descriptors, for one: it passes.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

impl Desk {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let asked = Asked {
            is_get: request.method() == Method::GET,
            path: request.uri().path(),
            host: the_only(request.headers(), hyper::header::HOST),
            origin: match request.headers().contains_key(hyper::header::ORIGIN) {
                true => Some(the_only(request.headers(), hyper::header::ORIGIN).unwrap_or("null")),
                false => None,
            },
        };
        match self.door.decide(asked) {
            Entry::Page => response(StatusCode::OK, "text/html; charset=utf-8", self.page.clone()),
            Entry::Events => self.events(),
            Entry::OnlyGet => response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET is answered here\n"),
            Entry::Foreign => response(StatusCode::FORBIDDEN, PLAIN, "open the address as erlmcp observe printed it\n"),
            Entry::Nothing => response(StatusCode::NOT_FOUND, PLAIN, "nothing here\n"),
        }
    }

    /// What stands now, and then whatever is newest; a slow viewer misses what lies between.
    fn events(&self) -> Response<Body> {
        let Some(viewer) = self.viewers.enter() else {
            return response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "too many look already: close a page\n");
        };
        let frames = WatchStream::new(self.feed.clone()).map(move |text| {
            let _held = &viewer;
            Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(text.as_bytes())))
        });
        whole(StatusCode::OK, "text/event-stream", StreamBody::new(frames).boxed_unsync())
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

fn response(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Body> {
    whole(status, kind, Full::new(text.into()).boxed_unsync())
}

fn whole(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = [
        ("content-type", kind),
        ("cache-control", "no-store"),
        // The address has the token in it.
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
    ];
    for (name, value) in fields {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

fn the_only(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut found = headers.get_all(name).iter();
    let first = found.next()?.to_str().ok();
    if found.next().is_some() { None } else { first }
}
