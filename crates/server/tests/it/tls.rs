//! A server that speaks TLS itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use erlmcp_server::{EntryConfig, Limits, Registry, Server, ServerConfig, TlsFiles};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::client::{Client, PATIENCE, Texts, eventually, start_with, stop};
use crate::gated;

/// A server, and the folder of its certificate.
struct Secured {
    server: Server,
    address: SocketAddr,
    folder: tempfile::TempDir,
    certificate: CertificateDer<'static>,
}

/// Puts a new certificate, and its key, in place of those that are there.
fn renew(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate can be made");
    for (name, text) in [("key", made.signing_key.serialize_pem()), ("cert", made.cert.pem())] {
        let aside = folder.join("aside");
        std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, folder.join(name))).expect("written");
    }
    CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("a certificate")
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

impl Secured {
    fn start(limits: Limits) -> Self {
        Self::start_with(ServerConfig { limits, registry: Registry::builtin(), shards: 2, ..Default::default() })
    }

    fn start_with(config: ServerConfig) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = renew(folder.path());
        let tls = Some(TlsFiles { certificate: folder.path().join("cert"), key: folder.path().join("key") });
        let entry = EntryConfig { tls, ..EntryConfig::default() };
        let (server, address) = start_with(ServerConfig { entry, ..config });
        Self { server, address, folder, certificate }
    }

    fn connect(&self) -> Stream {
        self.connect_with(&self.certificate, &[&rustls::version::TLS13, &rustls::version::TLS12])
    }

    fn connect_with(
        &self,
        trusted: &CertificateDer<'static>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Stream {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.clone()).expect("it can be trusted");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
        let mut config = builder.expect("ring has them").with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().expect("a name"));
        let socket = TcpStream::connect(self.address).expect("the server listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        StreamOwned::new(connection.expect("a configuration"), socket)
    }
}

/// Sends a request; its answer.
fn ask(stream: &mut Stream, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("it is open");
    answer(stream)
}

fn answer(stream: &mut Stream) -> String {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a head");
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("text")
}

/// What comes until the end, which is one in order.
fn rest(stream: &mut Stream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it ends with close_notify");
    text
}

#[test]
fn both_versions_of_tls_carry_requests_of_every_size() {
    let secured = Secured::start(Limits::default());
    let texts = Texts(secured.address);
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut stream = secured.connect_with(&secured.certificate, &[version]);
        for size in [1, 200_000, 3] {
            let text = "x".repeat(size);
            assert!(ask(&mut stream, &texts.echo(&text)).contains(&format!("\"{text}\"")), "{size} bytes");
        }
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.conn.send_close_notify();
        stream.flush().expect("it is open");
        assert_eq!(rest(&mut stream), "");
    }
    let figures = secured.server.snapshot().tls.expect("it speaks TLS");
    assert_eq!((figures.handshakes_total, figures.handshakes_failed_total), (2, 0));
    let origin = |scheme: &str| format!("Origin: {scheme}://{}\r\n", secured.address);
    let mut stream = secured.connect();
    let mut from = |scheme| ask(&mut stream, &texts.echo("x").replacen("\r\n", &format!("\r\n{}", origin(scheme)), 1));
    assert!(from("https").contains(" 200 ") && from("http").contains(" 403 "));
    assert!(secured.server.snapshot().memory.tls > 4_096);
    drop(stream);
    eventually("its memory is given back", || secured.server.snapshot().memory.tls == 0);
    stop(secured.server);
}

#[test]
fn answers_wait_for_a_client_that_does_not_read_and_all_come() {
    let secured = Secured::start(Limits::default());
    let text = "y".repeat(60_000);
    let request = Texts(secured.address).echo(&text);
    let mut stream = secured.connect();
    let mut sender = stream.sock.try_clone().expect("a socket has many names");
    // Written apart from reading: the server stops to read when its answers are not read.
    stream.conn.set_buffer_limit(None);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).expect("a handshake");
    }
    (0..150).for_each(|_| stream.conn.writer().write_all(request.as_bytes()).expect("memory takes it"));
    let mut records = Vec::new();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut records).expect("memory takes it");
    }
    let sending = std::thread::spawn(move || sender.write_all(&records));
    for _ in 0..150 {
        assert!(answer(&mut stream).contains(&text));
    }
    sending.join().expect("no panic").expect("all was taken");
    stop(secured.server);
}

#[test]
fn plain_and_wrong_bytes_are_answered_in_order() {
    let secured = Secured::start(Limits { head_timeout_ms: 5_000, ..Limits::default() });
    let mut plain = Client::connect(secured.address);
    let refused = plain.ask(Texts(secured.address).echo(&"x".repeat(9_000)));
    assert!(refused.status == 400 && refused.body.contains("https://"), "{refused:?}");
    assert_eq!(plain.rest(), "");
    for bytes in [&[0; 100][..], b"\x16\x03\x01\x00\x05hello", b"\x80\x2e\x01\x00\x02", &[0x16, 3, 1, 255, 255]] {
        let mut wrong = TcpStream::connect(secured.address).expect("it listens");
        wrong.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        wrong.write_all(bytes).expect("it is open");
        let mut alert = Vec::new();
        wrong.read_to_end(&mut alert).expect("an end in order");
        assert!(alert.is_empty() || alert[0] == 21, "{bytes:?}: {alert:?}");
    }
    let mut silent = TcpStream::connect(secured.address).expect("it listens");
    silent.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    assert_eq!(silent.read(&mut [0]).expect("the deadline of a handshake ends it"), 0);
    let mut good = secured.connect();
    assert!(ask(&mut good, &Texts(secured.address).echo("x")).contains(" 200 "));
    eventually("all six are counted", || {
        secured.server.snapshot().tls.is_some_and(|tls| tls.handshakes_failed_total == 6)
    });
    stop(secured.server);
}

#[test]
fn one_connection_too_many_is_told_so_inside_of_tls() {
    let secured = Secured::start(Limits { connections_max: 1, ..Limits::default() });
    let texts = Texts(secured.address);
    let mut first = secured.connect();
    assert!(ask(&mut first, &texts.echo("x")).contains(" 200 "));
    let mut second = secured.connect();
    let refused = ask(&mut second, &texts.echo("x"));
    assert!(refused.contains(" 503 ") && refused.contains("Connection: close"), "{refused}");
    assert_eq!(rest(&mut second), "");
    assert!(ask(&mut first, &texts.echo("x")).contains(" 200 "));
    stop(secured.server);
}

#[test]
fn another_certificate_is_shown_to_who_comes_next() {
    let secured = Secured::start(Limits::default());
    let texts = Texts(secured.address);
    let mut before = secured.connect();
    assert!(ask(&mut before, &texts.echo("x")).contains(" 200 "));
    let other = renew(secured.folder.path());
    eventually("it is read", || secured.server.snapshot().tls.is_some_and(|tls| tls.certificates_total > 0));
    let mut after = secured.connect_with(&other, &[&rustls::version::TLS13]);
    assert!(ask(&mut after, &texts.echo("x")).contains(" 200 "));
    assert_eq!(after.conn.peer_certificates().map(|chain| chain[0].clone()), Some(other));
    assert!(ask(&mut before, &texts.echo("x")).contains(" 200 "), "who was there stays");
    stop(secured.server);
}

#[test]
fn a_drain_ends_secured_connections_in_order() {
    let (registry, gate) = gated::registry();
    let secured = Secured::start_with(ServerConfig { registry, shards: 1, ..Default::default() });
    let texts = Texts(secured.address);
    let (mut idle, mut busy) = (secured.connect(), secured.connect());
    assert!(ask(&mut idle, &texts.echo("x")).contains(" 200 "));
    busy.write_all(texts.call("gated", "{}").as_bytes()).expect("it is open");
    eventually("the call runs", || secured.server.snapshot().queue.workers_active == 1);
    secured.server.drain();
    assert_eq!(rest(&mut idle), "");
    gate.add_permits(1);
    assert!(answer(&mut busy).contains("Connection: close"));
    assert_eq!(rest(&mut busy), "");
    assert_eq!(secured.server.join().cut, 0);
}
