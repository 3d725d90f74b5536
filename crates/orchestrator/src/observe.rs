//! `observe`: a look at a server that runs, without any load.

use std::io::ErrorKind;
use std::time::SystemTime;

use erlmcp_load::clock::{RunClock, monotonic_ns};
use erlmcp_load::header_fields;
use erlmcp_record::{ClusterSample, JournalTail};
use erlmcp_report::board::FOR_GOOD;
use tokio::sync::{mpsc, watch};

use crate::StressError;
use crate::clock::seconds_since;
use crate::collector::{self, Figures};
use crate::event::Event;
use crate::target::{Target, Unread, Url};

/// How a server that is looked at is spoken to.
#[derive(Debug, Clone, Default)]
pub struct Reaching {
    /// Name and value of headers for every request.
    pub headers: Vec<(String, String)>,
    /// Root certificates to trust beside the system's, PEM; empty for none. A server of this machine may then no longer show
    /// any certificate.
    pub ca_pem: String,
    /// Trusts any certificate, elsewhere, too.
    pub insecure: bool,
}

impl Reaching {
    /// Its headers as the fields of a request, each a line with its end.
    ///
    /// # Errors
    /// Where one cannot be sent, or certificates are named for a URL without TLS.
    pub(crate) fn fields(&self, url: &Url) -> Result<String, StressError> {
        url.has_use_for(&self.ca_pem, self.insecure)?;
        header_fields(&self.headers).map_err(|error| StressError::usage(error.to_string()))
    }
}

/// Once a second what the server at `url` says of itself, over `samples`, until the user has enough or nobody takes them.
/// An erlmcp cluster of this machine is asked by its control socket, any other server by its page of metrics.
/// `begun` gets what is looked at and where from, before the first sample.
///
/// # Errors
/// Where it does not answer, or says nothing of itself that can be read.
pub async fn observe(
    (url, reaching): (&str, &Reaching),
    begun: impl FnOnce(String),
    samples: mpsc::Sender<ClusterSample>,
    mut cancel: watch::Receiver<u32>,
) -> Result<(), StressError> {
    let target = Target::to_look_at(Url::parse(url)?, reaching).await?;
    let untold = |why: Unread| StressError::failed(untold(&target.url, &why, !reaching.headers.is_empty()));
    let figures = figures(&target).await.map_err(untold)?;
    begun(format!("{} by {}", target.url, collector::describe(&figures)));
    let (events, mut taken) = mpsc::channel(8);
    let (_moved, moves) = watch::channel(Vec::new());
    let collecting = collector::start((figures, None), moves, RunClock::new(monotonic_ns()), events);
    loop {
        let event = tokio::select! {
            event = taken.recv() => event,
            _ = cancel.wait_for(|count| *count > 0) => None,
        };
        let is_wanted = match event {
            Some(Event::Sample(sample)) => samples.send(*sample).await.is_ok(),
            Some(_) => true,
            None => false,
        };
        if !is_wanted {
            break;
        }
    }
    collecting.abort();
    Ok(())
}

/// Seconds since the last of a record was written; 0 where nobody knows, [`FOR_GOOD`] where it came out of a bundle, which
/// has no times, or is no longer there.
pub fn silent_s(tail: &JournalTail) -> u64 {
    match tail.written_at() {
        Ok(at) if at == SystemTime::UNIX_EPOCH => FOR_GOOD,
        Ok(at) => seconds_since(at),
        Err(error) if error.kind() == ErrorKind::NotFound => FOR_GOOD,
        Err(_) => 0,
    }
}

async fn figures(target: &Target) -> Result<Figures, Unread> {
    let status = target.status().await;
    let cluster = target.cluster(status.as_ref()).await;
    match cluster.filter(|cluster| target.is_colocated && cluster.control.exists()) {
        Some(cluster) => Ok(Figures::Cluster { control: cluster.control }),
        None => target.metrics().await.map(|pages| Figures::Server { pages, pid: None }),
    }
}

fn untold(url: &Url, why: &Unread, has_headers: bool) -> String {
    let why = match why {
        Unread::Guarded(status) => {
            let not_so = if has_headers { "does not take what it was given" } else { "asks for a token" };
            format!(
                "its page of metrics {not_so} (HTTP {status}): give a token with the scope `metrics` by --bearer-file, or \
                 observe the address of its --admin-listen, where an erlmcp server shows it plainly"
            )
        }
        why => why.to_string(),
    };
    format!("{url} says nothing of itself: no cluster of this user on this machine answers there, and {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_guarded_has_another_address() {
        let url = Url::parse("https://localhost").expect("a URL");
        let told = [Unread::Guarded(401), Unread::Missing(404)].map(|why| untold(&url, &why, false));
        assert_eq!(told.each_ref().map(|text| text.contains("--admin-listen")), [true, false], "{told:?}");
        assert!(told[0].contains("asks for a token (HTTP 401)") && told[1].ends_with("(HTTP 404)"), "{told:?}");
        let told = untold(&url, &Unread::Guarded(403), true);
        assert!(told.contains("does not take what it was given (HTTP 403)"), "{told}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_and_not_repeated() {
        let fields = |text: &str, reaching: Reaching| reaching.fields(&Url::parse(text).expect("a URL"));
        let headers = |value: &str| Reaching { headers: vec![("A".into(), value.into())], ..Reaching::default() };
        assert_eq!(fields("http://a", headers("b")).expect("fine"), "A: b\r\n");
        let error = fields("http://a", headers("s3cret\r\nB: c")).expect_err("two lines").to_string();
        assert!(error.contains("\"A\"") && !error.contains("s3cret"), "{error}");
        let insecure = Reaching { insecure: true, ..Reaching::default() };
        assert!(fields("https://a", insecure.clone()).is_ok());
        let error = fields("http://a", insecure).expect_err("no TLS");
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}
