//! One question to a server: is it well? For health checks of containers, which have nothing but this program.

use std::net::SocketAddr;
use std::time::Duration;

use erlmcp_load::agent;
use erlmcp_load::clock::RunClock;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::discover::{DiscoverConfig, setup};
use crate::target::{Target, Url, is_loopback};
use crate::{Era, StressError};

/// GET /health of a server: how long its answer took, milliseconds. All of it, also finding the name, has this time.
/// Over TLS, a server of this machine may show any certificate, and others one that the system trusts.
///
/// # Errors
/// Where the URL cannot be asked, or there is no good answer within the time.
pub async fn health(url: &str, within: Duration) -> Result<f64, StressError> {
    let url = Url::parse(url)?;
    let clock = RunClock::new(erlmcp_load::clock::monotonic_ns());
    let asked = timeout(within, async {
        let mut addresses = Target::addresses(&url).await?;
        addresses.truncate(1);
        if url.tls {
            return secured(&url, &addresses, within).await;
        }
        let target = Target { url: url.clone(), addresses, ..Target::own(([127, 0, 0, 1], url.port).into()) };
        target.health(clock).await.map_err(StressError::failed)
    });
    asked.await.unwrap_or_else(|_| {
        Err(StressError::failed(format!("{url} gave no answer to GET /health within {} ms", within.as_millis())))
    })
}

async fn secured(url: &Url, addresses: &[SocketAddr], within: Duration) -> Result<f64, StressError> {
    let config = DiscoverConfig {
        url: url.to_string(),
        era: Era::Auto,
        headers: Vec::new(),
        ca_pem: String::new(),
        insecure: addresses.iter().all(|address| is_loopback(address.ip())),
    };
    let setup = setup(config, url, addresses)?;
    let asked = spawn_blocking(move || agent::page(&setup, "/health", within)).await;
    match asked.map_err(|error| StressError::failed(format!("an internal error: {error}")))? {
        Ok((200, us)) => Ok(us as f64 / 1e3),
        Ok((status, _)) => Err(StressError::failed(format!("GET /health was answered with {status}"))),
        Err(why) => Err(StressError::failed(why)),
    }
}

/// Whether the first process of this container is a server of this program. True where that is not known: the server is
/// asked then.
pub fn container_serves() -> bool {
    std::fs::read("/proc/1/cmdline").map_or(true, |words| is_server(&words))
}

/// By a process's words as /proc has them. The command is not always the second one: there may be an init before it.
fn is_server(words: &[u8]) -> bool {
    let mut words = words.split(|byte| *byte == 0);
    words.any(|word| word == b"serve" || word == b"cluster")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_serves_by_the_words_of_its_first_process() {
        assert!(is_server(b"/erlmcp\0serve\0--listen\x000.0.0.0:8080\0"));
        assert!(is_server(b"/sbin/docker-init\0--\0/erlmcp\0cluster\0"));
        assert!(!is_server(b"/erlmcp\0stress\0http://tasks.erlmcp-server:8080\x00100000\x0015\0"));
        assert!(!is_server(b""));
    }
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Answers one request with this; without one it says nothing.
    async fn server(answer: Option<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("one comes");
            let mut request = [0; 1_024];
            let length = stream.read(&mut request).await.expect("it asks");
            // Or the beginning of TLS.
            assert!(request[..length].starts_with(b"GET /health HTTP/1.1\r\n") || request[0] == 22);
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).await.expect("it listens"),
                None => std::future::pending().await,
            }
        });
        format!("http://{address}")
    }

    #[tokio::test]
    async fn a_server_is_well_when_it_says_so_in_time() {
        let long = Duration::from_secs(60);
        let url = server(Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")).await;
        assert!(health(&url, long).await.is_ok());
        let ill = server(Some("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")).await;
        let why = health(&ill, long).await.unwrap_err();
        assert_eq!((why.exit_code(), why.to_string().as_str()), (1, "GET /health was answered with 503"));
        let silent = server(None).await;
        let why = health(&silent, Duration::from_millis(50)).await.unwrap_err().to_string();
        assert!(why.ends_with("gave no answer to GET /health within 50 ms"), "{why}");
        let plain = server(Some("HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n")).await.replacen("http", "https", 1);
        let why = health(&plain, long).await.unwrap_err();
        assert!(why.exit_code() == 1 && why.to_string().contains("no secure connection"), "{why}");
    }
}
