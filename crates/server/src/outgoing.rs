//! What the server itself asks of others, which is little: the keys of an issuer, and to take telemetry. It waits, so it is
//! called on threads that may.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use erlmcp_protocol::client::head::{self, Framing};
use erlmcp_protocol::http::chunked::Chunked;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::clock::monotonic_ns;
use crate::dispatch::decode;

/// For each step of a fetch; the whole of it takes twice as long at most.
const PATIENCE: Duration = Duration::from_secs(5);
const BYTES_MAX: u64 = 1024 * 1024;

/// The text at an address; redirects are not followed.
pub(crate) fn fetch(address: &str) -> io::Result<String> {
    let line = |path: &str| format!("GET {path} HTTP/1.1\r\nAccept: application/json\r\n");
    ask(address, line, &[], PATIENCE, None)
}

/// Posts a body, and gives what is answered. `patience` is for each step, twice as much for all; `tls` saves reading the system's roots again.
pub(crate) fn post(
    address: &str,
    kind: &str,
    content: &[u8],
    patience: Duration,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<String> {
    let fields = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", content.len());
    ask(address, |path| format!("POST {path} HTTP/1.1\r\n{fields}"), content, patience, tls)
}

/// Sends a request, which begins with what `begin` makes of the path, and reads the body of the answer.
fn ask(
    address: &str,
    begin: impl Fn(&str) -> String,
    content: &[u8],
    patience: Duration,
    tls: Option<&Arc<ClientConfig>>,
) -> io::Result<String> {
    let wrong = |what: &str| io::Error::other(what.to_string());
    let (is_tls, rest) = match address.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(wrong("the address is neither http:// nor https://")),
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong("the port is no number"))?),
        _ => (authority, if is_tls { 443 } else { 80 }),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let path = if path.is_empty() { "/" } else { path };
    let head = format!("{}Host: {authority}\r\nConnection: close\r\n\r\n", begin(path));
    let request = [head.as_bytes(), content].concat();
    let mut last = wrong("the host has no address");
    for socket in (bare, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&socket, patience) {
            Ok(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.set_write_timeout(Some(patience))?;
                let whole_ns = u64::try_from(2 * patience.as_nanos()).unwrap_or(u64::MAX);
                let stream = Timed { stream, until_ns: monotonic_ns().saturating_add(whole_ns) };
                let answer = if is_tls {
                    let config = tls.map_or_else(client_config, |config| Ok(Arc::clone(config)))?;
                    exchange(secured(stream, bare, config)?, &request)?
                } else {
                    exchange(stream, &request)?
                };
                return body(&answer);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A stream that ends in an error at a time, however much still comes: beneath TLS, so that it holds within a record, too.
struct Timed<S> {
    stream: S,
    until_ns: u64,
}

impl<S> Timed<S> {
    fn in_time(&mut self) -> io::Result<&mut S> {
        if monotonic_ns() < self.until_ns {
            return Ok(&mut self.stream);
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "the answer takes too long"))
    }
}

impl<S: Read> Read for Timed<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.in_time()?.read(bytes)
    }
}

impl<S: Write> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.in_time()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn exchange(mut stream: impl Read + Write, request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    match stream.take(BYTES_MAX).read_to_end(&mut bytes) {
        // Many servers end TLS without a word; what is short is found out by its length, or is no JSON.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        read => drop(read?),
    }
    Ok(bytes)
}

/// TLS to others, whose certificates lead to one of the system's roots; an error where it has none.
pub(crate) fn client_config() -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(io::Error::other(
            "this system has no root certificates that could be read: name a file of them in SSL_CERT_FILE",
        ));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

fn secured<S: Read + Write>(
    stream: S,
    host: &str,
    config: Arc<ClientConfig>,
) -> io::Result<StreamOwned<ClientConnection, S>> {
    let name = ServerName::try_from(host.to_string()).map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// The body of an answer 200.
fn body(bytes: &[u8]) -> io::Result<String> {
    let broken = || io::Error::other("the answer is no HTTP/1.1 answer 200 with a text");
    let (head, used) = head::read(bytes).map_err(io::Error::other)?.ok_or_else(broken)?;
    if head.status != 200 {
        return Err(io::Error::other(format!("it answers {} and not 200", head.status)));
    }
    let rest = &bytes[used..];
    let whole = match head.framing {
        Framing::Length(length) => {
            let length = usize::try_from(length).map_err(io::Error::other)?;
            rest.get(..length).ok_or_else(broken)?.to_vec()
        }
        Framing::Chunked => {
            let mut whole = Vec::new();
            let ended = decode(&mut Chunked::new(BYTES_MAX), rest, |data| whole.extend_from_slice(data));
            ended.ok().flatten().ok_or_else(broken)?;
            whole
        }
        Framing::Close => rest.to_vec(),
    };
    String::from_utf8(whole).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_ends_is_given_up() {
        let read = |until_ns| Timed { stream: io::repeat(b'x'), until_ns }.read(&mut [0; 4]);
        assert_eq!(read(u64::MAX).ok(), Some(4));
        assert_eq!(read(0).map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[test]
    fn a_body_is_found_in_both_framings() {
        let plain = body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").expect("good");
        let chunks = body(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n").expect("good");
        assert_eq!((plain.as_str(), chunks.as_str()), ("{}", "{}"));
        let short = &b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"[..];
        for bad in [short, b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""] {
            assert!(body(bad).is_err());
        }
    }
}
