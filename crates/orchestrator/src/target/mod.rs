//! What load is sent to: a URL, where it leads, and who answers there.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use erlmcp_load::clock::RunClock;
use erlmcp_load::header_fields;

use crate::collector::{Page, Way};
use crate::doctor::Leads;
use crate::observe::Reaching;
use crate::{StressConfig, StressError};

mod cluster;
pub(crate) mod permit;
mod resolve;
mod status;
mod unread;
mod url;

pub(crate) use resolve::Tried;
pub(crate) use status::{ClusterReference, Status};
pub(crate) use unread::Unread;
pub(crate) use url::Url;

/// A page that takes longer is not there.
const PAGE: Duration = Duration::from_secs(2);

/// A URL whose addresses may be loaded, and answer.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: Url,
    /// Those that take connections: at least one.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The others, each as a sentence for the user.
    pub(crate) left_out: Vec<String>,
    /// Some address is not loopback.
    pub(crate) is_elsewhere: bool,
    /// All addresses are of this machine, and so are the agents.
    pub(crate) is_colocated: bool,
    /// How its pages are asked for.
    pub(crate) way: Way,
}

impl Target {
    /// Resolves the URL to all of its addresses, and keeps those that take connections.
    ///
    /// # Errors
    /// Where the name leads nowhere, to a host that may not be loaded, or nobody takes connections.
    pub(crate) async fn find(url: Url, config: &StressConfig) -> Result<Self, StressError> {
        let resolved = resolve::addresses(&url).await?;
        permit::check(&url, &resolved, config)?;
        let (addresses, left_out) = resolve::accepting(&resolved).await;
        if addresses.is_empty() {
            return Err(nobody(&url, &left_out));
        }
        let is_elsewhere = resolved.iter().any(|address| !is_loopback(address.ip()));
        let far = config.agents_are_elsewhere();
        if let Some(near) = addresses.iter().find(|address| far && is_loopback(address.ip())) {
            return Err(StressError::usage(format!(
                "{near} is this machine's loopback, which agents of other machines cannot reach: name an address that \
                 they can, or let --agents-listen be on 127.0.0.1"
            )));
        }
        let is_colocated = !far && addresses.iter().all(|address| is_of_this_machine(address.ip()));
        let left_out = left_out.iter().map(|why| format!("Left out of the target: {why}")).collect();
        let way = way_of_run(&url, config).await?;
        Ok(Self { url, addresses, left_out, is_elsewhere, is_colocated, way })
    }

    /// Where the connections of a run go.
    pub(crate) fn leads(&self) -> Leads {
        Leads {
            is_colocated: self.is_colocated,
            is_loopback: self.addresses.iter().all(|address| is_loopback(address.ip())),
            addresses: self.addresses.len() as u64,
        }
    }

    /// Its addresses, to ask a question or two, which needs no permission.
    ///
    /// # Errors
    /// Where the name leads nowhere.
    pub(crate) async fn addresses(url: &Url) -> Result<Vec<SocketAddr>, StressError> {
        resolve::addresses(url).await
    }

    /// Connects to each of them, and to nothing behind it.
    pub(crate) async fn tried(addresses: &[SocketAddr]) -> Vec<Tried> {
        resolve::tried(addresses).await
    }

    /// Where it leads and takes connections, to look at what it says of itself, which needs no permission.
    ///
    /// # Errors
    /// Where the name leads nowhere, nobody takes connections, or it cannot be spoken to so.
    pub(crate) async fn to_look_at(url: Url, reaching: &Reaching) -> Result<Self, StressError> {
        let fields = reaching.fields(&url)?;
        let (addresses, left_out) = resolve::accepting(&resolve::addresses(&url).await?).await;
        if addresses.is_empty() {
            return Err(nobody(&url, &left_out));
        }
        let is_elsewhere = addresses.iter().any(|address| !is_loopback(address.ip()));
        let is_colocated = addresses.iter().all(|address| is_of_this_machine(address.ip()));
        let insecure = reaching.insecure || (is_colocated && reaching.ca_pem.is_empty());
        let way = way(&url, &reaching.ca_pem, insecure).await?.with(&fields);
        Ok(Self { url, addresses, left_out, is_elsewhere, is_colocated, way })
    }

    /// A server of this run, which needs no permission.
    pub(crate) fn own(shared: SocketAddr) -> Self {
        let authority = shared.to_string();
        let (host, path) = (shared.ip().to_string(), "/mcp".to_string());
        let url = Url { tls: false, host, port: shared.port(), path, authority };
        let (addresses, left_out, way) = (vec![shared], Vec::new(), Way::default());
        Self { url, addresses, left_out, is_elsewhere: false, is_colocated: true, way }
    }

    /// What its /status says, where it is an erlmcp server.
    pub(crate) async fn status(&self) -> Option<Status> {
        let page = self.page("/status").get(PAGE).await.ok()?;
        if page.status == 200 { Status::parse(&page.body) } else { None }
    }

    /// Its page /ready; None: there is none, or it does not say that all is well.
    pub(crate) async fn ready(&self) -> Option<Page> {
        let page = self.page("/ready");
        page.get(PAGE).await.is_ok_and(|answered| answered.status == 200).then_some(page)
    }

    /// GET /health: how long it took, milliseconds, or why there was no good answer.
    pub(crate) async fn health(&self, clock: RunClock) -> Result<f64, String> {
        let page = self.page("/health");
        let asked_us = clock.now_us();
        match page.get(PAGE).await?.status {
            200 => Ok((clock.now_us() - asked_us) as f64 / 1e3),
            status => Err(format!("GET /health was answered with {status}")),
        }
    }

    /// Looks its name up again: how long that took, milliseconds; None: it is an address.
    pub(crate) async fn resolve(&self, clock: RunClock) -> Result<Option<f64>, String> {
        if self.url.address().is_some() {
            return Ok(None);
        }
        let asked_us = clock.now_us();
        let found = resolve::addresses(&self.url).await.map_err(|error| error.to_string())?;
        Ok((!found.is_empty()).then(|| (clock.now_us() - asked_us) as f64 / 1e3))
    }

    /// The addresses that connections are spread over, numbered as the replicas of a run are.
    pub(crate) fn endpoints(&self) -> Vec<(u16, SocketAddr)> {
        (1..).zip(self.addresses.iter().copied()).collect()
    }

    /// The pages of Prometheus metrics of its endpoints, or why a run does not read that of the first one.
    pub(crate) async fn metrics(&self) -> Result<Vec<(u16, Page)>, Unread> {
        let page = self.page("/metrics");
        let answered = page.get(PAGE).await.map_err(Unread::Silent)?;
        match answered.status {
            200 if std::str::from_utf8(&answered.body).is_ok_and(has_samples) => {}
            200 => return Err(Unread::Otherwise),
            status @ (401 | 403) => return Err(Unread::Guarded(status)),
            status => return Err(Unread::Missing(status)),
        }
        Ok(self.endpoints().into_iter().map(|(replica, address)| (replica, page.at(address))).collect())
    }

    /// At its first address.
    fn page(&self, path: &str) -> Page {
        Page { host: self.url.authority.clone(), ..self.way.page(self.addresses[0], path) }
    }
}

/// How a run speaks to the server at a URL: for its pages with the headers of its requests, which may be what opens them.
///
/// # Errors
/// Where there is nobody to trust, or a header cannot be sent.
pub(crate) async fn way_of_run(url: &Url, config: &StressConfig) -> Result<Way, StressError> {
    let fields = header_fields(&config.headers).map_err(|error| StressError::usage(error.to_string()))?;
    Ok(way(url, &config.ca_pem, config.insecure).await?.with(&fields))
}

/// How the server at a URL is spoken to. `ca_pem` and `insecure` as in [`StressConfig`].
///
/// # Errors
/// Where there is nobody to trust.
pub(crate) async fn way(url: &Url, ca_pem: &str, insecure: bool) -> Result<Way, StressError> {
    if !url.tls {
        return Ok(Way::default());
    }
    Way::secured(&url.authority, ca_pem, insecure).await.map_err(StressError::failed)
}

fn nobody(url: &Url, left_out: &[String]) -> StressError {
    let why = left_out.join("; ");
    StressError::Unreachable(format!("cannot connect to {url}: {why}. Start the server, or correct the URL"))
}

/// True where some line is `name value` or `name{...} value`, and none is markup.
fn has_samples(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    lines.peek().is_some()
        && lines.all(|line| {
            let is_name = line.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':');
            let value = line.rsplit_once([' ', '}']).map(|(_, value)| value.trim());
            is_name && value.is_some_and(|value| value.parse::<f64>().is_ok())
        })
}

/// IPv4 in IPv6's clothes included.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// True where a socket can be bound to it. No packet is sent.
pub(crate) fn is_of_this_machine(address: IpAddr) -> bool {
    is_loopback(address) || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::tests::plain;
    use crate::driver::fake;

    #[tokio::test]
    async fn addresses_that_take_no_connections_are_left_out_and_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let url = Url::parse(&format!("http://localhost:{port}")).expect("a URL");
        let target = Target::find(url, &plain()).await.expect("something listens");
        assert_eq!(target.addresses, [SocketAddr::from(([127, 0, 0, 1], port))]);
        assert!(target.left_out.iter().all(|why| why.contains("::1")), "{:?}", target.left_out);
        assert!(target.is_colocated && !target.is_elsewhere);
    }

    #[tokio::test]
    async fn a_dead_port_is_one_clear_sentence() {
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("bound").port()
        };
        let url = Url::parse(&format!("http://127.0.0.1:{port}")).expect("a URL");
        let error = Target::find(url, &plain()).await.expect_err("nothing listens");
        assert_eq!(error.exit_code(), 1);
        let said = error.to_string();
        assert!(said.contains("refused") && said.contains("Start the server"), "{said}");
    }

    #[tokio::test]
    async fn a_page_of_metrics_is_read_or_it_is_said_why_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let target = Target::own(listener.local_addr().expect("bound"));
        let answers = [("200 OK", "a 1\n"), ("200 OK", "<html>"), ("401 Unauthorized", ""), ("404 Not Found", "")];
        let serving = tokio::spawn(async move {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.expect("one comes");
                fake::heard(&mut stream).await.expect("a request");
                let text = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(text.as_bytes()).await.expect("it listens");
            }
        });
        assert!(target.metrics().await.is_ok());
        for why in [Unread::Otherwise, Unread::Guarded(401), Unread::Missing(404)] {
            assert_eq!(target.metrics().await.err(), Some(why));
        }
        serving.await.expect("all were asked for");
    }

    #[test]
    fn metrics_are_told_from_other_pages() {
        assert!(has_samples("# HELP a b\na{b=\"c d\"} 1\nc 2.5e3\nd NaN\n"));
        assert!(!has_samples("<html>\n<p>not found 404\n"));
        assert!(!has_samples("# nothing\n"));
        assert!(!has_samples("{\"a\": 1}"));
    }
}
