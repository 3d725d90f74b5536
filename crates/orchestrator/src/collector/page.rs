//! One page over HTTP/1.1, with TLS or without.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use erlmcp_load::agent::Courier;
use erlmcp_load::{ByteStream, proto};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A page that is longer is not read: the metrics of 250 replicas have a quarter of it.
const BYTES_MAX: usize = 16 << 20;

/// How a server is spoken to: plainly, or over TLS by the agents' own client, which knows whom to trust.
#[derive(Clone, Default)]
pub(crate) struct Way {
    courier: Option<Arc<Courier>>,
    /// Header fields for every page, each a line with its end.
    fields: Arc<str>,
}

/// Its fields may hold a token, which is never shown.
impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way").field("courier", &self.courier).finish_non_exhaustive()
    }
}

impl Way {
    /// Over TLS, with a certificate for the host of `authority` from the system's roots or those in `ca_pem`; with
    /// `insecure`, with any.
    ///
    /// # Errors
    /// Where there is nobody to trust: one sentence.
    pub(crate) async fn secured(authority: &str, ca_pem: &str, insecure: bool) -> Result<Self, String> {
        let setup = proto::Setup {
            authority: authority.into(),
            tls: true,
            ca_pem: ca_pem.into(),
            insecure,
            allow_foreign: true,
            ..proto::Setup::default()
        };
        // Roots are read from files. How long a page may take is said where it is asked for.
        let opened = spawn_blocking(move || Courier::new(&setup, Duration::ZERO)).await;
        opened.map_err(internal)?.map(|courier| Self { courier: Some(Arc::new(courier)), ..Self::default() })
    }

    /// The same with these header fields for every page, each a line with its end.
    pub(crate) fn with(self, fields: &str) -> Self {
        Self { fields: fields.into(), ..self }
    }

    /// The fields of a request to this host: Host, unless the user has one of their own, and what every request has.
    pub(crate) fn head(&self, host: &str) -> String {
        let fields = &self.fields;
        match field(&format!("\r\n{fields}"), "Host") {
            Some(_) => fields.to_string(),
            None => format!("Host: {host}\r\n{fields}"),
        }
    }

    pub(crate) fn is_secured(&self) -> bool {
        self.courier.is_some()
    }

    /// Over a connection that is there.
    ///
    /// # Errors
    /// Where there should be TLS, and hands are not shaken: one sentence.
    pub(crate) async fn over(&self, stream: TcpStream) -> Result<Box<dyn ByteStream>, String> {
        match &self.courier {
            None => Ok(Box::new(stream)),
            Some(courier) => courier.over(stream).await.map_err(|error| format!("TLS does not come about: {error}")),
        }
    }

    /// The page at this address, which is asked for by it.
    pub(crate) fn page(&self, address: SocketAddr, path: &str) -> Page {
        Page { address, host: address.to_string(), path: path.into(), way: self.clone() }
    }

    /// Sends the beginning of a request, whose connection lasts as long as what is given back.
    ///
    /// # Errors
    /// Where nobody takes it within the time: one sentence.
    pub(crate) async fn begin(
        &self,
        address: SocketAddr,
        request: Vec<u8>,
        within: Duration,
    ) -> Result<Box<dyn Send>, String> {
        if let Some(courier) = &self.courier {
            let courier = courier.to(address, within);
            return spawn_blocking(move || courier.begin(&request)).await.map_err(internal)?;
        }
        let begun = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_zero_linger()?;
            stream.write_all(&request).await?;
            Ok::<_, std::io::Error>(Box::new(stream) as Box<dyn Send>)
        };
        let begun = timeout(within, begun).await.map_err(|_| late(within))?;
        begun.map_err(|error| error.to_string())
    }
}

fn internal(error: impl fmt::Display) -> String {
    format!("an internal error: {error}")
}

fn late(within: Duration) -> String {
    format!("no answer within {} ms", within.as_millis())
}

/// Where a page is.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) address: SocketAddr,
    /// For the Host field: "localhost:8080".
    pub(crate) host: String,
    /// "/metrics"
    pub(crate) path: String,
    pub(crate) way: Way,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.way.is_secured() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host, self.path)
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// Status line and fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// The code of the JSON-RPC error that it is.
    pub(crate) fn rpc_code(&self) -> Option<i64> {
        let message: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        message.pointer("/error/code")?.as_i64()
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    fields.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

impl Page {
    /// The same page elsewhere.
    pub(crate) fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// Fetches it on a connection of its own.
    ///
    /// # Errors
    /// Why there is no whole answer within the time, as a sentence.
    pub(crate) async fn get(&self, within: Duration) -> Result<Answered, String> {
        self.get_with("", within).await
    }

    /// The same with these header fields, each a line with its end.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn get_with(&self, fields: &str, within: Duration) -> Result<Answered, String> {
        self.request(("GET", &format!("{fields}\r\n")), within).await
    }

    /// Sends it a JSON text, with these header fields, each a line with its end.
    ///
    /// # Errors
    /// Why there is no whole answer within the time, as a sentence.
    pub(crate) async fn post(&self, fields: &str, body: &str, within: Duration) -> Result<Answered, String> {
        let length = body.len();
        let rest = format!("Content-Type: application/json\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        self.request(("POST", &rest), within).await
    }

    async fn request(&self, (method, rest): (&str, &str), within: Duration) -> Result<Answered, String> {
        let Page { address, host, path, way } = self;
        let request = format!("{method} {path} HTTP/1.1\r\n{}Connection: close\r\n{rest}", way.head(host));
        let fetched = async {
            match &way.courier {
                None => self.fetch(&request).await,
                Some(courier) => carried(courier.to(*address, within), request).await,
            }
        };
        let fetched = timeout(within, fetched).await.unwrap_or_else(|_| Err(late(within)));
        fetched.map_err(|why| format!("{method} {path} at {address}: {why}"))
    }

    async fn fetch(&self, request: &str) -> Result<Answered, String> {
        let mut stream = TcpStream::connect(self.address).await.map_err(|error| error.to_string())?;
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        loop {
            let read = stream.read_buf(&mut bytes).await.map_err(|error| error.to_string())?;
            if let Some(answered) = whole_answer(&bytes, read == 0)? {
                // The answer is whole: what would come is only the other side's end, or a TIME_WAIT.
                let _ = stream.set_zero_linger();
                return Ok(answered);
            }
            if read == 0 {
                return Err("the answer ended early".into());
            }
            if bytes.len() > BYTES_MAX {
                return Err(format!("the page is longer than {} MiB", BYTES_MAX >> 20));
            }
        }
    }
}

/// On a thread of its own, which ends with the courier's patience, also where nobody waits for it any more.
async fn carried(courier: Courier, request: String) -> Result<Answered, String> {
    let carried = spawn_blocking(move || {
        courier.carry(request.as_bytes(), |bytes, is_end| whole_answer(bytes, is_end).transpose())?
    });
    carried.await.map_err(internal)?
}

/// The answer that these bytes are; None: not all of it is there yet.
pub(crate) fn whole_answer(bytes: &[u8], is_end: bool) -> Result<Option<Answered>, String> {
    let Some(head_end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().filter(|line| line.starts_with("HTTP/1.")).and_then(|line| line.split(' ').nth(1));
    let status: u16 = status.and_then(|code| code.parse().ok()).ok_or("the answer is not HTTP/1.1")?;
    let field = |name: &str| field(&head, name);
    let rest = &bytes[head_end + 4..];
    // RFC 9112, section 6.3: these end with their head.
    let body = if matches!(status, 204 | 304) {
        Some(Vec::new())
    } else if field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        dechunk(rest)?
    } else if let Some(length) = field("content-length") {
        let length: usize = length.parse().map_err(|_| "the answer's Content-Length is no number")?;
        rest.get(..length).map(<[u8]>::to_vec)
    } else {
        is_end.then(|| rest.to_vec())
    };
    Ok(body.map(|body| Answered { status, head, body }))
}

/// The body that these chunks are; None: the last one is not there yet.
fn dechunk(mut rest: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let mut body = Vec::new();
    while let Some(end) = find(rest, b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|line| line.split(';').next());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.filter(|size| *size <= BYTES_MAX).ok_or("a chunk of the answer has no good size")?;
        if size == 0 {
            return Ok(Some(body));
        }
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { return Ok(None) };
        body.extend_from_slice(chunk);
        let Some(next) = rest.get(end + 4 + size..) else { return Ok(None) };
        rest = next;
    }
    Ok(None)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    fn whole(text: &str, is_end: bool) -> Option<(u16, String)> {
        let answered = whole_answer(text.as_bytes(), is_end).expect("it is HTTP")?;
        Some((answered.status, String::from_utf8(answered.body).expect("it is text")))
    }

    #[test]
    fn answers_end_in_four_ways() {
        let sized = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
        assert_eq!(whole(sized, false), Some((200, "hello".into())));
        assert_eq!(whole(&sized[..sized.len() - 1], false), None);
        let until_end = "HTTP/1.0 503 No\r\n\r\nhello";
        assert_eq!((whole(until_end, false), whole(until_end, true)), (None, Some((503, "hello".into()))));
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n";
        assert_eq!(whole(chunked, false), Some((200, "hello".into())));
        for cut in 0..chunked.len() - 4 {
            assert_eq!(whole(&chunked[..cut], false), None, "{cut}");
        }
        assert_eq!(
            whole("HTTP/1.1 204 No Content\r\n\r\n", false),
            Some((204, String::new())),
            "it has no body to wait for"
        );
        assert!(whole_answer(b"SSH-2.0-x\r\n\r\n", false).is_err());
        assert!(whole_answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false).is_err());
    }

    #[tokio::test]
    async fn a_page_is_fetched_or_the_reason_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        let page = |fields: &str| {
            let way = Way::default().with(fields);
            Page { host: "localhost:1".into(), ..way.page(address, "/metrics") }
        };
        let serving = tokio::spawn(async move {
            let mut requests = Vec::new();
            for _ in 0..3 {
                let (mut stream, _) = listener.accept().await.expect("one comes");
                let mut request = vec![0; 1_024];
                let length = stream.read(&mut request).await.expect("it asks");
                requests.push(String::from_utf8_lossy(&request[..length]).into_owned());
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nup").await.expect("it listens");
            }
            let silent = listener.accept().await;
            (requests, silent)
        });
        for fields in ["", "A: b\r\n", "host: c\r\n"] {
            let answered = page(fields).get(Duration::from_secs(10)).await.expect("it is served");
            assert_eq!((answered.status, answered.body.as_slice()), (200, b"up".as_slice()));
        }
        let page = page("");
        let error = page.get(Duration::from_millis(50)).await.unwrap_err();
        assert_eq!(error, format!("GET /metrics at {address}: no answer within 50 ms"));
        let (requests, _) = serving.await.expect("it ends");
        let fields = ["Host: localhost:1\r\n", "Host: localhost:1\r\nA: b\r\n", "host: c\r\n"];
        assert_eq!(
            requests,
            fields.map(|fields| format!("GET /metrics HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"))
        );
    }
}
