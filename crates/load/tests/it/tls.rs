use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use erlmcp_load::agent::Courier;
use erlmcp_load::proto::command::Command;
use erlmcp_load::proto::{self, Requests};
use erlmcp_record::{Entry, Fate, Kind};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::control::Agent;
use crate::server::{self, Manner};

fn certificate(host: &str) -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(vec![host.to_string()]).expect("a certificate can be made")
}

/// A server with this certificate, a thread for each connection.
fn start(certified: &CertifiedKey<KeyPair>) -> SocketAddr {
    start_with(certified, &[])
}

/// One that agrees on one of these protocols by ALPN.
fn start_with(certified: &CertifiedKey<KeyPair>, protocols: &[&str]) -> SocketAddr {
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the defaults are safe")
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .expect("the certificate fits its key");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("the configuration is good");
            std::thread::spawn(move || serve(StreamOwned::new(connection, stream)));
        }
    });
    address
}

fn serve(mut stream: StreamOwned<ServerConnection, TcpStream>) {
    let (mut bytes, calls) = (Vec::new(), AtomicU64::new(0));
    let mut more = [0; 4_096];
    while let Ok(count) = stream.read(&mut more) {
        if count == 0 {
            return;
        }
        bytes.extend_from_slice(&more[..count]);
        while let Some((head, body)) = server::take_request(&mut bytes) {
            if stream.write_all(&server::answer(Manner::Modern, &head, &body, &calls)).is_err() {
                return;
            }
        }
    }
}

async fn set_up(address: SocketAddr, host: &str, ca_pem: String, insecure: bool) -> Agent {
    Agent::set_up(address, |setup| {
        setup.authority = format!("{host}:{}", address.port());
        (setup.tls, setup.ca_pem, setup.insecure) = (true, ca_pem, insecure);
    })
    .await
}

/// Of a second of calls with these arguments, how many were answered ok.
async fn answered(arguments: String, rate: u32) -> u64 {
    let certified = certificate("localhost");
    let address = start(&certified);
    let mut agent = set_up(address, "localhost", certified.cert.pem(), false).await;
    let reached = agent.reach().await;
    assert!(reached.ok && reached.server == "tiny 1", "{reached:?}");
    let load =
        proto::Request { method: "tools/call".into(), name: "one".into(), arguments, ..proto::Request::default() };
    agent.tell(Command::Requests(Requests { load: Some(load), ..Requests::default() })).await;
    agent.tell(Command::Open(proto::Open { block: 1, phase: 2, connections: 8, ..proto::Open::default() })).await;
    assert_eq!(agent.done(1).await, 8);
    let load = proto::Load { block: 2, phase: 3, rate: rate.into(), duration_us: 1_000_000, ..proto::Load::default() };
    agent.tell(Command::Load(load)).await;
    assert_eq!(agent.done(2).await, u64::from(rate));
    agent.tell(Command::Close(proto::Close { block: 3, phase: 6, ..proto::Close::default() })).await;
    agent.done(3).await;
    let rows = agent.goodbye().await;
    rows.iter()
        .filter_map(|row| match row {
            Entry::Interval(row) if row.kind == Kind::Load => Some(row.fates.get(Fate::Ok)),
            _ => None,
        })
        .sum()
}

#[tokio::test]
async fn load_goes_through_tls() {
    assert_eq!(answered("{}".into(), 100).await, 100);
}

#[tokio::test]
async fn requests_larger_than_what_rustls_holds_go_through_tls() {
    assert_eq!(answered(format!("{{\"text\":\"{}\"}}", "x".repeat(200_000)), 8).await, 8);
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_said() {
    let certified = certificate("localhost");
    let address = start(&certified);
    let others = certificate("localhost").cert.pem();
    for (host, ca_pem, words) in
        [("localhost", others, "certificate"), ("other.example", certified.cert.pem(), "another host")]
    {
        let mut agent = set_up(address, host, ca_pem, false).await;
        let reached = agent.reach().await;
        assert!(!reached.ok && reached.error.contains(words), "{host}: {reached:?}");
        agent.goodbye().await;
    }
    let mut trusting = set_up(address, "other.example", String::new(), true).await;
    let reached = trusting.reach().await;
    assert!(reached.ok, "the user has said so: {reached:?}");
    trusting.goodbye().await;
}

#[tokio::test]
async fn http_instead_of_https_is_said_and_the_other_way_round() {
    let plain = server::start(Manner::Gibberish).await;
    let mut agent = set_up(plain.address, "localhost", certificate("localhost").cert.pem(), false).await;
    let reached = agent.reach().await;
    assert!(!reached.ok && reached.error.contains("http://"), "{reached:?}");
    agent.goodbye().await;
    let address = start(&certificate("localhost"));
    let mut agent = Agent::set_up(address, |_| {}).await;
    let reached = agent.reach().await;
    assert!(!reached.ok && reached.error.contains("https://"), "{reached:?}");
    agent.goodbye().await;
}

#[tokio::test]
async fn a_server_that_would_speak_http2_is_told_from_one_that_would_not() {
    let certified = certificate("localhost");
    for (protocols, offers) in [(&["h2", "http/1.1"][..], true), (&["http/1.1"], false), (&[], false)] {
        let address = start_with(&certified, protocols);
        let setup = proto::Setup {
            endpoints: vec![proto::Endpoint { replica: 0, address: address.to_string() }],
            authority: format!("localhost:{}", address.port()),
            path: "/mcp".into(),
            tls: true,
            ca_pem: certified.cert.pem(),
            ..proto::Setup::default()
        };
        let survey = tokio::task::spawn_blocking(move || erlmcp_load::agent::survey(&setup, std::time::Duration::ZERO))
            .await
            .expect("no panic");
        let survey = survey.expect("it answers");
        assert_eq!((survey.h2, survey.era), (Some(offers), "modern"), "{protocols:?}");
        assert_eq!(survey.tools[0]["name"], "one");
    }
}

/// By name and by address, as the API of a cluster is asked from within it.
#[tokio::test]
async fn a_courier_trusts_whom_it_is_told_to_and_brings_the_whole_answer() {
    let certified = generate_simple_self_signed(vec!["127.0.0.1".to_string()]).expect("a certificate can be made");
    let address = start(&certified);
    let courier = |ca_pem: String| {
        let endpoint = proto::Endpoint { replica: 0, address: address.to_string() };
        let (authority, endpoints) = (address.to_string(), vec![endpoint]);
        let setup = proto::Setup { endpoints, authority, tls: true, ca_pem, ..proto::Setup::default() };
        Courier::new(&setup, Duration::from_secs(20)).expect("it can be trusted")
    };
    let request = b"POST /mcp HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}".to_vec();
    let (trusting, other) = (courier(certified.cert.pem()), courier(certificate("127.0.0.1").cert.pem()));
    let carried = tokio::task::spawn_blocking(move || {
        let head = trusting.carry(&request, |bytes, _| {
            let text = String::from_utf8_lossy(bytes).into_owned();
            text.contains("\r\n\r\n").then_some(text)
        });
        let nowhere = trusting.to(SocketAddr::from(([127, 0, 0, 1], 1)), Duration::from_secs(20));
        let begun = nowhere.to(address, Duration::from_secs(20)).begin(&request[..9]);
        (head, nowhere.begin(b"").map(drop), begun.map(drop), other.carry(&request, |_, _| Some(())))
    });
    let (head, nowhere, begun, refused) = carried.await.expect("nothing panics");
    assert!(head.expect("it is trusted").starts_with("HTTP/1.1 "));
    assert!(nowhere.expect_err("nobody is there").contains("127.0.0.1:1"));
    begun.expect("it is trusted wherever it is");
    assert!(refused.expect_err("another one's certificate").contains("certificate"));
}
