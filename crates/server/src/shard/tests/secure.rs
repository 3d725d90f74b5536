//! TLS over a socket that takes and gives as little as it likes.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore};

use super::requests::echo;
use super::stage::shared;
use crate::conn::Reading;
use crate::entry::{Tls, TlsFiles};
use crate::limits::Limits;
use crate::shard::net::{Net, Readiness, Shut, Transport};
use crate::shard::{ConnToken, Origin, Secure, Shard};

/// The server's end of a connection.
#[derive(Debug, Default)]
struct Wire {
    incoming: VecDeque<u8>,
    outgoing: Vec<u8>,
    /// Bytes that may still be read, and written, before it would block.
    room: (usize, usize),
    is_shut: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.room.0).min(self.incoming.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.0 -= count;
        self.incoming.read_exact(&mut buffer[..count]).map(|()| count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room.1);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.1 -= count;
        self.outgoing.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shut for Wire {
    fn shut(&mut self) -> io::Result<()> {
        self.is_shut = true;
        Ok(())
    }
}

/// A server's TLS, and a client that trusts it.
fn pair() -> (Arc<Tls>, ClientConnection) {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_string()]).expect("a certificate can be made");
    let files = TlsFiles { certificate: folder.path().join("c"), key: folder.path().join("k") };
    std::fs::write(&files.certificate, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    let tls = Arc::new(Tls::new(&files).expect("they belong together"));
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).expect("a certificate");
    roots.add(root).expect("it can be trusted");
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client =
        ClientConnection::new(Arc::new(config), "localhost".try_into().expect("a name")).expect("a configuration");
    client.set_buffer_limit(None);
    (tls, client)
}

/// What the server reads now; whether it has ended.
fn read_all(secure: &mut Secure<Wire>, buffer: &mut [u8], into: &mut Vec<u8>) -> bool {
    loop {
        match secure.read(buffer) {
            Ok(0) => return true,
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Carries bytes both ways, so many at a time.
fn carry(secure: &mut Secure<Wire>, client: &mut ClientConnection, steps: (usize, usize), heard: &mut Vec<u8>) {
    let mut sent = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut sent).expect("memory takes it");
    }
    secure.socket.incoming.extend(sent);
    secure.socket.room = steps;
    let come = std::mem::take(&mut secure.socket.outgoing);
    let mut come = &come[..];
    while !come.is_empty() {
        client.read_tls(&mut come).expect("memory gives it");
        client.process_new_packets().expect("it is good TLS");
        let mut buffer = [0; 20_000];
        while let Ok(count @ 1..) = client.reader().read(&mut buffer) {
            heard.extend_from_slice(&buffer[..count]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever goes through comes out as it was, and what the server is told as written can go out.
    #[test]
    fn bytes_come_through_however_they_are_cut(
        steps in prop::collection::vec((1usize..6_000, 1usize..6_000), 1..8),
        (up, down) in (1usize..60_000, 1usize..60_000),
        buffer in 1usize..70_000,
    ) {
        let (tls, mut client) = pair();
        let mut secure = Secure::new(Wire::default(), &tls, None).expect("a configuration");
        let bytes = |count: usize, salt: usize| (0..count).map(|at| (at * 31 + salt) as u8).collect::<Vec<u8>>();
        let (question, answer) = (bytes(up, 1), bytes(down, 2));
        client.writer().write_all(&question).expect("memory takes it");
        let (mut read, mut heard, mut written) = (Vec::new(), Vec::new(), 0);
        let mut buffer = vec![0; buffer];
        for turn in 0..100_000 {
            if read.len() == question.len() && heard.len() == answer.len() {
                break;
            }
            carry(&mut secure, &mut client, steps[turn % steps.len()], &mut heard);
            secure.go_on();
            prop_assert!(!read_all(&mut secure, &mut buffer, &mut read));
            if written < answer.len() {
                match secure.write(&answer[written..]) {
                    Ok(count) => written += count,
                    Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                }
            }
        }
        prop_assert!(read == question && heard == answer, "{} of {up}, {} of {down}", read.len(), heard.len());
        client.send_close_notify();
        carry(&mut secure, &mut client, (usize::MAX, usize::MAX), &mut heard);
        prop_assert!(read_all(&mut secure, &mut buffer, &mut read) && secure.may_have_more());
        prop_assert!(secure.finish().is_ok() && secure.socket.is_shut);
        prop_assert_eq!((tls.figures().connections, tls.figures().handshakes_total), (1, 1));
        drop(secure);
        prop_assert_eq!((tls.figures().connections, tls.figures().handshakes_failed_total), (0, 0));
    }
}

#[test]
fn what_is_no_tls_is_told_so_and_then_passed_over() {
    let (tls, _) = pair();
    for (sent, told) in [(&b"GET / HTTP/1.1\r\n\r\n"[..], &b"HTTP/1.1 400 "[..]), (&[0; 64], &[21, 3])] {
        let mut secure =
            Secure::new(Wire { room: (9_999, 9_999), ..Wire::default() }, &tls, None).expect("a configuration");
        secure.socket.incoming.extend(sent);
        let mut buffer = [0; 512];
        let error = secure.read(&mut buffer).expect_err("it is no TLS");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(secure.socket.outgoing.starts_with(told), "{:?}", secure.socket.outgoing);
        assert!(secure.finish().is_ok() && secure.socket.is_shut);
        secure.socket.incoming.extend(b"more");
        assert_eq!((secure.read(&mut buffer).expect("it is passed over"), &buffer[..4]), (4, &b"more"[..]));
        assert_eq!(secure.write(b"x").expect_err("nothing more goes out").kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!((tls.figures().handshakes_failed_total, tls.figures().connections), (2, 0));
}

/// One that has shaken hands, with room for all.
fn open(tls: &Arc<Tls>, client: &mut ClientConnection) -> Secure<Wire> {
    let mut secure = Secure::new(Wire::default(), tls, None).expect("a configuration");
    let mut buffer = [0; 512];
    for _ in 0..4 {
        carry(&mut secure, client, (usize::MAX, usize::MAX), &mut Vec::new());
        assert!(!read_all(&mut secure, &mut buffer, &mut Vec::new()));
    }
    assert!(!client.is_handshaking());
    secure
}

/// A client's text in a record of its own, and behind it a record that nobody has secured: longer together than what rustls
/// reads at once.
fn good_then_bad(client: &mut ClientConnection, text: &[u8]) -> Vec<u8> {
    client.writer().write_all(text).expect("memory takes it");
    let mut bytes = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut bytes).expect("memory takes it");
    }
    bytes.extend([0x17, 3, 3, 0x0f, 0xa0]);
    bytes.resize(bytes.len() + 4_000, 7);
    bytes
}

#[test]
fn a_bad_record_behind_a_good_one_is_told_before_anything_is_passed_over() {
    let (tls, mut client) = pair();
    let mut secure = open(&tls, &mut client);
    secure.socket.incoming.extend(good_then_bad(&mut client, &[1; 300]));
    let mut buffer = [0; 65_536];
    assert_eq!(secure.read(&mut buffer).expect("it was good"), 300);
    assert!(secure.may_have_more(), "nobody tells again of what is behind it");
    secure.socket.incoming.extend(b"plain");
    assert_eq!(secure.read(&mut buffer).expect_err("it was bad").kind(), io::ErrorKind::InvalidData);
    assert!(!secure.may_have_more());
    assert_eq!((secure.read(&mut buffer).expect("it is passed over"), &buffer[..5]), (5, &b"plain"[..]));
}

/// Secured connections, in memory.
struct Secured;

impl Net for Secured {
    type Stream = Secure<Wire>;

    fn register(&mut self, _: &mut Secure<Wire>, _: ConnToken) -> io::Result<()> {
        Ok(())
    }

    fn release(&mut self, _: Secure<Wire>) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn nobody_puts_a_plain_body_behind_a_secured_head() {
    let (tls, mut client) = pair();
    let shared = shared(Limits::default(), &Arc::new(AtomicU64::new(1_000_000_000_000)));
    let mut shard = Shard::new(&shared, 0, Secured);
    shard.begin_turn();
    shard.adopt(open(&tls, &mut client), Origin::new(0));
    let [key] = shard.table.keys()[..] else { panic!("there is one") };
    let token = ConnToken::new(key, shard.table.get(key).expect("it is there").generation);
    let request = echo("hi");
    let (head, body) = request.split_at(request.find("\r\n\r\n").expect("a head ends") + 4);
    for bytes in [good_then_bad(&mut client, head.as_bytes()), body.into()] {
        shard.table.get_mut(key).expect("it is there").stream.socket.incoming.extend(bytes);
        shard.ready(token, Readiness { readable: true, ..Readiness::default() });
        while shard.go_on() {}
        let connection = shard.table.get(key).expect("the client can read why it ends");
        assert!(matches!(connection.reading, Reading::Linger { .. }), "{:?}", connection.reading);
    }
    assert_eq!(shared.snapshot().requests_total(), 0);
}

/// So many times what makes work and says next to nothing: new keys, as often as rustls allows before a byte has to come.
fn new_keys(client: &mut ClientConnection, times: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..times {
        for _ in 0..31 {
            client.refresh_traffic_keys().expect("TLS 1.3 has them");
        }
        client.writer().write_all(b"G").expect("memory takes it");
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("memory takes it");
        }
    }
    bytes
}

#[test]
fn a_client_that_says_next_to_nothing_in_many_records_keeps_nobody_waiting() {
    let ((tls, mut busy), (other_tls, mut other)) = (pair(), pair());
    let mut secure = open(&tls, &mut busy);
    let bytes = new_keys(&mut busy, 800);
    let sent = bytes.len();
    assert!(sent > 650_000, "{sent}");
    secure.socket.incoming.extend(bytes);
    let count = secure.read(&mut [0; 65_536]).expect("something came");
    assert!(count > 0 && secure.may_have_more(), "{count}");
    assert!(secure.socket.incoming.len() >= sent - 80_000);

    let shared = shared(Limits::default(), &Arc::new(AtomicU64::new(1_000_000_000_000)));
    let mut shard = Shard::new(&shared, 0, Secured);
    shard.begin_turn();
    shard.adopt(secure, Origin::new(0));
    shard.adopt(open(&other_tls, &mut other), Origin::new(0));
    let keys = shard.table.keys();
    let [first, second] = keys[..] else { panic!("{keys:?}") };
    other.writer().write_all(echo("hi").as_bytes()).expect("memory takes it");
    let room = (usize::MAX, usize::MAX);
    carry(&mut shard.table.get_mut(second).expect("it is there").stream, &mut other, room, &mut Vec::new());
    for key in [first, second] {
        let token = ConnToken::new(key, shard.table.get(key).expect("it is there").generation);
        shard.ready(token, Readiness { readable: true, ..Readiness::default() });
    }
    let mut heard = Vec::new();
    carry(&mut shard.table.get_mut(second).expect("it is there").stream, &mut other, room, &mut heard);
    assert!(heard.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&heard));
    assert!(!shard.table.get(first).expect("it is there").stream.socket.incoming.is_empty());
    while shard.go_on() {}
    assert!(shard.table.get(first).expect("it is there").stream.socket.incoming.is_empty(), "all of it is read");
}
