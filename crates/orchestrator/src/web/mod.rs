//! `observe --web`: a page on loopback that shows a server or a run, for those who have its address.

mod door;
mod feed;
mod serving;
mod viewers;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use erlmcp_report::live_page::LivePage;
use erlmcp_report::render;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Reaching, StressError, observe};
use door::Door;
use viewers::Viewers;

/// Where the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// "http://127.0.0.1:43121/TOKEN/": whoever knows it may look.
    pub address: String,
    pub port: u16,
}

/// Serves the page on `port` of loopback (0: a free one) until the user has enough: of the run in the folder `what`, also
/// while it is written, or of the server at the URL `what`, which is spoken to so. `opened` gets its address.
///
/// # Errors
/// Where the record cannot be read, the server says nothing of itself, or the port is taken.
pub async fn observe_on_a_page(
    (what, reaching): (&str, &Reaching),
    port: u16,
    opened: impl FnOnce(Opened),
    cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let (folder, viewers) = (PathBuf::from(what), Viewers::none_yet());
    if folder.is_dir() {
        // An empty one is refused before there is an address.
        let feed = feed::of_run(folder, viewers.clone())?;
        return serve(port, (feed, viewers), opened, cancel).await;
    }
    let (samples, taken) = mpsc::channel(8);
    let (said, title) = oneshot::channel();
    let begun = |title: String| drop(said.send(title));
    let looking = observe((what, reaching), begun, samples, cancel.clone());
    let showing = async {
        // It ends without a word where there is nothing to look at.
        let Ok(title) = title.await else { return Ok(()) };
        let (messages, feed) = watch::channel(serving::event(&LivePage::of_server(title.clone())));
        let serving = serve(port, (feed, viewers.clone()), opened, cancel);
        let feeding = async {
            feed::of_server(LivePage::of_server(title), taken, messages, viewers).await;
            Ok(())
        };
        // Where the port is taken nobody would ever end the feed.
        tokio::try_join!(serving, feeding).map(|_| ())
    };
    tokio::try_join!(looking, showing).map(|_| ())
}

async fn serve(
    port: u16,
    (feed, viewers): (watch::Receiver<Arc<str>>, Viewers),
    opened: impl FnOnce(Opened),
    cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    let listener = listener.map_err(|error| {
        StressError::failed(format!("cannot listen on 127.0.0.1:{port}: {error}; choose another --port"))
    })?;
    let port = listener.local_addr().map_err(|error| StressError::failed(error.to_string()))?.port();
    let door = Door::new(port).ok_or_else(|| StressError::failed("the system gives no random numbers"))?;
    opened(Opened { address: door.address(), port });
    serving::serve(listener, (door, render::live_html()), (feed, viewers), cancel).await;
    Ok(())
}
